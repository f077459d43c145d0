"""Random sequential networks of 1 to 3 axes, printed, read and solved: the truth is among the solutions.

Whether the truth is the only solution is decided by brute force over the bounds, which knows nothing of the solver.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import gcd, prod

import pytest
import torch
import torchinfo
from torch import nn

import inspector
from inspector.tables import Bounds, PrintedRow, Table, build, read, solve

from . import printers

BOUNDS = Bounds(kernel=5, stride=3, padding=2, dilation=2, wide=True)
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
LP = {1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def network(
    seed: int, axes: int, transposed: bool = True, square: bool = False
) -> tuple[nn.Sequential, tuple[int, ...]]:
    """A network whose every layer gives at least one element, and its input's shape without the batch.

    A Keras table does not say which axis is the channels; square images show it.
    """
    draw = random.Random(seed)
    sizes = [draw.randint(9, 14) for _ in range(axes)]
    shape = (draw.choice((1, 2, 3, 4)), *(sizes[:1] * axes if square else sizes))
    model = nn.Sequential()
    x = torch.empty(2, *shape, device="meta")
    while len(model) < 7:
        layer = _layer(draw, axes, x.shape[1], transposed)
        try:
            following = layer.to("meta")(x)
        except (RuntimeError, ValueError):
            continue
        if min(following.shape) < 1 or max(following.shape[2:]) > 40 or (following.shape[2:] == (1,) * axes):
            continue
        model.append(layer)
        x = following
    model.append(nn.Flatten())
    model.append(nn.Linear(x[0].numel(), draw.randint(2, 12), bias=draw.random() < 0.7))
    return model.to_empty(device="cpu"), shape


def _layer(draw: random.Random, axes: int, channels: int, transposed: bool) -> nn.Module:
    kernel, stride, dilation = draw.choice((1, 2, 3, 5)), draw.choice((1, 1, 2, 3)), draw.choice((1, 1, 1, 2))
    kind = draw.choice(("conv", "conv", "conv", "max", "avg", "norm", "relu", *(("transposed",) if transposed else ())))
    padding = draw.randint(0, min(2, (dilation * (kernel - 1) + 1) // 2))
    if kind == "conv":
        out = draw.choice((2, 4, 6, 8))
        groups = draw.choice([g for g in (1, 1, 2, 4) if gcd(channels, out) % g == 0])
        bias = draw.random() < 0.6
        return CONV[axes](channels, out, kernel, stride, padding, dilation, groups, bias)
    if kind == "transposed":
        extra = draw.randrange(max(stride, 1))
        return TRANSPOSED[axes](channels, draw.choice((2, 4)), kernel, stride, min(padding, kernel // 2), extra)
    if kind == "max":
        return MAX[axes](kernel, stride, min(kernel // 2, padding), ceil_mode=draw.random() < 0.3)
    if kind == "avg":
        return AVG[axes](kernel, stride, min(kernel // 2, padding), ceil_mode=draw.random() < 0.3)
    return NORM[axes](channels) if kind == "norm" else nn.ReLU()


def truth(layer: nn.Module, axes: int) -> dict[str, object] | None:
    """The hyperparameters under the solver's names; None for layers that have none."""

    def wide(value: object) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * axes  # type: ignore[return-value]

    if isinstance(layer, tuple(CONV.values()) + tuple(TRANSPOSED.values())):
        found: dict[str, object] = {
            "kernel": layer.kernel_size,
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "in_channels": layer.in_channels,
            "out_channels": layer.out_channels,
            "groups": layer.groups,
            "bias": layer.bias is not None,
        }
        if any(layer.output_padding):
            found["output_padding"] = layer.output_padding
        return found
    if isinstance(layer, tuple(MAX.values()) + tuple(AVG.values())):
        return {
            "kernel": wide(layer.kernel_size),
            "stride": wide(layer.stride),
            "padding": wide(layer.padding),
            "dilation": wide(getattr(layer, "dilation", 1)),
            "ceil_mode": layer.ceil_mode,
        }
    return None


PRINTERS = {
    "torchinfo": lambda model, shape: str(torchinfo.summary(model, (2, *shape), verbose=0, device="cpu")),
    "torchsummary": lambda model, shape: printers.torchsummary(model, (2, *shape)),
    "keras": lambda model, shape: printers.keras_boxes(model, (2, *shape)),
}


@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_truth_is_among_the_solutions(seed: int, axes: int, printer: str) -> None:
    model, shape = network(seed, axes, transposed=printer != "keras", square=printer == "keras")
    solution = solve(read(PRINTERS[printer](model, shape)), shape, bounds=BOUNDS)
    rows = [row for row in solution.rows if row.kind not in ("container", "flatten", "input")]
    layers = [layer for layer in model if not isinstance(layer, nn.Flatten)]
    assert len(rows) == len(layers)
    for row, layer in zip(rows, layers, strict=True):
        expected = truth(layer, axes)
        if expected is not None:
            assert expected in row.solutions, (layer, row.hyperparameters)
        assert row.params == sum(parameter.numel() for parameter in layer.parameters())
    assert solution.total_params == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_built_models_verify(axes: int) -> None:
    model, shape = network(11, axes)
    solution = solve(read(PRINTERS["torchinfo"](model, shape)), shape, bounds=BOUNDS)
    built = build(solution)
    verification = inspector.verify(built, (2, *shape))
    assert verification.ok, verification
    assert verification.prediction.total_params == sum(parameter.numel() for parameter in model.parameters())
    shapes = [call.output_shapes[0] for call in verification.prediction.modules if call.parent == 0]
    theirs = [call.output_shapes[0] for call in inspector.predict(model, (2, *shape)).modules if call.parent == 0]
    assert shapes == theirs


@pytest.mark.parametrize(("axes", "seed"), [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (3, 1)])
def test_the_share_that_is_unique_is_that_of_brute_force(axes: int, seed: int) -> None:
    """Every window, grouping and bias within the bounds is asked of PyTorch, each axis of a layer on its own.

    The axes of a window are independent of each other: a layer's solutions are the choices of one window for each axis
    whose kernels together give the printed count.
    """
    model, shape = network(seed, axes)
    solution = solve(read(PRINTERS["torchsummary"](model, shape)), shape, bounds=BOUNDS)
    rows = [row for row in solution.rows if row.kind in ("conv", "conv_transpose", "max_pool", "avg_pool")]
    layers = [layer for layer in model if truth(layer, axes) is not None]
    assert len(rows) == len(layers) > 0
    for row, layer in zip(rows, layers, strict=True):
        expected = _tried(layer, row.input_shapes[0], row.output_shape)
        assert row.solutions.count == expected, (layer, row.hyperparameters)
        assert row.ambiguous == (expected > 1)


def _tried(layer: nn.Module, before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """How many layers of this class within the bounds have its count and map the one shape to the other."""
    count = sum(parameter.numel() for parameter in layer.parameters())
    pairs = list(zip(before[1:], after[1:], strict=True))
    if isinstance(layer, tuple(MAX.values()) + tuple(AVG.values())):
        cls = nn.MaxPool1d if isinstance(layer, tuple(MAX.values())) else nn.AvgPool1d
        return sum(prod(sum(_pools(cls, *pair, ceil_mode).values()) for pair in pairs) for ceil_mode in (False, True))
    transposed = isinstance(layer, tuple(TRANSPOSED.values()))
    C_in, C_out = before[0], after[0]
    axes = [_convolutions(transposed, *pair) for pair in pairs]
    found = 0
    for group, bias in itertools.product(range(1, gcd(C_in, C_out) + 1), (True, False)):
        if C_in % group or C_out % group:
            continue
        for kernels in itertools.product(*axes):
            weights = prod(kernels) * C_in * C_out // group + C_out * bias
            found += prod(axis[kernel] for axis, kernel in zip(axes, kernels, strict=True)) * (weights == count)
    return found


def _ran(layer: nn.Module, size: int) -> int:
    try:
        return layer(torch.empty(1, 1, size, device="meta")).shape[-1]
    except (RuntimeError, ValueError):
        return -1


@cache
def _convolutions(transposed: bool, size: int, output: int) -> Counter[int]:
    """Kernel → how many windows along one axis have it and map the size to the output."""
    cls = nn.ConvTranspose1d if transposed else nn.Conv1d
    found: Counter[int] = Counter()
    for kernel, dilation, padding in itertools.product(range(1, 6), (1, 2), range(3)):
        for stride in {1, 2, 3, kernel} if dilation == 1 else {1, 2, 3}:
            for extra in range(max(stride, dilation)) if transposed else (0,):
                more = {"output_padding": extra} if transposed else {}
                layer = cls(1, 1, kernel, stride, padding, dilation=dilation, device="meta", **more)
                found[kernel] += _ran(layer, size) == output
    return +found


@cache
def _pools(cls: type[nn.Module], size: int, output: int, ceil_mode: bool) -> Counter[int]:
    found: Counter[int] = Counter()
    for kernel, dilation in itertools.product(range(1, 6), (1, 2) if cls is nn.MaxPool1d else (1,)):
        for stride, padding in itertools.product({1, 2, 3, kernel} if dilation == 1 else {1, 2, 3}, range(3)):
            if padding > kernel // 2:
                continue
            more = {"dilation": dilation} if cls is nn.MaxPool1d else {}
            found[kernel] += _ran(cls(kernel, stride, padding, ceil_mode=ceil_mode, **more), size) == output
    return +found


TINY = Bounds(kernel=2, stride=2, padding=1, dilation=1, wide=True)


@pytest.mark.parametrize("kind", ["conv", "conv_transpose", "max_pool", "avg_pool", "lp_pool"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_solutions_are_the_layers_that_pytorch_builds_and_no_others(axes: int, kind: str) -> None:
    """Every layer of one to three axes within tiny bounds is run whole; no axis is thought of alone.

    Those with one output shape and count are the solutions of a row that prints these: one means that the row is
    decided, several that it is open.
    """
    before = (2, 4, 5, 3)[: axes + 1]
    bounds = replace(TINY, padding=_most_padding(kind, axes))
    ran: dict[tuple[tuple[int, ...], int], list[dict[str, object]]] = {}
    for layer, found in _every(kind, axes):
        try:
            after = tuple(layer(torch.zeros(1, *before)).shape[1:])
        except (RuntimeError, ValueError):
            continue
        if min(after) > 0:
            count = sum(parameter.numel() for parameter in layer.parameters())
            ran.setdefault((after, count), []).append(found)
    assert len(ran) > axes
    for (after, count), expected in ran.items():
        table = Table((PrintedRow(1, "", "x", kind, output_shape=after, params=count),), "markdown")
        (row,) = solve(table, before, bounds=bounds).rows
        assert row.ambiguous == (len(expected) > 1)
        assert row.solutions.count == len(expected)
        assert all(found in row.solutions for found in expected)


def _most_padding(kind: str, axes: int) -> int:
    return 0 if kind == "conv_transpose" and axes == 3 else 1  # 16 384 layers to run, and 2 048 without padding


def _every(kind: str, axes: int) -> Iterator[tuple[nn.Module, dict[str, object]]]:
    """Every layer within the tiny bounds, with its hyperparameters under the solver's names."""
    paddings = (0,) if kind == "lp_pool" else range(_most_padding(kind, axes) + 1)
    windows = itertools.product((1, 2), (1, 2), paddings, (0, 1) if kind == "conv_transpose" else (0,))
    for each in itertools.product(list(windows), repeat=axes):
        kernel, stride, padding, extra = zip(*each, strict=True)
        found: dict[str, object] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": (1,) * axes}
        if kind.startswith("conv"):
            found |= {"output_padding": extra} if any(extra) else {}
            for groups, bias in itertools.product((1, 2), (True, False)):
                more = {"groups": groups, "bias": bias}
                if kind == "conv":
                    layer = CONV[axes](2, 2, kernel, stride, padding, **more)
                else:
                    layer = TRANSPOSED[axes](2, 2, kernel, stride, padding, extra, **more)
                yield layer, {**found, "in_channels": 2, "out_channels": 2, "groups": groups, "bias": bias}
            continue
        for ceil_mode in (False, True):
            if kind == "lp_pool":
                one = axes == 1  # LPPool1d takes no tuples
                pool = LP[axes](2, kernel[0] if one else kernel, stride[0] if one else stride, ceil_mode=ceil_mode)
            else:
                pool = (MAX if kind == "max_pool" else AVG)[axes](kernel, stride, padding, ceil_mode=ceil_mode)
            yield pool, {**found, "ceil_mode": ceil_mode}


def _others(axes: int) -> list[tuple[nn.Module, dict[str, object] | None]]:
    """A layer of every further kind that takes an image of 4 channels, with what is hidden of it."""
    pad = {1: nn.ZeroPad1d, 2: nn.ZeroPad2d, 3: nn.ZeroPad3d}[axes]
    adaptive = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[axes]
    largest = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}[axes]
    instance = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[axes]
    return [
        (nn.GroupNorm(2, 4), {"num_groups": 2, "num_channels": 4, "affine": True}),
        (instance(4, affine=True), {"num_features": 4, "affine": True}),
        (instance(4), {"num_features": 4, "affine": False}),
        (nn.LayerNorm((6,)), {"normalized_shape": (6,), "bias": True}),
        (nn.PReLU(4), {"num_parameters": 4}),
        (nn.PReLU(), {"num_parameters": 1}),
        (nn.LocalResponseNorm(3), None),
        (nn.Dropout(0.1), None),
        (nn.Identity(), None),
        (nn.Hardswish(), None),
        (nn.Softmax(1), None),
        (nn.Upsample(scale_factor=2), {"scale_factor": (2,) * axes}),
        (pad((1, 2) * axes), {"sides": ((1, 2),) * axes}),
        (adaptive(3), {"output_size": (3,) * axes}),
        (largest(2), {"output_size": (2,) * axes}),
        (LP[axes](2, 2, 2), {"kernel": (2,) * axes, "stride": (2,) * axes, "ceil_mode": False}),
        (nn.Flatten(), {"start_dim": 1}),
    ]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("number", range(len(_others(1))))
def test_further_layers_are_read_and_solved_from_a_summary(axes: int, number: int) -> None:
    """After a convolution, printed by torchinfo: what is hidden is among the solutions."""
    layer, hidden = _others(axes)[number]
    model = nn.Sequential(CONV[axes](2, 4, 3, padding=1), layer)
    summary = torchinfo.summary(model, (2, 2, *(6,) * axes), verbose=0, device="cpu")
    solution = solve(read(str(summary)), bounds=BOUNDS, input_shape=(2, *(6,) * axes))
    row = solution.rows[-1]
    assert solution.total_params == summary.total_params
    assert row.params == sum(parameter.numel() for parameter in layer.parameters())
    if hidden is not None:
        assert any(hidden.items() <= choice.hyperparameters.items() for choice in itertools.islice(row.solutions, 200))
    if row.kind != "lp_pool":
        built = build(solution)
        assert built(torch.zeros(2, 2, *(6,) * axes)).shape == model(torch.zeros(2, 2, *(6,) * axes)).shape
