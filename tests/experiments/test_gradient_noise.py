"""The law of gradient noise, by counting every batch."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.experiments.gradient_noise import GradientNoise, Law, _products
from inspector.experiments.records import Config, Measured

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


def test_products_are_those_of_all_pairs() -> None:
    rows = every_batch(2)
    pairs = [float(a @ b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
    assert math.isclose(_products(rows), sum(pairs) / len(pairs))


def test_the_scale_is_measured_with_its_interval() -> None:
    """Cells of E|G_B|² = 3 + 64/32 = 5 and E[G·G'] = 3, each a tenth off one way or the other: tr Σ/|G|² = 64/3."""
    values = {}
    for net in ("plain", "bn"):
        for group, off in enumerate((-0.1, 0.1, 0.1, -0.1)):
            sizes = {f"length-{b}": 3 + 64 / b + off for b in (2, 8, 32)} | {f"product-{b}": 3.0 for b in (2, 8, 32)}
            values[f"{net},group={group}"] = sizes
    found = GradientNoise().gather(Config(), values)["plain-scale"]
    assert isinstance(found, Measured)
    assert math.isclose(found.value, 64 / 3, rel_tol=1e-2)
    assert found.low < 64 / 3 < found.high
    noisy = {key: {**value, "product-32": -1.0} for key, value in values.items()}
    lost = GradientNoise().gather(Config(), noisy)["plain-scale"]
    assert isinstance(lost, Measured)
    assert math.isnan(lost.value)  # |G|² cannot be told from zero: the claim is left open


def test_classes_are_those_of_the_data(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(360) % 12
    np.savez(tmp_path / "own.npz", images=generator.random((360, 28, 28)), labels=labels)
    cell = GradientNoise().cells(Config())[0]
    found = GradientNoise().measure(Config(data=str(tmp_path / "own.npz")), cell)
    assert all(math.isfinite(float(str(each))) for each in found.values())
