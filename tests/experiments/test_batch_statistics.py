"""The laws of batch statistics, to the digit where they can be, and in a network."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.errors import InspectionError
from inspector.experiments import run
from inspector.experiments.batch_laws import (
    fresh_second_moment,
    kurtosis_of_normalised,
    running_var,
    running_variance,
    sd_of_variance,
    variance_over_images,
)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_sd_of_a_variance_by_counting_every_batch(n: int) -> None:
    """Over all batches of n fair coins, whose excess kurtosis is −2."""
    batches = torch.tensor([*itertools.product((-1.0, 1.0), repeat=n)], dtype=torch.float64)
    counted = batches.var(1, correction=0).std(correction=0)
    assert math.isclose(sd_of_variance(n, kurtosis=-2), counted, abs_tol=1e-12)


@pytest.mark.parametrize("n", [8, 16])
def test_moments_of_normal_values_from_their_beta_distribution(n: int) -> None:
    """x̂²/(n − 1) of one of n normal values has the distribution Beta(1/2, (n − 2)/2), Student's in another dress."""
    a, b = 0.5, (n - 2) / 2
    second = a / (a + b)
    fourth = second * (a + 1) / (a + b + 1)
    assert math.isclose((n - 1) * second, 1)
    assert math.isclose((n - 1) ** 2 * fourth, kurtosis_of_normalised(n))


@pytest.mark.parametrize("n", [4, 16, 100])
def test_a_fresh_value_over_the_batchs_sd_is_students_t(n: int) -> None:
    """(x − μ_B)/σ_B = √((n + 1)/(n − 1))·t of n − 1 degrees of freedom, whose variance is (n − 1)/(n − 3)."""
    assert math.isclose(fresh_second_moment(n), (n + 1) / (n - 1) * (n - 1) / (n - 3))


@pytest.mark.parametrize("momentum", [0.1, 0.5, 1.0])
def test_a_running_average_sums_a_geometric_series(momentum: float) -> None:
    weights = [momentum * (1 - momentum) ** age for age in range(2000)]
    assert math.isclose(running_variance(momentum), sum(weight**2 for weight in weights))


def test_the_running_variance_of_repeated_values() -> None:
    """Two images of m equal pixels each are worth 2 values; over coins, by counting every batch."""
    m = 4
    batches = torch.tensor([*itertools.product((-1.0, 1.0), repeat=2)], dtype=torch.float64).repeat_interleave(m, 1)
    assert math.isclose(running_var(2 * m, 2), batches.var(1).mean(), abs_tol=1e-12)


def test_few_images_are_no_data_to_judge_by(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", images=np.zeros((12, 28, 28), np.uint8), labels=np.arange(12) % 3)
    with pytest.raises(InspectionError, match="has 12 images; 400 are needed"):
        run("batch-statistics", quick=True, data=tmp_path / "few.npz")


@pytest.mark.parametrize("b", [1, 2, 3])
def test_the_scatter_of_a_variance_over_images_by_counting_every_batch(b: int) -> None:
    """Five images of four dependent values in two channels: all batches of b of them, drawn with replacement."""
    values = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values += 2 * values[:, :, :1]
    batches = [values[list(each)].transpose(0, 1).flatten(1) for each in itertools.product(range(5), repeat=b)]
    counted = torch.stack([batch.var(1, correction=0) for batch in batches]).var(0, correction=0)
    whole = values.transpose(0, 1).flatten(1).var(1, correction=0)
    found = variance_over_images(values.mean(2), values.square().mean(2), b)
    torch.testing.assert_close(found, counted / whole**2)


def test_independent_normal_pixels_scatter_as_the_law_of_independent_values_says() -> None:
    x = torch.randn(20_000, 1, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = float(variance_over_images(x.mean(2), x.square().mean(2), 3).sqrt())
    assert math.isclose(found, sd_of_variance(27), rel_tol=0.02)
