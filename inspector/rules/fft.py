"""Discrete Fourier transforms, whole, over windows in time, and back. One operation for each element of the result,
as of all that is no product: it marks the call and does not measure its work, which grows with n·log n.

Source: PyTorch documentation of ``torch.fft``, ``torch.stft`` and ``torch.istft``; Cooley & Tukey 1965.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.common import Rule, axes_of, empty, floating, product, real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.rules.common import Outcome

TRANSFORMED = Formula(
    "n",
    counts="elementwise",
    source="one operation for each element of the result: no measure of the transform's work, which grows with n·log n",
)


def _placed(input: Tensor, axes: Sequence[int], shape: Sequence[Any], dtype: torch.dtype) -> Tensor:
    """A result whose transformed axes lie innermost in memory, in this order; the others in that of the input."""
    rank = len(shape)
    if input.is_contiguous() and list(axes) == list(range(rank - len(axes), rank)):
        return empty(shape, dtype)
    strides = input.stride()
    order = [*sorted((axis for axis in range(rank) if axis not in axes), key=lambda axis: -strides[axis]), *axes]
    return empty([shape[axis] for axis in order], dtype).permute(sorted(range(rank), key=order.__getitem__))


def _resized(input: Tensor, axes: Sequence[int], sizes: Sequence[Any]) -> Tensor:
    """The input cut, or padded with zeros, to the sizes of the transform."""
    for axis, size in zip(axes, sizes, strict=True):
        if size < 1:
            raise ShapeError(f"a transform of {list(input.shape)} along axis {axis} would have {size} points")
    if all(input.shape[axis] == size for axis, size in zip(axes, sizes, strict=True)):
        return input
    shape = _replaced(input, axes, sizes)
    if any(input.shape[axis] < size for axis, size in zip(axes, sizes, strict=True)):
        return empty(shape, input.dtype)
    cut = input
    for axis, size in zip(axes, sizes, strict=True):
        cut = cut.narrow(axis, 0, size)
    return cut


def _to_complex(input: Tensor, axes: Sequence[int]) -> Tensor:
    strides = input.stride()
    return _placed(input, sorted(axes, key=lambda axis: -strides[axis]), input.shape, _complex(input))


def _from_real(input: Tensor, axes: Sequence[int]) -> Tensor:
    *others, last = axes
    strides = input.stride()
    shape = _replaced(input, [last], [input.shape[last] // 2 + 1])
    return _placed(input, [*sorted(others, key=lambda axis: -strides[axis]), last], shape, _complex(input))


def _to_real(input: Tensor, axes: Sequence[int], size: Any) -> Tensor:
    *others, last = axes
    if size < 1:
        raise ShapeError(f"a transform of {list(input.shape)} along axis {last} would have {size} points")
    whole = _to_complex(input, others) if others else input
    return _placed(whole, [last], _replaced(input, [last], [size]), _real(input))


def _counted(output: Tensor) -> Outcome:
    return output, TRANSFORMED(n=output.numel())


def _complex(input: Tensor) -> torch.dtype:
    dtype = floating(input.dtype)
    return torch.complex64 if dtype is torch.bfloat16 else dtype.to_complex()


def _real(input: Tensor) -> torch.dtype:
    return real(_complex(input))


def _sized(input: Tensor, s: Any, dim: Any) -> tuple[list[int], list[Any]]:
    """(axes, their sizes): ``s`` alone speaks of the last axes, −1 in it keeps a size."""
    rank = input.dim()
    first = rank - len(s) if s is not None else 0
    axes = axes_of(dim, rank) if dim is not None else list(range(first, rank))
    have = [input.shape[axis] for axis in axes]
    if s is None:
        return axes, have
    if len(s) != len(axes):
        raise ShapeError(f"{len(s)} sizes {list(s)} for {len(axes)} axes of {list(input.shape)}")
    return axes, [size if want == -1 else want for want, size in zip(s, have, strict=True)]


def _replaced(input: Tensor, axes: Sequence[int], sizes: Sequence[Any]) -> list[Any]:
    shape = list(input.shape)
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    return shape


def transform(input: Tensor, n: Any = None, dim: int = -1, norm: str | None = None) -> Outcome:
    """torch.fft.fft, ifft: the axis ``dim`` becomes n complex numbers."""
    return transform_n(input, None if n is None else (n,), (dim,))


def half_transform(input: Tensor, n: Any = None, dim: int = -1, norm: str | None = None) -> Outcome:
    """torch.fft.rfft, ihfft: n real numbers become ⌊n/2⌋ + 1 complex ones."""
    return half_transform_n(input, None if n is None else (n,), (dim,))


def half_inverse(input: Tensor, n: Any = None, dim: int = -1, norm: str | None = None) -> Outcome:
    """torch.fft.irfft, hfft: complex numbers become n real ones, 2·(size − 1) unless said."""
    return half_inverse_n(input, None if n is None else (n,), (dim,))


def transform_n(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Outcome:
    """torch.fft.fftn, ifftn: the axes ``dim`` become sizes ``s`` of complex numbers."""
    axes, sizes = _sized(input, s, dim)
    return _counted(_to_complex(_resized(input, axes, sizes), axes))


def half_transform_n(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Outcome:
    """torch.fft.rfftn: as fftn; the last axis keeps ⌊n/2⌋ + 1."""
    axes, sizes = _sized(input, s, dim)
    return _counted(_from_real(_resized(input, axes, sizes), axes))


def half_hermitian_n(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Outcome:
    """torch.fft.ihfftn: as rfftn, the last axis first and then the others."""
    axes, sizes = _sized(input, s, dim)
    output = _from_real(_resized(input, axes, sizes), axes[-1:])
    return _counted(_to_complex(output, axes[:-1]) if len(axes) > 1 else output)


def half_inverse_n(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Outcome:
    """torch.fft.irfftn, hfftn: complex numbers become real ones, 2·(size − 1) along the last axis unless said."""
    axes, sizes = _sized(input, s, dim)
    last = 2 * (input.shape[axes[-1]] - 1) if s is None or s[-1] == -1 else s[-1]
    return _counted(_to_real(_resized(input, axes, [*sizes[:-1], last // 2 + 1]), axes, last))


def _planar(rule: Rule) -> Rule:
    """The rule of a transform over two axes, by default the last ones."""

    def planar(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Outcome:
        return rule(input, s, dim, norm)

    planar.__doc__ = f"{rule.__doc__} Two axes, by default the last."
    return planar


def shift(input: Tensor, dim: Any = None) -> Outcome:
    """torch.fft.fftshift, ifftshift: the shape stays, elements move."""
    axes_of(dim, input.dim())
    return input.shape, None


def frequencies(n: Any, d: float = 1.0, *, dtype: torch.dtype | None = None, **settings: Any) -> Outcome:
    """torch.fft.fftfreq: the n frequencies of a transform."""
    return empty((n,), dtype or torch.get_default_dtype()), None


def half_frequencies(n: Any, d: float = 1.0, *, dtype: torch.dtype | None = None, **settings: Any) -> Outcome:
    """torch.fft.rfftfreq: the ⌊n/2⌋ + 1 frequencies of a transform of real numbers."""
    return empty((n // 2 + 1,), dtype or torch.get_default_dtype()), None


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Outcome:
    """torch.stft: a signal (*, length) gives (*, frequencies, frames), or (..., 2) where parts are asked for."""
    if input.dim() not in (1, 2):
        raise ShapeError(f"stft takes a signal [length] or [N, length], got {list(input.shape)}")
    hop = hop_length if hop_length is not None else n_fft // 4
    width = win_length if win_length is not None else n_fft
    if window is not None and tuple(window.shape) != (width,):
        raise ShapeError(f"stft takes a window [{width}], got {list(window.shape)}")
    length = input.shape[-1] + (2 * (n_fft // 2) if center else 0)
    if length < n_fft:
        raise ShapeError(f"stft with {n_fft} points of {length} in {list(input.shape)}")
    whole = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    frames = 1 + (length - (width if align_to_window else n_fft)) // hop
    points = n_fft if not (onesided if onesided is not None else not whole) else n_fft // 2 + 1
    if not center and input.dim() == 2 and input.stride(0) < hop * input.stride(1):  # frames lie outermost then
        output = empty((frames, input.shape[0], points), _complex(input)).permute(1, 2, 0)
    else:
        output = empty((*input.shape[:-1], frames, points), _complex(input)).transpose(-2, -1)
    formula = TRANSFORMED(n=output.numel())
    return (
        output if (return_complex if return_complex is not None else whole) else torch.view_as_real(output)
    ), formula


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: Any = None,
    return_complex: bool = False,
) -> Outcome:
    """torch.istft: (*, frequencies, frames) gives the signal (*, length)."""
    if input.dim() not in (2, 3) or input.shape[-2] not in (n_fft, n_fft // 2 + 1):
        raise ShapeError(f"istft with {n_fft} points takes [*, {n_fft // 2 + 1}, frames], got {list(input.shape)}")
    hop = hop_length if hop_length is not None else n_fft // 4
    whole = n_fft + hop * (input.shape[-1] - 1)
    size = length if length is not None else whole - 2 * (n_fft // 2) if center else whole
    dtype = input.dtype if return_complex else real(input.dtype)
    shape = (*input.shape[:-2], size)
    return empty(shape, dtype), TRANSFORMED(n=product(shape))


_FFT = torch.fft
RULES: dict[Any, Rule] = {
    **dict.fromkeys((_FFT.fft, _FFT.ifft), transform),
    **dict.fromkeys((_FFT.rfft, _FFT.ihfft), half_transform),
    **dict.fromkeys((_FFT.irfft, _FFT.hfft), half_inverse),
    **dict.fromkeys((_FFT.fftn, _FFT.ifftn), transform_n),
    _FFT.rfftn: half_transform_n,
    _FFT.ihfftn: half_hermitian_n,
    **dict.fromkeys((_FFT.irfftn, _FFT.hfftn), half_inverse_n),
    **dict.fromkeys((_FFT.fft2, _FFT.ifft2), _planar(transform_n)),
    _FFT.rfft2: _planar(half_transform_n),
    _FFT.ihfft2: _planar(half_hermitian_n),
    **dict.fromkeys((_FFT.irfft2, _FFT.hfft2), _planar(half_inverse_n)),
    **dict.fromkeys((_FFT.fftshift, _FFT.ifftshift), shift),
    _FFT.fftfreq: frequencies,
    _FFT.rfftfreq: half_frequencies,
    **dict.fromkeys((torch.stft, Tensor.stft), stft),
    **dict.fromkeys((torch.istft, Tensor.istft), istft),
}
