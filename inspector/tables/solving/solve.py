"""Solve a table: every hyperparameter that its shapes and counts leave hidden."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables.solving.bounds import Bounds
from inspector.tables.solving.contradiction import Change, Contradiction, contradiction
from inspector.tables.solving.expand import Step, expand
from inspector.tables.solving.flow import Flow
from inspector.tables.solving.kinds import SOLVERS, moving_statistics
from inspector.tables.solving.problem import shown
from inspector.tables.solving.repair import around, smallest_changes
from inspector.tables.solving.solution import Solution, SolvedRow
from inspector.tables.solving.totals import TooMany, best_sums, kept_counts, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.tables.records import PrintedRow, Sizes, Table

_DEFAULT = Bounds()


def solve(
    table: Table,
    input_shape: Sequence[int] | None = None,
    *,
    kernel: Any = None,
    stride: Any = None,
    padding: Any = None,
    dilation: Any = None,
    groups: int | None = None,
    bias: bool | None = None,
    param_total: int | None = None,
    rows: Mapping[str, Mapping[str, Any]] | None = None,
    bounds: Bounds = _DEFAULT,
) -> Solution:
    """Every hyperparameter within ``bounds`` that the table leaves hidden, the parameters, and what stays open.

    Args:
        table: as ``inspector.tables.read`` gives it.
        input_shape: of the network, without the batch, channels first; default: the table's own.
        kernel: of every convolution of which the table prints no other.
        stride: likewise.
        padding: likewise; a number, one for each axis, ``"same"`` or ``"valid"``.
        dilation: likewise.
        groups: likewise.
        bias: of every convolution and linear layer of which the table prints no other.
        param_total: parameters of the whole; default: the printed total.
        rows: the same for single rows, by name, class, kind or line: ``{"MaxPool2d-3": {"kernel": 2}}``. What is
            printed wins.
        bounds: the values that are searched.

    Raises:
        Contradiction: a row, or the total, has no solution; the message names the row, its equation and the smallest
            change.
        InspectionError: the question cannot be put: no rows, no input shape, an unknown row or name.

    >>> from inspector.tables.records import PrintedRow, Table
    >>> row = PrintedRow(1, "Conv2d-1 [-1, 6, 28, 28]", "Conv2d-1", "conv", output_shape=(6, 28, 28))
    >>> table = Table((row,), "markdown")
    >>> solution = solve(table, (1, 32, 32), stride=1, padding=0)
    >>> solution.rows[0].hyperparameters["kernel"], solution.total_params, solution.ambiguous
    ((5, 5), 156, ())
    """
    once = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": bias,
    }
    once = {name: value for name, value in once.items() if value is not None}
    size = input_shape_of(table, input_shape)
    each = rows or {}
    _know_all(table, each)
    steps, blocks = expand(table)
    if not steps:
        raise InspectionError("the table has no rows to solve" + _unread(table))
    total = table.total_params if param_total is None else param_total
    follow = partial(Flow, table, blocks=blocks, input_shape=size, once=once, each=each, counted=total is not None)
    flow = follow(steps, bounds=bounds)
    flow.run()
    if flow.conflicts:
        raise contradiction(flow.conflicts, _changes(table, flow, once, each, bounds, counted=total is not None))
    try:
        return _whole(table, flow, steps, size, bounds, total)
    except Contradiction:
        if bounds.wide:
            raise
        wide = follow(steps, bounds=replace(bounds, wide=True))
        wide.run()
        if wide.conflicts:
            raise
        try:
            return _whole(table, wide, steps, size, replace(bounds, wide=True), total)
        except Contradiction:
            pass
        raise


def input_shape_of(table: Table, given: Sequence[int] | None) -> Sizes:
    """The given shape, or the table's own.

    Raises:
        InspectionError: there is none, or it is no shape.
    """
    if given is not None:
        size = tuple(given)
    else:
        printed = next((row.output_shape for row in table.rows if row.kind == "input" and row.output_shape), None)
        size = table.input_shape or printed or ()
    if not size and given is None:
        raise InspectionError(
            "the table prints no input shape: give it without the batch, such as 1,32,32 (--input 1,32,32)"
        )
    if not all(isinstance(entry, int) and entry >= 1 for entry in size):
        raise InspectionError(f"an input shape has integers of at least 1, not {size!r}")
    first = next((row for row in table.rows if row.output_shape and row.kind in _KEEP_AXES), None)
    if given is not None and first is not None and len(first.output_shape or ()) != len(size):
        raise InspectionError(
            f"the input shape {size} is not of as many axes as {first.name} prints, {first.output_shape}: "
            "give channels and sizes without the batch, such as 1,32,32"
        )
    return size


#: Kinds whose output has as many axes as their input.
_KEEP_AXES = frozenset(("conv", "conv_transpose", "max_pool", "avg_pool", "batch_norm", "upsample", "zero_pad"))


def _know_all(table: Table, each: Mapping[str, object]) -> None:
    known = {key for row in table.rows for key in (row.name, row.kind, row.cls, str(row.line)) if key}
    for key in each:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Its rows begin with {table.rows[0].name}."
            raise InspectionError(f"the table has no row, class or kind {key!r}.{hint}")


def _unread(table: Table) -> str:
    return "".join(f"\n  line {line.line}: {line.reason}: {line.text.strip()[:80]}" for line in table.unread[:5])


def _changes(
    table: Table,
    flow: Flow,
    once: Mapping[str, object],
    each: Mapping[str, Mapping[str, object]],
    bounds: Bounds,
    *,
    counted: bool,
) -> tuple[Change, ...]:
    """The smallest changes for the first conflict."""
    conflict = flow.conflicts[0]
    failing = next((at for at, row in enumerate(flow.rows) if row.row is conflict.row), None)
    if failing is None:
        return ()
    row = conflict.row
    counts = _count_change(row, flow, failing)
    window = around(
        flow.input_shape, [found.row for found in flow.rows], [found.output_shape for found in flow.rows], failing
    )

    def cost_of(size: Sizes, rows: Sequence[PrintedRow]) -> int | None:
        again = Flow(table, [Step(each_row) for each_row in rows], (), size, once, each, bounds, counted=counted)
        again.run()
        return None if again.conflicts else sum(found.choice.cost for found in again.rows)

    return (*counts, *smallest_changes(window, cost_of))[:3]


def _count_change(row: PrintedRow, flow: Flow, failing: int) -> tuple[Change, ...]:
    """Where the shapes have solutions and only the printed count has none: the nearest count that has one."""
    if row.params is None:
        return ()
    alone = flow.without_count(failing)
    if alone is None:
        return ()
    extra = moving_statistics(row, row.output_shape[0] if row.output_shape else 0)
    cheap = min(ways.cost for ways in alone.values.values())
    usual = [value for value, ways in alone.values.items() if ways.cost < cheap + 1000]
    near = min(usual, key=lambda value: (abs(value + extra - (row.params or 0)), alone.values[value].cost))
    return (Change(row.name, row.line, "parameters", row.params, near + extra),)


def _whole(table: Table, flow: Flow, steps: Sequence[Step], size: Sizes, bounds: Bounds, total: int | None) -> Solution:
    """The solution, with the counts that the total and the counts of repeated rows leave."""
    rows = _grouped(flow.rows, steps, table, bounds)
    notes = [*flow.notes]
    uncounted = [
        row.name for row in rows if row.kind not in SOLVERS and row.row.params is None and row.kind != "container"
    ]
    if uncounted:
        notes.append(f"no equation is known for {', '.join(uncounted[:5])}: their parameters are not in the total")
    joint: int | None = 1
    beside = sum(moving_statistics(row.row, row.output_shape[0]) for row in rows if row.output_shape and not row.reused)
    if total is not None and not uncounted:
        counted = [n for n, row in enumerate(rows) if not row.reused]
        values = [rows[n].solutions.values for n in counted]
        try:
            kept, joint = kept_counts(values, total - beside, bounds.states)
        except TooMany:
            joint = None
            notes.append(
                f"the total was not used: it has more than {bounds.states} intermediate sums within the bounds"
            )
        else:
            if not joint:
                raise _no_total(rows, values, total, beside)
            rows = _taken(rows, counted, kept, total - beside, bounds)
    return Solution(table, tuple(rows), size, bounds, total, joint, beside, tuple(notes))


def _taken(
    rows: Sequence[SolvedRow], counted: Sequence[int], kept: Sequence[set[int]], total: int, bounds: Bounds
) -> list[SolvedRow]:
    found = list(rows)
    left = [rows[n].solutions.with_params(counts) for n, counts in zip(counted, kept, strict=True)]
    _, best = next(best_sums([solutions.values for solutions in left], total, bounds.states))
    for n, solutions, count in zip(counted, left, best, strict=True):
        found[n] = replace(rows[n], solutions=solutions, choice=next(iter(solutions.with_params({count}))))
    return found


def _grouped(rows: Sequence[SolvedRow], steps: Sequence[Step], table: Table, bounds: Bounds) -> list[SolvedRow]:
    """Where a row stands for several and prints their count together, only what adds up to it."""
    groups: dict[int, list[int]] = {}
    at = {id(step.row): step.group for step in steps}
    for n, row in enumerate(rows):
        group = at.get(id(row.row), -1)
        if group >= 0:
            groups.setdefault(group, []).append(n)
    found = list(rows)
    by_line = {row.line: row for row in table.rows}
    for members in groups.values():
        printed = by_line[rows[members[0]].row.line].params
        if printed is None:
            continue
        kept, count = kept_counts([rows[n].solutions.values for n in members], printed, bounds.states)
        if not count:
            name, line = rows[members[0]].row.name.rpartition(".")[0], rows[members[0]].row.line
            raise Contradiction(
                f"line {line}: {name}: no counts of its {len(members)} repeats add up to {format_count(printed)}"
            )
        found = _taken(found, members, kept, printed, bounds)
    return found


def _no_total(rows: Sequence[SolvedRow], values: Sequence[Mapping[int, Any]], total: int, beside: int) -> Contradiction:
    near = nearest(values, total - beside) + beside
    counts = "\n".join(
        f"  {row.name}: {shown(row.output_shape)}, {format_count(row.params)}" for row in rows if row.params
    )
    return Contradiction(
        f"no solution of the rows adds up to {format_count(total)} parameters; a sum near it is {format_count(near)}, "
        f"{format_count(abs(total - near))} away. Is a layer not printed (batch normalization, a shortcut)? "
        f"The rows' own counts:\n{counts}"
    )
