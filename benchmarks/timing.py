"""Wall times of several tools in one process, taken in turn so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import contextlib
import gc
import math
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

_SAMPLE_SECONDS = 0.1


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Median and quartiles of at least two values."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


class TookTooLong(Exception):
    """A tool did not answer within its time."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in the main thread after so many seconds."""

    def ring(*_: object) -> None:
        raise TookTooLong(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def seconds(call: Callable[[], object], number: int = 1) -> float:
    """One sample, the mean of so many calls, after one untimed call that fills the caches which others emptied.

    Garbage is collected before it and not during it.
    """
    gc.collect()
    gc.disable()
    try:
        call()
        start = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - start) / number
    finally:
        gc.enable()


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Samples of every call: each round takes one of each, in an order that turns by one from round to round.

    A sample is the mean over as many calls as fill a tenth of a second, for the slow as for the quick.
    """
    names = list(calls)
    for name in names * warm_up:
        calls[name]()
    numbers = {name: max(1, math.ceil(_SAMPLE_SECONDS / seconds(calls[name]))) for name in names}
    gc.collect()
    gc.freeze()  # what is imported and built by now is no garbage to look through before every sample
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            samples[name].append(seconds(calls[name], numbers[name]))
    gc.unfreeze()
    return samples
