"""What this project's ``inspector summary`` prints on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inspector.tables.reading.columns import field_of
from inspector.tables.reading.limits import check_cell, check_rows
from inspector.tables.reading.lines import is_rule, tree_prefix
from inspector.tables.reading.sheet import Record, Sheet
from inspector.tables.reading.totals import input_of, read_total
from inspector.tables.records import UnreadLine

_STEP = 3  # "│  "


def header_line(lines: Sequence[str]) -> int | None:
    """Index of the line of headings above a thin rule, None where there is none."""
    for index, line in enumerate(lines[:-1]):
        if re.match(r"\s{0,9}Layer \(type\)\s{2,200}Output shape\b", line) and set(lines[index + 1].strip()) == {"─"}:
            return index
    return None


def read_own(lines: Sequence[str], header: int) -> Sheet:
    """Rows between the two rules, cut where their headings stand, then the totals below."""
    sheet = Sheet("inspector")
    titles = [(match.start(), match.end(), match[0]) for match in re.finditer(r"\S+(?: \S+)*", lines[header])]
    closed = False
    for number, line in enumerate(lines[header + 2 :], header + 3):
        if is_rule(line.strip()):
            closed = True
        elif closed:
            sheet.input = sheet.input or input_of(line)
            if line.strip() and not read_total(line, sheet.totals):
                sheet.outside.append(UnreadLine(number, line, "stands after the table"))
        elif line.strip():
            _read_row(line, number, titles, sheet)
    for number, line in enumerate(lines[:header], 1):
        if line.strip():
            sheet.outside.append(UnreadLine(number, line, "stands before the table"))
    return sheet


def _read_row(line: str, number: int, titles: Sequence[tuple[int, int, str]], sheet: Sheet) -> None:
    pieces = [
        (match.start(), match.end(), match[0]) for match in re.finditer(r"\S+(?: \S+)*", check_cell(line, number))
    ]
    depth, _ = tree_prefix(line, _STEP)
    cells: dict[str, str] = {}
    for start, end, piece in pieces:
        nearest = min(titles, key=lambda title: min(abs(start - title[0]), abs(end - title[1])))
        field = field_of(nearest[2]) or f"?{nearest[2]}"
        cells[field] = f"{cells[field]} {piece}" if field in cells else piece
    label = tree_prefix(cells.pop("layer", ""), _STEP)[1] or re.sub(r"^[│├└─ ]+", "", line).split("  ")[0]
    if not label:
        sheet.unread.append(UnreadLine(number, line, "expected a layer"))
        return
    sheet.records.append(Record(number, line, {"layer": label, **cells}, depth))
    check_rows(len(sheet.records))
