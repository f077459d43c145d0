"""The arguments of a convolution, made regular and refused where PyTorch would refuse them, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from operator import index
from typing import Any, Literal, get_args

from torch import Tensor

from inspector import geometry
from inspector.errors import InspectionError, ShapeError
from inspector.toeplitz.axis import Axis, Mode
from inspector.toeplitz.grid import Grid
from inspector.toeplitz.pattern import Pattern

Padding = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]
#: Which of the two flattened images have their channels last.
ChannelsLast = bool | Literal["rows", "columns"]
#: (before, after) of every axis.
Sides = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Convolution:
    """What a convolution's matrix depends on, but for the weight's values.

    Attributes:
        axes: windows over the image, axis by axis.
        groups: channels mix within a group only.
        image: what the windows slide over; ``windows``: what they yield.
        transposed: the matrix takes the windows' values and gives an image, as `torch.nn.ConvTranspose2d` does.
    """

    axes: tuple[Axis, ...]
    groups: int
    image: Grid
    windows: Grid
    transposed: bool = False

    @property
    def columns(self) -> Grid:
        """What the matrix is applied to."""
        return self.windows if self.transposed else self.image

    @property
    def rows(self) -> Grid:
        """What it gives."""
        return self.image if self.transposed else self.windows

    @property
    def positions(self) -> int:
        """Pairs of an output and an input position, of one pair of channels: ∏ n_axis."""
        return prod(axis.entries() for axis in self.axes)

    @property
    def T(self) -> Convolution:  # noqa: N802
        """The transpose: the same windows, read the other way."""
        return replace(self, transposed=not self.transposed)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(C_windows, C_image/groups, *kernel): PyTorch's for this convolution, and for the one it transposes."""
        kernel = (axis.kernel for axis in self.axes)
        return self.windows.channels, self.image.channels // self.groups, *kernel

    def single_channel(self) -> Convolution:
        """The same windows on images of one channel."""
        image, windows = (replace(grid, channels=1) for grid in (self.image, self.windows))
        return replace(self, groups=1, image=image, windows=windows)

    def pattern(self, tail: int = 0) -> Pattern:
        """Where the entries of the matrix lie, with ``tail`` = 1 more column after them."""
        runs = tuple(tuple(axis.runs(self.transposed)) for axis in self.axes)
        totals = tuple(axis.entries() for axis in self.axes)
        return Pattern(self.rows, self.columns, self.groups, runs, totals, tail)


def configure(
    weight_shape: Sequence[int],
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    transposed: bool = False,
    output_padding: int | Sequence[int] = 0,
    channels_last: ChannelsLast = False,
) -> Convolution:
    """The convolution that PyTorch would run with these arguments.

    Raises:
        ShapeError: PyTorch would refuse them, or the output would be empty.

    >>> configure((8, 3, 3, 3), input_size=(16, 16), padding="same").rows
    Grid(channels=8, size=(16, 16), channels_last=False)
    """
    shape = tuple(weight_shape)
    dims = len(shape) - 2
    if dims not in (1, 2, 3):
        raise ShapeError(
            f"weight: expected 3, 4 or 5 axes (C_out, C_in/groups, *kernel), got shape {list(shape)}; a single 2-D "
            "kernel is weight[None, None]"
        )
    if 0 in shape[2:]:
        raise ShapeError(f"weight: expected a kernel of at least one tap along every axis, got {list(shape[2:])}")
    groups = _each("groups", groups, 1, least=1)[0]
    if shape[0] % groups:
        side = "in" if transposed else "out"
        raise ShapeError(f"groups: expected a divisor of the {shape[0]} {side}put channels, got {groups}")
    if padding_mode not in get_args(Mode):
        raise ShapeError(f"padding_mode: expected one of {', '.join(get_args(Mode))}, got {padding_mode!r}")
    if transposed and padding_mode != "zeros":
        raise ShapeError(f"padding_mode: a transposed convolution has zeros only, got {padding_mode!r}")
    size = _size(input_size, dims, shape[0] if transposed else shape[1] * groups)
    strides, dilations = _each("stride", stride, dims, least=1), _each("dilation", dilation, dims, least=1)
    extra = _each("output_padding", output_padding, dims)
    if any(extra) and not transposed:
        raise ShapeError(f"output_padding: belongs to transposed=True, got {output_padding}")
    sides = _sides(padding, shape[2:], strides, dilations, transposed)
    plain = zip(size, shape[2:], strides, dilations, sides, extra, strict=True)
    if transposed:
        axes = tuple(_transposed_axis(number, *arguments) for number, arguments in enumerate(plain))
    else:
        axes = tuple(_axis(number, padding_mode, *arguments[:-1]) for number, arguments in enumerate(plain))
    rows_last, columns_last = _orders(channels_last)
    image_last, windows_last = (rows_last, columns_last) if transposed else (columns_last, rows_last)
    image = Grid(shape[1] * groups, tuple(axis.size for axis in axes), image_last)
    windows = Grid(shape[0], tuple(axis.outputs for axis in axes), windows_last)
    return Convolution(axes, groups, image, windows, transposed)


def check_bias(bias: Tensor, weight: Tensor, channels: int) -> None:
    """Refuse a bias that does not belong to the output's channels and to the weight.

    Raises:
        ShapeError: for its shape, dtype or device.
    """
    if not isinstance(bias, Tensor) or bias.shape != (channels,):
        got = list(bias.shape) if isinstance(bias, Tensor) else type(bias).__name__
        raise ShapeError(f"bias: expected shape [{channels}], one value for each output channel, got {got}")
    check_like(bias, weight, "bias")


def check_like(x: Any, weight: Tensor, where: str) -> None:
    """Refuse what is no tensor of the weight's dtype on its device.

    Raises:
        ShapeError: with both.
    """
    if not isinstance(x, Tensor):
        raise ShapeError(f"{where}: expected a tensor, got {type(x).__name__}")
    if x.dtype != weight.dtype or x.device != weight.device:
        raise ShapeError(
            f"{where}: expected {weight.dtype} on {weight.device} as the weight is, got {x.dtype} on {x.device}"
        )


def check_values(weight: Tensor, where: str) -> None:
    """Refuse a weight of shape alone.

    Raises:
        InspectionError: it is on the meta device.
    """
    if weight.is_meta:
        raise InspectionError(f"{where}: the weight is on the meta device and has no values; load it first")


def _each(name: str, value: Any, dims: int, least: int = 0) -> tuple[int, ...]:
    """One integer for each axis."""
    try:
        values = tuple(map(index, value)) if isinstance(value, Sequence) else (index(value),) * dims
    except TypeError:
        values = ()
    if len(values) != dims or isinstance(value, str) or min(values) < least:
        many = "" if dims == 1 else f" or {dims} of them"
        raise ShapeError(f"{name}: expected an integer ≥ {least}{many}, got {value!r}")
    return values


def _size(input_size: Any, dims: int, channels: int) -> tuple[int, ...]:
    if isinstance(input_size, Sequence) and len(input_size) in (dims + 1, dims + 2) and channels in input_size[:2]:
        raise ShapeError(
            f"input_size: expected the {dims} sizes of the input's axes, got {tuple(input_size)}; leave batch and "
            f"channels away: {tuple(input_size[-dims:])}"
        )
    if not isinstance(input_size, Sequence) and dims > 1:
        raise ShapeError(f"input_size: expected {dims} sizes, one for each axis of the kernel, got {input_size!r}")
    return _each("input_size", input_size, dims)


def _sides(
    padding: Any, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], transposed: bool
) -> Sides:
    """(before, after) of every axis, from a number, a word, one number for each axis or one pair for each."""
    if isinstance(padding, str):
        if padding not in ("same", "valid") or transposed:
            words = "" if transposed else ", 'same' or 'valid'"
            raise ShapeError(f"padding: expected integers{words}, got {padding!r}")
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if any(stride != 1 for stride in strides):
            raise ShapeError(f"padding: 'same' needs stride 1, got stride {tuple(strides)}")
        return tuple(geometry.same_padding(K, d) for K, d in zip(kernel, dilations, strict=True))
    if isinstance(padding, Sequence) and padding and all(isinstance(side, Sequence) for side in padding):
        if len(padding) != len(kernel):
            raise ShapeError(f"padding: expected {len(kernel)} pairs (before, after), got {padding!r}")
        pairs = [_each("padding of one axis", side, 2) for side in padding]
        return tuple((before, after) for before, after in pairs)
    return tuple((each, each) for each in _each("padding", padding, len(kernel)))


def _axis(number: int, mode: Any, size: int, kernel: int, stride: int, dilation: int, sides: tuple[int, int]) -> Axis:
    before, after = sides
    limit = {"reflect": size - 1, "circular": size}.get(mode, max(sides))
    if max(sides) > limit or (mode == "replicate" and not size and any(sides)):
        least = "less than" if mode == "reflect" else "at most"
        raise ShapeError(f"padding of axis {number}: {mode} takes {least} the input's {size}, got {max(sides)}")
    outputs = geometry.output_size(size, kernel, stride, before + after, dilation)
    if outputs < 1:
        reach = dilation * (kernel - 1) + 1
        raise ShapeError(
            f"axis {number}: the kernel reaches over {reach} inputs (K = {kernel}, dilation {dilation}), the padded "
            f"input has {size} + {before} + {after} = {size + before + after}; pad more or use a smaller kernel"
        )
    return Axis(size, outputs, kernel, stride, dilation, before, after, mode)


def _transposed_axis(
    number: int, size: int, kernel: int, stride: int, dilation: int, sides: tuple[int, int], extra: int
) -> Axis:
    """The axis whose windows are the transposed convolution's inputs."""
    if extra >= max(stride, dilation):
        raise ShapeError(
            f"output_padding of axis {number}: expected less than the stride {stride} or the dilation {dilation}, "
            f"got {extra}"
        )
    image = geometry.transposed_output_size(size, kernel, stride, sum(sides), extra, dilation)
    if image < 1 or size < 1:
        raise ShapeError(
            f"axis {number}: {size} inputs give an output of {image}; the padding {sides} cuts more away than there is"
        )
    return Axis(image, size, kernel, stride, dilation, *sides)


def _orders(channels_last: Any) -> tuple[bool, bool]:
    orders = {False: (False, False), True: (True, True), "rows": (True, False), "columns": (False, True)}
    if not isinstance(channels_last, (bool, str)) or channels_last not in orders:
        raise ShapeError(f"channels_last: expected True, False, 'rows' or 'columns', got {channels_last!r}")
    return orders[channels_last]
