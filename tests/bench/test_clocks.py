"""Clocks: on the machine of the test, whose costs are known, and on this one against a second reading."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
import torch

from inspector.bench.clocks import EventClock, WallClock, clock_for, flusher, overhead
from tests.bench.machine import Machine


def _events(machine: Machine, **options: object) -> EventClock:
    return EventClock(machine.event, machine.synchronize, **options)  # type: ignore[arg-type]


def test_events_tell_what_the_device_took_with_one_synchronise() -> None:
    machine = Machine(launch=1e-5)
    assert _events(machine).seconds(machine.work(0.003), 20) == pytest.approx(20 * 0.003, rel=1e-3)
    assert machine.synchronised == 1


def test_a_host_that_is_slower_than_its_device_is_what_events_see() -> None:
    machine = Machine(launch=1e-4)
    assert _events(machine).seconds(machine.work(1e-6), 1000) == pytest.approx(1000 * 1e-4, rel=0.02)


def test_flushing_is_not_timed_and_comes_before_every_call() -> None:
    machine = Machine(launch=1e-5)
    flushes = []

    def flush() -> None:
        flushes.append(machine.device)
        machine.work(0.5)()

    assert _events(machine, flush=flush).seconds(machine.work(0.002), 5) == pytest.approx(5 * 0.002)
    assert len(flushes) == 5
    assert machine.synchronised == 1


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall's clock, which the test itself moves."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def _takes(wall: list[float], seconds: float) -> Callable[[], None]:
    def call() -> None:
        wall[0] += seconds

    return call


def test_the_wall_clock_leaves_flushing_out(wall: list[float]) -> None:
    flushes = [0]

    def flush() -> None:
        assert wall[0] == pytest.approx(100.0 + flushes[0] * 7.25), "before every call"
        flushes[0] += 1
        wall[0] += 7.0

    assert WallClock(flush).seconds(_takes(wall, 0.25), 3) == pytest.approx(0.75)
    assert flushes == [3]
    assert WallClock().seconds(_takes(wall, 0.25), 3) == pytest.approx(0.75)


def test_the_wall_clock_reads_a_known_sleep_within_two_percent() -> None:
    """The sleep notes its own length; what a busy machine does between the two readings only adds to the error.

    The least of many tries is the timer's own, and a timer that is wrong by so much is so in each.
    """
    slept: list[float] = []

    def sleep() -> None:
        start = time.perf_counter()
        time.sleep(0.02)
        slept.append(time.perf_counter() - start)

    error = math.inf
    for _ in range(50):
        slept.clear()
        found = WallClock().seconds(sleep, 5)
        assert sum(slept) <= found
        error = min(error, found / sum(slept) - 1)
        if error < 0.02:
            break
    print(f"error of the timer on sleeps of 20 ms: {error:.4%}")  # noqa: T201  the error is stated
    assert error < 0.02


def test_the_flusher_writes_over_more_than_the_cache() -> None:
    written = flusher("cpu", cache=1000)()
    assert written.nbytes > 1000  # type: ignore[attr-defined]
    assert not written.any()  # type: ignore[attr-defined]


def test_the_clock_states_its_own_cost() -> None:
    machine = Machine()
    assert overhead(_events(machine)) == 0.0
    assert 0 < overhead(WallClock()) < 1e-4


@pytest.mark.cuda
def test_on_a_gpu_a_copy_of_twice_the_bytes_takes_twice_as_long() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    one = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(one)
    clock = clock_for("cuda")

    def best(calls: int) -> float:
        return min(clock.seconds(lambda: [other.copy_(one) for _ in range(calls)], 10) for _ in range(20))

    best(1)
    assert best(4) / best(1) == pytest.approx(4, rel=0.02)
    assert clock_for("cuda", cold=True).seconds(lambda: other.copy_(one), 3) > 0
