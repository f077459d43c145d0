"""The index core: which outputs read which inputs along one axis. Everything else in this room follows from it.

An axis of a convolution is a small sparse matrix of its own, (outputs × inputs), with one kernel tap at each entry; the
matrix of the convolution is the product of its axes' patterns over the channels. Away from the borders all rows read
the same taps, one step further from row to row: such rows are one `Run`, whatever their number, so that a pattern takes
a handful of runs and no table of its entries. No torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inspector import geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mode = Literal["zeros", "circular", "reflect", "replicate"]
#: Taps that meet at one input; alone, but where padding folds two of them onto the same place.
Taps = tuple[int, ...]
#: (column, taps) of one row, in the order of the columns.
Row = list[tuple[int, Taps]]


@dataclass(frozen=True, slots=True)
class Run:
    """The rows ``row``, ``row + row_step``, ...: all read the same taps, ``column_step`` columns on from row to row.

    Attributes:
        row: its first row; ``count`` rows in all.
        entry: how many entries of the axis lie before the first row, ``entry_step`` more before each next one.
        columns: columns of the first row, ascending.
        taps: for each of them its tap, or K + j for the taps of `Axis.collisions` [j] together.
    """

    row: int
    row_step: int
    count: int
    entry: int
    entry_step: int
    columns: NDArray[np.int64]
    column_step: int
    taps: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a convolution (not transposed): ``outputs`` windows of ``kernel`` taps over ``size`` inputs.

    ``before`` and ``after`` are the padding of its two sides.

    >>> axis = Axis(size=4, outputs=4, kernel=3, before=1, after=1)
    >>> [(run.row, run.count, run.columns.tolist(), run.taps.tolist()) for run in axis.runs()]
    [(0, 1, [0, 1], [1, 2]), (1, 2, [0, 1, 2], [0, 1, 2]), (3, 1, [2, 3], [0, 1])]
    """

    size: int
    outputs: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    mode: Mode = "zeros"
    _collisions: list[Taps] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        border = () if self.mode == "zeros" else self._bordering()
        sets = {taps for o in border for _, taps in self._reads(o) if len(taps) > 1}
        object.__setattr__(self, "_collisions", sorted(sets))

    @property
    def reach(self) -> int:
        """Inputs that one window spans: d·(K − 1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def collisions(self) -> list[Taps]:
        """Sets of taps that padding folds onto one input: their weights add. `Run.taps` calls set j K + j."""
        return self._collisions

    def fold(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Input that each place of the padded axis (0 is the input's first) stands for; −1 where it stands for none."""
        inside = (places >= 0) & (places < self.size)
        if self.mode == "zeros":
            return np.where(inside, places, -1)
        if self.mode == "circular":
            return places % self.size
        if self.mode == "replicate":
            return places.clip(0, self.size - 1)
        period = max(1, 2 * (self.size - 1))  # reflect: ... 2 1 | 0 1 2 3 | 2 1 ...
        turned = places % period
        return np.minimum(turned, period - turned)

    def read_by(self, tap: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(outputs, inputs): everything that one tap multiplies."""
        if self.mode == "zeros":
            first, count = geometry.outputs_reading(
                self.size, self.outputs, tap, self.stride, self.before, self.dilation
            )
            outputs = np.arange(first, first + count)
        else:
            outputs = np.arange(self.outputs)
        return outputs, self.fold(self._places(outputs, tap))

    def entries(self) -> int:
        """Distinct (output, input) pairs, without listing them.

        >>> Axis(size=56, outputs=56, kernel=3, before=1, after=1).entries()  # 3·56 − 2
        166
        """
        if self.mode == "zeros":
            args = self.stride, self.before, self.dilation
            return sum(geometry.outputs_reading(self.size, self.outputs, tap, *args)[1] for tap in range(self.kernel))
        return self.kernel * len(self._interior()) + sum(len(self._reads(o)) for o in self._bordering())

    def runs(self, transposed: bool = False) -> list[Run]:
        """All rows, grouped: the outputs, or with ``transposed`` the inputs."""
        return list(_numbered(self._by_input() if transposed else self._by_output()))

    def _places(self, outputs: Any, taps: Any) -> Any:
        return geometry.input_index(outputs, taps, self.stride, self.before, self.dilation)

    def _interior(self) -> range:
        """Outputs whose window lies inside the input."""
        first = -(-self.before // self.stride)
        last = min(self.outputs - 1, (self.size + self.before - self.reach) // self.stride)
        return range(first, last + 1) if first <= last else range(0)

    def _bordering(self) -> Iterable[int]:
        interior = self._interior()
        return (*range(interior.start), *range(interior.stop, self.outputs))

    def _reads(self, output: int) -> Row:
        """(input, taps) of one output."""
        inputs = self.fold(self._places(output, np.arange(self.kernel)))
        if self.mode == "zeros":
            return [(i, (k,)) for k, i in enumerate(inputs.tolist()) if i >= 0]
        found: dict[int, Taps] = {}
        for k, i in enumerate(inputs.tolist()):
            found[i] = (*found.get(i, ()), k)
        return sorted(found.items())

    def _run(self, row: int, entries: Row, *, row_step: int = 1, count: int = 1, column_step: int = 0) -> _Unnumbered:
        place = {taps: self.kernel + j for j, taps in enumerate(self.collisions)}
        columns = np.array([column for column, _ in entries], dtype=np.int64)
        taps = np.array([place[taps] if len(taps) > 1 else taps[0] for _, taps in entries], dtype=np.int64)
        return _Unnumbered(row, row_step, count, columns, column_step, taps)

    def _by_output(self) -> Iterator[list[_Unnumbered]]:
        interior = self._interior()
        for o in range(interior.start):
            yield [self._run(o, self._reads(o))]
        if interior:
            first = self._reads(interior.start)
            yield [self._run(interior.start, first, count=len(interior), column_step=self.stride)]
        for o in range(interior.stop, self.outputs):
            yield [self._run(o, self._reads(o))]

    def _by_input(self) -> Iterator[list[_Unnumbered]]:
        """Input i is read by the outputs (i + p − k·d)/s that are whole: the same taps again every s inputs."""
        interior = self._interior()
        folded: dict[int, Row] = defaultdict(list)  # what the outputs at the border read
        for o in self._bordering():
            for i, taps in self._reads(o):
                folded[i].append((o, taps))

        def row(i: int) -> Row:
            whole = ((*divmod(i + self.before - k * self.dilation, self.stride), k) for k in range(self.kernel))
            inner = ((o, (k,)) for o, rest, k in whole if rest == 0 and o in interior)
            return sorted([*inner, *folded.get(i, [])])

        # Inputs that every tap of interior outputs reaches and none at the border; a longest stretch of them.
        low = interior.start * self.stride + self.reach - 1 - self.before if interior else self.size
        high = (interior.stop - 1) * self.stride - self.before if interior else -1
        stops = [low - 1, *(i for i in sorted(folded) if low <= i <= high), high + 1]
        start, stop = max(((a + 1, b) for a, b in pairwise(stops)), key=lambda gap: gap[1] - gap[0])
        regular = range(start, stop) if start < stop else range(self.size, self.size)
        for i in range(regular.start):
            yield [self._run(i, row(i))]
        if regular:
            phases = [regular[phase :: self.stride] for phase in range(min(self.stride, len(regular)))]
            yield [self._run(i[0], row(i[0]), row_step=self.stride, count=len(i), column_step=1) for i in phases]
        for i in range(regular.stop, self.size):
            yield [self._run(i, row(i))]


@dataclass(frozen=True, slots=True)
class _Unnumbered:
    """A run that does not know yet how many entries lie before it."""

    row: int
    row_step: int
    count: int
    columns: NDArray[np.int64]
    column_step: int
    taps: NDArray[np.int64]


def _numbered(stretches: Iterable[list[_Unnumbered]]) -> Iterator[Run]:
    """Runs in the order of their first rows; the runs of one stretch take turns row by row."""
    before = 0
    for stretch in stretches:
        period = sum(len(run.columns) for run in stretch)
        entry = before
        for run in stretch:
            yield Run(run.row, run.row_step, run.count, entry, period, run.columns, run.column_step, run.taps)
            entry += len(run.columns)
            before += run.count * len(run.columns)
