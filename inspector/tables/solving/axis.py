"""Every window within the bounds that maps one axis from its input size to its output size. Found once for each
pair.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from inspector import geometry
from inspector.tables.solving import ranking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from inspector.tables.solving.bounds import Bounds

Mode: TypeAlias = Literal["conv", "pool", "transposed"]


class Option(NamedTuple):
    """One window along one axis. ``padding`` is one side's; ``cost`` is its rank in the convention."""

    cost: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    output_padding: int


class Wanted(NamedTuple):
    """What is asked of one axis; None where open. ``same`` asks for ⌈I/s⌉."""

    kernel: int | None = None
    stride: int | None = None
    padding: int | None = None
    dilation: int | None = None
    output_padding: int | None = None
    same: bool = False


class Axis:
    """The options of one axis, the best first. Equal questions give the same object, so that it is its own key."""

    __slots__ = ("by_kernel", "members", "options")

    def __init__(self, options: Iterable[Option]) -> None:
        self.options = tuple(sorted(set(options)))
        self.members = frozenset(self.options)
        self.by_kernel: dict[int, tuple[Option, ...]] = {}
        for option in self.options:
            self.by_kernel[option.kernel] = (*self.by_kernel.get(option.kernel, ()), option)


@lru_cache(maxsize=4096)
def axis(mode: Mode, size: int, output: int, wanted: Wanted, bounds: Bounds, *, ceil_mode: bool, plain: bool) -> Axis:
    """The options that map ``size`` to ``output``; with ``plain`` those of dilation 1 alone, unless it is asked for.

    >>> from inspector.tables.solving.bounds import Bounds
    >>> found = axis("conv", 32, 28, Wanted(stride=1, padding=0), Bounds(), ceil_mode=False, plain=True)
    >>> [(option.kernel, option.stride, option.padding) for option in found.options]
    [(5, 1, 0)]
    """
    if wanted.dilation is not None:
        dilations: tuple[int, ...] = (wanted.dilation,)
    else:
        dilations = (1,) if plain else tuple(range(1, bounds.dilation + 1))
    found = _transposed if mode == "transposed" else _windows
    return Axis(
        _placed(option, size) if mode != "transposed" else option
        for dilation in dilations
        for option in found(mode, size, output, wanted, bounds, dilation, ceil_mode)
        if _within(option, mode, size, output, wanted, bounds)
    )


def _windows(
    mode: Mode, size: int, output: int, wanted: Wanted, bounds: Bounds, dilation: int, ceil_mode: bool
) -> Iterator[Option]:
    cost = ranking.pool if mode == "pool" else ranking.convolution
    strides = (wanted.stride,) if wanted.stride is not None else range(1, bounds.stride + 1)
    paddings = _paddings(mode, wanted, bounds, dilation)
    for kernel, stride, padding in geometry.kernels(size, output, strides, paddings, dilation, ceil_mode=ceil_mode):
        yield Option(cost(kernel, stride, padding, dilation), kernel, stride, padding, dilation, 0)
    if wanted.stride is None and dilation == 1:  # patches and pools: stride = kernel beyond the bound
        largest = max(bounds.kernel, wanted.kernel or 0)
        for padding in paddings:
            padded = size + 2 * padding  # ⌊padded/K⌋ = output, one more or less with ceil_mode
            least, most = padded // (output + 1), padded // max(output - 1, 1) + 1
            for kernel in range(max(bounds.stride + 1, least), min(largest, most) + 1):
                if (kernel, kernel, padding) in geometry.kernels(
                    size, output, (kernel,), (padding,), ceil_mode=ceil_mode
                ):
                    yield Option(cost(kernel, kernel, padding, 1), kernel, kernel, padding, 1, 0)


def _transposed(
    mode: Mode, size: int, output: int, wanted: Wanted, bounds: Bounds, dilation: int, ceil_mode: bool
) -> Iterator[Option]:
    del ceil_mode  # has none
    strides = (wanted.stride,) if wanted.stride is not None else range(1, max(bounds.stride, bounds.kernel) + 1)
    paddings = _paddings(mode, wanted, bounds, dilation)
    for kernel, stride, padding, extra in geometry.transposed_kernels(size, output, strides, paddings, dilation):
        if stride <= bounds.stride or wanted.stride is not None or (stride == kernel and dilation == 1):
            cost = ranking.transposed(kernel, stride, padding, dilation, extra)
            yield Option(cost, kernel, stride, padding, dilation, extra)


def _placed(option: Option, size: int) -> Option:
    """The option at its rank for this size."""
    rest = (size - option.dilation * (option.kernel - 1) - 1) % option.stride
    return option._replace(cost=option.cost + ranking.LEFT_OVER) if option.padding == 0 and rest else option


def _paddings(mode: Mode, wanted: Wanted, bounds: Bounds, dilation: int) -> range | tuple[int, ...]:
    if wanted.padding is not None:
        return (wanted.padding,)
    kernel = wanted.kernel if wanted.kernel is not None else bounds.kernel
    half = _half(mode, kernel, dilation)
    return range((half if bounds.padding is None else min(bounds.padding, kernel // 2 if mode == "pool" else 512)) + 1)


def _half(mode: Mode, kernel: int, dilation: int) -> int:
    """Half of the dilated kernel; PyTorch's pools take half of the kernel itself."""
    return kernel // 2 if mode == "pool" else (dilation * (kernel - 1) + 1) // 2


def _within(option: Option, mode: Mode, size: int, output: int, wanted: Wanted, bounds: Bounds) -> bool:
    if option.kernel != wanted.kernel if wanted.kernel is not None else option.kernel > bounds.kernel:
        return False
    if wanted.output_padding is not None and option.output_padding != wanted.output_padding:
        return False
    if wanted.same and output != -(-size // option.stride):
        return False
    half = _half(mode, option.kernel, option.dilation)
    if wanted.padding is not None:
        return mode != "pool" or option.padding <= half
    return option.padding <= half if bounds.padding is None or mode == "pool" else option.padding <= bounds.padding
