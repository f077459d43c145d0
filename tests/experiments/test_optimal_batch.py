"""The law of the best batch size against brute force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import InspectionError
from inspector.experiments.optimal_batch import (
    cost_of_missing,
    flat_until,
    optimal_batch,
    steps_to_target,
    time_to_target,
    update_time,
)

SIZES = st.floats(0.5, 5e3)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(knee=SIZES, critical=SIZES, gamma=st.floats(1, 4), factor=st.floats(1.01, 50))
def test_no_other_batch_is_faster(knee: float, critical: float, gamma: float, factor: float) -> None:
    best = optimal_batch(knee, critical, gamma)
    least = time_to_target(best, knee, 1.0, critical, gamma)  # t₀ = B* where β = 1
    assert time_to_target(best * factor, knee, 1.0, critical, gamma) > least
    assert time_to_target(best / factor, knee, 1.0, critical, gamma) > least


def test_the_straight_line_gives_the_root_of_the_product() -> None:
    # t₀ = 900 µs and β = 1 µs for each sample, B_crit = 400: √(900·400) = 600.
    assert optimal_batch(900, 400) == pytest.approx(600, rel=1e-12)
    # (t₀ + βB)(1 + B_crit/B) at 600: 1500·(1 + 2/3) = 2500 = (√900 + √400)².
    assert time_to_target(600, 900, 1, 400) == pytest.approx((30 + 20) ** 2, rel=1e-12)


def test_a_sharp_knee_is_itself_the_optimum() -> None:
    # For γ → ∞, T = max(t₀, βB): below the knee a larger batch is free, above it every sample costs.
    assert optimal_batch(1000, 3, gamma=1e4) == pytest.approx(1000, rel=1e-3)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(knee=SIZES, critical=SIZES, factor=st.floats(0.05, 20), gamma=st.just(1.0) | st.floats(1, 16))
def test_missing_the_optimum_costs_no_more_than_its_bound(
    knee: float, critical: float, factor: float, gamma: float
) -> None:
    best = optimal_batch(knee, critical, gamma)
    least = time_to_target(best, knee, 1, critical, gamma)
    assert time_to_target(factor * best, knee, 1, critical, gamma) <= least * cost_of_missing(factor, gamma) * (
        1 + 1e-9
    )


@pytest.mark.parametrize(("factor", "gamma"), [(2.0, 2.0), (0.5, 2.0), (math.sqrt(2), 16.0), (0.05, 4.0)])
def test_the_bound_is_the_largest_cost_of_all_noise_scales(factor: float, gamma: float) -> None:
    costs = []
    for exponent in range(-2000, 2000):
        critical = 10 ** (exponent / 100)
        best = optimal_batch(1, critical, gamma)
        costs.append(time_to_target(factor * best, 1, 1, critical, gamma) / time_to_target(best, 1, 1, critical, gamma))
    assert max(costs) == pytest.approx(cost_of_missing(factor, gamma), rel=1e-3)


def test_the_bound_is_reached_where_knee_and_noise_are_equal() -> None:
    assert time_to_target(128, 64, 1, 64) / time_to_target(64, 64, 1, 64) == pytest.approx(
        cost_of_missing(2), rel=1e-12
    )


@settings(max_examples=40, derandomize=True, deadline=None)
@given(knee=st.floats(0, 5e3), gamma=st.floats(1, 4), allowed=st.floats(1.01, 3))
def test_the_end_of_flatness_is_where_the_time_reaches_the_allowance(knee: float, gamma: float, allowed: float) -> None:
    end = flat_until(knee, gamma, allowed)
    assert update_time(end, knee, 1, gamma) == pytest.approx(allowed * update_time(1, knee, 1, gamma), rel=1e-9)


def test_steps_follow_from_the_noise_of_one_step() -> None:
    # A step on L = ½h·d² with gradient hd and noise of variance V/B gains, at its best rate, h²d²/(2h·(1 +
    # (V/h²d²)/B)): 1 + B_simple/B times less than without noise. B_simple = V/(hd)².
    h, d, V = 3.0, 0.7, 5.0
    simple = V / (h * d) ** 2

    def gain(rate: float, batch: float) -> float:
        squared = (h * d) ** 2 + V / batch
        return rate * (h * d) ** 2 - 0.5 * h * rate**2 * squared

    for batch in (1, 8, 64):
        best = max(gain(k / 1e5 / h, batch) for k in range(1, 100_001))
        assert gain(1 / h, math.inf) / best == pytest.approx(steps_to_target(batch, simple), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: optimal_batch(0, 5), "knee"),
        (lambda: optimal_batch(5, math.inf), "critical batch size"),
        (lambda: optimal_batch(5, 5, math.nan), "γ"),
        (lambda: steps_to_target(0, 5), "batch size must be above 0"),
        (lambda: steps_to_target(1, -1), "at least 0"),
        (lambda: cost_of_missing(0), "factor"),
        (lambda: flat_until(-1), "knee"),
    ],
)
def test_sizes_that_cannot_be(call: object, said: str) -> None:
    with pytest.raises(InspectionError, match=said):
        call()  # type: ignore[operator]
