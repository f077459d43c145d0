"""Random convolutions of every kind that the norms and the verification are held against."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch

from inspector.errors import ShapeError
from inspector.toeplitz import ConvOperator, conv_operator

MODES = ("zeros", "circular", "reflect", "replicate")
LONGEST = {1: 24, 2: 8, 3: 4}


def convolutions(count: int, seed: int, dtypes: tuple[torch.dtype, ...] = (torch.float64,)) -> Iterator[ConvOperator]:
    """So many valid ones; what cannot be is drawn anew."""
    draw = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    while count:
        dims = draw.choice((1, 2, 2, 3))
        groups = draw.choice((1, 1, 2))
        transposed = draw.random() < 0.25
        mode = "zeros" if transposed else draw.choice(MODES)

        def each(low: int, high: int, dims: int = dims) -> list[int]:
            return [draw.randint(low, high) for _ in range(dims)]

        shape = (groups * draw.randint(1, 2), draw.randint(1, 2), *each(1, 3))
        dtype = draw.choice(dtypes)
        weight = torch.randn(shape, generator=generator, dtype=torch.complex128 if dtype.is_complex else torch.float64)
        try:
            yield conv_operator(
                weight.to(dtype),
                each(2, LONGEST[dims]),
                each(1, 3),
                [(draw.randint(0, 2), draw.randint(0, 2)) for _ in range(dims)],
                each(1, 2),
                groups,
                mode,
                transposed,
                each(0, 1) if transposed else 0,
            )
        except ShapeError:
            continue
        count -= 1
