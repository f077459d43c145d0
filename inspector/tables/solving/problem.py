"""One row's question: from these inputs to this output, with what is asked of it; and the answer that there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from inspector.tables.solving.bounds import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspector.tables.records import PrintedRow, Sizes
    from inspector.tables.solving.bounds import Bounds
    from inspector.tables.solving.families import Family


class Tier(NamedTuple):
    """Which hyperparameters are searched beyond PyTorch's default; a row takes the first tier that has a solution."""

    bias: bool = False
    groups: bool = False
    rest: bool = False  # dilation, ceil_mode, operations before a layer that the table does not print


WIDE = Tier(bias=True, groups=True, rest=True)
TIERS = (Tier(), Tier(bias=True), Tier(bias=True, groups=True), WIDE)


@dataclass(frozen=True, slots=True)
class Problem:
    """A row with the shapes around it.

    Attributes:
        row: as printed.
        inputs: shapes of what feeds it, without the batch; most rows have one.
        output: its output's shape.
        asked: what it must be.
        bounds: how far the search goes.
        tier: what is searched beyond the defaults.
    """

    row: PrintedRow
    inputs: tuple[Sizes, ...]
    output: Sizes
    asked: Asked
    bounds: Bounds
    tier: Tier

    def key(self) -> tuple[object, ...]:
        """Equal for questions with equal answers: all but the row's name and place."""
        row = self.row
        stated = tuple(sorted((name, repr(value)) for name, value in row.stated.items()))
        asked = tuple(repr(getattr(self.asked, entry.name)) for entry in _ASKED if entry.name != "origin")
        printed = (row.kind, row.cls, row.params, row.printed_shape if row.kind in _BY_PRINT else None, stated)
        return (*printed, self.inputs, self.output, asked, self.bounds, self.tier)

    @property
    def input(self) -> Sizes:
        """The one input."""
        return self.inputs[0]


class Unsolvable(Exception):
    """No values of this row's hyperparameters give what is printed.

    Attributes:
        equation: with the numbers put in.
        why: what is wrong with it, in words.
    """

    def __init__(self, equation: str, why: str) -> None:
        super().__init__(f"{equation}: {why}" if equation else why)
        self.equation = equation
        self.why = why


_ASKED = fields(Asked)
#: Kinds whose solutions depend on the order in which the shape is printed.
_BY_PRINT: Final = ("layer_norm", "rms_norm")
Solver: TypeAlias = Callable[[Problem], "Iterator[Family]"]


def shown(shape: Sizes) -> str:
    """A shape in a message: ``6×28×28``."""
    return "×".join(str(size) for size in shape) or "a scalar"


def uncounted(row: PrintedRow) -> PrintedRow:
    """The row as if its parameters were not printed."""
    return replace(row, params=None, stated={k: v for k, v in row.stated.items() if k != "params_about"})


def divisors(number: int) -> list[int]:
    """All divisors, rising.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return small + [number // n for n in reversed(small) if n * n != number]
