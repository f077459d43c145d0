"""The circulant around a convolution: its transform, and the singular values of that, exact to a stated error.

Laid on a ring of N places along each axis, a convolution is diagonalised by the discrete Fourier transform: at every
frequency a small matrix (outputs × inputs of one group) remains, and the singular values of these matrices are those of
the whole (Sedghi, Gupta & Long 2018, arXiv 1805.10408). A stride s that divides N splits the ring's inputs into s
phases, which stand beside each other as further inputs (polyphase). A kernel has few taps, so its transform is one
matrix product with roots of unity, whose rounding is bounded entry by entry; a fast transform of N places would save
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from inspector import geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inspector.toeplitz.axis import Axis

#: Unit roundoff of float64.
UNIT = 2.0**-53
#: Numbers of complex128 in one chunk of the transform: 64 MiB.
_CHUNK = 2**22
#: Matrices decomposed at a time.
_BATCH = 64
#: How often HHᴴ is squared before its Frobenius norm bounds ‖H‖: the more often, the nearer.
_SQUARES = 3
#: Rows and columns from which the product of a matrix with its adjoint is decomposed, which is quicker.
_GRAM = 96
#: A frequency is passed over where a bound of its largest singular value lies below the best by more than its rounding.
_SCREEN = 1 + 1e-8


class Piece(Protocol):
    """One axis, or a part of it, in a form whose matrices are small: `Ring`, or `windows.Window`."""

    @property
    def frequencies(self) -> int:
        """How many matrices it gives."""

    @property
    def outputs(self) -> int:
        """Rows of each of them, for one channel."""

    @property
    def width(self) -> int:
        """Columns of each of them, for one channel."""

    @property
    def repeats(self) -> int:
        """How many entries of a column hold the same tap, at most."""

    def factors(self, frequencies: Tensor) -> Tensor:
        """What each tap is multiplied by: (len(frequencies) or 1, outputs, width, kernel)."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One axis laid on a circle of ``places`` inputs; one output every ``stride`` places, which divides them.

    ``shift`` is where tap 0 of output 0 reads, ``dilation`` the step from tap to tap.
    """

    places: int
    kernel: int
    stride: int
    dilation: int
    shift: int

    @property
    def frequencies(self) -> int:
        """Outputs on the circle, and as many frequencies."""
        return self.places // self.stride

    @property
    def outputs(self) -> int:
        """One in each period of the stride."""
        return 1

    @property
    def width(self) -> int:
        """Phases of the stride."""
        return self.stride

    @property
    def repeats(self) -> int:
        """Once."""
        return 1

    def factors(self, frequencies: Tensor) -> Tensor:
        """Phase factor of each tap, at its phase of the stride: (len(frequencies), 1, stride, kernel)."""
        taps = torch.arange(self.kernel, device=frequencies.device)
        reads = (taps * self.dilation + self.shift) % self.places
        turns = (frequencies[:, None] * (reads // self.stride)) % self.frequencies  # exact: integers
        angles = turns.to(torch.float64) * (2 * math.pi) / self.frequencies
        phases = torch.arange(self.stride, device=frequencies.device)
        here = (reads % self.stride == phases[:, None]).to(torch.float64)
        return torch.polar(torch.ones_like(angles), angles)[:, None, None, :] * here


@dataclass(frozen=True, slots=True, eq=False)
class Leading:
    """Where a circulant is largest.

    Attributes:
        value: its largest singular value as computed; ``bound``: with what that may miss.
        frequency: of each axis; ``group``, and ``matrix``: whose singular value it is.
    """

    value: float
    bound: float
    frequency: tuple[int, ...]
    group: int
    matrix: Tensor


@dataclass(frozen=True, slots=True)
class Circulant:
    """A grouped convolution on rings; some axes may be no rings but windows, which no transform touches.

    Attributes:
        weight: float64 or complex128, (C_out, C_in/G, *kernel), of the convolution that is not transposed.
        groups: G.
        rings: one piece for each axis.
    """

    weight: Tensor
    groups: int
    rings: tuple[Piece, ...]

    @property
    def count(self) -> int:
        """Frequencies of all axes together."""
        return math.prod(ring.frequencies for ring in self.rings)

    @property
    def rounding(self) -> float:
        """Bound of the 2-norm by which a computed matrix of one frequency may miss the true one.

        An entry sums T products of a weight and d roots of unity. An angle carries three roundings (3·2π units at
        most), cosine and sine one each, complex products √5, the sum T − 1 of each part: less than (24·d + 2·T + 8)
        units of Σ|w|. Where a column holds a tap r times, the norm of Σ|w| grows by √r.
        """
        taps = math.prod(self.weight.shape[2:])
        sums = self.weight.abs().reshape(*self.weight.shape[:2], taps).sum(-1).unflatten(0, (self.groups, -1))
        largest = float(torch.linalg.matrix_norm(sums).max()) * math.sqrt(math.prod(p.repeats for p in self.rings))
        return (24 * len(self.rings) + 2 * taps + 8) * UNIT * largest * (1 + 1e-6)

    def svd_rounding(self, largest: float) -> float:
        """Bound of what LAPACK's singular values may miss: p(m, n)·u·σ₁, here with p = 10·(m + n).

        Source: LAPACK Users' Guide, "Error Bounds for the Singular Value Decomposition"; its p grows modestly.
        """
        rows, columns = self._small()
        return 10 * (rows + columns) * UNIT * largest

    def matrices(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(indices, (len, G, C_out/G, C_in/G·∏s)): the transform, frequency by frequency, in chunks.

        For a real weight a frequency and its negative are conjugates; one of them is given, but see `multiplicity`.
        """
        rows, columns = self._small()
        outputs, width = (math.prod(getattr(piece, side) for piece in self.rings) for side in ("outputs", "width"))
        taps = math.prod(self.weight.shape[2:])
        step = max(1, _CHUNK // max(self.groups * rows * columns, outputs * width * taps))
        flat = self.weight.reshape(-1, taps).T  # (taps, C_out·C_in/G)
        for first in range(0, self.count, step):
            indices = torch.arange(first, min(first + step, self.count), device=self.weight.device)
            if not self.weight.is_complex():
                indices = indices[indices <= self.negative(indices)]
            if not len(indices):
                continue
            one = torch.ones(1, 1, 1, 1, dtype=torch.float64, device=indices.device)
            factors = (piece.factors(at) for piece, at in zip(self.rings, self._axes(indices), strict=True))
            roots = reduce(_combine, factors, one)  # (len, outputs, width, taps)
            kind = torch.promote_types(roots.dtype, flat.dtype)
            entries = (roots.to(kind) @ flat.to(kind)).unflatten(-1, (self.groups, rows // outputs, -1))
            yield indices, entries.permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)

    def multiplicity(self, indices: Tensor) -> Tensor:
        """How many frequencies each given one stands for: 2 where its negative is another one and the weight real."""
        if self.weight.is_complex():
            return torch.ones_like(indices)
        return 1 + (indices != self.negative(indices)).to(indices.dtype)

    def negative(self, indices: Tensor) -> Tensor:
        """Index of the negative frequency."""
        result = torch.zeros_like(indices)
        for ring, at in zip(self.rings, self._axes(indices), strict=True):
            result = result * ring.frequencies + (-at) % ring.frequencies
        return result

    def leading(self) -> Leading:
        """The frequency of the largest singular value, and that with its error.

        ‖H‖ ≤ ‖(HHᴴ)⁸‖_F^¹⁄₁₆ screens: only frequencies that may hold the largest are decomposed. (Gram iteration,
        Delattre et al. 2023, arXiv 2305.16173.)
        """
        value, index, group, matrix = -1.0, torch.zeros(1, dtype=torch.long), 0, self.weight
        for indices, chunk in self.matrices():
            matrices = chunk.flatten(0, 1)
            bounds = (
                _gram_bounds(matrices) if len(matrices) > 1 else matrices.new_full((1,), math.inf, dtype=torch.float64)
            )
            for part in bounds.argsort(descending=True).split(_BATCH):
                part = part[bounds[part] * _SCREEN > value]
                if not len(part):
                    break
                found, at = _largest(matrices[part]).max(0)
                if float(found) > value:
                    value, (number, group) = float(found), divmod(int(part[at]), self.groups)
                    index, matrix = indices[number : number + 1], matrices[part[at]]
        error = self.rounding + self.svd_rounding(value + self.rounding)
        return Leading(value, value + error, tuple(int(at) for at in self._axes(index)), group, matrix)

    def singular_values(self) -> Tensor:
        """All of them, descending; where the matrices are not square the zeros that fill up are left out."""
        found = []
        for indices, chunk in self.matrices():
            values = torch.linalg.svdvals(chunk).flatten(1)
            found.append(values.repeat_interleave(self.multiplicity(indices), dim=0).flatten())
        return torch.cat(found).sort(descending=True).values

    def _small(self) -> tuple[int, int]:
        outputs, width = (math.prod(getattr(piece, side) for piece in self.rings) for side in ("outputs", "width"))
        return self.weight.shape[0] // self.groups * outputs, self.weight.shape[1] * width

    def _axes(self, indices: Tensor) -> list[Tensor]:
        """The frequency of each axis."""
        parts = []
        for ring in reversed(self.rings):
            parts.append(indices % ring.frequencies)
            indices = indices // ring.frequencies
        return parts[::-1]


def _combine(left: Tensor, right: Tensor) -> Tensor:
    """Factors of two axes as those of their product: (F, o, i, k) and (F, p, j, l) -> (F, o·p, i·j, k·l)."""
    both = left[:, :, None, :, None, :, None] * right[:, None, :, None, :, None, :]
    return both.flatten(5).flatten(3, 4).flatten(1, 2)


def _largest(matrices: Tensor) -> Tensor:
    """The largest singular value of each; of larger matrices from HHᴴ, with what the rounding of that may hide added.

    An entry of HHᴴ sums k products: less than 3·k units of Σ|h||h|, and ‖|H||H|ᴴ‖ ≤ ‖H‖²_F.
    """
    rows, columns = matrices.shape[-2:]
    if min(rows, columns) < _GRAM:
        largest: Tensor = torch.linalg.svdvals(matrices)[:, 0]
        return largest
    values = torch.linalg.eigvalsh(_gram(matrices))[:, -1]
    hidden = 3 * max(rows, columns) * UNIT * torch.linalg.matrix_norm(matrices) ** 2
    bounds: Tensor = (values + hidden).sqrt()
    return bounds


def _gram(matrices: Tensor) -> Tensor:
    """The smaller of HHᴴ and HᴴH."""
    return matrices @ matrices.mH if matrices.shape[-2] <= matrices.shape[-1] else matrices.mH @ matrices


def _gram_bounds(matrices: Tensor) -> Tensor:
    """An upper bound of each matrix's norm, scaled against overflow."""
    scale = torch.linalg.matrix_norm(matrices).clamp_min(torch.finfo(torch.float64).tiny)
    scaled = matrices / scale[:, None, None]
    gram = _gram(scaled)
    for _ in range(_SQUARES):
        gram = gram @ gram
    bounds: Tensor = torch.linalg.matrix_norm(gram) ** (0.5 ** (_SQUARES + 1)) * scale
    return bounds


def ring_around(axis: Axis) -> Ring:
    """The smallest ring of which this axis without folding is a part: no window reaches round it into the input.

    Rows o·s − p and the columns 0 … I − 1 are then distinct places, and every entry between them is the axis's own.
    """
    last = (axis.outputs - 1) * axis.stride
    needed = max(axis.size + axis.before, last + axis.reach - axis.before, last + 1)
    places = -(-needed // axis.stride) * axis.stride
    return Ring(places, axis.kernel, axis.stride, axis.dilation, -axis.before)


def ring_of(axis: Axis) -> tuple[Ring, int, bool]:
    """(ring, times, exactly) of an axis with circular padding: each of the ring's rows occurs ``times`` at most.

    The rows o·s − p lie on the places of one phase of g = gcd(s, I). ``exactly``: each of them occurs so often.
    """
    step = math.gcd(axis.stride, axis.size)
    rows = axis.size // step
    ring = Ring(axis.size, axis.kernel, step, axis.dilation, -axis.before)
    return ring, -(-axis.outputs // rows), axis.outputs % rows == 0


def ring_around_padded(axis: Axis) -> Ring:
    """The same around the axis with its padding as inputs of their own: nothing folds there."""
    size = axis.size + axis.before + axis.after
    return ring_around(replace(axis, size=size, before=0, after=0, mode="zeros"))


def padding_norm(axes: Sequence[Axis]) -> float:
    """The padding's own norm: PᵀP is diagonal, and counts how often each input is copied.

    Places that no window reads do not count.
    """
    return math.sqrt(math.prod(copies(axis) for axis in axes))


def copies(axis: Axis) -> int:
    """How often the input that the axis's padding copies most is read from."""
    if axis.mode == "zeros":
        return 1
    outputs, taps = torch.arange(axis.outputs), torch.arange(axis.kernel)
    places = geometry.input_index(outputs[:, None], taps, axis.stride, axis.before, axis.dilation).flatten().unique()
    return int(torch.bincount(torch.from_numpy(axis.fold(places.numpy()))).max())
