"""A bound for padding that folds: no transform diagonalises its border, so that is cut off and decomposed as it is.

Along an axis let θ rise over a quarter turn from 0 at one border to the interior, and over another one to the other
border, by π/(2·turn) from input to input. With θ_o at the middle of output o's window, A_c = A∘cos(θ_i − θ_o) and A_s
with the sine: A_cᴴA_c + A_sᴴA_s = Σ φ·AᴴA·φ over φ = cos θ and φ = sin θ. So ‖A_c‖ is at most the largest norm of A
on the inputs where one of the two does not vanish: the two borders, and the interior, a part of a circulant. What is
left, A∘(1 − cos(θ_i − θ_o)), is zero where padding folds and small elsewhere: at most Σ_k (1 − cos θ_k)·‖A_k‖, with θ_k
the turn from tap k to the middle of its window and A_k what this tap alone does along the other axes. (The localisation
formula of Ismagilov, Morgan, Simon and Sigal, see Simon 1983, Ann. Inst. H. Poincaré A 38(3), here for A and not AᴴA.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

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


def window(axis: Axis, first: int, width: int) -> Window:
    """The inputs ``first``, ``first + 1``, ..., so many of them."""
    reads = torch.zeros(axis.outputs, width, axis.kernel, dtype=torch.float64)
    for tap in range(axis.kernel):
        outputs, inputs = axis.read_by(tap)
        inside = (inputs >= first) & (inputs < first + width)
        reads[outputs[inside], inputs[inside] - first, tap] = 1
    return Window(reads[reads.flatten(1).any(1)][None])


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
    if turn is not None and factor > 1 and axes[0].mode != "circular":
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


def _borders(axis: Axis, turn: int) -> tuple[int, int] | None:
    """Inputs of the left and of the right border; None for an axis too short to be cut: it stays whole.

    Up to max(padding, reach − 2) inputs are read by windows that reach over the border; there θ stays as it is.
    """
    left, right = (max(side, axis.reach - 2) + turn for side in (axis.before, axis.after))
    return (left, right) if left + right + axis.reach - 1 <= axis.size else None


def _widest(axis: Axis, turn: int) -> int:
    """Inputs of the widest piece that no transform touches."""
    if not axis.before + axis.after:
        return 1
    return max(_borders(axis, turn) or (axis.size,))


def _pieces(axis: Axis, turn: int) -> list[Piece]:
    if not axis.before + axis.after:
        return [ring_around_padded(axis)]
    if (borders := _borders(axis, turn)) is None:
        return [window(axis, 0, axis.size)]
    left, right = borders
    return [window(axis, 0, left), ring_around_padded(axis), window(axis, axis.size - right, right)]


def _lost(weight: Tensor, groups: int, axes: Sequence[Axis], number: int, turn: int, most: int) -> float:
    """Bound of ‖A − A_c‖ along one axis."""
    axis = axes[number]
    if not axis.before + axis.after or _borders(axis, turn) is None:
        return 0.0
    others = [other for at, other in enumerate(axes) if at != number]
    total = 0.0
    for tap in range(axis.kernel):
        turned = min(math.pi, math.pi / (2 * turn) * abs(tap * axis.dilation - (axis.reach - 1) / 2))
        if turned:
            total += (1 - math.cos(turned)) * folded_norm(weight.select(number + 2, tap), groups, others, most)[0]
    return total * (1 + 64 * axis.kernel * UNIT)
