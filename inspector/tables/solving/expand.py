"""Rows as the network runs them: repeats written out, containers as spans of rows instead of rows of their own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.records import PrintedRow, Table

#: More rows than this are not solved.
MOST_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Block:
    """A container and the steps inside it.

    Attributes:
        row: the container's row.
        first: index of its first step.
        end: index after its last step.
        repeat: which repeat it is, from 1.
        last: it is the last repeat, whose output the container's row prints.
    """

    row: PrintedRow
    first: int
    end: int
    repeat: int = 1
    last: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One row to solve.

    Attributes:
        row: as printed; of a repeat with its own name, and without the output shape or count that only all repeats
            together have.
        group: number of the printed row that this is a repeat of, where its count is printed for all together; else -1.
    """

    row: PrintedRow
    group: int = -1


def expand(table: Table) -> tuple[tuple[Step, ...], tuple[Block, ...]]:
    """Steps in the order of the network, and the blocks over them, inner ones first.

    Raises:
        InspectionError: more than 20 000 steps.
    """
    steps: list[Step] = []
    blocks: list[Block] = []
    _walk(table.rows, 0, len(table.rows), "", steps, blocks, after=table.format == "torchsummary")
    for at, (step, after) in enumerate(itertools.pairwise(steps)):
        if step.row.output_shape is None and "output_size" not in step.row.stated and after.row.input_shape:
            # A table that prints what goes in prints each output one row below.
            steps[at] = replace(step, row=replace(step.row, output_shape=after.row.input_shape))
    return tuple(steps), tuple(blocks)


def _walk(
    rows: Sequence[PrintedRow], at: int, end: int, prefix: str, steps: list[Step], blocks: list[Block], *, after: bool
) -> None:
    while at < end:
        row = rows[at]
        inside = at + 1
        while inside < end and rows[inside].depth > row.depth:
            inside += 1
        if len(steps) + row.repeat > MOST_STEPS:
            raise InspectionError(
                f"line {row.line}: {row.name}: more than {MOST_STEPS:,} rows with all repeats; is it a table?"
            )
        if row.kind == "input":
            pass
        elif row.kind == "container" and inside == at + 1 and not after:
            _repeats(replace(row, kind="unknown"), prefix, steps)  # printed to this depth and no deeper
        elif row.kind == "container" and not after:
            for repeat in range(1, row.repeat + 1):
                first = len(steps)
                name = f"{prefix}{row.name}.{repeat}/" if row.repeat > 1 else prefix
                _walk(rows, at + 1, inside, name, steps, blocks, after=after)
                blocks.append(Block(row, first, len(steps), repeat, repeat == row.repeat))
            at = inside
            continue
        else:
            _repeats(row, prefix, steps)
        at += 1


def _repeats(row: PrintedRow, prefix: str, steps: list[Step]) -> None:
    if row.repeat == 1:
        steps.append(Step(replace(row, name=prefix + row.name) if prefix else row))
        return
    group = len(steps) if row.params is not None else -1
    for repeat in range(1, row.repeat + 1):
        last = repeat == row.repeat
        steps.append(
            Step(
                replace(
                    row,
                    name=f"{prefix}{row.name}.{repeat}",
                    repeat=1,
                    params=None,
                    output_shape=row.output_shape if last else None,
                    stated=dict(row.stated) if last else _without_size(row),
                ),
                group,
            )
        )


def _without_size(row: PrintedRow) -> dict[str, object]:
    """What an early repeat states: its channels, but not yet the size that the last one leaves."""
    stated = {name: value for name, value in row.stated.items() if name != "output_size"}
    if row.output_shape:
        stated.setdefault("out_channels", row.output_shape[0])
    return stated
