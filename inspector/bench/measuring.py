"""Honest times: warm-up until stable, interleaved in random order, the same call held against itself."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from inspector.bench.records import Interval, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: A sample lasts at least so long, so that reading the clock costs nothing beside it.
SAMPLE_SECONDS = 0.005
#: Samples among which a trend is looked for before anything counts, and the seconds after which it counts anyhow.
_WINDOW, _PATIENCE = 8, 5.0
_RESAMPLES = 1000
#: The control compares a call with itself at this level, so that one in a hundred is called noisy by chance.
_CONTROL = 0.99


class Clock(Protocol):
    """Times ``steps`` calls in a row."""

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        """Seconds of all of them together."""


class WallClock:
    """For devices that finish each call before they return."""

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            call()
        return time.perf_counter() - start


class EventClock:
    """CUDA events around the calls, and one synchronise.

    Args:
        event: makes an event that takes times.
        synchronize: waits until the device has done what it was given.
        before: done before each sample, such as flushing the cache.
    """

    def __init__(
        self,
        event: Callable[[], torch.cuda.Event] | None = None,
        synchronize: Callable[[], object] = torch.cuda.synchronize,
        before: Callable[[], object] | None = None,
    ) -> None:
        self._event = event or (lambda: torch.cuda.Event(enable_timing=True))
        self._synchronize = synchronize
        self._before = before

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        first, last = self._event(), self._event()
        if self._before is not None:
            self._before()
        first.record()
        for _ in range(steps):
            call()
        last.record()
        self._synchronize()
        return float(first.elapsed_time(last)) / 1e3


def clock_for(device: str) -> Clock:
    """The clock for a kind of device."""
    return EventClock() if device == "cuda" else WallClock()


def time_calls(
    calls: Mapping[str, Callable[[], object]],
    clock: Clock | None = None,
    *,
    samples: int = 30,
    seconds: float = 10.0,
    seed: int = 0,
) -> dict[str, Timing]:
    """Time every call. Each is entered twice, in random order round by round; both must agree, else it is noisy.

    Args:
        calls: what to time, by name.
        clock: of the device; the wall's where none is given.
        samples: for each call, at least 6.
        seconds: all of it takes about so long at most; after 6 samples of each it stops there. Ctrl-C stops it too.
        seed: of the random order.

    >>> sorted(time_calls({"nothing": lambda: None}, samples=6)["nothing"].samples)[0] < 1e-3
    True
    """
    clock = clock or WallClock()
    steps = {name: _warm(call, clock) for name, call in calls.items()}
    shuffle = random.Random(seed)  # noqa: S311  an order, no secret
    entries = [(name, copy) for name in calls for copy in (0, 1)]
    found: dict[tuple[str, int], list[float]] = {entry: [] for entry in entries}
    rounds = max(3, samples // 2)
    end = time.perf_counter() + seconds
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            if number >= 3 and time.perf_counter() > end:
                break
            shuffle.shuffle(entries)
            for entry in entries:
                found[entry].append(clock.seconds(calls[entry[0]], steps[entry[0]]) / steps[entry[0]])
    except KeyboardInterrupt:
        if min(map(len, found.values())) < 3:
            raise
    finally:
        if collects:
            gc.enable()
    return {name: summarize(found[name, 0], found[name, 1]) for name in calls}


def summarize(first: Sequence[float], second: Sequence[float]) -> Timing:
    """A timing of two series of the same call, which control each other."""
    samples = (*first, *second)
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    apart = difference(first, second, _CONTROL)
    noisy = not apart[0] <= 0 <= apart[1]
    reason = f"the same call, measured twice, differs by {apart[0]:.3g} to {apart[1]:.3g} s" if noisy else ""
    return Timing(samples, statistics.median(samples), interval(samples), high - low, noisy, reason)


def _resampled(
    samples: Sequence[float], generator: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.asarray(samples, dtype=np.float64)
    drawn: np.ndarray[tuple[int], np.dtype[np.float64]] = np.median(
        values[generator.integers(0, len(values), (_RESAMPLES, len(values)))], axis=1
    )
    return drawn


def interval(samples: Sequence[float], level: float = 0.95) -> Interval:
    """Bootstrap interval of the median (Efron 1979)."""
    return _ends(_resampled(samples, np.random.default_rng(0)), level)


def difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Bootstrap interval of median(first) − median(second)."""
    generator = np.random.default_rng(0)
    return _ends(_resampled(first, generator) - _resampled(second, generator), level)


def _ends(values: np.ndarray[tuple[int], np.dtype[np.float64]], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _warm(call: Callable[[], object], clock: Clock) -> int:
    """Call until the samples show no trend; returns how many calls make a sample long enough."""
    call()
    steps = max(1, math.ceil(SAMPLE_SECONDS / max(clock.seconds(call, 1), 1e-7)))
    end = time.perf_counter() + _PATIENCE
    recent: list[float] = []
    while time.perf_counter() < end:
        recent.append(clock.seconds(call, steps))
        if len(recent) == 1 and recent[0] < SAMPLE_SECONDS / 2:  # the first call was slow
            steps, recent = math.ceil(steps * SAMPLE_SECONDS / max(recent[0], 1e-7)), []
        elif len(recent) >= _WINDOW and not falling(recent[-_WINDOW:]):
            break
    return steps


def falling(samples: Sequence[float]) -> bool:
    """Mann and Kendall's test, one-sided at 5 %: later samples are smaller.

    >>> falling([8, 7, 6, 5, 4, 3, 2, 1]), falling([1, 2, 1, 2, 2, 1, 2, 1])
    (True, False)
    """
    n = len(samples)
    score = sum((samples[j] > samples[i]) - (samples[j] < samples[i]) for i in range(n) for j in range(i + 1, n))
    return score < -1.645 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
