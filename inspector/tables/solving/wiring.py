"""What feeds a row: the row before it, unless names, connections or counts show otherwise.

A table is a chain until it shows branches itself: by a column of connections, by rows that add or concatenate, by
names such as ``downsample``, or by blocks with classes of their own. Only then may a row take an earlier row's
output, or several of them joined.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inspector.tables.records import PrintedRow, Sizes, Table
    from inspector.tables.solving.solution import SolvedRow

_SIDE: Final = re.compile(
    r"(?:^|[./_])(downsample|shortcut|proj_shortcut|skip|identity|residual)(?=$|[./_\d])", re.IGNORECASE
)
_JOINS: Final = ("add", "concat", "multiply")
#: Classes of containers that run what they hold one after the other, if at all.
PLAIN: Final = frozenset({"", "Sequential", "ModuleList", "ModuleDict"})
#: Distinct earlier shapes that are tried.
_TRIED: Final = 64


class Wiring:
    """Where rows take their input from, kept while the table is followed.

    Attributes:
        branches: the table shows that it is no chain.
        last: index of the row before, -1 at the beginning.
    """

    def __init__(self, table: Table, rows: list[SolvedRow], input_shape: Sizes) -> None:
        self.branches = any(
            row.kind in _JOINS
            or row.input_names
            or _SIDE.search(row.name)
            or (row.kind == "container" and row.cls not in PLAIN and (row.depth > 0 or table.format == "torchsummary"))
            for row in table.rows
            if "block" not in row.stated  # what a convention wrote out says where it takes its input from
        )
        self.last = -1
        self._rows = rows
        self._input = input_shape
        self._named = {row.name for row in table.rows}
        self._inputs = {row.name for row in table.rows if row.kind == "input"}
        self._at: dict[str, int] = {}
        self._by_shape: dict[Sizes, int] = {}
        self._open: dict[int, None] = {}  # outputs that nothing has taken yet, in order
        self._block_input: dict[str, int] = {}
        self._entered: list[int] = []  # what goes into each block around the row, outer ones first

    def shape(self, index: int) -> Sizes:
        """Output shape of a row; of -1 the network's input."""
        return self._input if index < 0 else self._rows[index].output_shape

    def moved(self, inputs: Sequence[int]) -> None:
        """The row solved last takes these inputs; it is the one before from now on."""
        self.last = len(self._rows) - 1
        row = self._rows[self.last]
        self._at[row.name] = self.last
        self._by_shape.pop(row.output_shape, None)
        self._by_shape[row.output_shape] = self.last
        for index in inputs:
            self._open.pop(index, None)
        self._open[self.last] = None
        path = row.name
        while "." in path:
            path = path.rpartition(".")[0]
            self._block_input.setdefault(path, inputs[0] if inputs else -1)

    def enter(self) -> None:
        """The rows that follow stand in a block."""
        self._entered.append(self.last)

    def leave(self) -> None:
        """The innermost block has ended."""
        self._entered.pop()

    def sources(self, row: PrintedRow) -> Iterator[tuple[tuple[int, ...], str]]:
        """Inputs to try, the likeliest first, each with a note where it is not plain from the table."""
        if row.input_names:
            found = [self._find(row, name) for name in row.input_names]
            yield tuple(index for index, _ in found), "; ".join(note for _, note in found if note)
            return
        if row.kind in _JOINS:
            yield from self._joins(row)
            return
        side = _SIDE.search(row.name)
        if side and not _SIDE.search(self._rows[self.last].name if self._rows else ""):
            start = self._block_input.get(row.name[: side.start()].rstrip("._/"))
            if start is not None:
                yield (start,), ""
        yield (self.last,), ""
        if not self.branches:
            return
        own = self.shape(self.last)
        earlier = [self._by_shape.get(self._input, -1), *self._by_shape.values()]
        tried = dict.fromkeys(index for index in (*reversed(self._entered), *reversed(earlier)) if index != self.last)
        for index in itertools.islice(tried, _TRIED):
            shape = self.shape(index)
            yield (index,), f"takes the output of {self._name(index)}; the rows between are another branch"
            if len(shape) > 1 and shape[1:] == own[1:]:
                yield (
                    (index, self.last),
                    f"takes {self._name(index)} and {self._name(self.last)} joined along the channels",
                )

    def joined(self, shape: Sizes) -> tuple[tuple[int, ...], str]:
        """(rows that give this shape when joined, how): outputs that nothing took; none where no such rows are seen."""
        loose = [index for index in self._open if self.shape(index)[1:] == shape[1:]]
        for start in range(len(loose)):
            part = loose[start:]
            if len(part) > 1 and sum(self.shape(index)[0] for index in part) == shape[0]:
                return tuple(part), "concat"
        return (), "container"

    def _joins(self, row: PrintedRow) -> Iterator[tuple[tuple[int, ...], str]]:
        """The row before and an earlier one of the same shape (sums), or whose channels make up the rest
        (concatenation).
        """
        own = self.shape(self.last)
        target = row.output_shape
        if row.kind == "concat" and target is not None:
            inputs, kind = self.joined(target)
            if kind == "concat":
                yield inputs, "joins what no other row takes"
            wanted = (target[0] - own[0], *target[1:])
        else:
            wanted = own
        loose = [index for index in reversed(self._open) if index != self.last and self.shape(index) == wanted]
        earlier = [index for index in range(self.last - 1, -2, -1) if self.shape(index) == wanted]
        for index in (*loose[:1], *earlier[:1]):
            yield (
                (index, self.last),
                f"takes {self._name(index)} and {self._name(self.last)}; the table names no inputs",
            )
        if row.kind != "concat":
            yield (self.last, self.last), "the table does not show what is joined"
        else:
            yield (self.last,), "the table does not show what is joined"

    def _find(self, row: PrintedRow, name: str) -> tuple[int, str]:
        """(the row that is meant, a note where its name is cut off in print and begins several names)."""
        found = self._at.get(name)
        if found is not None:
            return found, ""
        begins = [other for other in self._at if name.endswith("…") and other.startswith(name[:-1])]
        if begins:
            index = self._at[begins[-1]]
            several = f"its input is printed as {name!r}, which begins {len(begins)} names above; taken is the last"
            return index, f"{several}, {self._name(index)}" if len(begins) > 1 else ""
        if name in self._inputs or name.lower().startswith("input"):
            return -1, ""
        after = " below it" if name in self._named else ""
        raise InspectionError(
            f"line {row.line}: {row.name} is fed by {name!r}, and no row above has that name{after}; "
            f"name one of the rows above, such as {self._name(self.last)!r}"
        )

    def _name(self, index: int) -> str:
        return "the network's input" if index < 0 else f"{self._rows[index].name} ({shown(self.shape(index))})"
