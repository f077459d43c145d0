"""The law of time: fitted to times that follow it, and its knee."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.bench.knee import Law, fitted, flat_until, knee_of, line
from inspector.bench.measuring import summarize
from inspector.errors import InspectionError

SIZES = [2**power for power in range(11)]


@settings(max_examples=25, derandomize=True, deadline=None)
@given(knee=st.floats(2, 500), slope=st.floats(1e-7, 1e-2), gamma=st.floats(1, 8))
def test_times_that_follow_the_law_give_it_back(knee: float, slope: float, gamma: float) -> None:
    law = Law(knee * slope, slope, gamma)
    found = fitted({size: law.at(size) for size in SIZES})
    assert found.knee == pytest.approx(knee, rel=0.02)
    assert all(found.at(size) == pytest.approx(law.at(size), rel=0.005) for size in SIZES)


def test_noisy_times_on_a_line_are_told_from_a_bend() -> None:
    """Akaike's criterion prefers the line for most draws from one, and never for those from a clear bend."""
    drawn = random.Random(0)

    def straight(gamma: float) -> int:
        law = Law(1.0, 0.02, gamma)
        laws = [fitted({s: law.at(s) * drawn.lognormvariate(0, 0.02) for s in SIZES}) for _ in range(30)]
        return sum(each.gamma == 1 for each in laws)

    assert straight(1.0) >= 20
    assert straight(3.0) == 0


def test_two_parts_meet_at_the_knee() -> None:
    law = Law(2.0, 0.25)
    assert law.knee == 8.0
    assert law.slope * law.knee == law.fixed
    assert law.growth(8) == pytest.approx((8 + 8) / (8 + 1))
    sharp = Law(2.0, 0.25, 16.0)
    assert sharp.at(1) == pytest.approx(2.0)
    assert sharp.at(1000) == pytest.approx(250.0)


def test_no_time_is_negative() -> None:
    assert line({1: 1.0, 2: 2.5, 4: 5.5}).fixed == 0.0  # the straight line through them has −0.5
    falling = line({1: 5.0, 64: 4.9})
    assert falling.slope > 0
    assert falling.knee >= 64


@pytest.mark.parametrize("gamma", [1.0, 2.5])
def test_up_to_there_it_is_flat_and_no_further(gamma: float) -> None:
    law = Law(0.3, 0.01, gamma)
    last = flat_until(law.knee, gamma)
    assert law.growth(last) == pytest.approx(1.25)


def test_the_interval_of_the_knee_holds_it() -> None:
    drawn = random.Random(2)
    law = Law(0.1, 0.002)
    timings = {
        size: summarize(*([law.at(size) * drawn.lognormvariate(0, 0.03) for _ in range(15)] for _ in range(2)))
        for size in SIZES
    }
    found, (low, high) = knee_of(timings)
    assert low < law.knee < high
    assert low <= found.knee <= high
    assert high / low < 1.2
    assert math.isfinite(found.at(10_000))


def test_one_size_has_no_law() -> None:
    with pytest.raises(InspectionError, match="two batch sizes"):
        line({8: 1.0})
    with pytest.raises(InspectionError, match="at least 0"):
        flat_until(-1.0)
