"""The output-size equation of windows that slide along an axis, its inverse, and (output, tap) → input. No torch.

Source: PyTorch documentation of ``Conv2d``, ``MaxPool2d`` and ``ConvTranspose2d``; Dumoulin & Visin 2016, "A guide to
convolution arithmetic for deep learning", arXiv 1603.07285. Sizes may be integers or symbols: nothing here converts or
compares them unless the equation itself does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def output_size(size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """Length after a window of ``kernel`` taps: ⌊(I + p − d·(K − 1) − 1)/s⌋ + 1, with p both sides' sum.

    >>> output_size(32, kernel=5), output_size(28, kernel=2, stride=2)
    (28, 14)
    """
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def ceil_output_size(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> Any:
    """The same with ``ceil_mode=True``; ``padding`` is one side's. A last window starts inside input or left padding.

    >>> ceil_output_size(6, kernel=3, stride=2, padding=0), output_size(6, kernel=3, stride=2)
    (3, 2)
    """
    out = (size + 2 * padding - dilation * (kernel - 1) - 1 + stride - 1) // stride + 1
    if dilation * (kernel - 1) + 1 >= stride + padding:  # the last window starts inside whatever the size is
        return out
    return out - 1 if (out - 1) * stride >= size + padding else out


def transposed_output_size(
    size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1
) -> Any:
    """Length after a transposed convolution: (I − 1)·s − p + d·(K − 1) + output_padding + 1; p is both sides' sum.

    >>> transposed_output_size(20, kernel=3, stride=2)
    41
    """
    return (size - 1) * stride - padding + dilation * (kernel - 1) + output_padding + 1


def same_padding(kernel: Any, dilation: Any = 1) -> tuple[Any, Any]:
    """(before, after) of ``padding="same"`` at stride 1; PyTorch puts the odd one after.

    >>> same_padding(4), same_padding(3, dilation=2)
    ((1, 2), (2, 2))
    """
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def input_index(output: int, tap: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Where tap ``tap`` of output ``output`` reads along its axis: o·s + k·d − p, with ``padding`` before the input.

    >>> [input_index(0, tap, padding=1) for tap in range(3)]
    [-1, 0, 1]
    """
    return output * stride + tap * dilation - padding


def kernels(size: int, output: int, strides: Sequence[int], paddings: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Every (kernel, stride, padding) with dilation 1 that maps ``size`` to ``output``: the equation solved for K.

    ``padding`` is one side's. The kernel fits into the padded input.

    >>> list(kernels(32, 28, strides=(1,), paddings=(0,)))
    [(5, 1, 0)]
    """
    for stride in strides:
        for padding in paddings:
            padded = size + 2 * padding
            # ⌊(padded − K)/s⌋ = output − 1  ⇔  padded − K lies in [s·(output − 1), s·output − 1].
            high = min(padded, padded - stride * (output - 1))
            for kernel in range(max(1, padded - stride * output + 1), high + 1):
                yield kernel, stride, padding
