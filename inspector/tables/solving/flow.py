"""Follows a table from the network's input to its last row: what feeds each row, its output's shape, and its
solutions.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.tables.solving.bounds import Asked, asked_of
from inspector.tables.solving.contradiction import MOST_CONFLICTS, Conflict
from inspector.tables.solving.families import Family, Solutions
from inspector.tables.solving.hidden import Run, paths
from inspector.tables.solving.kinds import CONVOLUTIONS, KEEPING, WINDOWS, solutions
from inspector.tables.solving.problem import Problem, Tier, Unsolvable, shown, uncounted
from inspector.tables.solving.shapes import follows, made_for, pooled_for, stated_size, steps_of, stretched
from inspector.tables.solving.solution import SolvedRow
from inspector.tables.solving.windows import exact_size, meets_axes
from inspector.tables.solving.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.tables.records import PrintedRow, Sizes, Table
    from inspector.tables.solving.bounds import Bounds
    from inspector.tables.solving.expand import Block, Step

_BIASED: Final = CONVOLUTIONS | {"linear", "attention"}


class Flow:
    """One pass over the steps.

    Attributes:
        rows: solved so far.
        conflicts: rows without a solution; the pass goes on from what is printed.
        notes: what a reader must know of the whole.
    """

    def __init__(
        self,
        table: Table,
        steps: Sequence[Step],
        blocks: Sequence[Block],
        input_shape: Sizes,
        once: Mapping[str, object],
        each: Mapping[str, Mapping[str, object]],
        bounds: Bounds,
        *,
        counted: bool,
    ) -> None:
        self.input_shape = input_shape
        self.rows: list[SolvedRow] = []
        self.conflicts: list[Conflict] = []
        self.notes: list[str] = []
        self._steps = steps
        self._once = once
        self._each = each
        self._bounds = bounds
        self._tier = Tier(bias=counted)
        self._assigned: dict[int, Sizes] = {}
        self._ends: dict[int, list[Block]] = {}
        self._begins: dict[int, list[Block]] = {}
        for block in (block for block in blocks if block.first < block.end):
            self._ends.setdefault(block.end, []).append(block)
            self._begins.setdefault(block.first, []).insert(0, block)  # outer ones first
        self._holding = table.format == "torchinfo"
        self._modules_alone = table.format in ("torchinfo", "torchsummary")
        self._wiring = Wiring(table, self.rows, input_shape)
        self._asked = [self._asked_of(step.row) for step in steps]

    def run(self, *, all_rows: bool = True) -> None:
        """Solve every row; rows without a solution become ``conflicts``, and without ``all_rows`` the first ends it.

        Of rows without a solution the first 20 are enough: what a table is that has more, no single number decides.
        """
        most = MOST_CONFLICTS if all_rows else 1
        for number, step in enumerate(self._steps):
            if len(self.conflicts) >= most:
                return
            for block in self._begins.get(number, ()):
                if self._holding and block.row.params:
                    self._holds(block.row)
                self._wiring.enter()
            if step.row.kind == "container":
                self._merge(step.row, step.row.output_shape)
            else:
                self._solve(number, step.row)
            for block in self._ends.get(number + 1, ()):
                self._wiring.leave()
                self._merge(block.row, block.row.output_shape if block.last else None)

    def _asked_of(self, row: PrintedRow) -> Asked:
        once: dict[str, object] = {}
        if row.kind in CONVOLUTIONS:
            once = {name: value for name, value in self._once.items() if name != "bias"}
        if row.kind in _BIASED and "bias" in self._once:
            once["bias"] = self._once["bias"]
        mine: dict[str, object] = {}
        for key in (row.kind, row.cls, row.name.split("/")[-1], row.name, str(row.line)):
            mine.update(self._each.get(key, {}) if key else {})
        return asked_of(row, once, mine)

    def _solve(self, number: int, row: PrintedRow) -> None:
        asked = self._asked[number]
        first: tuple[Unsolvable, tuple[int, ...]] | None = None
        for strict in (True, False) if self._wiring.branches else (False,):
            for inputs, note in self._wiring.sources(row):
                shapes = tuple(self._wiring.shape(source) for source in inputs)
                try:
                    output = self._output(number, row, asked, shapes)
                    problem = Problem(row, shapes, output, asked, self._bounds, self._tier)
                    found = solutions(problem, strict=strict)
                except Unsolvable as error:
                    first = first or (error, inputs)
                    continue
                self._add(row, inputs, shapes, output, asked, found, note)
                return
        assert first is not None
        self._unsolved(number, row, asked, *first)

    def _add(
        self,
        row: PrintedRow,
        inputs: tuple[int, ...],
        shapes: tuple[Sizes, ...],
        output: Sizes,
        asked: Asked,
        found: Solutions,
        note: str,
    ) -> None:
        self.rows.append(
            SolvedRow(
                row,
                inputs,
                shapes,
                output,
                asked,
                found,
                found.best,
                reused="reused" in row.stated,
                hidden=row.output_shape is None,
                note=note,
            )
        )
        self._wiring.moved(inputs)

    def _unsolved(self, number: int, row: PrintedRow, asked: Asked, error: Unsolvable, inputs: tuple[int, ...]) -> None:
        before = self._wiring.shape(self._wiring.last)
        made = made_for(row, before) if self._wiring.branches else None
        if made is None and self._modules_alone:
            made = pooled_for(row, before)
        if made is not None:
            try:
                output = self._output(number, row, asked, (made,))
                found = solutions(Problem(row, (made,), output, asked, self._bounds, self._tier))
            except Unsolvable:
                pass
            else:
                note = f"its input {shown(made)} is made by an operation that the table does not print"
                self._add(row, (), (made,), output, asked, found, note)
                return
        self.conflicts.append(Conflict(row, inputs, tuple(self._wiring.shape(i) for i in inputs), error, asked))
        shape = row.output_shape or self._wiring.shape(inputs[0] if inputs else -1)
        found = Solutions([Family((), row.params or 0)])
        self.rows.append(SolvedRow(row, inputs, (), shape, asked, found, found.best))
        self._wiring.moved(inputs)

    def without_count(self, number: int) -> Solutions | None:
        """The solutions of a row whatever its printed count; None where its shapes have none either."""
        row = self.rows[number]
        free = uncounted(row.row)
        shapes = tuple(self._wiring.shape(source) for source in row.inputs)
        problem = Problem(free, shapes, row.output_shape, row.asked, self._bounds, Tier(bias=True))
        try:
            return solutions(problem)
        except Unsolvable:
            return None

    def _holds(self, row: PrintedRow) -> None:
        """Parameters that a block holds beside its layers, as torchinfo prints them: ViT's class token."""
        shape = self._wiring.shape(self._wiring.last)
        found = Solutions([Family((), row.params or 0)])
        note = "holds parameters beside its layers; what it does with them is not printed"
        inputs = (self._wiring.last,)
        self.rows.append(SolvedRow(row, inputs, (shape,), shape, Asked(), found, found.best, note=note))
        self._wiring.moved(inputs)

    def _merge(self, row: PrintedRow, shape: Sizes | None) -> None:
        """The end of a container whose output is printed: it is what its last row gives, or what is joined inside."""
        if shape is None or not self.rows or shape == self._wiring.shape(self._wiring.last):
            return
        before = self._wiring.shape(self._wiring.last)
        inputs, kind = self._wiring.joined(shape)
        if not inputs and shape == (prod(before),):
            inputs, kind = (self._wiring.last,), "flatten"
        asked = Asked()
        if not inputs and row.cls in ("Sequential", "ModuleList"):
            error = Unsolvable(f"{shown(shape)} ≠ {shown(before)}", f"a {row.cls} gives what its last row gives")
            self.conflicts.append(Conflict(row, (self._wiring.last,), (before,), error, asked))
        note = "" if inputs else f"{shown(shape)} is made inside by operations that the table does not print"
        joined = replace(row, kind=kind, params=None, stated={}, output_shape=shape)
        fixed = {"concat": (("dim", 1),), "flatten": (("start_dim", 1),)}
        found = Solutions([Family(fixed.get(kind, ()))])
        shapes = tuple(self._wiring.shape(source) for source in inputs)
        self.rows.append(SolvedRow(joined, inputs, shapes, shape, asked, found, found.best, note=note))
        self._wiring.moved(inputs)

    def _output(self, number: int, row: PrintedRow, asked: Asked, shapes: tuple[Sizes, ...]) -> Sizes:
        """The output's shape: printed, or what follows from what is."""
        size = shapes[0]
        if row.kind in WINDOWS:
            meets_axes(asked, len(size) - 1)
        if row.output_shape is not None:
            if 0 in row.output_shape:
                raise Unsolvable(shown(row.output_shape), "every size is at least 1")
            flat = row.kind == "linear" and row.output_shape[:-1] != size[:-1] and set(row.output_shape[1:]) == {1}
            return row.output_shape[:1] if flat else row.output_shape  # papers print 1×1×1000
        if (row.kind in WINDOWS or row.kind == "linear") and (printed := self._printed_below(number)):
            return printed
        if row.kind in WINDOWS:
            channels = row.stated.get("out_channels", asked.out_channels)
            if row.kind in CONVOLUTIONS and not isinstance(channels, int):
                if not asked.depthwise:
                    raise InspectionError(
                        f"line {row.line}: {row.name} prints neither an output shape nor its channels"
                    )
                channels = size[0]
            if len(size) < 2:
                raise Unsolvable(shown(size), f"{row.kind} takes channels and 1 to 3 axes")
            out = channels if row.kind in CONVOLUTIONS and isinstance(channels, int) else size[0]
            return (out, *self._size(number, size[1:]))
        return follows(row, asked, shapes)

    def _printed_below(self, number: int) -> Sizes | None:
        """The shape that a row below prints, where the rows up to it keep their shape: "Conv, BN, ReLU | 64×32×32"."""
        for step in self._steps[number + 1 :]:
            if step.row.kind not in KEEPING or step.row.output_shape:
                return step.row.output_shape if step.row.kind in KEEPING else None
        return None

    def _size(self, number: int, before: Sizes) -> Sizes:
        """Sizes that a window leaves, where they are not printed with its channels."""
        stated = stated_size(self._steps[number].row)
        if stated is not None:
            return stretched(stated, len(before))
        exact = exact_size(self._steps[number].row.kind, self._asked[number], before)
        if exact is not None:
            return exact
        if number not in self._assigned:
            self._hide(number, before)
        return self._assigned[number]

    def _hide(self, number: int, before: Sizes) -> None:
        """Find the sizes of the run of rows that begins here."""
        end, target = number, None
        while end < len(self._steps):
            row = self._steps[end].row
            if row.kind not in WINDOWS and row.kind not in KEEPING:
                break
            stated = row.output_shape[1:] if row.output_shape else stated_size(row)
            end += 1
            if stated is not None:
                target = stretched(stated, len(before))
                break
            sizes = [stated_size(block.row) or (block.row.output_shape or ())[1:] for block in self._ends.get(end, ())]
            known = [size for size in sizes if size]
            if known:
                target = stretched(known[0], len(before))
                break
        rows = tuple((self._steps[at].row, self._asked[at]) for at in range(number, end))
        ways = paths(before, Run(rows, target), self._bounds)
        if not ways:
            goal = shown(target) if target else "any size"
            raise Unsolvable(
                f"{shown(before)} → {goal}", "no sizes in between fit the rows, whose shapes are not printed"
            )
        for at, size in enumerate(ways[0].sizes):
            self._assigned.setdefault(number + at, size)
        equal = [way for way in ways if way.sizes != ways[0].sizes]
        if equal and target is not None:
            first, last = rows[0][0].name, rows[-1][0].name
            self.notes.append(
                f"{first} to {last}: the sizes in between are not printed; taken is "
                f"{steps_of(before, ways[0].sizes)}; "
                f"{len(equal)} other {'way fits' if len(equal) == 1 else 'ways fit'}, such as "
                f"{steps_of(before, equal[0].sizes)}"
            )
