"""What solving gives: each row with its hyperparameters, parameters and what it leaves open; the whole with its
totals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from inspector.tables.solving.totals import best_sums

if TYPE_CHECKING:
    from inspector.tables.records import PrintedRow, Sizes, Table
    from inspector.tables.solving.bounds import Asked, Bounds
    from inspector.tables.solving.families import Choice, Solutions

#: How many alternatives are listed; all of them are counted.
LISTED = 20


@dataclass(frozen=True)
class SolvedRow:
    """One row with what was hidden.

    Attributes:
        row: as printed; of a repeated row or block, one of the repeats.
        inputs: indices into ``Solution.rows`` of what feeds it; -1 is the network's input.
        input_shapes: their shapes, without the batch.
        output_shape: printed, or found where it is not.
        asked: what it had to be.
        solutions: every solution within the bounds; iterating gives them ranked.
        choice: the one taken: the first, or the first that the total allows.
        reused: the parameters are those of an earlier row and count once.
        hidden: the table does not print the output shape.
        note: what a reader must know, or ``""``.
    """

    row: PrintedRow
    inputs: tuple[int, ...]
    input_shapes: tuple[Sizes, ...]
    output_shape: Sizes
    asked: Asked
    solutions: Solutions
    choice: Choice
    reused: bool = False
    hidden: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.row.name

    @property
    def kind(self) -> str:
        """Kind of the layer, one of ``records.KINDS``."""
        return self.row.kind

    @property
    def hyperparameters(self) -> dict[str, object]:
        """By name, as PyTorch calls them but ``kernel``; tuples have one entry for each axis."""
        return self.choice.hyperparameters

    @property
    def params(self) -> int:
        """Parameters that this row adds."""
        return 0 if self.reused else self.choice.params

    @property
    def ambiguous(self) -> bool:
        """More than one solution is left."""
        return self.solutions.count > 1

    @cached_property
    def alternatives(self) -> tuple[dict[str, object], ...]:
        """The other solutions, the best first, up to 20; ``solutions.count`` says how many there are."""
        others = (choice for choice in self.solutions if choice != self.choice)
        return tuple(choice.hyperparameters for choice in islice(others, LISTED))

    @property
    def derivation(self) -> str:
        """The worked answer for this row."""
        from inspector.tables.derivation import row_text

        return row_text(self)

    @cached_property
    def decided_by(self) -> tuple[str, int]:
        """(the hyperparameter that, if known, leaves the fewest solutions; how many it leaves); ``("", 1)`` if
        decided.
        """
        if not self.ambiguous:
            return "", 1
        values = self.hyperparameters
        left: dict[str, int] = {}
        if len({*self.solutions.values}) > 1:
            left["parameters"] = self.solutions.values[self.choice.params].ways
        names = [name for name in ("kernel", "stride", "padding", "dilation", "groups", "bias") if name in values]
        for name in (*names, *(name for name in values if name not in names)):
            left[name] = self.solutions.count_with(name, values.get(name))
        best = min(left, key=lambda name: (left[name], list(left).index(name)))
        return best, left[best]


@dataclass(frozen=True)
class Solution:
    """A table with everything that was hidden.

    Attributes:
        table: as read.
        rows: solved, in the order of the table; repeats stand one by one.
        input_shape: of the network, without the batch.
        bounds: how far the search went.
        asked_total: the total that was printed or given, or None.
        joint: how many combinations of parameter counts give that total; 1 where no total is known; None where there
            were more than ``bounds.states`` intermediate results.
        beside: what the total counts beside parameters: Keras's moving statistics.
        notes: what a reader must know of the whole: assumptions, wiring that the table does not show.
        uncounted: rows of which neither an equation nor a count is known: the total is at least what the others have.
    """

    table: Table
    rows: tuple[SolvedRow, ...]
    input_shape: Sizes
    bounds: Bounds
    asked_total: int | None = None
    joint: int | None = 1
    beside: int = 0
    notes: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()

    @property
    def total_params(self) -> int:
        """Parameters of all rows; each counts once."""
        return sum(row.params for row in self.rows)

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Names of the rows of which more than one solution is left."""
        return tuple(row.name for row in self.rows if row.ambiguous)

    @cached_property
    def alternatives(self) -> tuple[dict[str, dict[str, object]], ...]:
        """Other solutions of the whole, ranked, up to 20: for each the rows that differ, with their hyperparameters.

        Without a total, one row differs at a time; with one, rows differ together so that the total stays.
        """
        found: list[tuple[int, dict[str, dict[str, object]]]] = []
        if self.asked_total is not None and self.joint not in (None, 1):
            values = [row.solutions.values for row in self.rows if not row.reused]
            sums = islice(best_sums(values, self.asked_total - self.beside, self.bounds.states), 1, LISTED + 1)
            found += [(cost, self._with_counts(counts)) for cost, counts in sums]
        for row in self.rows:
            same = row.solutions.with_params({row.choice.params}) if self.asked_total is not None else row.solutions
            for choice in islice((choice for choice in same if choice != row.choice), LISTED):
                found.append((choice.cost - row.choice.cost, {row.name: choice.hyperparameters}))
        found.sort(key=lambda entry: entry[0])
        return tuple(entry for _, entry in found[:LISTED])

    def _with_counts(self, counts: tuple[int, ...]) -> dict[str, dict[str, object]]:
        counted = [row for row in self.rows if not row.reused]
        return {
            row.name: next(iter(row.solutions.with_params({count}))).hyperparameters
            for row, count in zip(counted, counts, strict=True)
            if count != row.choice.params
        }

    def __getitem__(self, name: str) -> SolvedRow:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        """The worked answer."""
        from inspector.tables.derivation import text

        return text(self)

    def source(self, name: str = "Network") -> str:
        """The model as Python source: a class ``name``; see ``inspector.tables.build``."""
        from inspector.tables.building import source

        return source(self, name)
