"""Configurations of convolutions, drawn from all options together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.toeplitz.reference import pytorch

LARGEST = {1: 12, 2: 7, 3: 4}
MOST_TAPS = {1: 5, 2: 4, 3: 3}


@dataclass(frozen=True)
class Case:
    """Arguments that PyTorch takes, or, where ``refused``, that it does not."""

    weight: Tensor
    size: tuple[int, ...]
    bias: Tensor | None
    arguments: dict[str, Any]
    order: bool | str
    refused: str

    @property
    def channels(self) -> int:
        """Of the input."""
        return (
            self.weight.shape[0] if "transposed" in self.arguments else self.weight.shape[1] * self.arguments["groups"]
        )


def drawn(seed: int, count: int) -> Iterator[Case]:
    """``count`` that PyTorch takes, and between them those that it refused."""
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    while count:
        case = _case(draw, generator)
        count -= not case.refused
        yield case


def _case(draw: random.Random, generator: torch.Generator) -> Case:
    dims = draw.choice((1, 2, 2, 3))

    def each(low: int, high: int) -> Any:
        return draw.randint(low, high) if draw.random() < 0.4 else tuple(draw.randint(low, high) for _ in range(dims))

    groups = draw.choice((1, 1, 2, 3))
    transposed = draw.random() < 0.3
    per_group = draw.randint(1, 2), draw.randint(1, 2)
    if draw.random() < 0.15:  # depthwise
        groups, per_group = draw.randint(2, 4), (draw.randint(1, 2), 1)
    kernel = tuple(draw.randint(1, MOST_TAPS[dims]) for _ in range(dims))
    size = tuple(draw.randint(1, LARGEST[dims]) for _ in range(dims))
    arguments: dict[str, Any] = {"stride": each(1, 3), "dilation": each(1, 2), "groups": groups}
    if draw.random() < 0.2:
        arguments["flip"] = True
    paddings = [each(0, 3), [(draw.randint(0, 3), draw.randint(0, 3)) for _ in range(dims)]]
    if transposed:
        arguments |= {"transposed": True, "output_padding": each(0, 2)}
    else:
        paddings += ["valid", "same"]
        arguments["padding_mode"] = draw.choice(("zeros", "zeros", "circular", "reflect", "replicate"))
    arguments["padding"] = draw.choice(paddings)
    if arguments["padding"] == "same":
        arguments["stride"] = 1
    dtype = torch.complex128 if draw.random() < 0.1 else torch.float64
    # Away from zero, so that no entry of the matrix vanishes by chance.
    weight = torch.rand(groups * per_group[0], per_group[1], *kernel, generator=generator).to(dtype) + 0.5
    if dtype.is_complex:
        weight = weight * torch.exp(1j * torch.rand(weight.shape, generator=generator))
    outputs = per_group[1] * groups if transposed else weight.shape[0]
    bias = torch.randn(outputs, generator=generator).to(dtype) if draw.random() < 0.3 else None
    order = draw.choice((False, False, True, "rows", "columns"))
    case = Case(weight, size, bias, arguments, order, refused="")
    try:
        out = pytorch(weight, bias, **arguments)(torch.zeros(1, case.channels, *size, dtype=dtype))
    except (RuntimeError, AssertionError) as error:
        return Case(weight, size, bias, arguments, order, refused=str(error))
    return case if out.numel() else Case(weight, size, bias, arguments, order, refused="empty output")
