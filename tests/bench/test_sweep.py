"""Sweeps on the machine of the test: where memory, time or patience end, what was measured stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch

from inspector.bench.clocks import EventClock
from inspector.bench.sweep import Sweep, doubling, sweep
from inspector.errors import InspectionError
from tests.bench.machine import Machine


def _sweep(
    sizes: Iterable[int], make: Callable[[Machine, int], Callable[[], object]] | None = None, **options: float
) -> Sweep:
    machine = Machine()
    made = make or (lambda machine, size: machine.work(0.01 + 0.001 * size))
    clock = EventClock(machine.event, machine.synchronize)
    return sweep(lambda size: made(machine, size), sizes, clock, samples=16, **options)


def _runs_out(at: int, error: BaseException) -> Callable[[Machine, int], Callable[[], object]]:
    def make(machine: Machine, size: int) -> Callable[[], object]:
        def fail() -> None:
            raise error

        return fail if size >= at else machine.work(0.01)

    return make


def test_times_follow_the_sizes() -> None:
    found = _sweep([1, 4, 16])
    assert {size: timing.p50 for size, timing in found.timings.items()} == pytest.approx(
        {size: 0.01 + 0.001 * size for size in (1, 4, 16)}
    )
    assert found.limit == ""
    assert found.growth(16)[0] == pytest.approx(0.026 / 0.011)


def test_flat_up_to_a_quarter_more() -> None:
    """0.01 + 0.001·B ≤ 1.25·0.011 up to B = 3.75."""
    assert _sweep([1, 2, 3, 4, 5]).flat() == (3, 4)
    assert _sweep([1, 2]).flat() == (2, None)


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 8 GB")]
)
def test_where_memory_ends_the_smaller_sizes_are_kept(error: BaseException) -> None:
    found = _sweep(doubling(), _runs_out(8, error))
    assert list(found.timings) == [1, 2, 4]
    assert found.limit == "memory suffices for 4, not for 8"


def test_an_error_that_came_of_a_lack_of_memory_is_one() -> None:
    """As where the end of a graph's capture fails because what was captured had failed."""
    ended = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    ended.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert list(_sweep(doubling(), _runs_out(4, ended)).timings) == [1, 2]


def test_where_all_sizes_together_do_not_fit_the_largest_goes() -> None:
    calls = {"at 8": 0}

    def make(machine: Machine, size: int) -> Callable[[], object]:
        def call() -> None:
            if size == 8:
                calls["at 8"] += 1
                if calls["at 8"] > 2:  # it fits where it is tried
                    raise MemoryError
            work()

        work = machine.work(0.01)
        return call

    found = _sweep([1, 4, 8], make)
    assert list(found.timings) == [1, 4]
    assert "not for 8 beside" in found.limit


def test_not_even_the_first_fits() -> None:
    with pytest.raises(InspectionError, match="batch size 4; begin with a smaller one"):
        _sweep([4, 8], _runs_out(1, MemoryError()))


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        _sweep([1, 2], _runs_out(2, RuntimeError("shapes do not fit")))


def test_ctrl_c_keeps_what_was_measured_and_is_the_limit() -> None:
    calls = [0]

    def make(machine: Machine, size: int) -> Callable[[], object]:
        work = machine.work(0.01)

        def call() -> None:
            calls[0] += 1
            if calls[0] == 40:
                raise KeyboardInterrupt
            work()

        return call

    found = _sweep([1, 2], make)
    assert list(found.timings) == [1, 2]
    assert found.limit == "stopped by hand"


def test_an_endless_sweep_ends_with_its_time() -> None:
    def make(_: Machine, size: int) -> Callable[[], object]:
        return lambda: sum(range(20_000 * size))

    found = sweep(lambda size: make(Machine(), size), doubling(), samples=6, seconds=0.2)
    assert "takes more than the time of 0.2 s allows" in found.limit
    assert found.timings


@pytest.mark.parametrize(("sizes", "said"), [([], "got none"), ([0], "got 0 after 0"), ([4, 2], "got 2 after 4")])
def test_sizes_that_are_none(sizes: list[int], said: str) -> None:
    with pytest.raises(InspectionError, match=said):
        _sweep(sizes)


def test_a_size_that_was_not_measured() -> None:
    with pytest.raises(InspectionError, match="batch size 3 was not measured; there are 1, 2"):
        _sweep([1, 2]).growth(3)
