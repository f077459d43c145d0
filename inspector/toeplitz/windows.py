"""A bound for padding that folds: no transform diagonalises its border, so that is cut off and decomposed as it is.

Along an axis let θ rise over a quarter turn from 0 at one border to the interior, and over another one to the other
border (or fall back to 0, where both are neighbours on a ring), by π/(2·turn) from input to input. With θ_o at the
middle of output o's window, A_c = A∘cos(θ_i − θ_o) and A_s with the sine: A_cᴴA_c + A_sᴴA_s = Σ φ·AᴴA·φ over φ = cos θ
and φ = sin θ. So ‖A_c‖ is at most the largest norm of A on the inputs where one of the two does not vanish: borders
and interior, a part of a circulant. What is left, A∘(1 − cos(θ_i − θ_o)), is zero where padding folds and small
elsewhere: at most Σ_k (1 − cos θ_k)·‖A_k‖, with θ_k the turn from tap k to the middle of its window and A_k what this
tap alone does along the other axes. (The localisation formula of Ismagilov, Morgan, Simon and Sigal, see Simon 1983,
Ann. Inst. H. Poincaré A 38(3), here for A and not AᴴA.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from inspector.toeplitz.circulant import UNIT, Circulant, padding_norm, ring_around_padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.toeplitz.axis import Axis
    from inspector.toeplitz.circulant import Piece

#: Inputs over which θ makes its quarter turn, the gentlest first.
_TURNS = range(96, 1, -1)
#: Rows or columns of a matrix that is decomposed in a few tenths of a second; and entries of one, 64 MiB.
_MOST, _ENTRIES = 1024, 2**23


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Some inputs of one axis next to each other, with all outputs that read them.

    Attributes:
        reads: which output reads which input by which tap, (1, outputs, width, kernel) of ones and zeros.
    """

    reads: Tensor

    @property
    def frequencies(self) -> int:
        """One: nothing is transformed here."""
        return 1

    @property
    def outputs(self) -> int:
        """Outputs that read one of the inputs."""
        return self.reads.shape[1]

    @property
    def width(self) -> int:
        """Inputs."""
        return self.reads.shape[2]

    @property
    def repeats(self) -> int:
        """How many outputs read one input by the same tap, at most."""
        return int(self.reads.sum(1).max())

    def factors(self, frequencies: Tensor) -> Tensor:
        """The same at the one frequency that there is."""
        return self.reads.to(frequencies.device)


def window(axis: Axis, inputs: Sequence[int]) -> Window:
    """These inputs of an axis whose padding copies some."""
    column = np.full(axis.size, -1)
    column[np.asarray(inputs)] = np.arange(len(inputs))
    pairs = []
    for tap in range(axis.kernel):
        outputs, read = axis.read_by(tap)
        inside = column[read] >= 0
        pairs.append((outputs[inside], column[read[inside]]))
    rows = np.unique(np.concatenate([outputs for outputs, _ in pairs]))
    reads = torch.zeros(1, len(rows), len(inputs), axis.kernel, dtype=torch.float64)
    for tap, (outputs, columns) in enumerate(pairs):
        reads[0, np.searchsorted(rows, outputs), columns, tap] = 1
    return Window(reads)


def folded_norm(weight: Tensor, groups: int, axes: Sequence[Axis], most: int = _MOST) -> tuple[float, str, str]:
    """(upper bound, method, how) of the norm of a convolution whose padding copies inputs.

    Args:
        weight: float64 or complex128, (C_out, C_in/groups, *kernel).
        groups: G.
        axes: one for each dimension of the kernel; none where nothing of the kernel is left.
        most: rows or columns of a matrix that is decomposed as it is; the more, the narrower is the bound.
    """
    rings = tuple(map(ring_around_padded, axes))
    whole, factor = Circulant(weight, groups, rings).leading().bound, padding_norm(axes)
    sizes = "×".join(str(ring.places) for ring in rings)
    how = f"‖convolution‖·‖padding‖: the first a part of the circulant of {sizes}, the second {factor:.6g}"
    found = [(whole * factor * (1 + 4 * UNIT), "padding", how)]
    turn = next((n for n in _TURNS if _small_enough(weight, groups, axes, n, most)), None)
    if turn is not None and factor > 1:
        parts = max(
            whole if pieces == rings else Circulant(weight, groups, pieces).leading().bound
            for pieces in product(*(_pieces(axis, turn) for axis in axes))
        )
        lost = sum(_lost(weight, groups, axes, number, turn, most // 4) for number in range(len(axes)))
        words = "×".join(str(_widest(axis, turn)) for axis in axes)
        how = f"a border of {words} inputs decomposed as it is, the interior a circulant, {lost:.3g} for the cut"
        found.append(((parts + lost) * (1 + 4 * len(axes) * UNIT), "windows", how))
    return min(found)


def _small_enough(weight: Tensor, groups: int, axes: Sequence[Axis], turn: int, most: int) -> bool:
    columns, rows = weight.shape[1], weight.shape[0] // groups
    for axis in axes:
        width = _widest(axis, turn)
        columns, rows = columns * width, rows * (1 + (width + axis.reach - 2) // axis.stride)
    return min(columns, rows) <= most and rows * columns * groups <= _ENTRIES


def _borders(axis: Axis, turn: int) -> list[list[int]]:
    """Inputs of the left and of the right border, which a ring joins; all of an axis too short to be cut.

    Up to max(padding, reach − 2) inputs are read by windows that reach over the border; there θ stays as it is.
    """
    ring = axis.mode == "circular"
    sides = [max(axis.before, axis.after)] * 2 if ring else [axis.before, axis.after]
    left, right = (max(side, axis.reach - 2) + turn for side in sides)
    if left + right + axis.reach - 1 > axis.size:
        return [list(range(axis.size))]
    first, last = list(range(left)), list(range(axis.size - right, axis.size))
    return [last + first] if ring else [first, last]


def _cut(axis: Axis, turn: int) -> bool:
    return axis.before + axis.after > 0 and sum(map(len, _borders(axis, turn))) < axis.size


def _widest(axis: Axis, turn: int) -> int:
    """Inputs of the widest piece that no transform touches."""
    return max(map(len, _borders(axis, turn))) if axis.before + axis.after else 1


def _pieces(axis: Axis, turn: int) -> list[Piece]:
    pieces: list[Piece] = [window(axis, inputs) for inputs in _borders(axis, turn)] if axis.before + axis.after else []
    return [*pieces, ring_around_padded(axis)] if _cut(axis, turn) or not pieces else pieces


def _lost(weight: Tensor, groups: int, axes: Sequence[Axis], number: int, turn: int, most: int) -> float:
    """Bound of ‖A − A_c‖ along one axis."""
    axis = axes[number]
    if not _cut(axis, turn):
        return 0.0
    others = [other for at, other in enumerate(axes) if at != number]
    total = 0.0
    for tap in range(axis.kernel):
        turned = min(math.pi, math.pi / (2 * turn) * abs(tap * axis.dilation - (axis.reach - 1) / 2))
        if turned:
            total += (1 - math.cos(turned)) * folded_norm(weight.select(number + 2, tap), groups, others, most)[0]
    return total * (1 + 64 * axis.kernel * UNIT)
