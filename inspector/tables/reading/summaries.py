"""What torchsummary and torchinfo print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inspector.tables.reading.columns import fields_of
from inspector.tables.reading.limits import check_cell, check_rows
from inspector.tables.reading.lines import is_rule, tokens, tree_prefix
from inspector.tables.reading.sheet import Record, Sheet
from inspector.tables.reading.totals import read_total
from inspector.tables.records import UnreadLine

_TITLES = re.compile(
    r"(?:Kernel|Input|Output) (?:Shape|Size)|Tr\. Param #|Param #|Param %|Mult-Adds|Trainable|MACs|FLOPs", re.IGNORECASE
)
_LABEL = re.compile(r"\s{0,60}(\S{1,200}?)(?: \(([^()\s]{1,200})\))?(?:: (\d{1,4})(?:-(\d{1,7}))?)?(?=\s|$)")
_STEP: Final = 5  # torchinfo draws a level with "│    "


def header_line(lines: Sequence[str]) -> int | None:
    """Index of the line of headings that both tools print beside a rule, None where there is none."""
    for index, line in enumerate(lines):
        if re.match(r"\s{0,60}Layer \(type", line) and _TITLES.search(line):
            beside = [*lines[max(0, index - 1) : index], *lines[index + 1 : index + 2]]
            if any(is_rule(other.strip()) for other in beside):
                return index
    return None


def read_summary(lines: Sequence[str], header: int) -> Sheet:
    """Rows below the headings, with their depth, up to the totals; then the totals."""
    titles = fields_of(_TITLES.findall(lines[header]))
    drawn = any(tree_prefix(line, _STEP)[0] for line in lines[header : header + 400])
    torchinfo = (
        drawn or bool(re.search(r"depth-idx|var_name|Kernel Shape", lines[header])) or _between(lines, header, "=")
    )
    sheet = Sheet("torchinfo" if torchinfo else "torchsummary")
    names: list[str] = []
    ended = False
    for number, line in enumerate(lines, 1):
        if number <= header + 1 or is_rule(line.strip()) or not line.strip():
            ended = ended or (bool(sheet.records) and is_rule(line.strip()))
            if number <= header and line.strip() and not is_rule(line.strip()):
                sheet.outside.append(UnreadLine(number, line, "stands before the table"))
            continue
        if read_total(line, sheet.totals):
            ended = True
        elif ended:
            sheet.outside.append(UnreadLine(number, line, "stands after the table"))
        else:
            _read_row(line, number, titles, sheet, names)
    return sheet


def _between(lines: Sequence[str], header: int, sign: str) -> bool:
    """Whether the headings stand between two rules of the sign; torchsummary draws the first with hyphens."""
    around = [lines[header - 1].strip() if header else "", lines[header + 1].strip() if header + 1 < len(lines) else ""]
    return all(line and set(line) == {sign} for line in around)


def _read_row(line: str, number: int, titles: list[str], sheet: Sheet, names: list[str]) -> None:
    depth, rest = tree_prefix(check_cell(line.rstrip(), number), _STEP)
    match = _LABEL.match(rest)
    found = tokens(rest[match.end() :]) if match else []
    if match and found and found[-1].startswith(("├─", "└─")) and sheet.records:  # a parameter of the row before
        weights = sheet.records[-1].cells
        weights["weights"] = f"{weights.get('weights', '')}{match[1]} {found[0]};"
        return
    if match is None or len(found) != len(titles):
        expected = f"a name and {len(titles)} columns" if titles else "a name"
        sheet.unread.append(UnreadLine(number, line, f"expected {expected}, found {len(found)} after the name"))
        return
    cls, variable = match[1], match[2] or ""
    del names[depth:]
    names.extend([""] * (depth - len(names)))
    names.append(variable if depth else "")
    printed = match[0].strip() if match[3] else cls
    name = ".".join(part for part in names if part) if variable and depth else printed
    cells = {"name": name, "cls": re.sub(r"-\d{1,7}$", "", cls), **dict(zip(titles, found, strict=True))}
    if cells.get("params") == "(recursive)":
        cells["reused"] = name
    sheet.records.append(Record(number, line, cells, depth))
    check_rows(len(sheet.records))
