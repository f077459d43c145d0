"""Tables drawn with bars: Keras 3 and rich (``│``), psql and grid styles (``|``, ``+---+``), Lightning's summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from inspector.tables.reading.limits import check_columns, check_rows
from inspector.tables.reading.lines import is_rule
from inspector.tables.reading.sheet import Grid

_BAR = re.compile(r"[│┃║|]")


def has_bars(lines: Sequence[str]) -> bool:
    """Whether at least two lines are cells between bars, and a rule is drawn."""
    barred = sum(len(_BAR.findall(line)) >= 1 and not is_rule(line.strip()) for line in lines[:200])
    return barred >= 2 and any(is_rule(line.strip()) and len(line.strip()) > 4 for line in lines[:200])


def read_boxed(lines: Sequence[str]) -> Grid | None:
    """Cells between bars; where rules stand between all rows, the lines between two of them are one row."""
    table = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if is_rule(line.strip()) or len(_BAR.findall(line)) >= (2 if line.strip()[:1] in "│┃║|" else 1)
    ]
    if not table:
        return None
    ruled = _every_row_ruled(table)
    grid = Grid(first_line=table[0][0], last_line=table[-1][0])
    pending: list[tuple[int, list[str]]] = []
    for number, line in table:
        if is_rule(line.strip()):
            _close(pending, grid)
            continue
        cells = _cells(line, number)
        if pending and not ruled and not _continues(cells, pending[-1][1]):
            _close(pending, grid)
        if not pending or len(pending[0][1]) == len(cells):
            pending.append((number, cells))
        else:
            _close(pending, grid)
            pending.append((number, cells))
    _close(pending, grid)
    widths = [len(cells) for _, cells in grid.rows]
    if len(widths) > 1 and set(widths[1:]) == {widths[0] + 1}:  # Lightning heads no column of numbers
        grid.rows[0][1].insert(0, "")
    return grid


def _every_row_ruled(table: Sequence[tuple[int, str]]) -> bool:
    rules = sum(is_rule(line.strip()) for _, line in table)
    return rules >= 4 and rules * 3 >= len(table) - rules


def _continues(cells: Sequence[str], before: Sequence[str]) -> bool:
    """A row whose first cell is empty goes on with the row above, in tables that draw no rule between rows."""
    return len(cells) == len(before) and not cells[0].strip() and any(cell.strip() for cell in cells)


def _cells(line: str, number: int) -> list[str]:
    line = line.rstrip()
    inner = line.strip()
    if _BAR.match(inner):
        inner = inner[1:]
    if inner and _BAR.match(inner[-1]):
        inner = inner[:-1]
    cells = _BAR.split(inner)
    check_columns(len(cells), number)
    return cells


def _close(pending: list[tuple[int, list[str]]], grid: Grid) -> None:
    """Join the lines of one row."""
    if not pending:
        return
    joined = [_join([cells[column] for _, cells in pending]) for column in range(len(pending[0][1]))]
    grid.rows.append((pending[0][0], joined))
    check_rows(len(grid.rows))
    pending.clear()


def _join(pieces: Sequence[str]) -> str:
    """Pieces of a wrapped cell; a piece that fills its column to the edge was cut inside a word."""
    joined = pieces[0].strip()
    level = pieces[0][: len(pieces[0]) - len(pieces[0].lstrip())][1:]  # the indent of a nested layer
    for before, piece in pairwise(pieces):
        word = piece.strip()
        full = (
            bool(before.strip())
            and len(before.rstrip()) >= len(before) - 1
            and not before.rstrip().endswith((",", ")"))
        )
        joined += word if (full and not word.startswith("(")) or not word else f" {word}"
    return level + joined.strip()
