"""A table that cannot be: the row, the equation without an integer solution, and the smallest change that would give
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.tables.solving.problem import Unsolvable, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.records import PrintedRow, Sizes
    from inspector.tables.solving.bounds import Asked

#: Rows without a solution, after which the rest of a table is not followed.
MOST_CONFLICTS: Final = 20
_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Conflict:
    """One row without a solution.

    Attributes:
        row: as printed.
        inputs: indices of the rows that feed it.
        input_shapes: their shapes.
        error: the equation, and what is wrong with it.
        asked: what the row had to be.
    """

    row: PrintedRow
    inputs: tuple[int, ...]
    input_shapes: tuple[Sizes, ...]
    error: Unsolvable
    asked: Asked

    def __str__(self) -> str:
        where = f"line {self.row.line}: {self.row.name}" if self.row.line else self.row.name
        takes = " and ".join(shown(shape) for shape in self.input_shapes) or "nothing"
        gives = shown(self.row.output_shape) if self.row.output_shape else "a shape that is not printed"
        held = {name: origin for name, origin in self.asked.origin.items() if origin != "printed"}
        given = ", ".join(f"{name} {_plain(getattr(self.asked, name))}" for name in held)
        return f"{where}: from {takes} to {gives} has no solution{f' with {given}' if given else ''}\n  {self.error}"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Change:
    """One number of the table that, if it were another, would leave this row and its neighbours without contradiction.

    Attributes:
        name: the row whose number changes, or ``the input``.
        line: its line; 0 for the input.
        what: ``output shape``, ``output sides`` (all of them), ``output size`` (of a block), ``parameters``,
            ``kernel``, ``stride``, ``padding``, or ``shape`` of the input.
        printed: the number as it stands.
        must_be: the number that would do.
        place: which entry of the shape, from 0.
    """

    name: str
    line: int
    what: str
    printed: int
    must_be: int
    place: int = 0

    def __str__(self) -> str:
        where = f"{self.name} (line {self.line})" if self.line else self.name
        return f"{where}: the {self.printed} of its {self.what} would have to be {self.must_be}"


class Contradiction(InspectionError):
    """The table contradicts itself, or what was given beside it.

    Attributes:
        conflicts: rows without a solution, in the order of the table; empty where the total alone does not fit.
        changes: for the first of them the smallest change to one number, and others as small; empty where no single
            one helps.
    """

    def __init__(self, message: str, conflicts: Sequence[Conflict] = (), changes: Sequence[Change] = ()) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)
        self.changes = tuple(changes)


def contradiction(conflicts: Sequence[Conflict], changes: Sequence[Change], *, aside: bool = False) -> Contradiction:
    """The error with its message; ``aside`` where the changes leave the printed counts aside, which contradict too."""
    lines = [str(conflicts[0])]
    if changes:
        lines.append(f"  smallest change{', the printed counts left aside' if aside else ''}: {changes[0]}")
        lines += [f"  or: {change}" for change in changes[1:3]]
    else:
        lines.append("  no change of a single number near it would solve it")
    lines += [str(conflict) for conflict in conflicts[1:_LISTED]]
    if len(conflicts) > _LISTED:
        more = f"{len(conflicts) - _LISTED}{' or more' if len(conflicts) >= MOST_CONFLICTS else ''}"
        lines.append(f"and {more} further rows without a solution")
    return Contradiction("\n".join(lines), conflicts, changes)
