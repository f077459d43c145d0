"""The law of gradient noise, by counting every batch."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from inspector.experiments.gradient_noise import Law

GRADIENTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, -1.0]], dtype=torch.float64)


def law() -> Law:
    mean = GRADIENTS.mean(0)
    return Law(float(mean.square().sum()), float((GRADIENTS - mean).square().sum(1).mean()))


def every_batch(size: int) -> torch.Tensor:
    """The gradient of each batch of so many samples, drawn with replacement."""
    return torch.stack([GRADIENTS[list(each)].mean(0) for each in itertools.product(range(3), repeat=size)])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_mean_square_of_every_batch(size: int) -> None:
    assert math.isclose(law().length(size), every_batch(size).square().sum(1).mean())


@pytest.mark.parametrize("size", [1, 3])
def test_the_cosine_of_every_pair_of_batches(size: int) -> None:
    found = every_batch(size)
    products = (found @ found.T).mean()
    assert math.isclose(law().cosine(size), products / found.square().sum(1).mean())
