"""What a wrong convolution does instead: each usual mistake as a convolution of its own, to hold a response against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import Any, Literal

import torch
from torch import Tensor

from inspector import geometry
from inspector.toeplitz.axis import Axis
from inspector.toeplitz.configuration import Convolution

Kind = Literal[
    "shape",
    "tap",
    "border",
    "padding",
    "channel",
    "group",
    "stride",
    "stride phase",
    "dilation",
    "bias",
    "adjoint",
    "precision",
]
AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


@dataclass(frozen=True, slots=True)
class Fault:
    """One named fault.

    Attributes:
        kind: what is wrong, in one word.
        said: the sentence for its owner.
    """

    kind: Kind | Literal["unknown"]
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}"


@dataclass(frozen=True, slots=True)
class Variant:
    """A convolution that somebody might have written instead."""

    fault: Fault
    convolution: Convolution
    weight: Tensor


def respond(convolution: Convolution, weight: Tensor, images: Tensor) -> Tensor:
    """The convolution tap by tap, for any axes, those that PyTorch would refuse among them."""
    G, source, target = convolution.groups, convolution.columns, convolution.rows
    grouped = images.unflatten(1, (G, source.channels // G))
    out = images.new_zeros(len(images), G, target.channels // G, *target.size)
    kernel = weight.unflatten(0, (G, -1))  # (G, windows' channels, image's channels, *taps)
    mixed = "gio,bgi...->bgo..." if convolution.transposed else "goi,bgi...->bgo..."
    taps = [
        [tuple(map(torch.from_numpy, axis.read_by(tap))) for tap in range(axis.kernel)] for axis in convolution.axes
    ]
    for place in product(*(range(axis.kernel) for axis in convolution.axes)):
        pairs = [axis_taps[tap] for axis_taps, tap in zip(taps, place, strict=True)]
        if any(len(outputs) == 0 for outputs, _ in pairs):
            continue
        windows = _box([outputs for outputs, _ in pairs], images.device)
        image = _box([inputs for _, inputs in pairs], images.device)
        reads, writes = (windows, image) if convolution.transposed else (image, windows)
        whole: tuple[Any, ...] = (slice(None),) * 3
        out[(*whole, *writes)] += torch.einsum(mixed, kernel[(*whole, *place)], grouped[(*whole, *reads)])
    return out.flatten(1, 2)


def _box(indices: list[Tensor], device: torch.device) -> tuple[Any, ...]:
    """Indices of every axis so that they index a box: slices where all are regular, which is quicker by far."""
    slices = [_slice(index.tolist()) for index in indices]
    if None not in slices:
        return tuple(slices)
    return tuple(
        index.to(device).reshape([-1 if axis == number else 1 for axis in range(len(indices))])
        for number, index in enumerate(indices)
    )


def _slice(index: list[int]) -> slice | None:
    step = index[1] - index[0] if len(index) > 1 else 1
    if step > 0 and index == list(range(index[0], index[-1] + 1, step)):
        return slice(index[0], index[-1] + 1, step)
    return None


def variants(convolution: Convolution, weight: Tensor, size: tuple[int, ...] = ()) -> Iterator[Variant]:
    """Every usual mistake about this convolution, the likely ones first; ``size``: of the outputs, if that is wrong."""
    if size and convolution.transposed:
        yield _output_padding(convolution, weight, size)
    yield from _taps(convolution, weight)
    yield from _along_axes(convolution, weight)
    if convolution.groups > 1:
        yield from _groups(convolution, weight)
    yield from _channels(convolution, weight)


def _taps(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    names = AXES[len(convolution.axes)]
    long = [number for number, axis in enumerate(convolution.axes) if axis.kernel > 1]
    for count in range(len(long), 0, -1):
        for chosen in combinations(long, count):
            along = " and ".join(names[number] for number in chosen)
            whole = ": a true convolution, where a cross-correlation is asked for" if len(chosen) == len(long) else ""
            fault = Fault("tap", f"the taps are flipped along {along}{whole}")
            yield Variant(fault, convolution, weight.flip([number + 2 for number in chosen]))
    if weight.is_complex():
        yield Variant(Fault("tap", "the taps are conjugated"), convolution, weight.conj())
    for first, second in combinations(long, 2):
        if convolution.axes[first].kernel == convolution.axes[second].kernel:
            fault = Fault("tap", f"the taps' axes {names[first]} and {names[second]} are exchanged")
            yield Variant(fault, convolution, weight.transpose(first + 2, second + 2))


_ARGUMENTS: dict[Kind, tuple[str, ...]] = {
    "stride": ("stride",),
    "padding": ("before", "after"),
    "dilation": ("dilation",),
}


def _along_axes(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    names = AXES[len(convolution.axes)]
    everything = tuple(range(len(names)))
    for chosen in (everything, *((number,) for number in everything if len(everything) > 1)):
        along = " and ".join(names[number] for number in chosen)
        for fault, change in _changes([convolution.axes[number] for number in chosen], along):
            axes = tuple(change(axis) if number in chosen else axis for number, axis in enumerate(convolution.axes))
            if axes != convolution.axes:
                yield Variant(fault, replace(convolution, axes=axes), weight)
    for first, second in combinations(everything, 2):
        for kind, arguments in _ARGUMENTS.items():
            exchanged = list(convolution.axes)
            for one, other in ((first, second), (second, first)):
                values = {name: getattr(convolution.axes[other], name) for name in arguments}
                exchanged[one] = replace(exchanged[one], **values)
            if tuple(exchanged) != convolution.axes:
                fault = Fault(kind, f"the {kind} of {names[first]} and that of {names[second]} are exchanged")
                yield Variant(fault, replace(convolution, axes=tuple(exchanged)), weight)


def _changes(axes: list[Axis], along: str) -> Iterator[tuple[Fault, _Change]]:
    for mode in ("zeros", "circular", "reflect", "replicate"):
        if any(axis.before or axis.after for axis in axes) and axes[0].mode != mode:
            said = f"the border is padded as {mode} along {along}, where {axes[0].mode} is asked for"
            yield Fault("padding", said), _Change(mode=mode)
    for shift in (1, -1, 2, -2):
        inside = all(axis.stride > abs(shift) for axis in axes)
        kind: Kind = "stride phase" if inside else "border"
        word = f"{abs(shift)} {'later' if shift > 0 else 'earlier'}"
        how = f"o·s {'+' if shift > 0 else '−'} {abs(shift)}" if inside else f"padding {axes[0].before - shift}"
        said = (
            f"every window starts {word} along {along}: {how} where {'o·s' if inside else axes[0].before} is asked for"
        )
        yield Fault(kind, said), _Change(shift=shift)
    for padding in sorted({0, axes[0].before - 1, axes[0].before + 1}):
        if padding >= 0 and axes[0].before == axes[0].after:
            said = f"the padding along {along} is {padding}, where {axes[0].before} is asked for"
            yield Fault("padding", said), _Change(padding=padding)
    for stride in sorted({axes[0].stride + step for step in (-1, 1, 2)} | {1, 2}):
        if stride >= 1:
            said = f"the stride along {along} is {stride}, where {axes[0].stride} is asked for"
            yield Fault("stride", said), _Change(stride=stride)
    for dilation in sorted({axes[0].dilation + step for step in (-1, 1, 2)} | {1, 2}):
        if dilation >= 1:
            said = f"the dilation along {along} is {dilation}, where {axes[0].dilation} is asked for"
            yield Fault("dilation", said), _Change(dilation=dilation)
            yield Fault("dilation", said), _Change(dilation=dilation, centred=True)


@dataclass(frozen=True, slots=True)
class _Change:
    """Makes another axis of one."""

    shift: int = 0
    stride: int | None = None
    dilation: int | None = None
    padding: int | None = None
    centred: bool = False  # the padding goes with the dilation, as "same" does
    mode: Literal["zeros", "circular", "reflect", "replicate"] | None = None

    def __call__(self, axis: Axis) -> Axis:
        before, after = axis.before - self.shift, axis.after
        if self.padding is not None:
            before = after = self.padding
        if self.centred and self.dilation is not None:
            wider = (self.dilation - axis.dilation) * (axis.kernel - 1)
            before, after = before + wider // 2, after + wider - wider // 2
        return replace(
            axis,
            before=before,
            after=after,
            stride=self.stride or axis.stride,
            dilation=self.dilation or axis.dilation,
            mode=self.mode or axis.mode,
        )


def _least(axis: Axis) -> int:
    """Outputs of a transposed convolution along one axis, without output_padding."""
    return geometry.transposed_output_size(  # type: ignore[no-any-return]
        axis.outputs, axis.kernel, axis.stride, axis.before + axis.after, 0, axis.dilation
    )


def _output_padding(convolution: Convolution, weight: Tensor, size: tuple[int, ...]) -> Variant:
    got, asked = (
        tuple(length - _least(axis) for length, axis in zip(lengths, convolution.axes, strict=True))
        for lengths in (size, convolution.image.size)
    )
    fault = Fault("padding", f"the output_padding is {got}, where {asked} is asked for")
    return Variant(fault, convolution, weight)


def _groups(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    G = convolution.groups
    grouped = weight.unflatten(0, (G, -1))
    for order, word in _orders(G):
        said = f"groups are exchanged: {word} of the weight"
        yield Variant(Fault("group", f"{said} instead of its own"), convolution, grouped[order].flatten(0, 1))


def _orders(count: int) -> Iterator[tuple[list[int], str]]:
    """Ways to confuse ``count`` things: pairs exchanged, turned around, rotated."""
    plain = list(range(count))
    found = [plain[::-1], plain[1:] + plain[:1], plain[-1:] + plain[:-1]]
    for first, second in combinations(plain, 2) if count <= 8 else pairwise(plain):
        swapped = list(plain)
        swapped[first], swapped[second] = second, first
        found.append(swapped)
    for order in found:
        moved = next((number for number in plain if order[number] != number), None)
        if moved is not None:
            yield order, f"group {moved} uses group {order[moved]}'s part"


def _channels(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    if convolution.groups == 1 and weight.shape[0] == weight.shape[1] > 1:
        fault = Fault("channel", "input and output channels of the weight are exchanged")
        yield Variant(fault, convolution, weight.transpose(0, 1))


def resized(variant: Variant, size: tuple[int, ...]) -> Variant | None:
    """The variant as it is where its own arguments decide how much comes out, if that is ``size``; else None."""
    axes = []
    for axis, wanted in zip(variant.convolution.axes, size, strict=True):
        if variant.convolution.transposed:
            extra = range(max(axis.stride, axis.dilation))  # any output_padding
            length = next((n for n in (_least(axis) + more for more in extra) if n == wanted), 0)
            axes.append(replace(axis, size=max(1, length)))
        else:
            padding = axis.before + axis.after
            length = geometry.output_size(axis.size, axis.kernel, axis.stride, padding, axis.dilation)
            axes.append(replace(axis, outputs=max(1, length)))
    found = tuple(axis.size if variant.convolution.transposed else axis.outputs for axis in axes)
    if found != size:
        return None
    grid = "image" if variant.convolution.transposed else "windows"
    changed = replace(getattr(variant.convolution, grid), size=size)
    convolution = replace(variant.convolution, axes=tuple(axes), **{grid: changed})
    return Variant(variant.fault, convolution, variant.weight)
