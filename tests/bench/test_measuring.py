"""Times of known costs, on the machine of the test."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from inspector.bench import measuring
from inspector.bench.clocks import EventClock
from inspector.bench.measuring import falling, time_calls
from tests.bench.machine import Machine, SlowMoments


def _clock(machine: Machine) -> EventClock:
    return EventClock(machine.event, machine.synchronize)


def test_costs_are_read_as_they_are() -> None:
    machine = Machine(launch=1e-6)
    calls = {"quick": machine.work(2e-5), "slow": machine.work(0.03)}
    found = time_calls(calls, _clock(machine), samples=20)
    assert found["quick"].p50 == pytest.approx(2e-5, rel=0.02)
    assert found["slow"].p50 == pytest.approx(0.03, rel=0.02)
    for timing in found.values():
        assert len(timing.samples) == 20
        assert timing.interval[0] <= timing.p50 <= timing.interval[1]
        assert not timing.noisy


def test_quick_calls_are_taken_many_at_a_time() -> None:
    machine = Machine()
    counted = 0
    work = machine.work(1e-4)

    def call() -> None:
        nonlocal counted
        counted += 1
        work()

    time_calls({"call": call}, _clock(machine), samples=6)
    assert counted >= 6 * measuring.SAMPLE_SECONDS / 1e-4


def test_what_gets_faster_is_warmed_up_until_it_does_not() -> None:
    left = [200]

    def noise(seconds: float) -> float:
        left[0] = max(0, left[0] - 1)
        return seconds * (1 + left[0] / 100)

    machine = Machine(noise=noise)
    found = time_calls({"call": machine.work(0.01)}, _clock(machine), samples=10)["call"]
    assert found.p50 == pytest.approx(0.01, rel=1e-6)
    assert max(found.samples) == pytest.approx(0.01, rel=1e-6)


def test_what_never_settles_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = [1e6]

    def noise(seconds: float) -> float:
        cost[0] *= 0.999
        return seconds * cost[0]

    monkeypatch.setattr(measuring, "_PATIENCE", 0.01)
    machine = Machine(noise=noise)
    assert "still changing" in time_calls({"call": machine.work(1.0)}, _clock(machine), samples=6)["call"].reason


def test_a_trend_is_seen_and_noise_is_none() -> None:
    assert falling([8.0, 7.5, 7.6, 6.0, 5.0, 5.1, 4.0, 3.0])
    assert not falling([3.0, 4.0, 5.1, 5.0, 6.0, 7.6, 7.5, 8.0])  # one-sided: rising is no warm-up


def test_all_calls_take_their_turn_in_every_round() -> None:
    order: list[str] = []
    machine = Machine()

    def noting(name: str) -> Callable[[], None]:
        work = machine.work(0.01)
        return lambda: (order.append(name), work())[1]

    time_calls({name: noting(name) for name in "abc"}, _clock(machine), samples=20, seed=3)
    rounds = [order[at : at + 6] for at in range(len(order) - 6 * 10, len(order), 6)]
    assert all(sorted(each) == sorted("aabbcc") for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1  # not always the same order


def test_ctrl_c_keeps_whole_rounds_and_says_so() -> None:
    machine = Machine()
    work = machine.work(0.01)
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise KeyboardInterrupt
        work()

    found = time_calls({"call": call, "other": work}, _clock(machine), samples=100)
    assert 6 <= len(found["call"].samples) == len(found["other"].samples) < 100
    assert "stopped by hand" in found["call"].reason
    assert found["call"].stopped
    assert not time_calls({"other": work}, _clock(machine), samples=6)["other"].stopped


def test_ctrl_c_before_there_is_anything_ends_the_run() -> None:
    def call() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        time_calls({"call": call}, _clock(Machine()))
    assert gc.isenabled()


def test_few_rounds_are_said_to_be_few() -> None:
    machine = Machine(noise=SlowMoments(0))
    assert "too few" in time_calls({"call": machine.work(0.01)}, _clock(machine), samples=6)["call"].reason


def test_a_noisy_machine_is_measured_longer_where_a_precision_is_asked_for() -> None:
    def taken(noise: Callable[[float], float], precision: float | None) -> int:
        machine = Machine(noise=noise)
        return len(time_calls({"call": machine.work(0.01)}, _clock(machine), precision=precision)["call"].samples)

    assert taken(lambda seconds: seconds, 0.05) == taken(SlowMoments(1, stays=0.5), None) == 30
    assert 30 < taken(SlowMoments(1, stays=0.5), 0.05) <= 16 * 30
