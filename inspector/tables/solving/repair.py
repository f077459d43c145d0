"""The smallest change to one printed number that would solve a contradiction.

Tried are the numbers of the row itself, its printed kernel, stride and padding, those of the row that feeds it and the
network's input, each with every value up to 64 away (a stride up to 8) and with the numbers of its neighbours, and
equal sides together; a change counts where the row, the row before and the rows after it then have solutions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from inspector.tables.solving.contradiction import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inspector.tables.records import PrintedRow, Sizes, Table

#: How far from the printed number values are tried.
FARTHEST: Final = 64
_BEFORE, _AFTER = 2, 3
#: The same for a block's sides: each value is a solution of the whole table.
_STAGE_FARTHEST: Final = 8


@dataclass(frozen=True, slots=True)
class Window:
    """The rows around a contradiction and the shape that comes into them."""

    size: Sizes
    rows: tuple[PrintedRow, ...]
    failing: int
    begins: bool  # ``size`` is the network's input


def smallest_changes(
    window: Window, cost_of: Callable[[Sizes, Sequence[PrintedRow]], int | None]
) -> tuple[Change, ...]:
    """The smallest changes that help, at most three, the one that leaves the most usual layers first.

    Args:
        window: the rows around the contradiction.
        cost_of: the cost of rows after a shape; None where they contradict themselves.
    """
    found: list[tuple[int, int, Change]] = []
    tried = sorted(_candidates(window), key=lambda candidate: abs(candidate[0].must_be - candidate[0].printed))
    for change, size, rows in tried:
        distance = abs(change.must_be - change.printed)
        if found and distance > found[0][0]:
            break
        cost = cost_of(size, rows)
        if cost is not None:
            found.append((distance, cost, change))
    found.sort(key=lambda entry: entry[:2])
    return tuple(change for _, _, change in found[:3])


def _candidates(window: Window) -> Iterator[tuple[Change, Sizes, tuple[PrintedRow, ...]]]:
    rows = window.rows
    near = {number for row in rows for number in row.output_shape or ()} | set(window.size)
    if window.begins and window.failing == 0:
        for place, number in enumerate(window.size):
            for value in _values(number, near):
                size = (*window.size[:place], value, *window.size[place + 1 :])
                yield Change("the input", 0, "shape", number, value, place), size, rows
    failing = window.failing
    for change, changed in _stated_changes(rows[failing]):
        yield change, window.size, (*rows[:failing], changed, *rows[failing + 1 :])
    for at in range(max(0, failing - 1), failing + 1):
        row = rows[at]
        for place, number in enumerate(row.output_shape or ()):
            for value in _values(number, near):
                shape = (*(row.output_shape or ())[:place], value, *(row.output_shape or ())[place + 1 :])
                changed = replace(row, output_shape=shape)
                change = Change(row.name, row.line, "output shape", number, value, place)
                yield change, window.size, (*rows[:at], changed, *rows[at + 1 :])
        C, *sides = row.output_shape or (0,)
        if len(sides) > 1 and len(set(sides)) == 1:  # a misprint of a square
            for value in _values(sides[0], near):
                changed = replace(row, output_shape=(C, *(value,) * len(sides)))
                change = Change(row.name, row.line, "output sides", sides[0], value, 1)
                yield change, window.size, (*rows[:at], changed, *rows[at + 1 :])


def _stated_changes(row: PrintedRow) -> Iterator[tuple[Change, PrintedRow]]:
    """A printed kernel, stride or padding that is another one: MobileNet's last "s2" that must be 1."""
    for name in ("stride", "kernel", "padding"):
        values = row.stated.get(name)
        if not isinstance(values, tuple) or len(set(values)) != 1:
            continue
        printed = values[0]
        for value in range(max(int(name != "padding"), printed - _STAGE_FARTHEST), printed + _STAGE_FARTHEST + 1):
            if value != printed:
                stated = {**row.stated, name: (value,) * len(values)}
                yield Change(row.name, row.line, name, printed, value), replace(row, stated=stated)


def _values(number: int, near: set[int]) -> set[int]:
    values = {number + sign * step for step in range(1, FARTHEST + 1) for sign in (-1, 1)} | near
    return {value for value in values if value >= 1 and value != number}


def around(size: Sizes, rows: Sequence[PrintedRow], shapes: Sequence[Sizes], failing: int) -> Window:
    """The window around row ``failing``; ``shapes`` are the outputs of all rows."""
    first = max(0, failing - _BEFORE)
    inside = _alone(rows[first : failing + _AFTER], failing - first)
    return Window(shapes[first - 1] if first else size, inside, failing - first, begins=first == 0)


def _alone(rows: Sequence[PrintedRow], failing: int) -> tuple[PrintedRow, ...]:
    """The rows as a chain of their own: what they join from outside is not theirs, and what joins after is left out."""
    end = next((at for at, row in enumerate(rows) if at > failing and len(row.input_names) > 1), len(rows))
    return tuple(replace(row, input_names=()) if row.input_names else row for row in rows[:end])


def stage_changes(table: Table, line: int, solves: Callable[[Table], bool]) -> tuple[Change, ...]:
    """The nearest size of a block printed at ``line``, or of the row above it, with which the whole table solves.

    A block's sides are printed once for all its layers, so all equal sides change together.

    Args:
        table: as printed, blocks not written out.
        line: of the contradiction.
        solves: whether a table has no contradiction.
    """
    rows = table.rows
    at = next((n for n, row in enumerate(rows) if row.line == line), None)
    if at is None:
        return ()
    sized = [n for n in range(at + 1) if _sides(rows[n])][-2:]
    for step in range(1, _STAGE_FARTHEST + 1):
        for n, sign in ((n, sign) for n in reversed(sized) for sign in (1, -1)):
            side = max(_sides(rows[n]))
            if side + sign * step < 1:
                continue
            changed = _with_side(rows[n], side, side + sign * step)
            if solves(replace(table, rows=(*rows[:n], changed, *rows[n + 1 :]))):
                return (Change(rows[n].name, rows[n].line, "output size", side, side + sign * step),)
    return ()


def _sides(row: PrintedRow) -> Sizes:
    stated = row.stated.get("output_size")
    return row.output_shape[1:] if row.output_shape else stated if isinstance(stated, tuple) else ()


def _with_side(row: PrintedRow, old: int, new: int) -> PrintedRow:
    def swapped(sizes: Sizes) -> Sizes:
        return tuple(new if size == old else size for size in sizes)

    shape = row.output_shape and (row.output_shape[0], *swapped(row.output_shape[1:]))
    stated = row.stated.get("output_size")
    sized = {"output_size": swapped(stated)} if isinstance(stated, tuple) else {}
    return replace(row, output_shape=shape, stated={**row.stated, **sized})
