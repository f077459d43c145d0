r"""Tables in LaTeX: ``tabular`` and its kin with booktabs, ``\multirow``, ``\multicolumn`` and arrays in cells.

One pass over the tokens, without recursion beyond ``MAX_NESTING``, so that no text takes more than linear time.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from inspector.tables.reading.limits import (
    MAX_CELL,
    MAX_CHARACTERS,
    MAX_COLUMNS,
    MAX_NESTING,
    MAX_ROWS,
    HostileTable,
    check_columns,
    check_rows,
)
from inspector.tables.reading.sheet import Grid

_BEGIN = re.compile(r"\\begin\s?\{(tabular\*?|tabularx|tabulary|longtable|tabu|array|NiceTabular|tblr)\}")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|endhead|endfirsthead|endfoot|endlastfoot|hhline|Xhline|specialrule)\b"
    r"(?:\[[^\]]{0,40}\]|\{[^{}]{0,40}\}){0,3}|\\c(?:mid)?(?:rule|line)\s?(?:\([a-z]{0,4}\))?\s?\{[^{}]{0,40}\}"
)
_ARRAY_BEGIN = re.compile(
    r"\\begin\s?\{(?:array|bmatrix|pmatrix|matrix|tabular|cases|smallmatrix|Bmatrix)\}"
    r"(?:\s?\[[a-z]\])?(?:\s?\{[lcr@{}|p.\d ]{0,40}\})?"
)
_ARRAY_END = re.compile(r"\\end\s?\{[A-Za-z*]{1,20}\}")
_STACKED = re.compile(r"\\(?:makecell|shortstack|thead|specialcell)(?:\[[^\]]{0,20}\])?\s?(?=\{)")
_SIGNS: Final = {
    "times": "×",
    "cdot": "×",
    "ast": "×",
    "left": "",
    "right": "",
    "big": "",
    "Big": "",
    "bigg": "",
    "Bigg": "",
    "lbrack": "[",
    "rbrack": "]",
    "lbrace": "",
    "rbrace": "",
    "quad": " ",
    "qquad": " ",
    "checkmark": "✓",
    "sim": "~",
    "approx": "≈",
    "rightarrow": "→",
    "to": "→",
    "ldots": "…",
    "dots": "…",
    "cdots": "…",
    "hfill": " ",
    "centering": "",
    "bf": "",
    "it": "",
    "tt": "",
    "rm": "",
    "small": "",
    "tiny": "",
    "scriptsize": "",
    "footnotesize": "",
    "newline": "\n",
    "textbackslash": "\\",
    "_": "_",
    "(": "",
    ")": "",
    "[": "",
    "]": "",
    "%": "%",
    "&": "&",
    "#": "#",
    "$": "$",
    "{": "",
    "}": "",
    ",": "",
    ";": " ",
    "!": "",
    " ": " ",
    ":": " ",
    "/": "",
    "-": "",
}
_MAX_TABLES: Final = 50
_TOKEN = re.compile(r"\\([A-Za-z]{1,40}|.)|[\^{}$~]|[^\\^{}$~]{1,2000}", re.DOTALL)


def has_latex(text: str) -> bool:
    r"""Whether the text holds a table environment, or rows of ``&`` that end in ``\\``."""
    return _BEGIN.search(text) is not None or (text.count(" & ") >= 2 and text.count("\\\\") >= 2)


def read_latex(text: str) -> list[Grid]:
    """Every outer table of the text, spanning cells repeated where they span.

    Raises:
        HostileTable: spans or nesting beyond the limits.
    """
    text = _expanded(_COMMENT.sub("", text))
    grids: list[Grid] = []
    place = 0
    while len(grids) < _MAX_TABLES and (begin := _BEGIN.search(text, place)):
        end = _end_of(text, begin.end(), begin[1])
        body = begin.end() + _arguments(text[begin.end() : begin.end() + 400], begin[1])
        grids.append(_grid(text[body:end], text.count("\n", 0, body) + 1))
        place = max(end, begin.end())
    return grids or ([_grid(text, 1)] if has_latex(text) else [])


def _expanded(text: str) -> str:
    r"""Short ``\newcommand`` definitions, such as ResNet's ``\blocka{64}{3}``, put in where they are used."""
    pattern = re.compile(r"\\newcommand\s?\{?\\([A-Za-z]{1,40})\}?(?:\[(\d)\])?\s?(?=\{)")
    place = 0
    macros: dict[str, tuple[int, str]] = {}
    while (found := pattern.search(text, place)) and len(macros) < 20:
        body, end = _group(text, found.end())
        if len(body) <= 500 and f"\\{found[1]}" not in body:
            macros[found[1]] = (int(found[2] or 0), body)
        text = text[: found.start()] + "\n" * text.count("\n", found.start(), end) + text[end:]
        place = found.start()
    for name, (count, body) in macros.items():
        pieces: list[str] = []
        place = length = 0
        for use in re.finditer(rf"\\{name}(?![A-Za-z])", text):
            if use.start() < place:
                continue
            values, end = [], use.end()
            for _ in range(count):
                value, end = _group(text, end)
                values.append(value)
            filled = re.sub(r"#([1-9])", partial(_argument, values), body)
            pieces.append(text[place : use.start()] + filled.replace("\n", " "))
            place, length = end, length + len(pieces[-1])
            if len(pieces) > MAX_ROWS or length > MAX_CHARACTERS:
                raise HostileTable(f"the LaTeX command \\{name} is used more often, or for more, than in any table")
        text = "".join(pieces) + text[place:]
    return text


def _argument(values: list[str], mark: re.Match[str]) -> str:
    number = int(mark[1])
    return values[number - 1] if number <= len(values) else ""


def _group(text: str, place: int) -> tuple[str, int]:
    """(inside of the braces that begin at ``place``, where they end); nothing where none begin."""
    while place < len(text) and text[place].isspace():
        place += 1
    if place >= len(text) or text[place] != "{":
        return "", place
    depth = 0
    for end in range(place, min(len(text), place + 2 * MAX_CELL)):
        if text[end - 1] == "\\" and text[end - 2 : end] != "\\\\":
            continue
        depth += (text[end] == "{") - (text[end] == "}")
        if depth > MAX_NESTING:
            raise HostileTable(f"braces nested more than {MAX_NESTING} deep")
        if depth == 0:
            return text[place + 1 : end], end + 1
    return text[place + 1 :], len(text)


def _end_of(text: str, place: int, name: str) -> int:
    """Where the environment ends that was begun before ``place``; the text's end where it does not."""
    depth = 1
    for mark in re.compile(rf"\\(begin|end)\s?\{{{re.escape(name)}\}}").finditer(text, place):
        depth += 1 if mark[1] == "begin" else -1
        if depth > MAX_NESTING:
            raise HostileTable(f"{name} nested more than {MAX_NESTING} deep")
        if depth == 0:
            return mark.start()
    return len(text)


def _arguments(head: str, name: str) -> int:
    """Length of the column specification."""
    place = 0
    if option := re.match(r"\s?\[[^\]]{0,20}\]", head):
        place = option.end()
    for _ in range(2 if name in ("tabular*", "tabularx", "tabulary") else 1):
        _, place = _group(head, place)
    return place


def _grid(body: str, first: int) -> Grid:
    grid = Grid(first_line=first, last_line=first + body.count("\n"))
    covered: dict[int, tuple[int, str]] = {}
    line = first
    for raw in _cut(body, "\\\\"):
        begins = line + len(raw[: len(raw) - len(raw.lstrip())].split("\n")) - 1
        line += raw.count("\n")
        raw = _RULES.sub(" ", re.sub(r"^\s*\[-?[\d.]{1,6}[a-z]{2}\]", "", raw))
        if not raw.strip():
            continue
        cells: list[str] = []
        for cell in _cut(raw, "&"):
            _add_cell(cell.strip(), cells, covered)
            check_columns(len(cells), begins)
        grid.rows.append((begins, cells))
        check_rows(len(grid.rows))
    return grid


def _add_cell(cell: str, cells: list[str], covered: dict[int, tuple[int, str]]) -> None:
    columns = rows = 1
    if match := re.match(r"\\multicolumn\s?\{\s?(\d{1,6})\s?\}", cell):
        columns = _span(match[1], MAX_COLUMNS)
        _, place = _group(cell, match.end())
        cell, _ = _group(cell, place)
        cell = cell.strip()
    if match := re.match(r"\\multirow(?:cell)?\s?(?:\[[a-z]\])?\s?\{\s?\*?-?(\d{1,6})\s?\}(?:\[[^\]]{0,20}\])?", cell):
        rows = _span(match[1], MAX_ROWS)
        _, place = _group(cell, match.end())
        cell, _ = _group(cell, place)
    text = plain(cell)
    for _ in range(columns):
        column = len(cells)
        if not text and column in covered:
            left, above = covered[column]
            cells.append(above)
            covered[column] = (left - 1, above)
            if left <= 1:
                del covered[column]
            continue
        covered.pop(column, None)
        if rows > 1:
            covered[column] = (rows - 1, text)
        cells.append(text)


def _span(digits: str, most: int) -> int:
    if int(digits) > most:
        raise HostileTable(f"a cell that spans {digits} rows or columns; at most {most:,} are read")
    return max(1, int(digits))


def _cut(text: str, mark: str) -> list[str]:
    """Cut at marks that stand outside braces and inner environments."""
    parts: list[str] = []
    depth = start = place = 0
    step = re.compile(r"\\(begin|end)\s?\{|\\\\|\\.|[{}&]", re.DOTALL)
    for found in step.finditer(text):
        if found.start() < place:
            continue
        place, sign = found.end(), found[0]
        if found[1]:
            depth += 1 if found[1] == "begin" else -1
            place = text.find("}", found.end()) + 1 or found.end()
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
        elif sign == mark and depth <= 0:
            parts.append(text[start : found.start()])
            start = found.end()
        if depth > MAX_NESTING:
            raise HostileTable(f"braces nested more than {MAX_NESTING} deep")
    return [*parts, text[start:]]


def plain(cell: str) -> str:
    r"""A cell's words: commands undone, stacked lines set apart by line breaks.

    >>> plain(r"\textbf{3$\times$3}, 64"), plain(r"$112^2 \times 3$"), plain(r"a\_b")
    ('3×3, 64', '112^2 × 3', 'a_b')
    """
    cell = _ARRAY_END.sub("", _ARRAY_BEGIN.sub("", _STACKED.sub("", cell)))
    cell = re.sub(r"\\\\\s?(?:\[-?[\d.]{1,6}[a-z]{2}\])?", "\n", cell)
    words: list[str] = []
    for token in _TOKEN.finditer(cell):
        if token[1] is not None:
            words.append(_SIGNS.get(token[1], "" if token[1].isalpha() else token[1]))
        elif token[0] == "~":
            words.append(" ")
        elif token[0] not in "{}$":
            words.append(token[0])
    return re.sub(r"[ \t]{2,}", " ", "".join(words)).strip()
