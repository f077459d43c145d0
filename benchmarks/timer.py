"""Is the timer of ``inspector.bench`` right: on known work, beside other timers, and in what it decides.

Part of the suite :mod:`benchmarks.bench`.
"""

from __future__ import annotations

import importlib.util
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.utils.benchmark import Timer

from inspector.bench.clocks import Clock, clock_for
from inspector.bench.comparing import compare
from inspector.bench.intervals import paired, smallest_found
from inspector.bench.measuring import time_calls

#: Name, model and size of its input.
Subject: TypeAlias = tuple[str, nn.Module, tuple[int, ...]]

#: Known costs in seconds, and the slowdown that is planted.
COSTS, PLANTED = (0.0005, 0.002, 0.01), 0.2
#: Matrices of which ten products take a good part of a millisecond.
_EDGES = {"cpu": 128, "cuda": 1024}
#: Works and sleeps in turn, for as long as a slice of the scheduler and for much longer.
NEIGHBOUR = """
import random, time
while True:
    end = time.perf_counter() + random.uniform(0.002, 0.1)
    while time.perf_counter() < end:
        pass
    time.sleep(random.uniform(0.002, 0.1))
"""


def products(times: int, device: str) -> Callable[[], object]:
    """A call that multiplies the same matrices so many times: its work is in proportion."""
    one = torch.ones(*(2 * (_EDGES[device],)), device=device)
    result = torch.empty_like(one)

    def call() -> None:
        for _ in range(times):
            torch.mm(one, one, out=result)

    return call


def spinning(seconds: float) -> Callable[[], object]:
    """A call that takes so long, by the processor's own clock."""

    def spin() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return spin


def errors(device: str, quick: bool) -> dict[str, float]:
    """Relative error of the timer: on the CPU's own spins of known length, and on three times the same work."""
    costs = COSTS[:1] if quick else COSTS
    spins = time_calls({f"{cost * 1e3:g} ms": spinning(cost) for cost in costs}, samples=10, seconds=3)
    found = {name: timing.p50 / cost - 1 for (name, timing), cost in zip(spins.items(), costs, strict=True)}
    calls = {str(times): products(times, device) for times in (10, 30)}
    worked = time_calls(calls, clock_for(device), samples=10 if quick else 60, seconds=2 if quick else 10)
    ratio, _ = paired(worked["10"].samples, worked["30"].samples)
    return {**found, f"three times the same products ({device})": ratio / 3 - 1}


def beside(subjects: Iterable[Subject], device: str, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Models' times by this timer and by others: sample by sample in random order, as many calls in each.

    So both meet the same moments of the machine, and every sample is a mean over as long. What the others print by
    themselves are other statistics: the median of ``blocked_autorange`` is one of means over some 30 ms, which hold the
    work of others that a median over 2 ms leaves out.
    """
    for name, model, size in subjects:
        model, x = model.eval().to(device), torch.ones(size, device=device)
        call = partial(torch.no_grad()(model), x)
        theirs = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
        warm, steps = _sampled(call, clock_for(device))
        yield f"{name}, torch.utils.benchmark", _in_turn(warm, partial(_timeit, theirs, steps), quick)
        if device == "cuda" and importlib.util.find_spec("triton") is not None:
            cold, _ = _sampled(call, clock_for(device, cold=True))
            yield f"{name}, do_bench", _in_turn(cold, partial(_do_bench, call), quick)


def _sampled(call: Callable[[], object], clock: Clock) -> tuple[Callable[[], float], int]:
    """What takes one sample of some 50 ms, in seconds of a call, and how many calls those are."""
    call()
    steps = max(1, int(0.05 / min(clock.seconds(call, 1) for _ in range(5))))
    return lambda: clock.seconds(call, steps) / steps, steps


def _timeit(timer: Timer, steps: int) -> float:
    return float(timer.timeit(steps).mean)


def _do_bench(call: Callable[[], object]) -> float:
    from triton.testing import do_bench

    return float(do_bench(call, warmup=5, rep=50, return_mode="median")) / 1e3


def _in_turn(ours: Callable[[], float], theirs: Callable[[], float], quick: bool) -> dict[str, Any]:
    """The ratio of both, its interval, and that of ours to itself, which says what this machine can tell."""
    takes = {"ours": ours, "again": ours, "theirs": theirs}
    samples: dict[str, list[float]] = {name: [] for name in takes}
    order, shuffle = list(takes), random.Random(0)
    for _ in range(6 if quick else 30):
        shuffle.shuffle(order)
        for name in order:
            samples[name].append(takes[name]())
    ratio, interval = paired(samples["theirs"], samples["ours"])
    return {
        "theirs": statistics.median(samples["theirs"]),
        "ratio": ratio,
        "interval": interval,
        "itself": paired(samples["again"], samples["ours"])[1],
    }


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that works and sleeps in turn, from a slice of the scheduler to much longer."""
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def decisions(device: str, quick: bool) -> dict[str, float]:
    """Beside a busy neighbour: how often a call is said to differ from itself, and a planted slowdown is found."""
    runs = 5 if quick else 200
    one = products(10, device)
    calls = {"one": one, "same": one, "slow": products(round(10 * (1 + PLANTED)), device)}
    alarms = found = 0
    controls = []
    with neighbour():
        for seed in range(runs):
            timings = time_calls(calls, clock_for(device), samples=30, seconds=2, seed=seed, precision=0.08)
            if any(timing.stopped for timing in timings.values()):
                raise KeyboardInterrupt
            control = compare(timings["one"], timings["same"], in_turn=True)
            controls.append(control.interval)
            alarms += control.decision in ("slower", "faster")
            found += compare(timings["one"], timings["slow"], in_turn=True).decision == "slower"
    return {
        "runs": runs,
        "false_alarms": alarms / runs,
        "found": found / runs,
        "smallest": smallest_found(controls),
    }
