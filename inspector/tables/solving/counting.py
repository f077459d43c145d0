"""Counts of a whole table: which solutions of its rows are left by totals, by counts of repeated rows, and by those of
blocks that were written out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from inspector.formula import format_count
from inspector.tables.solving.contradiction import Contradiction
from inspector.tables.solving.families import Solutions
from inspector.tables.solving.kinds import SOLVERS, about_right, moving_statistics
from inspector.tables.solving.problem import shown
from inspector.tables.solving.solution import Solution, SolvedRow
from inspector.tables.solving.totals import TooMany, best_sums, kept_counts, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.tables.composites import Written
    from inspector.tables.records import PrintedRow, Sizes, Table
    from inspector.tables.solving.bounds import Bounds
    from inspector.tables.solving.expand import Step
    from inspector.tables.solving.flow import Flow

#: Rows whose counts a message lists.
_LISTED: Final = 30


def whole(
    written: Written, flow: Flow, steps: Sequence[Step], size: Sizes, bounds: Bounds, total: int | None
) -> Solution:
    """The solution, with the counts that the total and the counts of repeated rows leave.

    Raises:
        Contradiction: the counts of the rows do not add up to what is printed for them together.
    """
    table = written.table
    rows = _grouped(flow.rows, steps, table, bounds)
    refused: list[str] = []
    alone = len(written.stages) == 1 and all("implied" in row.stated for row in table.rows)
    for stage in (*written.stages, *_cells(table)):
        try:
            rows = _met(stage, rows, bounds)
        except Contradiction as error:
            try:  # the count of a whole network may hold its classifier
                rows = _met(stage, rows, bounds, whole=alone)
            except Contradiction:
                refused.append(str(error))
    if refused:
        raise Contradiction("\n".join(refused))
    notes = [*written.notes, *flow.notes]
    if table.format == "repr":
        notes.append("print(model) names modules: parameters that a module holds beside its layers are not in it")
    noughts = table.format == "torchinfo" and any(row.params for row in table.rows)  # it prints them as "--"
    uncounted = [
        row.name
        for row in rows
        if row.kind not in SOLVERS and row.row.params is None and row.kind != "container" and not noughts
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
    elif table.total_about is not None and not uncounted:
        notes.append(_about_met(rows, table.total_about, beside))
    return Solution(table, tuple(rows), size, bounds, total, joint, beside, tuple(notes), uncounted=tuple(uncounted))


def _about_met(rows: Sequence[SolvedRow], about: tuple[int, int], beside: int) -> str:
    """What is to be said of a rounded total.

    Raises:
        Contradiction: no row is open in its count, and they add up to another.
    """
    printed = f"the printed total, {format_count(about[0])} to {format_count(about[1])} as rounded,"
    count = sum(row.params for row in rows) + beside
    if about_right(count, *about):
        return f"{printed} is met"
    values = [row.solutions.values for row in rows if not row.reused]
    if all(len(counts) == 1 for counts in values):
        raise _no_total(rows, values, about[0] if count < about[0] else about[1], beside)
    return f"{printed} is not that of the solutions ranked first, which have {format_count(count)}"


def _cells(table: Table) -> tuple[PrintedRow, ...]:
    """A row for each cell that names several layers with weights and prints one count for all of them."""
    found: dict[object, PrintedRow] = {}
    for row in table.rows:
        count = row.stated.get("together")
        if isinstance(count, int):
            found[row.stated["block"]] = replace(row, name=str(row.stated["block"]), params=count, stated={})
        elif isinstance(count, tuple):
            found[row.stated["block"]] = replace(row, name=str(row.stated["block"]), stated={"params_about": count})
    return tuple(found.values())


def _met(stage: PrintedRow, rows: Sequence[SolvedRow], bounds: Bounds, *, whole: bool = False) -> list[SolvedRow]:
    """The rows with those solutions of a block's inside that add up to the count printed for all of it.

    ``whole`` is for a row that stands for the network: all rows are its own. A rounded count is held beside all
    layers with the bias that is ranked first, then with biases, then without.
    """
    members = [n for n, row in enumerate(rows) if whole or row.row.stated.get("block") == stage.name]
    about = stage.stated.get("params_about")
    if isinstance(about, tuple):
        for bias in (None, True, False):
            found = list(rows)
            for n in members:
                found[n] = _with_bias(rows[n], bias)
            if about_right(sum(found[n].params for n in members), *about):
                return found
        printed = f"{format_count(about[0])} to {format_count(about[1])}, as rounded,"
    else:
        count = stage.params or 0
        printed = format_count(count)
        kept, ways = kept_counts([rows[n].solutions.values for n in members], count, bounds.states)
        if ways:
            return _taken(rows, members, kept, count, bounds)
    parts = [f"{rows[n].name.removeprefix(stage.name).strip('.')} {rows[n].params}" for n in members if rows[n].params]
    raise Contradiction(
        f"line {stage.line}: {stage.name}: {printed} parameters are printed for what adds up to "
        f"{format_count(sum(rows[n].params for n in members))}: {', '.join(parts[:12])}"
        + (f" and {len(parts) - 12} more" if len(parts) > 12 else "")
    )


def _with_bias(row: SolvedRow, bias: bool | None) -> SolvedRow:
    if bias is None:
        return row
    families = [family for family in row.solutions.families if dict(family.fixed).get("bias", bias) == bias]
    kept = Solutions(families)
    return replace(row, solutions=kept, choice=kept.best) if families else row


def _taken(
    rows: Sequence[SolvedRow], counted: Sequence[int], kept: Sequence[set[int]], total: int, bounds: Bounds
) -> list[SolvedRow]:
    found = list(rows)
    left = [rows[n].solutions.with_params(counts) for n, counts in zip(counted, kept, strict=True)]
    _, best = next(best_sums([solutions.values for solutions in left], total, bounds.states))
    for n, solutions, count in zip(counted, left, best, strict=True):
        found[n] = replace(rows[n], solutions=solutions, choice=solutions.with_params({count}).best)
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
    heavy = [row for row in rows if row.params]
    counts = "\n".join(
        f"  {row.name}: {shown(row.output_shape)}, {format_count(row.params)}" for row in heavy[:_LISTED]
    )
    counts += f"\n  and {len(heavy) - _LISTED} further rows" if len(heavy) > _LISTED else ""
    return Contradiction(
        f"no solution of the rows adds up to {format_count(total)} parameters; a sum near it is {format_count(near)}, "
        f"{format_count(abs(total - near))} away. Is a layer not printed (batch normalization, a shortcut)? "
        f"The rows' own counts:\n{counts}"
    )
