"""What a wrong convolution does instead: each usual mistake as a convolution of its own, to hold a response against."""

from __future__ import annotations

import math
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
_AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


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
        windows = _open([outputs.to(images.device) for outputs, _ in pairs])
        image = _open([inputs.to(images.device) for _, inputs in pairs])
        reads, writes = (windows, image) if convolution.transposed else (image, windows)
        whole: tuple[Any, ...] = (slice(None),) * 3
        out[(*whole, *writes)] += torch.einsum(mixed, kernel[(*whole, *place)], grouped[(*whole, *reads)])
    return out.flatten(1, 2)


def _open(indices: list[Tensor]) -> tuple[Tensor, ...]:
    """Indices of every axis, shaped so that they index a box."""
    return tuple(
        index.reshape([-1 if axis == number else 1 for axis in range(len(indices))])
        for number, index in enumerate(indices)
    )


def variants(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    """Every usual mistake about this convolution, the likely ones first."""
    yield from _taps(convolution, weight)
    yield from _along_axes(convolution, weight)
    if convolution.groups > 1:
        yield from _groups(convolution, weight)
    yield from _channels(convolution, weight)


def _taps(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    names = _AXES[len(convolution.axes)]
    long = [number for number, axis in enumerate(convolution.axes) if axis.kernel > 1]
    for count in range(len(long), 0, -1):
        for chosen in combinations(long, count):
            along = " and ".join(names[number] for number in chosen)
            whole = ": a true convolution, where a cross-correlation is asked for" if len(chosen) == len(long) else ""
            fault = Fault("tap", f"the taps are flipped along {along}{whole}")
            yield Variant(fault, convolution, weight.flip([number + 2 for number in chosen]))
    for first, second in combinations(long, 2):
        if convolution.axes[first].kernel == convolution.axes[second].kernel:
            fault = Fault("tap", f"the taps' axes {names[first]} and {names[second]} are exchanged")
            yield Variant(fault, convolution, weight.transpose(first + 2, second + 2))


def _along_axes(convolution: Convolution, weight: Tensor) -> Iterator[Variant]:
    names = _AXES[len(convolution.axes)]
    everything = tuple(range(len(names)))
    for chosen in (everything, *((number,) for number in everything if len(everything) > 1)):
        along = " and ".join(names[number] for number in chosen)
        for fault, change in _changes([convolution.axes[number] for number in chosen], along):
            axes = tuple(change(axis) if number in chosen else axis for number, axis in enumerate(convolution.axes))
            if axes != convolution.axes:
                yield Variant(fault, replace(convolution, axes=axes), weight)


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
    for axis in variant.convolution.axes:
        padding = axis.before + axis.after
        if variant.convolution.transposed:
            length = geometry.transposed_output_size(axis.outputs, axis.kernel, axis.stride, padding, 0, axis.dilation)
            axes.append(replace(axis, size=max(1, length)))
        else:
            length = geometry.output_size(axis.size, axis.kernel, axis.stride, padding, axis.dilation)
            axes.append(replace(axis, outputs=max(1, length)))
    found = tuple(axis.size if variant.convolution.transposed else axis.outputs for axis in axes)
    if found != size:
        return None
    grid = "image" if variant.convolution.transposed else "windows"
    changed = replace(getattr(variant.convolution, grid), size=size)
    convolution = replace(variant.convolution, axes=tuple(axes), **{grid: changed})
    return Variant(variant.fault, convolution, variant.weight)


def matching(found: Tensor, wanted: Tensor, dim: int, near: float) -> list[int] | None:
    """Which slice of ``wanted`` each slice of ``found`` is, along ``dim``; None where one is none of them."""
    order = []
    columns = [wanted.select(dim, number) for number in range(wanted.shape[dim])]
    for number in range(found.shape[dim]):
        here = found.select(dim, number)
        twins = [other for other, column in enumerate(columns) if bool(((here - column).abs() <= near).all())]
        if not twins:
            return None
        order.append(number if number in twins else twins[0])
    return order


def located(
    found: Tensor,
    wanted: Tensor,
    wrong: Tensor,
    owners: Tensor,
    sources: list[tuple[int, ...]],
    kernel: tuple[int, ...],
) -> Fault:
    r"""What the entries that differ have in common: taps, channels, or a border.

    Args:
        found: (impulses, C, \*size), as the kernel answers.
        wanted: as it should.
        wrong: where they differ.
        owners: number of the one tap that joins impulse and output, −1 where there is none, −2 where there are several.
        sources: (channel, \*place) of every impulse.
        kernel: taps along each axis.
    """
    first = tuple(wrong.nonzero()[0].tolist())
    source, target = sources[first[0]], first[1:]
    example = (
        f"output {target} takes {found[first].item():.6g} times input {source}, where {wanted[first].item():.6g} is "
        "asked for"
    )
    taps = set(owners[wrong].tolist())
    every = set(owners.unique().tolist()) - {-1, -2}
    parts = wrong.nonzero()
    outs, ins = set(parts[:, 1].tolist()), {sources[number][0] for number in set(parts[:, 0].tolist())}
    names = [f"tap {tuple(n.item() for n in torch.unravel_index(torch.tensor(tap), kernel))}" for tap in sorted(taps)]
    channels = _some("output channel", outs, found.shape[1]) + _some("input channel", ins, len({s[0] for s in sources}))
    if taps and taps < every and not taps & {-1, -2} and len(taps) <= max(1, len(every) // 2):
        return Fault("tap", f"{', '.join(names)}{channels} {'is' if len(taps) == 1 else 'are'} wrong: {example}")
    if (border := _border(wrong)) is not None:
        return Fault("border", f"outputs at the border ({border}){channels} are wrong: {example}")
    if channels:
        return Fault("channel", f"every tap is wrong{channels}: {example}")
    return Fault("unknown", f"{int(wrong.sum())} of {wrong.numel()} entries differ; {example}")


def _some(word: str, numbers: set[int], total: int) -> str:
    if len(numbers) == total:
        return ""
    return f" at {word}{'s' * (len(numbers) > 1)} {', '.join(map(str, sorted(numbers)))}"


def _border(wrong: Tensor) -> str | None:
    """The fewest edges that hold every wrong output: ``H = 0``, ``W = 7``; None where they lie elsewhere too."""
    size = wrong.shape[2:]
    places = wrong.any(0).any(0).nonzero()
    edges = [(axis, edge) for axis, length in enumerate(size) if length > 2 for edge in (0, length - 1)]
    if len(places) == math.prod(size):
        return None
    for count in range(1, len(edges) + 1):
        for chosen in combinations(edges, count):
            if all(any(place[axis] == edge for axis, edge in chosen) for place in places.tolist()):
                return ", ".join(f"{_AXES[len(size)][axis]} = {edge}" for axis, edge in chosen)
    return None
