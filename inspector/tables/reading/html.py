"""Tables in HTML, through the standard library's parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from inspector.tables.reading.limits import MAX_COLUMNS, MAX_NESTING, MAX_ROWS, HostileTable, check_columns, check_rows
from inspector.tables.reading.sheet import Grid

_LONG_TAG = re.compile(r"<[A-Za-z/!?][^<>]{10000}")
_CELLS: Final = ("td", "th")
_MAX_CELLS: Final = 200_000


class _Tables(HTMLParser):
    """Collects tables with spanning cells repeated where they span; a table in a cell belongs to the cell's text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[Grid] = []
        self.text: list[str] = []  # all words outside scripts and styles
        self._depth = 0
        self._row: list[str] | None = None
        self._cell: list[str] | None = None
        self._span = (1, 1)
        self._below: dict[int, tuple[int, str]] = {}  # column: (rows still covered, text)
        self._line = 1
        self._filled = 0
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent += 1
        elif tag == "table":
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise HostileTable(f"line {self.getpos()[0]}: tables nested more than {MAX_NESTING} deep")
            if self._depth == 1:
                self.grids.append(Grid(first_line=self.getpos()[0]))
                self._below = {}
        elif tag in ("br", "p", "div", "li", "pre", "tr", "dt", "dd") and self._cell is None:
            self.text.append(": " if tag == "dd" else "\n")
        if self._depth > 1:
            return
        if tag == "tr":
            self._end_row()
            self._row, self._line = [], self.getpos()[0]
        elif tag in _CELLS:
            self._end_cell()
            self._row = self._row if self._row is not None else []
            self._cell = []
            given = dict(attrs)
            self._span = (_span(given.get("rowspan"), MAX_ROWS), _span(given.get("colspan"), MAX_COLUMNS))
        elif self._cell is not None and tag in ("br", "p", "div", "li"):
            self._cell.append("\n")
        elif self._cell is not None and tag == "sup":
            self._cell.append("^")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent = max(0, self._silent - 1)
        elif tag == "table" and self._depth:
            if self._depth == 1:
                self._end_row()
                self.grids[-1].last_line = self.getpos()[0]
            self._depth -= 1
        elif self._depth == 1 and tag in _CELLS:
            self._end_cell()
        elif self._depth == 1 and tag == "tr":
            self._end_row()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        (self._cell if self._cell is not None else self.text).append(data)

    def _end_cell(self) -> None:
        if self._cell is None or self._row is None:
            return
        text = "".join(self._cell).strip("\n\r\t")
        if "├" not in text and "└" not in text:  # there the spaces before belong to the tree
            text = text.strip(" \n")
        rows, columns = self._span
        self._fill_from_above()
        for _ in range(columns):
            if rows > 1:
                self._below[len(self._row)] = (rows - 1, text)
            self._row.append(text)
            self._count()
        check_columns(len(self._row), self._line)
        self._cell = None

    def _fill_from_above(self) -> None:
        assert self._row is not None
        while len(self._row) in self._below:
            column = len(self._row)
            left, text = self._below[column]
            self._row.append(text)
            self._count()
            if left > 1:
                self._below[column] = (left - 1, text)
            else:
                del self._below[column]

    def _end_row(self) -> None:
        self._end_cell()
        if self._row is not None and self.grids:
            self._fill_from_above()
            if self._row:
                check_columns(len(self._row), self._line)
                self.grids[-1].rows.append((self._line, self._row))
                check_rows(len(self.grids[-1].rows))
        self._row = None

    def _count(self) -> None:
        self._filled += 1
        if self._filled > _MAX_CELLS:
            raise HostileTable(f"line {self.getpos()[0]}: the HTML holds more than {_MAX_CELLS:,} cells")

    def finish(self) -> None:
        self.close()
        self._end_row()


def _span(value: str | None, most: int) -> int:
    if value is None or not value.strip().isdigit():
        return 1
    digits = value.strip().lstrip("0") or "1"
    if len(digits) > 6 or int(digits) > most:
        raise HostileTable(f"a cell that spans {digits[:12]} rows or columns; at most {most:,} are read")
    return int(digits)


def read_html(text: str) -> tuple[list[Grid], str]:
    """(tables, the words outside them); the words hold what a page prints in ``<pre>``.

    Raises:
        HostileTable: spans, nesting or cells beyond the limits.
    """
    if text.count("<!") > 1_000 or text.count("<") > 300_000 or _LONG_TAG.search(text):  # the parser's worst cases
        raise HostileTable("the HTML holds more tags or comments, or longer ones, than a page with a table has")
    parser = _Tables()
    parser.feed(text)
    parser.finish()
    return parser.grids, "".join(parser.text)
