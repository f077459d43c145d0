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


def input_index(output: Any, tap: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """Where tap ``tap`` of output ``output`` reads along its axis: o·s + k·d − p, with ``padding`` before the input.

    Arrays of outputs and taps broadcast.

    >>> [input_index(0, tap, padding=1) for tap in range(3)]
    [-1, 0, 1]
    """
    return output * stride + tap * dilation - padding


def outputs_reading(
    size: int, outputs: int, tap: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[int, int]:
    """(first, count) of the outputs whose tap lands inside the input: those with 0 ≤ o·s + k·d − p < I.

    >>> [outputs_reading(4, 4, tap, padding=1) for tap in range(3)]
    [(1, 3), (0, 4), (0, 3)]
    """
    shift = padding - tap * dilation
    first = max(0, -(-shift // stride))
    last = min(outputs - 1, (size - 1 + shift) // stride)
    return first, max(0, last - first + 1)


def kernels(
    size: int,
    output: int,
    strides: Sequence[int],
    paddings: Sequence[int],
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> Iterator[tuple[int, int, int]]:
    """Every (kernel, stride, padding) that maps ``size`` to ``output``: the equation solved for K.

    ``padding`` is one side's. The dilated kernel fits into the padded input; with ``ceil_mode`` its last window may
    hang over.

    >>> list(kernels(32, 28, strides=(1,), paddings=(0,)))
    [(5, 1, 0)]
    >>> list(kernels(32, 28, strides=(1,), paddings=(0,), dilation=2))
    [(3, 1, 0)]
    """
    for stride in strides:
        for padding in paddings:
            most = size + 2 * padding - 1
            for low, high in _slack(size, output, stride, padding, ceil_mode):
                # low <= most − d·(K − 1) <= high
                for kernel in range(max(1, -((high - most) // dilation) + 1), (most - low) // dilation + 2):
                    yield kernel, stride, padding


def _slack(size: int, output: int, stride: int, padding: int, ceil_mode: bool) -> Iterator[tuple[int, int]]:
    """Ranges of what a dilated kernel leaves of the padded input's last index: both ends included, in falling order."""
    if not ceil_mode:  # ⌊x/s⌋ = output − 1
        yield max(0, stride * (output - 1)), stride * output - 1
        return
    if output * stride >= size + padding:  # one window more would start in the right padding, and is dropped
        yield stride * (output - 1) + 1, stride * output
    if (output - 1) * stride < size + padding:  # ⌈x/s⌉ = output − 1
        yield stride * (output - 2) + 1, stride * (output - 1)


def transposed_kernels(
    size: int, output: int, strides: Sequence[int], paddings: Sequence[int], dilation: int = 1
) -> Iterator[tuple[int, int, int, int]]:
    """Every (kernel, stride, padding, output_padding) of a transposed convolution that maps ``size`` to ``output``.

    PyTorch takes an output_padding below stride or dilation.

    >>> list(transposed_kernels(20, 41, strides=(2,), paddings=(0,)))
    [(3, 2, 0, 0), (2, 2, 0, 1)]
    """
    for stride in strides:
        for padding in paddings:
            for extra in range(max(stride, dilation)):
                span = output - transposed_output_size(size, 1, stride, 2 * padding, extra)
                if span >= 0 and span % dilation == 0:
                    yield span // dilation + 1, stride, padding, extra
