"""Clocks that time calls on a device: the wall's, and CUDA's events around many calls with one synchronise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

#: What is written to empty a cache, as a multiple of it: one pass of twice its size leaves nothing older in it.
_TIMES_CACHE = 2
#: Bytes written where the device does not tell the size of its caches.
_UNKNOWN_CACHE = 2**28


class Clock(Protocol):
    """Times ``steps`` calls in a row."""

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        """Seconds of all of them together."""


class WallClock:
    """For devices that finish each call before they return.

    Args:
        flush: done before each call and not timed, such as emptying the caches; without it caches are warm.
    """

    def __init__(self, flush: Callable[[], object] | None = None) -> None:
        self._flush = flush

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        """Seconds of all of them together.

        >>> WallClock().seconds(lambda: None, 10) < 1
        True
        """
        if self._flush is None:
            start = time.perf_counter()
            for _ in range(steps):
                call()
            return time.perf_counter() - start
        total = 0.0
        for _ in range(steps):
            self._flush()
            start = time.perf_counter()
            call()
            total += time.perf_counter() - start
        return total


class EventClock:
    """CUDA events on the current stream around the calls, and one synchronise after all of them.

    Args:
        event: makes an event that takes times.
        synchronize: waits until the device has done what it was given.
        flush: given to the device before each call and not timed; then each call stands between two events of its own.
    """

    def __init__(
        self,
        event: Callable[[], Any] | None = None,
        synchronize: Callable[[], object] = torch.cuda.synchronize,
        flush: Callable[[], object] | None = None,
    ) -> None:
        self._event = event or (lambda: torch.cuda.Event(enable_timing=True))
        self._synchronize = synchronize
        self._flush = flush

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        """Seconds of all of them together."""
        pairs = []
        for _ in range(1 if self._flush is None else steps):
            first, last = self._event(), self._event()
            if self._flush is not None:
                self._flush()
            first.record()
            for _ in range(steps if self._flush is None else 1):
                call()
            last.record()
            pairs.append((first, last))
        self._synchronize()
        return sum(float(first.elapsed_time(last)) for first, last in pairs) / 1e3  # events tell milliseconds


def clock_for(device: str, *, cold: bool = False) -> Clock:
    """The clock for a kind of device, ``cpu`` or ``cuda``; with ``cold`` every call meets emptied caches.

    >>> type(clock_for("cpu")).__name__
    'WallClock'
    """
    flush = flusher(device) if cold else None
    return EventClock(flush=flush) if device == "cuda" else WallClock(flush)


def flusher(device: str, cache: int | None = None) -> Callable[[], object]:
    """A function that writes over more bytes than the device's last cache holds, so that nothing older stays in it.

    Args:
        device: ``cpu`` or ``cuda``.
        cache: bytes of its last cache; where it is not given, what the device tells, else 256 MiB are taken for all.
    """
    if cache is None and device == "cuda":
        cache = int(torch.cuda.get_device_properties(torch.device(device)).L2_cache_size)
    size = cache * _TIMES_CACHE if cache else _UNKNOWN_CACHE
    return torch.empty(size, dtype=torch.uint8, device=device).zero_


def overhead(clock: Clock, steps: int = 1000, samples: int = 7) -> float:
    """Seconds that the clock itself adds to each call: the least seen of a call that does nothing.

    >>> overhead(WallClock()) < 1e-3
    True
    """
    return min(clock.seconds(_nothing, steps) / steps for _ in range(samples))


def _nothing() -> None:
    """A call without work."""
