"""Intervals, correction and verdicts; how often the judge is wrong where nothing is, and right where something is."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest

from inspector.experiments.judge import ALPHA, LEVEL, holm, interval, judge
from inspector.experiments.records import Claim, Judged, Measured, Predicted, Relation
from inspector.experiments.student import quantile, two_sided

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 99, 4_999, 5_001])
def test_students_distribution_is_scipys(freedom: int) -> None:
    for t in (0.0, 0.3, 1.0, 2.5, 6.0):
        assert two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=0.05, abs=1e-8)
        if freedom < 5_000:
            assert two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-12)
    for confidence in (0.5, 0.95, 0.999):
        assert quantile(confidence, freedom) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=2e-3)


def test_an_interval_is_scipys() -> None:
    samples = [1.0, 4.0, 2.5, 3.0]
    found = interval(samples)
    low, high = stats.t.interval(0.95, 3, statistics.fmean(samples), stats.sem(samples))
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 4)


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = random.Random(0)
    drawn = [interval([generator.gauss(3, 2) for _ in range(5)]) for _ in range(2000)]
    covered = sum(each.low <= 3 <= each.high for each in drawn)
    assert abs(covered - 1900) < 4 * math.sqrt(2000 * 0.95 * 0.05)


def test_holm_by_hand() -> None:
    """0.01·4, 0.02·3, 0.03·2 = 0.06, 0.2·1; None is no test."""
    assert holm([0.2, 0.01, None, 0.03, 0.02]) == [
        pytest.approx(0.2),
        pytest.approx(0.04),
        None,
        pytest.approx(0.06),
        pytest.approx(0.06),
    ]


def _claims(count: int, relation: Relation = "equal") -> list[Claim]:
    return [Claim(f"claim {number}", "", Predicted.exactly(1.0, "1"), relation) for number in range(count)]


def _run(seed: int, claims: Sequence[Claim], effect: float = 0.0, n: int = 5) -> tuple[Judged, ...]:
    """Samples whose expectation is what is claimed, but for an effect on the first claim, in standard deviations.

    For a claim of one side that is its limit, where an alarm is likeliest.
    """
    generator = random.Random(seed)
    return judge(
        claims,
        {
            claim.name: [1 + 0.1 * (generator.gauss() + effect * (number == 0)) for _ in range(n)]
            for number, claim in enumerate(claims)
        },
    )


def _alarms(runs: int, relation: Relation = "equal", **keywords: float) -> int:
    claims = _claims(6, relation)
    return sum(any(each.verdict == "fail" for each in _run(seed, claims, **keywords)) for seed in range(runs))


def test_false_alarms_of_200_runs_are_below_the_level() -> None:
    """Of A/A runs, whose claims are that two things are equal."""
    assert _alarms(200) / 200 < ALPHA


def test_false_alarms_of_200_ratios_are_below_the_level() -> None:
    """As controls of experiments are judged: the ratio of two equal means, through logarithms of skewed samples."""
    claim = Claim("ratio", "", Predicted.exactly(1.0, "1"))
    alarms = 0
    for seed in range(200):
        generator = random.Random(seed)
        logs = interval([math.log(generator.gammavariate(4, 1) / generator.gammavariate(4, 1)) for _ in range(8)])
        found = Measured(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)
        alarms += judge([claim], {"ratio": found})[0].verdict == "fail"
    assert alarms / 200 < ALPHA


@pytest.mark.slow
@pytest.mark.parametrize(("relation", "runs"), [("equal", 10_000), ("at most", 5_000), ("at least", 5_000)])
def test_false_alarms_of_many_runs_are_at_the_level(relation: Relation, runs: int) -> None:
    """Holm's correction holds the level and, for independent claims, hardly stays below it: not too many, not none."""
    expected = runs * LEVEL
    assert 0 < _alarms(runs, relation) < expected + 3 * math.sqrt(expected)


def test_without_correction_there_would_be_too_many() -> None:
    """So that the tests above can fail."""
    runs = (_run(seed, _claims(20)) for seed in range(1000))
    alarms = sum(any(each.p is not None and each.p <= LEVEL for each in run) for run in runs)
    assert alarms > 1000 * LEVEL + 4 * math.sqrt(1000 * LEVEL)


def test_planted_effects_are_found() -> None:
    """Twelve standard deviations of one replication, at n = 5 and six claims."""
    assert _alarms(100, effect=12.0) >= 95


def judged(found: Sequence[float] | Measured, relation: Relation = "equal", **keywords: float) -> Judged:
    claim = Claim("one", "", Predicted(2.0, 1.9, 2.1, "2"), relation, **keywords)
    return judge([claim], {"one": found})[0]


@pytest.mark.parametrize(
    ("found", "relation", "verdict", "reason"),
    [
        (Measured.exactly(2.1), "equal", "pass", "inside"),
        (Measured.exactly(2.2), "equal", "fail", "outside"),
        (Measured.exactly(2.2), "at least", "pass", "inside"),
        (Measured.exactly(2.2), "at most", "fail", "outside"),
        (Measured(2.0, 1.0, 3.1, 9), "equal", "inconclusive", "± 1.1, is wider than ± 1 that decides"),
        (Measured(2.3, 1.8, 2.8, 9), "equal", "pass", "chance explains"),
        (Measured(2.3, 2.29, 2.31, 9), "equal", "fail", "after correction"),
        (Measured(1.0, 0.5, 1.5, 9), "at most", "pass", "whole interval"),
        (Measured(2.0, 1.5, 2.5, 9), "at most", "inconclusive", "reaches over"),
        (Measured(3.0, 2.5, 3.5, 9), "at least", "pass", "whole interval"),
        (Measured(2.3, 1.0, 3.0, 2), "equal", "inconclusive", "2 replications; an interval needs 3"),
        ([2.0, 2.0], "equal", "pass", "inside"),
        ([2.0], "equal", "inconclusive", "1 replications"),
        ([], "equal", "inconclusive", "no replication"),
        ([2.0, math.nan, 2.0], "equal", "inconclusive", "not finite"),
        ([2.0, math.inf, 2.0], "at most", "inconclusive", "not finite"),
    ],
)
def test_verdicts(found: Sequence[float] | Measured, relation: Relation, verdict: str, reason: str) -> None:
    one = judged(found, relation)
    assert one.verdict == verdict
    assert reason in one.reason


def test_tolerance_and_width_are_the_claims() -> None:
    assert judged(Measured.exactly(2.2), tolerance=0.05).verdict == "pass"
    assert judged(Measured(2.0, 1.0, 3.1, 9), decides=1.2).verdict == "pass"


def test_an_interval_with_two_ends_is_judged_by_the_end_that_faces_the_band() -> None:
    """A bootstrap's interval may be lopsided: towards the claim it is narrow here."""
    assert judged(Measured(2.3, 2.29, 4.0, 20)).verdict == "fail"
    assert judged(Measured(2.3, 1.0, 2.31, 20), decides=2.0).verdict == "pass"


def test_what_was_not_measured_is_open() -> None:
    claim = Claim("one", "", Predicted.exactly(2.0, "2"))
    (one,) = judge([claim], {})
    assert (one.verdict, one.measured, one.reason) == ("inconclusive", None, "not measured")
