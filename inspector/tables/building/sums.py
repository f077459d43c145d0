"""Additions that a summary shows without printing them: a block's branch that takes its input again.

torchinfo prints modules, and an addition in a block's forward is none. It shows all the same where a block runs a
branch of its own on its input (ResNet's ``downsample``) after rows whose output nothing takes: both have the shape of
the block's output. Other blocks of the class, the same row for row but for that branch, add their input there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspector.tables.solving import SolvedRow
from inspector.tables.solving.bounds import Asked
from inspector.tables.solving.families import Family, Solutions
from inspector.tables.solving.wiring import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inspector.tables.records import PrintedRow
    from inspector.tables.solving.solution import Solution


@dataclass(frozen=True, slots=True)
class _Span:
    """A block and the rows that were solved inside it: ``first`` up to, not including, ``end``."""

    block: PrintedRow
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class _Sum:
    """One addition: of the outputs of rows ``one`` and ``other``, after the row ``after``."""

    span: _Span
    one: int
    other: int
    after: int


def with_sums(solution: Solution) -> tuple[tuple[SolvedRow, ...], tuple[str, ...]]:
    """(the rows with the additions that the table shows among them, a line about each class of block that adds).

    Sums have no parameters and change no shape, so that what was solved stays.
    """
    rows = solution.rows
    if solution.table.format != "torchinfo":
        return rows, ()
    spans = sorted(_spans(solution), key=lambda span: span.end - span.first)
    projected: list[_Sum] = []
    for span in spans:  # inner blocks before those around them
        found = _projected(rows, span)
        if found is not None and found.one not in {known.one for known in projected}:
            projected.append(found)
    shown = {found.span.block.cls: found for found in projected}
    plain = [
        found
        for span in spans
        if span not in [known.span for known in projected]
        and (model := shown.get(span.block.cls)) is not None
        and (found := _like(rows, span, model)) is not None
    ]
    notes = tuple(
        f"{cls}: the branch that takes its input again is added to the other, as {found.span.block.name} shows; "
        f"where it has none, its input is"
        for cls, found in shown.items()
    )
    return _inserted(rows, sorted((*projected, *plain), key=lambda found: found.after)), notes


def _spans(solution: Solution) -> Iterator[_Span]:
    printed = solution.table.rows
    lines = [row.row.line for row in solution.rows]
    for at, block in enumerate(printed):
        if block.kind != "container" or not block.output_shape or block.cls in PLAIN:
            continue
        last = last_line(printed, at)
        members = [n for n, line in enumerate(lines) if block.line < line <= last]
        if members and solution.rows[members[0]].inputs:
            yield _Span(block, members[0], members[-1] + 1)


def last_line(printed: Sequence[PrintedRow], at: int) -> int:
    """Line of the last row inside the container ``printed[at]``."""
    inside = at + 1
    while inside < len(printed) and printed[inside].depth > printed[at].depth:
        inside += 1
    return printed[inside - 1].line


def _projected(rows: Sequence[SolvedRow], span: _Span) -> _Sum | None:
    """The sum of a block in which one output is taken by nothing and a branch on the block's input follows it."""
    taken = {index for row in rows for index in row.inputs}
    shape = span.block.output_shape
    loose = [n for n in range(span.first, span.end - 1) if n not in taken and rows[n].output_shape == shape]
    if len(loose) != 1:
        return None
    (one,) = loose
    if rows[one + 1].inputs != rows[span.first].inputs:
        return None
    other = _end_of_branch(rows, one + 1, span.end)
    return _Sum(span, one, other, other) if rows[other].output_shape == shape else None


def _end_of_branch(rows: Sequence[SolvedRow], first: int, end: int) -> int:
    """Its last row: of a container's rows the last, of a layer by itself that one or the normalization after it."""
    depth = rows[first].row.depth
    if depth > rows[first - 1].row.depth:
        last = first
        while last + 1 < end and rows[last + 1].row.depth >= depth:
            last += 1
        return last
    norm = first + 1 < end and rows[first + 1].kind.endswith("_norm")
    return first + 1 if norm else first


def _like(rows: Sequence[SolvedRow], span: _Span, model: _Sum) -> _Sum | None:
    """The sum of a block that is the model's, row for row, but for the branch; its input has its output's shape."""
    kinds = [row.kind for row in rows[span.first : span.end]]
    before = [row.kind for row in rows[model.span.first : model.one + 1]]
    after = [row.kind for row in rows[model.other + 1 : model.span.end]]
    into = rows[span.first].inputs[0]
    if kinds != [*before, *after] or rows[span.first].input_shapes[0] != span.block.output_shape:
        return None
    one = span.first + len(before) - 1
    return _Sum(span, one, into, one)


def _inserted(rows: Sequence[SolvedRow], sums: Sequence[_Sum]) -> tuple[SolvedRow, ...]:
    """Every row with its inputs' new places; what took a branch's last row takes the sum."""
    found: list[SolvedRow] = []
    place = {-1: -1}
    at = {found.after: found for found in sums}
    for n, row in enumerate(rows):
        found.append(replace(row, inputs=tuple(place[source] for source in row.inputs)))
        place[n] = len(found) - 1
        if (joined := at.get(n)) is not None:
            inputs = place[joined.one], place[joined.other]
            found.append(_addition(row, joined.span.block, inputs))
            place[n] = len(found) - 1
    return tuple(found)


def _addition(row: SolvedRow, block: PrintedRow, inputs: tuple[int, int]) -> SolvedRow:
    printed = replace(block, name=f"{block.name}.add", kind="add", cls="", params=None, stated={})
    solutions = Solutions([Family(())])
    shape = row.output_shape
    return SolvedRow(printed, inputs, (shape, shape), shape, Asked(), solutions, solutions.best)
