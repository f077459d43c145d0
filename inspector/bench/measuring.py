"""Honest times: warm-up until stable, interleaved in random order, the same call held against itself."""

from __future__ import annotations

import dataclasses
import gc
import math
import random
import statistics
import time
from itertools import chain
from typing import TYPE_CHECKING

from inspector.bench.clocks import Clock, clock_for
from inspector.bench.intervals import of_median, paired
from inspector.bench.records import Timing
from inspector.bench.watching import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Clock", "clock_for", "summarize", "time_calls"]

#: A sample lasts at least so long, so that reading the clock costs nothing beside it, and not much longer, so that many
#: pass between two of a scheduler's slices (some milliseconds) and are not disturbed.
SAMPLE_SECONDS = 0.002
#: Samples among which a trend is looked for before anything counts, and the seconds after which it counts anyhow.
_WINDOW, _PATIENCE = 8, 5.0
#: Rounds that are taken however long they last.
_FEWEST = 3
#: The control compares a call with itself at this level, so that one in a hundred is called noisy by chance.
_CONTROL = 0.99
#: How many times as many rounds are taken, at most, where a precision is asked for.
_LONGER = 16


def time_calls(
    calls: Mapping[str, Callable[[], object]],
    clock: Clock | None = None,
    *,
    device: str = "cpu",
    samples: int = 30,
    seconds: float = 10.0,
    seed: int = 0,
    precision: float | None = None,
) -> dict[str, Timing]:
    """Time every call. Each is entered twice, in random order round by round; both must agree, else it is noisy.

    Args:
        calls: what to time, by name.
        clock: of the device; where none is given, the usual one.
        device: the kind of device whose load and throttling are noticed, ``cpu`` or ``cuda``.
        samples: for each call, at least 6.
        seconds: all of it takes about so long at most; after 6 samples of each it stops there. Ctrl-C stops it too,
            and keeps what was measured if that are 6 samples of each.
        seed: of the random order.
        precision: go on, up to 16 times as many samples, until no call may differ from itself by more than this
            share (0.1 is 10 %), as its two entries tell; what is later compared has no say in when it ends.

    >>> time_calls({"nothing": lambda: None}, samples=6)["nothing"].p50 < 1e-3
    True
    """
    clock = clock or clock_for(device)
    end = time.perf_counter() + seconds
    patience = min(_PATIENCE, seconds / (2 * max(1, len(calls))))
    warm = {name: _warm(call, clock, patience) for name, call in calls.items()}
    shuffle = random.Random(seed)  # noqa: S311  an order, no secret
    entries = [(name, copy) for name in calls for copy in (0, 1)]
    found: dict[tuple[str, int], list[float]] = {entry: [] for entry in entries}
    stopped = False
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with watching(device) as seen:
            enough = max(_FEWEST, samples // 2)
            for number in range(enough if precision is None else _LONGER * enough):
                if number >= _FEWEST and time.perf_counter() > end:
                    break
                if number and number % enough == 0 and _precise(found, precision or 0.0):
                    break
                shuffle.shuffle(entries)
                for entry in entries:
                    steps = warm[entry[0]][0]
                    found[entry].append(clock.seconds(calls[entry[0]], steps) / steps)
    except KeyboardInterrupt:
        if min(map(len, found.values())) < _FEWEST:
            raise
        stopped = True
    finally:
        if collects:
            gc.enable()
    rounds = min(map(len, found.values()), default=0)  # the last one may have been cut short
    said = "stopped by hand" if stopped else ""
    timings = {}
    for name, (_, stable) in warm.items():
        first, second = (found[name, copy][:rounds] for copy in (0, 1))
        timing = summarize(first, second, "" if stable else "still changing", said, *seen.remarks)
        timings[name] = dataclasses.replace(timing, stopped=stopped)
    return timings


def _precise(found: Mapping[tuple[str, int], Sequence[float]], precision: float) -> bool:
    """Every call lies within the precision of itself, by the interval of its two entries' ratio."""
    for name, copy in found:
        if copy == 0:
            _, (low, high) = paired(found[name, 0], found[name, 1])
            if low < 1 - precision or high > 1 + precision:
                return False
    return True


def summarize(first: Sequence[float], second: Sequence[float], *remarks: str) -> Timing:
    """A timing of two series of the same call, taken in turn, which control each other.

    Args:
        first: seconds, round by round.
        second: likewise, of the same rounds.
        remarks: what else a reader must know of them; empty ones say nothing.

    >>> summarize([1.0] * 8, [2.0] * 8).reason
    'the same call, measured twice, takes 2 to 2 times as long as itself'
    """
    samples = tuple(chain.from_iterable(zip(first, second, strict=True)))  # in the order of time
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    _, (least, most) = paired(first, second, _CONTROL)
    noisy = not least <= 1 <= most
    reasons = [remark for remark in remarks if remark]
    if noisy:
        reasons = [
            f"the same call, measured twice, takes {least:.4g} to {most:.4g} times as long as itself",
            *reasons,
        ]
    elif not math.isfinite(most):
        reasons.append(f"{len(first)} rounds are too few to hold the call against itself")
    return Timing(samples, statistics.median(samples), of_median(samples), high - low, noisy, "; ".join(reasons))


def _warm(call: Callable[[], object], clock: Clock, patience: float) -> tuple[int, bool]:
    """Call until the samples show no trend: how many calls make a sample long enough, and whether it became so."""
    call()
    steps = max(1, math.ceil(SAMPLE_SECONDS / max(clock.seconds(call, 1), 1e-7)))
    end = time.perf_counter() + patience
    recent: list[float] = []
    while time.perf_counter() < end:
        recent.append(clock.seconds(call, steps))
        if recent[-1] < SAMPLE_SECONDS / 2:  # the calls before it were slow
            steps, recent = math.ceil(steps * SAMPLE_SECONDS / max(recent[-1], 1e-7)), []
        elif len(recent) >= _WINDOW and not falling(recent[-_WINDOW:]):
            return steps, True
    return steps, False


def falling(samples: Sequence[float]) -> bool:
    """Mann and Kendall's test, one-sided at 5 %: later samples are smaller (Mann 1945; no ties assumed).

    >>> falling([8, 7, 6, 5, 4, 3, 2, 1]), falling([1, 2, 1, 2, 2, 1, 2, 1])
    (True, False)
    """
    n = len(samples)
    score = sum((samples[j] > samples[i]) - (samples[j] < samples[i]) for i in range(n) for j in range(i + 1, n))
    return score < -1.645 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
