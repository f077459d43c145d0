"""CSV and TSV, through the standard library's reader."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from inspector.tables.reading.columns import is_heading
from inspector.tables.reading.limits import check_cell, check_columns, check_rows
from inspector.tables.reading.sheet import Grid

_DELIMITERS: Final = ("\t", ",", ";")


def delimiter_of(lines: Sequence[str]) -> str | None:
    """The sign between the cells of a table with headings; None where no sign makes headings of an early line."""
    for line in [line for line in lines if line.strip()][:10]:
        for delimiter in _DELIMITERS:
            if (
                delimiter in line
                and len(line) <= 4000
                and is_heading(next(csv.reader([line], delimiter=delimiter), []))
            ):
                return delimiter
    return None


def read_delimited(text: str, delimiter: str) -> Grid:
    """Cells between delimiters, quoted where they hold one."""
    grid = Grid(last_line=text.count("\n") + 1)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    before = 0
    try:
        for cells in reader:
            if any(cells):
                check_columns(len(cells), before + 1)
                grid.rows.append((before + 1, [check_cell(cell, before + 1) for cell in cells]))
                check_rows(len(grid.rows))
            before = reader.line_num
    except csv.Error as error:  # a field beyond csv's own limit, a NUL
        check_cell("x" * 10**4 if "limit" in str(error) else "", before + 1)
        raise
    return grid
