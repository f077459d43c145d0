"""``best-batch-size``: its laws to the digit, its trainings, and its verdicts."""

from __future__ import annotations

import math

import pytest
import torch

from inspector.bench.knee import Law
from inspector.experiments import Config
from inspector.experiments.best_batch_size import BestBatchSize, _claims, _sizes
from inspector.experiments.optimal_batch import steps_to_target, time_to_target
from inspector.experiments.reaching import Task, hyperbola, middle, noise_on_the_way, steps_needed

SIZES = (2, 8, 32, 128, 512)


def test_the_hyperbola_is_found_from_its_points() -> None:
    steps = {b: steps_to_target(b, critical=24, fewest=40) for b in SIZES}
    assert hyperbola(steps) == pytest.approx((40, 24))
    assert middle(steps) == pytest.approx(1)
    assert middle({**steps, 32: 2 * steps[32]}) == pytest.approx(2 ** (1 / 3))  # the geometric mean of 1, 2 and 1


def test_the_claims_hold_where_their_laws_do() -> None:
    law, critical = Law(2e-4, 1e-6), 50.0
    claims = {claim.name: claim for claim in _claims(law, critical, steps_to_target(512, critical, 40), SIZES)}
    assert claims["best-batch"].predicted.value == pytest.approx(math.log2(math.sqrt(200 * 50)))
    low, high = claims["best-batch"].band
    assert high - low == pytest.approx(math.log2(10) + 2)
    least = 40 * min(time_to_target(b, law.fixed, law.slope, critical) for b in SIZES)
    assert claims["least-time"].predicted.value == pytest.approx(least)
    ratio = time_to_target(2, law.fixed, law.slope, critical) * 40 / least
    assert claims["too-small"].predicted.value <= ratio


def test_a_fault_in_time_is_gathered() -> None:
    right, wrong = Config(quick=True), Config(quick=True, fault="no-fixed-time")
    values = {}
    for cell in BestBatchSize().cells(right):
        batch = cell.arguments["batch"]
        timing = {f"T{b}": 2e-4 + 1e-6 * b for b in _sizes(right)}
        values[cell.key] = {"steps": steps_to_target(batch, 50, 40)} if isinstance(batch, int) else timing
    assert BestBatchSize().gather(right, values)["best-batch"] == [7.0] * 4  # 128 is nearest to √(200·50) = 100
    assert BestBatchSize().gather(wrong, values)["best-batch"] == [1.0] * 4  # batches of 2


def _separable() -> Task:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1200, 4, generator=generator)
    return Task(x, (x[:, 0] > 0).long(), target=0.45, most=200)


def test_a_larger_batch_needs_fewer_updates() -> None:
    task = _separable()
    few, rate = steps_needed(task, 64, (0.5, 1.0), seed=1)
    many, _ = steps_needed(task, 1, (0.5, 1.0), seed=1)
    assert few < many
    assert rate in (0.5, 1.0)
    again, _ = steps_needed(task, 64, (0.5, 1.0), seed=1)
    assert again == few
    assert steps_needed(task, 64, (1e-6,), seed=1)[0] == 200  # never there
    assert math.isnan(steps_needed(task, 64, (1e-6,), seed=1)[1])


def test_the_noise_on_the_way_is_that_of_single_samples() -> None:
    assert 1 < noise_on_the_way(_separable(), 256, 0.5, seed=1, points=3) < 1000
