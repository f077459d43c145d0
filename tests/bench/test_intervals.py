"""Intervals: worked by hand, against SciPy, and held to their level on simulated machines with slow moments."""

from __future__ import annotations

import math
import random

import pytest

from inspector.bench.clocks import EventClock
from inspector.bench.comparing import compare
from inspector.bench.intervals import DECIDES, _cut, apart, of_median, paired, smallest_found
from inspector.bench.measuring import summarize, time_calls
from inspector.bench.records import Timing
from tests.bench.machine import Machine, SlowMoments

RUNS = 200


def test_the_interval_by_hand() -> None:
    """Six pairs: P(T = 0) = 1/64 ≤ 0.025 < P(T ≤ 1) = 2/64, so the ends are the least and the largest Walsh average."""
    logs = [0.1, -0.2, 0.3, 0.05, 0.0, 0.4]
    ratio, (low, high) = paired([1.0] * 6, [math.exp(x) for x in logs])
    assert (math.log(low), math.log(high)) == pytest.approx((-0.2, 0.4))
    averages = sorted((a + b) / 2 for i, a in enumerate(logs) for b in logs[i:])
    assert math.log(ratio) == pytest.approx(averages[len(averages) // 2])


@pytest.mark.parametrize("n", [6, 9, 16, 30])
def test_the_cut_is_that_of_wilcoxons_exact_test(n: int) -> None:
    """SciPy's exact p-value of a signed-rank sum c − 1 stays within the level, that of c passes it."""
    stats = pytest.importorskip("scipy.stats")

    def p(total: int) -> float:
        signs, left = [], total
        for rank in range(n, 0, -1):  # ranks whose sum is the total are positive
            positive = rank <= left
            left -= rank * positive
            signs.append(rank if positive else -rank)
        assert left == 0
        return float(stats.wilcoxon(signs, method="exact").pvalue)

    cut = _cut(n, 0.95)
    assert p(cut - 1) <= 0.05 < p(cut)


def test_too_few_pairs_have_no_interval() -> None:
    assert paired([1.0] * 3, [2.0] * 3)[1] == (0.0, math.inf)
    assert compare(summarize([1.0] * 2, [1.0] * 2), summarize([2.0] * 2, [2.0] * 2), in_turn=True).decision == (
        "cannot be told"
    )


def test_the_interval_of_the_median_covers_it_as_often_as_it_says() -> None:
    drawn = random.Random(1)
    covered = 0
    for _ in range(RUNS):
        low, high = of_median([drawn.lognormvariate(0, 0.3) for _ in range(30)])
        covered += low <= 1 <= high
    assert covered >= 0.9 * RUNS  # 95 % less four standard deviations of the count, and the bootstrap's shortfall


def test_a_run_differs_from_a_slower_one_also_where_the_two_were_taken_apart() -> None:
    low, high = apart([1.0, 1.01, 0.99, 1.02] * 5, [1.2, 1.21, 1.19, 1.22] * 5)
    assert 1.15 < low < high < 1.25


def _simulated(seed: int, extra: float) -> dict[str, Timing]:
    machine = Machine(launch=1e-6, noise=SlowMoments(seed))
    calls = {"one": machine.work(0.01), "same": machine.work(0.01), "slow": machine.work(0.01 * (1 + extra))}
    return time_calls(calls, EventClock(machine.event, machine.synchronize), samples=30, seconds=60, seed=seed)


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Timing]]:
    return [_simulated(seed, extra=0.2) for seed in range(RUNS)]


@pytest.mark.slow
def test_false_alarms_stay_below_their_level_under_a_load_that_comes_and_goes(runs: list[dict[str, Timing]]) -> None:
    alarms = sum(compare(run["one"], run["same"], in_turn=True).decision in ("slower", "faster") for run in runs)
    assert alarms <= 0.05 * RUNS
    assert sum(timing.noisy for run in runs for timing in run.values()) <= 0.05 * 3 * RUNS


@pytest.mark.slow
def test_a_slowdown_of_a_fifth_is_found(runs: list[dict[str, Timing]]) -> None:
    found = [compare(run["one"], run["slow"], in_turn=True) for run in runs]
    assert sum(each.decision == "slower" for each in found) >= 0.95 * RUNS
    smallest = smallest_found([compare(run["one"], run["same"], in_turn=True).interval for run in runs])
    print(f"smallest slowdown found in 95 % of {RUNS} simulated runs: {smallest:.1%}")  # noqa: T201  it is stated
    assert smallest < 0.2
    low, high = sorted(each.finds for each in found)[RUNS // 20], max(each.finds for each in found)
    assert low < smallest < high  # what a single run states of itself lies around what all of them show


def test_calls_that_do_not_take_turns_raise_false_alarms() -> None:
    """The planted fault: all samples of one call first, then all of the other."""
    alarms = 0
    for seed in range(RUNS):
        moments = SlowMoments(seed)
        low, high = paired(*([moments(0.01) for _ in range(30)] for _ in range(2)), DECIDES)[1]
        alarms += not low <= 1 <= high
    assert alarms > 0.05 * RUNS


def test_a_call_that_is_not_itself_is_noisy_and_no_other_run_is_held_against_it() -> None:
    odd = summarize([1.0 + i / 100 for i in range(10)], [2.0 + i / 100 for i in range(10)])
    quiet = summarize([1.0 + i / 100 for i in range(10)], [1.0 + i / 100 for i in range(10)])
    assert odd.noisy
    assert "as long as itself" in odd.reason
    assert not quiet.noisy
    told = compare(quiet, odd)
    assert told.decision == "cannot be told"
    assert told.reason == odd.reason


def test_the_level_of_decisions_leaves_room_for_two_hundred_runs() -> None:
    """P(more than 10 of 200 | 2 %) from the binomial distribution."""
    p = 1 - DECIDES
    more = 1 - sum(math.comb(RUNS, k) * p**k * (1 - p) ** (RUNS - k) for k in range(11))
    assert more < 1 / 300
