"""Solve a table: every hyperparameter that its shapes and counts leave hidden."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError
from inspector.tables.composites import Conventions, Written, written_out
from inspector.tables.solving.bounds import Bounds
from inspector.tables.solving.contradiction import Change, Contradiction, contradiction
from inspector.tables.solving.counting import whole
from inspector.tables.solving.expand import Step, expand
from inspector.tables.solving.flow import Flow
from inspector.tables.solving.kinds import moving_statistics
from inspector.tables.solving.problem import uncounted
from inspector.tables.solving.repair import around, smallest_changes, stage_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.tables.records import PrintedRow, Sizes, Table
    from inspector.tables.solving.expand import Block
    from inspector.tables.solving.solution import Solution

_DEFAULT = Bounds()
_CONVENTIONS = Conventions()


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
    conventions: Conventions = _CONVENTIONS,
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
        conventions: what is taken where the table prints a block and not its inside.

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
    question = _Question(
        input_shape_of(table, input_shape),
        {name: value for name, value in once.items() if value is not None},
        rows or {},
        bounds,
        table.total_params if param_total is None else param_total,
    )
    written = written_out(table, question.size, conventions)
    _know_all((*table.rows, *written.table.rows), question.each)
    try:
        return _chosen(table, written, question, conventions)
    except Contradiction as error:
        if not table.unread:
            raise
        raise Contradiction(f"{error}\nnot read:{_unread(table)}", error.conflicts, error.changes) from None


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked beside the table: ``once`` for all rows, of ``each`` its own, within ``bounds``."""

    size: Sizes
    once: Mapping[str, Any]
    each: Mapping[str, Mapping[str, Any]]
    bounds: Bounds
    total: int | None

    def follow(
        self, table: Table, steps: Sequence[Step], blocks: Sequence[Block], *, size: Sizes | None = None
    ) -> Flow:
        """One pass over the steps, not yet run; from another size where one is given."""
        return Flow(
            table,
            steps,
            blocks,
            self.size if size is None else size,
            self.once,
            self.each,
            self.bounds,
            counted=self.total is not None,
        )


def _chosen(table: Table, written: Written, question: _Question, conventions: Conventions) -> Solution:
    """The table as its blocks are written out, or as a chain where the total asks for that."""
    try:
        return _followed(written, question)
    except Contradiction as error:
        if written.table is not table and error.conflicts and not error.changes:
            solves = partial(_solves, replace(question, total=None), conventions)
            found = stage_changes(table, error.conflicts[0].row.line, solves)
            raise contradiction(error.conflicts, found) from None
        if not written.residual or conventions.blocks != "auto" or question.total is None:
            raise
        try:
            return _followed(written_out(table, question.size, replace(conventions, blocks="chain")), question)
        except InspectionError:
            pass
        raise


def _solves(question: _Question, conventions: Conventions, table: Table) -> bool:
    """Whether no row of the table contradicts itself."""
    try:
        written = written_out(table, question.size, conventions)
    except InspectionError:
        return False
    flow = question.follow(written.table, *expand(written.table))
    flow.run(all_rows=False)
    return not flow.conflicts


def _followed(written: Written, question: _Question) -> Solution:
    """One reading of the table, followed from its input to its end; wider where its total asks for more."""
    table = written.table
    steps, blocks = expand(table)
    if not steps:
        raise InspectionError("the table has no rows to solve" + _unread(table))
    flow = question.follow(table, steps, blocks)
    flow.run()
    if flow.conflicts:
        changes = _changes(table, flow, question)
        aside = () if changes else _changes(table, flow, question, counts=False)
        raise contradiction(flow.conflicts, changes or aside, aside=bool(aside))
    try:
        return whole(written, flow, steps, question.size, question.bounds, question.total)
    except Contradiction:
        if question.bounds.wide:
            raise
        wider = replace(question, bounds=replace(question.bounds, wide=True))
        wide = wider.follow(table, steps, blocks)
        wide.run()
        if wide.conflicts:
            raise
        try:
            return whole(written, wide, steps, wider.size, wider.bounds, wider.total)
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
    first = next((row for row in table.rows if len(row.output_shape or ()) > 1 and row.kind in _KEEP_AXES), None)
    if given is not None and first is not None and len(first.output_shape or ()) != len(size):
        raise InspectionError(
            f"the input shape {size} is not of as many axes as {first.name} prints, {first.output_shape}: "
            "give channels and sizes without the batch, such as 1,32,32"
        )
    return size


#: Kinds whose output has as many axes as their input.
_KEEP_AXES = frozenset(("conv", "conv_transpose", "max_pool", "avg_pool", "batch_norm", "upsample", "pad"))


def _know_all(rows: Sequence[PrintedRow], each: Mapping[str, object]) -> None:
    known = {key for row in rows for key in (row.name, row.kind, row.cls, str(row.line)) if key}
    for key in each:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Its rows begin with {rows[0].name}."
            raise InspectionError(f"the table has no row, class or kind {key!r}.{hint}")


def _unread(table: Table) -> str:
    return "".join(f"\n  line {line.line}: {line.reason}: {line.text.strip()[:80]}" for line in table.unread[:5])


def _changes(table: Table, flow: Flow, question: _Question, *, counts: bool = True) -> tuple[Change, ...]:
    """The smallest changes for the first conflict; without ``counts`` as if none were printed beside the shapes."""
    conflict = flow.conflicts[0]
    failing = next((at for at, row in enumerate(flow.rows) if row.row is conflict.row), None)
    if failing is None:
        return ()
    row = conflict.row
    counted = _count_change(row, flow, failing) if counts else ()
    window = around(
        flow.input_shape, [found.row for found in flow.rows], [found.output_shape for found in flow.rows], failing
    )

    def cost_of(size: Sizes, rows: Sequence[PrintedRow]) -> int | None:
        rows = rows if counts else [uncounted(row) for row in rows]
        changed = replace(table, rows=tuple(rows))
        again = question.follow(changed, [Step(each_row) for each_row in rows], (), size=size)
        again.run(all_rows=False)
        return None if again.conflicts else sum(found.choice.cost for found in again.rows)

    return (*counted, *smallest_changes(window, cost_of))[:3]


def _count_change(row: PrintedRow, flow: Flow, failing: int) -> tuple[Change, ...]:
    """Where the shapes have solutions and only the printed count has none: the nearest count that has one."""
    about = row.stated.get("params_about")
    printed = sum(about) // 2 if isinstance(about, tuple) else row.params
    if printed is None:
        return ()
    alone = flow.without_count(failing)
    if alone is None:
        return ()
    extra = moving_statistics(row, row.output_shape[0] if row.output_shape else 0)
    cheap = min(ways.cost for ways in alone.values.values())
    usual = [value for value, ways in alone.values.items() if ways.cost < cheap + 1000]
    near = min(usual, key=lambda value: (abs(value + extra - printed), alone.values[value].cost))
    return (Change(row.name, row.line, "parameters", printed, near + extra),)
