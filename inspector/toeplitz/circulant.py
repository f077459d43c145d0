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
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

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
#: A frequency is passed over where a bound of its largest singular value lies below the best by more than its rounding.
_SCREEN = 1 + 1e-8


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

    def roots(self, frequencies: Tensor) -> Tensor:
        """Phase factor of each tap, at its phase of the stride: (len(frequencies), stride, kernel)."""
        taps = torch.arange(self.kernel, device=frequencies.device)
        reads = (taps * self.dilation + self.shift) % self.places
        turns = (frequencies[:, None] * (reads // self.stride)) % self.frequencies  # exact: integers
        angles = turns.to(torch.float64) * (2 * math.pi) / self.frequencies
        phases = torch.arange(self.stride, device=frequencies.device)
        here = (reads % self.stride == phases[:, None]).to(torch.float64)
        return torch.polar(torch.ones_like(angles), angles)[:, None, :] * here


@dataclass(frozen=True, slots=True)
class Circulant:
    """A grouped convolution on rings.

    Attributes:
        weight: float64 or complex128, (C_out, C_in/G, *kernel), of the convolution that is not transposed.
        groups: G.
        rings: one for each axis.
    """

    weight: Tensor
    groups: int
    rings: tuple[Ring, ...]

    @property
    def count(self) -> int:
        """Frequencies of all axes together."""
        return math.prod(ring.frequencies for ring in self.rings)

    @property
    def rounding(self) -> float:
        """Bound of the 2-norm by which a computed matrix of one frequency may miss the true one.

        An entry sums T products of a weight and d roots of unity. An angle carries three roundings (3·2π units at
        most), cosine and sine one each, complex products √5, the sum T − 1 of each part: less than (24·d + 2·T + 8)
        units of Σ|w|.
        """
        taps = math.prod(self.weight.shape[2:])
        sums = self.weight.abs().flatten(2).sum(-1).unflatten(0, (self.groups, -1))
        largest = float(torch.linalg.matrix_norm(sums).max())
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
        phases = math.prod(ring.stride for ring in self.rings)
        taps = math.prod(self.weight.shape[2:])
        per_frequency = max(self.groups * rows * columns, phases * taps)
        step = max(1, _CHUNK // per_frequency)
        flat = self.weight.to(torch.complex128).flatten(2).flatten(0, 1).T  # (taps, C_out·C_in/G)
        for first in range(0, self.count, step):
            indices = torch.arange(first, min(first + step, self.count), device=self.weight.device)
            if not self.weight.is_complex():
                indices = indices[indices <= self.negative(indices)]
            if not len(indices):
                continue
            factors = [ring.roots(at) for ring, at in zip(self.rings, self._axes(indices), strict=True)]
            roots = reduce(_combine, factors)  # (len, phases, taps)
            entries = (roots @ flat).unflatten(-1, (self.groups, rows, -1))
            yield indices, entries.permute(0, 2, 3, 4, 1).flatten(3)

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

    def largest(self) -> float:
        """The largest singular value as computed; `error` bounds what it misses.

        ‖H‖ ≤ ‖(HHᴴ)⁴‖_F^⅛ screens: only frequencies that may hold the largest are decomposed. (Gram iteration,
        Delattre et al. 2023, arXiv 2305.16173.)
        """
        best = 0.0
        for _, chunk in self.matrices():
            matrices = chunk.flatten(0, 1)
            bounds = _gram_bounds(matrices)
            order = bounds.argsort(descending=True)
            for part in order.split(_BATCH):
                part = part[bounds[part] * _SCREEN > best]
                if not len(part):
                    break
                best = max(best, float(torch.linalg.svdvals(matrices[part]).max()))
        return best

    def error(self, largest: float) -> float:
        """Bound of what ``largest`` may miss."""
        return self.rounding + self.svd_rounding(largest + self.rounding)

    def singular_values(self) -> Tensor:
        """All of them, descending; where the matrices are not square the zeros that fill up are left out."""
        found = []
        for indices, chunk in self.matrices():
            values = torch.linalg.svdvals(chunk).flatten(1)
            found.append(values.repeat_interleave(self.multiplicity(indices), dim=0).flatten())
        return torch.cat(found).sort(descending=True).values

    def _small(self) -> tuple[int, int]:
        phases = math.prod(ring.stride for ring in self.rings)
        return self.weight.shape[0] // self.groups, self.weight.shape[1] * phases

    def _axes(self, indices: Tensor) -> list[Tensor]:
        """The frequency of each axis."""
        parts = []
        for ring in reversed(self.rings):
            parts.append(indices % ring.frequencies)
            indices = indices // ring.frequencies
        return parts[::-1]


def _combine(left: Tensor, right: Tensor) -> Tensor:
    """Phases and taps of two axes as those of their product: (F, a, k) and (F, b, l) -> (F, a·b, k·l)."""
    return (left[:, :, None, :, None] * right[:, None, :, None, :]).flatten(3).flatten(1, 2)


def _gram_bounds(matrices: Tensor) -> Tensor:
    """An upper bound of each matrix's norm, scaled against overflow."""
    scale = torch.linalg.matrix_norm(matrices).clamp_min(torch.finfo(torch.float64).tiny)
    scaled = matrices / scale[:, None, None]
    gram = scaled @ scaled.mH if matrices.shape[-2] <= matrices.shape[-1] else scaled.mH @ scaled
    gram = gram @ gram
    bounds: Tensor = torch.linalg.matrix_norm(gram @ gram) ** 0.125 * scale
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
