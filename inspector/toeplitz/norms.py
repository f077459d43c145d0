"""How much a convolution can stretch its input: the 2-norm of its matrix, between two bounds that are proved.

From below a witness: a vector v with ‖Av‖/‖v‖, found by Golub–Kahan. From above the least of several bounds, none of
which needs the matrix: the circulant around it, and for any padding the sums of absolute values (Schur's test). Every
bound carries the rounding of its own computation. Everything is in double precision, whatever the weight's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.toeplitz import costs
from inspector.toeplitz.circulant import UNIT, Circulant, Ring, copies, ring_around, ring_of
from inspector.toeplitz.configuration import check_values
from inspector.toeplitz.lanczos import top_right_vector
from inspector.toeplitz.wave import wave
from inspector.toeplitz.windows import folded_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.toeplitz.operator import ConvOperator

Method = Literal["auto", "dense", "bounds"]
#: Entries beyond which all singular values are refused: half an hour, and 2 GB in several copies.
_MOST_ENTRIES = 2**25
#: Entries of a matrix whose dense decomposition takes less than a second or two.
DENSE_ENTRIES = 2**20
_SCHUR_STEPS = 12
#: Vectors in memory at a time, at least.
_VECTORS = 16


@dataclass(frozen=True, slots=True, eq=False)
class NormBracket:
    """lower ≤ ‖A‖₂ ≤ upper.

    Attributes:
        lower: ‖A·witness‖ / ‖witness‖, less the rounding of that.
        upper: the least upper bound known, its rounding added; inf where there is none.
        certified: ``upper`` is proved, rounding included; ``lower`` always is.
        method: where ``upper`` comes from.
        witness: an input (C, ...) of norm 1, in double precision.
        reason: why ``upper`` holds, or why it is not certified.
    """

    lower: float
    upper: float
    certified: bool
    method: str
    witness: Tensor
    reason: str

    @property
    def gap(self) -> float:
        """(upper − lower) / upper: how much is left open."""
        return (self.upper - self.lower) / self.upper if self.upper else 0.0

    def __str__(self) -> str:
        word = "certified" if self.certified else "not certified"
        return f"{self.lower:.10g} ≤ ‖A‖₂ ≤ {self.upper:.10g} ({word}; {self.method}: {self.reason})"


@dataclass(frozen=True, slots=True)
class _Bound:
    """An upper bound, and an input near the one that comes nearest to it, where one is known."""

    value: float
    method: str
    reason: str
    start: Tensor | None = None


def operator_norm(operator: ConvOperator, method: Method = "auto") -> NormBracket:
    """The 2-norm (largest singular value) of a convolution's matrix; a bias, being a shift, changes nothing of it.

    Args:
        operator: the convolution.
        method: ``"dense"`` decomposes the whole matrix, ``"bounds"`` never builds it, ``"auto"`` decides by its size.

    Raises:
        InspectionError: the weight has values that are not finite, or the matrix is too large for ``"dense"``.

    >>> from inspector.toeplitz.operator import conv_operator
    >>> blur = torch.full((1, 1, 3), 1 / 4)
    >>> found = operator_norm(conv_operator(blur, 100, padding="same", padding_mode="circular"), "bounds")
    >>> round(found.lower, 9), round(found.upper, 9), found.certified
    (0.75, 0.75, True)
    """
    if method not in ("auto", "dense", "bounds"):
        raise InspectionError(f"operator_norm: method is 'auto', 'dense' or 'bounds', got {method!r}")
    weight = _wide(operator.weight)
    rows, columns = operator.shape
    largest = float(weight.abs().max()) if weight.numel() else 0.0
    if rows == 0 or columns == 0 or largest == 0.0:
        witness = weight.new_zeros(operator.columns.shape)
        if columns:
            witness.view(-1)[0] = 1.0
        return NormBracket(0.0, 0.0, True, "nothing", witness, "there is no entry but 0")
    _check_memory(operator)
    exponent = math.frexp(largest)[1]  # a power of two leaves every digit; squares then stay in range
    scaled = operator.with_weight(weight * math.ldexp(1.0, -exponent))
    if method == "dense" or (method == "auto" and rows * columns <= DENSE_ENTRIES):
        bound = _dense(scaled)
        starts = [bound.start]
    else:
        bounds = _upper_bounds(scaled)
        bound, starts = min(bounds, key=lambda found: found.value), [found.start for found in bounds]
    witness = _witness(scaled, [start for start in starts if start is not None])
    lower, upper = math.ldexp(witnessed(scaled, witness), exponent), math.ldexp(bound.value, exponent)
    image = operator.columns.to_images(witness[:, None])[0]
    if upper < lower:  # cannot be, unless a device computes otherwise than it says
        return NormBracket(lower, math.inf, False, bound.method, image, f"the witness contradicts: {bound.reason}")
    return NormBracket(lower, upper, True, bound.method, image, bound.reason)


def singular_values(operator: ConvOperator) -> Tensor:
    """All min(rows, columns) singular values, descending: of circular padding at any size, else where small.

    Raises:
        InspectionError: the weight has values that are not finite, or the dense matrix, needed here, is too large.
    """
    wide = operator.with_weight(_wide(operator.weight))
    rows, columns = operator.shape
    if 0 in (rows, columns):
        return torch.zeros(0, dtype=torch.float64)
    rings, times, exactly = _rings(wide) or ((), 0, False)
    if exactly and rows * columns > DENSE_ENTRIES:
        values = Circulant(wide.weight, wide.groups, rings).singular_values() * math.sqrt(times)
        values = torch.cat([values, values.new_zeros(max(0, min(rows, columns) - len(values)))])
        return values[: min(rows, columns)]
    found: Tensor = torch.linalg.svdvals(_dense_matrix(wide))
    return found


def witnessed(operator: ConvOperator, vector: Tensor) -> float:
    """‖A·v‖/‖v‖ less its rounding: no larger than the true norm. Weight and vector are in double precision.

    A row's sum of n products errs by less than n·u·Σ|a||v| (a complex one by 2√2 as much), and so does its norm.
    """
    length = float(torch.linalg.vector_norm(vector))
    found = float(torch.linalg.vector_norm(operator.matmul(vector, matrix_free=True)))
    sums = float(torch.linalg.vector_norm(_absolute(operator).matmul(vector.abs(), matrix_free=True)))
    lost = 3 * (_terms(operator) + 2) * UNIT * sums
    relative = (sum(operator.shape) + 8) * UNIT
    return max(0.0, (found - lost) / length * (1 - relative))


def _terms(operator: ConvOperator) -> int:
    """The most products that one row of A or of Aᵀ sums."""
    shape = operator.weight.shape
    channels = max(shape[1], shape[0] // operator.groups)
    return channels * math.prod(shape[2:]) * math.prod(copies(axis) for axis in operator.axes)


def _witness(operator: ConvOperator, near: list[Tensor]) -> Tensor:
    """A unit vector that the matrix stretches nearly most. Whatever it is, `witnessed` says what it proves.

    The search begins at any vector, but mostly at those ``near``; from them alone it may never leave the places that
    they reach. For a large matrix the CPU does it in single precision, which more than halves the time.
    """
    start = _any_vector(operator)
    for vector in near:
        if vector.any():  # a wave that no window reads is nothing
            start = start / torch.linalg.vector_norm(start) + 10 * vector / torch.linalg.vector_norm(vector)
    tolerance, own = 1e-6, operator.dtype
    if math.prod(operator.shape) > DENSE_ENTRIES and operator.device.type == "cpu":
        narrow = torch.complex64 if own.is_complex else torch.float32
        operator, start, tolerance = operator.with_weight(operator.weight.to(narrow)), start.to(narrow), 1e-4
    adjoint = operator.H
    return top_right_vector(
        lambda vector: operator.matmul(vector, matrix_free=True),
        lambda vector: adjoint.matmul(vector, matrix_free=True),
        start,
        tolerance,
    ).to(own)


def _upper_bounds(operator: ConvOperator) -> list[_Bound]:
    axes = operator.axes
    found = [_schur(operator)]
    if (circular := _rings(operator)) is not None:
        rings, times, exactly = circular
        bound = _around(operator, rings, math.sqrt(times) * (1 + 4 * UNIT))
        if exactly:
            return [
                *found,
                replace(bound, method="FFT", reason=f"a circulant of {_sizes(rings)}, exact up to rounding"),
            ]
        reason = f"rows of the circulant of {_sizes(rings)}, each {times} times at most"
        found.append(replace(bound, reason=reason))
    if axes[0].mode == "zeros":
        rings = tuple(map(ring_around, axes))
        bound = _around(operator, rings, 1.0)
        return [*found, replace(bound, method=f"embedding {bound.method}", reason=f"a part of the {bound.reason}")]
    return [*found, _Bound(*folded_norm(operator.weight, operator.groups, axes))]


def _around(operator: ConvOperator, rings: tuple[Ring, ...], factor: float) -> _Bound:
    """``factor`` times the norm of the circulant on these rings, and its wave."""
    circulant, axes = Circulant(operator.weight, operator.groups, rings), operator.axes
    leading = circulant.leading()
    image = wave(circulant, leading, rings, [axis.size for axis in axes], tapered=axes[0].mode == "zeros")
    convolution = operator.T if operator.transposed else operator
    start = convolution.columns.to_vectors(image[None])[:, 0]
    if operator.transposed:
        start = convolution.matmul(start, matrix_free=True)
    return _Bound(leading.bound * factor, "circulant", f"circulant of {_sizes(rings)}", start)


def _rings(operator: ConvOperator) -> tuple[tuple[Ring, ...], int, bool] | None:
    """Of circular padding the circulant itself, how often it has each row at most, and whether exactly so often."""
    if operator.axes[0].mode != "circular":
        return None
    rings, times, exactly = zip(*(ring_of(axis) for axis in operator.axes), strict=True)
    return rings, math.prod(times), all(exactly)


def _sizes(rings: Sequence[Ring]) -> str:
    return "×".join(str(ring.places) for ring in rings)


def _schur(operator: ConvOperator) -> _Bound:
    """‖A‖² ≤ maxⱼ (|A|ᵀ|A|v)ⱼ / vⱼ for every v > 0; a few steps of the power method make v good.

    All terms are positive, so that rounding stays relative: less than 2·(n + 2) units of each sum.
    """
    absolute = _absolute(operator)
    v = torch.ones(operator.shape[1], dtype=torch.float64, device=operator.device)
    best = math.inf
    for _ in range(_SCHUR_STEPS):
        image = absolute.T.matmul(absolute.matmul(v, matrix_free=True), matrix_free=True)
        best = min(best, float((image / v).max()))
        if best == 0.0:  # nothing but padding is read
            break
        v = image / image.max() + 1e-9
    slack = 1 + 4 * (_terms(operator) + 2) * UNIT
    return _Bound(math.sqrt(best) * slack, "Schur's test", "weighted sums of |a| along rows and columns")


def _dense(operator: ConvOperator) -> _Bound:
    matrix = _dense_matrix(operator)
    _, values, vh = torch.linalg.svd(matrix, full_matrices=False)
    largest = float(values[0])
    error = 10 * sum(matrix.shape) * UNIT * largest
    if operator.axes[0].mode != "zeros":  # then entries are sums of taps, rounded themselves
        error += _terms(operator) * UNIT * float(torch.linalg.norm(_absolute(operator).to_dense()))
    return _Bound(largest + error, "dense SVD", "LAPACK's error bound added", vh[0].conj().resolve_conj())


def _dense_matrix(operator: ConvOperator) -> Tensor:
    rows, columns = operator.shape
    if rows * columns > _MOST_ENTRIES:
        raise InspectionError(
            f"the dense matrix {format_count(rows)} × {format_count(columns)} is too large for its decomposition "
            f"(at most {format_count(_MOST_ENTRIES)} entries): operator_norm with method 'auto' or 'bounds' needs no "
            "matrix, and circular padding with a stride that divides the size gives all singular values at any size"
        )
    return operator.to_dense()


def _absolute(operator: ConvOperator) -> ConvOperator:
    """The convolution with |weight|, which no entry of |A| exceeds."""
    return operator.with_weight(operator.weight.abs())


def _any_vector(operator: ConvOperator) -> Tensor:
    """A start for iterations: the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(operator.shape[1], dtype=operator.dtype, generator=generator).to(operator.device)


def _check_memory(operator: ConvOperator) -> None:
    """Refuse what even the iteration's few vectors would not fit.

    Raises:
        InspectionError: with what it takes and what is free.
    """
    needed, free = _VECTORS * sum(operator.shape) * 16, costs.available(operator.device)
    if free is not None and needed > free:
        raise InspectionError(
            f"the norm needs about {costs.in_bytes(needed)} for vectors of {operator.shape[1]} and {operator.shape[0]} "
            f"elements, {costs.in_bytes(free)} are free on {operator.device}; a smaller input has nearly the same norm"
        )


def _wide(weight: Tensor) -> Tensor:
    """The weight in double precision, which holds every narrower one exactly.

    Raises:
        InspectionError: it is on the meta device, not floating, or has NaN or infinity; with the place of the first.
    """
    check_values(weight, "a norm")
    if not (weight.is_floating_point() or weight.is_complex()):
        raise InspectionError(f"a norm needs a floating-point or complex weight, got {weight.dtype}")
    wide = weight.detach().to(torch.complex128 if weight.is_complex() else torch.float64)
    finite = wide.isfinite()
    if not finite.all():
        place = tuple((~finite).nonzero()[0].tolist())
        many = int((~finite).sum())
        raise InspectionError(
            f"the weight has {many} value{'s' * (many > 1)} that {'are' if many > 1 else 'is'} not finite, the first "
            f"weight[{', '.join(map(str, place))}] = {weight[place].item()}: it has no norm"
        )
    return wide
