"""Lines set in columns that fit a terminal: which columns are shown, how wide, and where a cell is cut."""

from __future__ import annotations

import textwrap
from functools import cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Span: TypeAlias = tuple[str, str]  # text, style of rich
Cell: TypeAlias = tuple[Span, ...]

_LineT = TypeVar("_LineT")

_GAP = "  "
_SHORTEST_CUT = 24  # a layout whose column may be cut is passed over before that gets narrower
_SHORTEST_NAME = 10


class Column(NamedTuple, Generic[_LineT]):
    """One column: its title, whether it is aligned to the right, and what it prints of a line."""

    title: str
    right: bool
    cell: Callable[[_LineT], Cell]


def tabulated(
    lines: Sequence[_LineT],
    columns: Mapping[str, Column[_LineT]],
    layouts: Sequence[tuple[str, ...]],
    width: int | None,
) -> list[list[Span]]:
    """Titles, a rule, and one printed line for each of ``lines``.

    Args:
        lines: what the columns' cells are made of.
        columns: by the names that ``layouts`` uses.
        layouts: sets of columns from full to bare; the first that fits is printed. A first or a last column written
            ``name…`` may be cut to fit.
        width: columns of the terminal; None prints the first layout in full.
    """
    keys, widths = _layout(lines, columns, layouts, width)
    shown = [columns[key.rstrip("…")] for key in keys]
    rule: list[Span] = [("─" * min(sum(widths) + len(_GAP) * (len(widths) - 1), width or 10_000), "dim")]
    return [
        _joined([((column.title, "bold"),) for column in shown], shown, widths),
        rule,
        *(_joined([column.cell(line) for column in shown], shown, widths) for line in lines),
    ]


def wrapped(sentence: str, width: int | None, indent: int = 0) -> list[str]:
    """A sentence in lines of at most ``width`` less ``indent``; one line where there is no width."""
    if width is None:
        return [sentence]
    return textwrap.wrap(sentence, max(1, width - indent), break_on_hyphens=False) or [""]


def printed(lines: Sequence[Sequence[Span]], color: bool) -> str:
    """The lines as text, with their styles as escape sequences or without, and without blanks at their ends."""
    if color:
        return "\n".join(map(_ansi, lines))
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def _layout(
    lines: Sequence[_LineT],
    columns: Mapping[str, Column[_LineT]],
    layouts: Sequence[tuple[str, ...]],
    width: int | None,
) -> tuple[tuple[str, ...], list[int]]:
    """The first layout that fits, and the width of each of its columns."""
    natural = {
        key: max([cell_len(column.title), *(sum(cell_len(part) for part, _ in column.cell(line)) for line in lines)])
        for key, column in columns.items()
    }
    for keys in layouts:
        widths = [natural[key.rstrip("…")] for key in keys]
        used = sum(widths) + len(_GAP) * (len(widths) - 1)
        if width is None or used <= width:
            return keys, widths
        if keys[-1].endswith("…") and width - (used - widths[-1]) >= _SHORTEST_CUT:
            return keys, [*widths[:-1], width - (used - widths[-1])]
        if keys[0].endswith("…") and width - (used - widths[0]) >= _SHORTEST_CUT:
            return keys, [width - (used - widths[0]), *widths[1:]]
    assert width is not None  # without a width the first layout fits
    return keys, [max(_SHORTEST_NAME, widths[0] - (used - width)), *widths[1:]]


def _joined(cells: Sequence[Cell], columns: Sequence[Column[_LineT]], widths: Sequence[int]) -> list[Span]:
    joined: list[Span] = []
    for index, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        if index:
            joined.append((_GAP, ""))
        joined += _fitted(cell, width, column.right)
    return joined


def _fitted(cell: Cell, width: int, right: bool) -> list[Span]:
    """A cell of exactly this width, cut with ``…`` where it is longer."""
    length = sum(cell_len(part) for part, _ in cell)
    if length <= width:
        padding = (" " * (width - length), "")
        return [padding, *cell] if right else [*cell, padding]
    fitted: list[Span] = []
    left = width - 1
    for part, style in cell:
        taken = part if cell_len(part) <= left else set_cell_size(part, left)
        fitted.append((taken, style))
        left -= cell_len(taken)
    return [*fitted, ("…", "dim")]


def _ansi(line: Sequence[Span]) -> str:
    spans = list(line)
    while spans and not spans[-1][0].strip():
        spans.pop()
    parts = [f"{_begin(style)}{part}\x1b[0m" if style and part else part for part, style in spans]
    return "".join(parts).rstrip()


@cache
def _begin(style: str) -> str:
    """The escape sequence that begins a style of rich."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(style).render("|", color_system=ColorSystem.STANDARD).partition("|")[0]
