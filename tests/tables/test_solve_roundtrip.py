"""Random sequential networks of 1 to 3 axes, printed, read and solved: the truth is among the solutions.

Whether the truth is the only solution is decided by brute force over the bounds, which knows nothing of the solver.
"""

from __future__ import annotations

import itertools
import random
from math import gcd

import pytest
import torch
import torchinfo
from torch import nn

import inspector
from inspector.tables import Bounds, build, read, solve

from . import printers

BOUNDS = Bounds(kernel=5, stride=3, padding=2, dilation=2, wide=True)
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
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


@pytest.mark.parametrize("seed", range(6))
def test_the_share_that_is_unique_is_that_of_brute_force(seed: int) -> None:
    """Every convolution along one axis, its printed count known: all of its windows, groups and biases are run."""
    model, shape = network(seed, 1, transposed=False)
    solution = solve(read(PRINTERS["torchsummary"](model, shape)), shape, bounds=BOUNDS)
    rows = [row for row in solution.rows if row.kind == "conv"]
    layers = [layer for layer in model if isinstance(layer, nn.Conv1d)]
    for row, layer in zip(rows, layers, strict=True):
        size, output = row.input_shapes[0][1], row.output_shape[1]
        count = sum(parameter.numel() for parameter in layer.parameters())
        assert row.solutions.count == _tried(layer.in_channels, layer.out_channels, size, output, count)


def _tried(C_in: int, C_out: int, size: int, output: int, count: int) -> int:
    """How many Conv1d within the bounds have this count and map ``size`` to ``output``, each asked of PyTorch."""
    found = 0
    groups = [g for g in range(1, gcd(C_in, C_out) + 1) if C_in % g == 0 and C_out % g == 0]
    for kernel, dilation, group, bias in itertools.product(range(1, 6), (1, 2), groups, (True, False)):
        for stride, padding in itertools.product({1, 2, 3, kernel} if dilation == 1 else {1, 2, 3}, range(3)):
            layer = nn.Conv1d(C_in, C_out, kernel, stride, padding, dilation, group, bias, device="meta")
            if sum(parameter.numel() for parameter in layer.parameters()) != count:
                continue
            if size + 2 * padding < dilation * (kernel - 1) + 1:
                continue
            found += layer(torch.empty(1, C_in, size, device="meta")).shape[-1] == output
    return found
