"""The convention by which solutions are ranked. Costs are integers and add up; the lowest comes first.

1. The same on every axis comes before anything else.
2. Of convolutions: dilation 1; then a padding that keeps the size ("same", p = d·(K − 1)/2 with K odd), or none; then
the
   kernel in the order 3, 1, 5, 7, 11, 9, 13, ..., and even ones after; then stride 1, then 2, then 4.
3. Of pools and transposed convolutions: the windows touch without overlap (stride = kernel, no padding), the smallest
first;
   then 3 with stride 2 and padding 1 (pools), 4 with stride 2 and padding 1 (transposed); then the rest.
4. Windows without padding that use the whole input come before those that leave its end out.
5. PyTorch's default for what is left: one group (or one for each channel), a bias, no ``ceil_mode``, no output padding.
"""

from __future__ import annotations

from typing import Final

#: Added where the axes differ; larger than any sum of the costs below within the bounds.
UNEQUAL: Final = 10**6
#: Added to a window without padding that leaves the end of the input out.
LEFT_OVER: Final = 9
CEILED: Final = 8
NO_BIAS: Final = 1
DEPTHWISE: Final = 10
GROUPED: Final = 20

CONVENTION: Final = (
    "equal axes first; dilation 1; padding that keeps the size, or none; kernels 3, 1, 5, 7, 11, 9, ... before even "
    "ones; stride 1, 2, 4; pools whose windows touch (stride = kernel) before 3/2/1; nothing left over; PyTorch's "
    "defaults"
)

_KERNELS: Final = {kernel: place for place, kernel in enumerate((3, 1, 5, 7, 11, 9))}
_STRIDES: Final = {1: 0, 2: 2, 4: 5}


def _kernel(kernel: int) -> int:
    if kernel in _KERNELS:
        return _KERNELS[kernel]
    return kernel if kernel % 2 else 16 + kernel


def _general(kernel: int, stride: int, dilation: int) -> int:
    unseen = 30 if stride > dilation * (kernel - 1) + 1 else 0  # skips part of the input
    return 40 * (dilation - 1) + 3 * _kernel(kernel) + _STRIDES.get(stride, 6 + stride) + unseen


def convolution(kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Cost of one axis of a convolution."""
    if kernel == stride and kernel > 1 and padding == 0 and dilation == 1:  # patches
        return 12 + 2 * kernel
    keeps = 2 * padding == dilation * (kernel - 1)
    return (0 if keeps else 2 if padding == 0 else 14 + padding) + _general(kernel, stride, dilation)


def pool(kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Cost of one axis of a pool."""
    if padding == 0 and dilation == 1 and kernel == stride:
        return kernel
    if (kernel, stride, dilation) == (3, 2, 1):
        return 10 - 2 * padding
    return 40 + padding + _general(kernel, stride, dilation)


def transposed(kernel: int, stride: int, padding: int, dilation: int, output_padding: int) -> int:
    """Cost of one axis of a transposed convolution."""
    common = {(4, 2, 1, 0): 4, (3, 2, 1, 1): 6, (3, 1, 1, 0): 4, (5, 2, 2, 1): 20}
    if dilation == 1 and padding == 0 and output_padding == 0 and kernel == stride:
        return kernel
    if dilation == 1 and (kernel, stride, padding, output_padding) in common:
        return common[kernel, stride, padding, output_padding]
    return 40 + padding + 10 * output_padding + _general(kernel, stride, dilation)
