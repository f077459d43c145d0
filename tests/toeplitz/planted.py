"""Kernels that are wrong, each in one way, with the name that the fault should get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(4, 3, 3, 3, generator=GENERATOR)
GROUPED = torch.randn(4, 2, 3, 3, generator=GENERATOR)
BIAS = torch.randn(4, generator=GENERATOR)
COMPLEX = torch.complex(WEIGHT, WEIGHT.flip(0))
LONG = torch.randn(4, 3, 1, 5, generator=GENERATOR)
MANY = torch.randn(2, 32, 3, 3, generator=GENERATOR).half()
SIZE = (9, 8)


def in_half(x: Tensor, weight: Tensor) -> Tensor:
    """A direct convolution whose accumulator is float16."""
    columns, rows = F.unfold(x, 3).half(), weight.flatten(1).half()
    sums = torch.zeros(len(x), len(rows), columns.shape[2], dtype=torch.half)
    for term in range(rows.shape[1]):
        sums = sums + rows[:, term][None, :, None] * columns[:, term][:, None]
    return sums.float().reshape(len(x), len(rows), x.shape[2] - 2, x.shape[3] - 2)


def one_tap(x: Tensor, weight: Tensor) -> Tensor:
    weight = weight.clone()
    weight[2, 1, 0, 2] *= 0.5
    return F.conv2d(x, weight, padding=1)


def last_column_lost(x: Tensor, weight: Tensor) -> Tensor:
    y = F.conv2d(x, weight, padding=1)
    return torch.cat([y[..., :-1], torch.zeros_like(y[..., -1:])], -1)


def one_channel_scaled(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight) * torch.tensor([1.0, 1.0, 1.5, 1.0])[:, None, None]


def never_written(x: Tensor, weight: Tensor) -> Tensor:
    y = F.conv2d(x, weight)
    y[..., -1] = torch.nan
    return y


def edge_repeated(x: Tensor, weight: Tensor) -> Tensor:
    """What NumPy calls symmetric, where reflect leaves the edge itself out."""
    return F.conv2d(torch.cat([x[..., :2].flip(-1), x, x[..., -2:].flip(-1)], -1), weight)


def channel_by_channel(x: Tensor, weight: Tensor) -> Tensor:
    """Each sum of one channel is right; their sum is rounded at every step."""
    parts = [F.conv2d(x[:, at : at + 1], weight[:, at : at + 1]) for at in range(x.shape[1])]
    return sum(parts[1:], parts[0])


class Racing:
    """Each call gives something else."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        self.calls += 1
        return F.conv2d(x, weight) * (1 + 0.01 * (self.calls % 3))


Kernel = Callable[..., Tensor]
#: name: (kernel, weight, arguments, kind of the fault, a word of the sentence)
PLANTED: dict[str, tuple[Kernel, Tensor, dict[str, Any], str, str]] = {
    "flipped taps": (lambda x, w: F.conv2d(x, w.flip(2, 3)), WEIGHT, {}, "tap", "flipped along H and W"),
    "flipped along one axis": (lambda x, w: F.conv2d(x, w.flip(3)), WEIGHT, {}, "tap", "flipped along W"),
    "exchanged axes": (lambda x, w: F.conv2d(x, w.mT), WEIGHT, {}, "tap", "H and W are exchanged"),
    "one tap": (one_tap, WEIGHT, {"padding": 1}, "tap", "tap (0, 2) at output channel 2 at input channel 1"),
    "shifted border": (
        lambda x, w: F.conv2d(F.pad(x, (0, 2, 1, 1)), w),
        WEIGHT,
        {"padding": 1},
        "border",
        "starts 1 later along W",
    ),
    "shifted the other way": (
        lambda x, w: F.conv2d(F.pad(x, (2, 0, 2, 0)), w),
        WEIGHT,
        {"padding": 1},
        "border",
        "starts 1 earlier along H and W",
    ),
    "lost border": (last_column_lost, WEIGHT, {"padding": 1}, "border", "W = 7"),
    "stride off by one": (
        lambda x, w: F.conv2d(F.pad(x, (1, 20, 1, 20)), w, stride=3)[..., :5, :4],
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride",
        "is 3, where 2",
    ),
    "stride off by one, and so the shape": (
        lambda x, w: F.conv2d(x, w, stride=3, padding=1),
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride",
        "is 3, where 2",
    ),
    "stride phase": (
        lambda x, w: F.conv2d(F.pad(x, (0, 3, 1, 1)), w, stride=2)[..., :4],
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride phase",
        "1 later along W",
    ),
    "wrong dilation": (
        lambda x, w: F.conv2d(F.pad(x, (2, 0, 2, 0)), w),
        WEIGHT,
        {"padding": 2, "dilation": 2},
        "dilation",
        "is 1, where 2",
    ),
    "wrong dilation, padded for it": (
        lambda x, w: F.conv2d(x, w, padding="same"),
        WEIGHT,
        {"padding": "same", "dilation": 2},
        "dilation",
        "is 1, where 2",
    ),
    "no padding": (lambda x, w: F.conv2d(x, w), WEIGHT, {"padding": 1}, "padding", "is 0, where 1"),
    "zeros for reflect": (
        lambda x, w: F.conv2d(x, w, padding=1),
        WEIGHT,
        {"padding": 1, "padding_mode": "reflect"},
        "padding",
        "zeros along H and W, where reflect",
    ),
    "swapped groups of the weight": (
        lambda x, w: F.conv2d(x, w.roll(2, 0), groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "exchanged",
    ),
    "swapped groups of the input": (
        lambda x, w: F.conv2d(x.roll(2, 1), w, groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "group 0's inputs",
    ),
    "swapped groups of the output": (
        lambda x, w: F.conv2d(x, w, groups=2).roll(2, 1),
        GROUPED,
        {"groups": 2},
        "group",
        "group 0's outputs",
    ),
    "swapped input channels": (
        lambda x, w: F.conv2d(x[:, [1, 0, 2]], w),
        WEIGHT,
        {},
        "channel",
        "input channel 0 stands where input channel 1",
    ),
    "scaled output channel": (one_channel_scaled, WEIGHT, {}, "channel", "output channel 2"),
    "missing bias": (lambda x, w, b: F.conv2d(x, w), WEIGHT, {"bias": BIAS}, "bias", "missing"),
    "doubled bias": (lambda x, w, b: F.conv2d(x, w, 2 * b), WEIGHT, {"bias": BIAS}, "bias", "twice"),
    "rolled bias": (lambda x, w, b: F.conv2d(x, w, b.roll(1)), WEIGHT, {"bias": BIAS}, "bias", "of channel 3"),
    "float16 accumulation": (in_half, WEIGHT, {}, "precision", "accumulation in float16"),
    "bfloat16 results": (
        lambda x, w: F.conv2d(x.bfloat16(), w.bfloat16()).float(),
        WEIGHT,
        {},
        "precision",
        "accumulation in bfloat16",
    ),
    "products of ten bits": (
        lambda x, w: F.conv2d(x.half().float(), w.half().float()),
        WEIGHT,
        {},
        "precision",
        "TF32 or float16",
    ),
    "float32 inside": (
        lambda x, w: F.conv2d(x.float(), w.float()).double(),
        WEIGHT.double(),
        {},
        "precision",
        "float32",
    ),
    "not linear": (lambda x, w: F.conv2d(x, w).relu(), WEIGHT, {}, "unknown", "not linear"),
    "results conjugated": (lambda x, w: F.conv2d(x, w).conj(), COMPLEX, {}, "unknown", "not linear"),
    "taps conjugated": (lambda x, w: F.conv2d(x, w.conj()), COMPLEX, {}, "tap", "conjugated"),
    "sign": (lambda x, w: -F.conv2d(x, w), WEIGHT, {}, "tap", "sign is turned"),
    "averaged": (lambda x, w: F.conv2d(x, w) / 9, WEIGHT, {}, "tap", "every tap is 0.111111 times"),
    "never written": (
        never_written,
        WEIGHT,
        {},
        "unknown",
        "56 of 336 results are not finite, nan at output (0, 0, 5)",
    ),
    "racing": (Racing(), WEIGHT, {}, "unknown", "not deterministic"),
    "deep border": (edge_repeated, LONG, {"padding": (0, 2), "padding_mode": "reflect"}, "border", "(W < 2, W ≥ 6)"),
    "exchanged strides": (
        lambda x, w: F.conv2d(x, w, stride=(1, 2)),
        WEIGHT,
        {"stride": (2, 1)},
        "stride",
        "of H and that of W are exchanged",
    ),
    "exchanged padding": (
        lambda x, w: F.conv2d(x, w, padding=(0, 1)),
        WEIGHT,
        {"padding": (1, 0)},
        "padding",
        "of H and that of W are exchanged",
    ),
    "output_padding forgotten": (
        lambda x, w: F.conv_transpose2d(x, w, None, 2, 1),
        WEIGHT,
        {"stride": 2, "padding": 1, "transposed": True, "output_padding": (1, 0)},
        "padding",
        "output_padding is (0, 0), where (1, 0)",
    ),
    "weights of eight bits": (
        lambda x, w: F.conv2d(x, w.bfloat16().float()),
        WEIGHT,
        {},
        "precision",
        "rounded to bfloat16",
    ),
    "narrow sums of narrow numbers": (
        channel_by_channel,
        MANY,
        {},
        "precision",
        "sums are rounded to float16 on the way",
    ),
    "interleaved groups": (
        lambda x, w: F.conv2d(x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2), w, groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "in the wrong group: input channel 1 stands where input channel 2",
    ),
    "samples mixed": (lambda x, w: F.conv2d(x[:1].expand_as(x), w), WEIGHT, {}, "unknown", "other samples"),
}
