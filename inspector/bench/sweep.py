"""Times over batch sizes, as far as memory and time allow."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inspector.bench.exhaustion import out_of_memory
from inspector.bench.intervals import paired
from inspector.bench.measuring import time_calls
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inspector.bench.clocks import Clock
    from inspector.bench.records import Interval, Timing

#: How many times a size is called at the least, with what warms it up.
_FEWEST = 16
#: How far T(B) may lie above that of the smallest batch and still be called flat.
ALLOWED = 1.25


@dataclass(frozen=True, slots=True)
class Sweep:
    """Times of one call at several batch sizes, taken in turn.

    Attributes:
        timings: by batch size, the smallest first.
        limit: why there are no larger sizes, or ``""`` where all that were asked for are there.
    """

    timings: dict[int, Timing]
    limit: str = ""

    def growth(self, batch: int) -> tuple[float, Interval]:
        """T(B) over T of the smallest size, and its interval at 95 %.

        Raises:
            InspectionError: that size was not measured.
        """
        if batch not in self.timings:
            sizes = ", ".join(map(str, self.timings))
            raise InspectionError(f"batch size {batch} was not measured; there are {sizes}")
        return paired(next(iter(self.timings.values())).samples, self.timings[batch].samples)

    def flat(self, allowed: float = ALLOWED) -> tuple[int, int | None]:
        """The largest B up to which T(B) ≤ ``allowed``·T of the smallest, and the smallest B with more; by intervals.

        Between the two the intervals leave it open. The second is None where no size is surely above.
        """
        smallest, *others = self.timings
        below, above = smallest, None
        surely = True
        for size in others:
            _, (low, high) = self.growth(size)
            surely = surely and high <= allowed
            below = size if surely else below
            if above is None and low > allowed:
                above = size
        return below, above


def sweep(
    make: Callable[[int], Callable[[], object]],
    sizes: Iterable[int],
    clock: Clock | None = None,
    *,
    device: str = "cpu",
    samples: int = 30,
    seconds: float = 60.0,
) -> Sweep:
    """Time what ``make`` gives for each size, interleaved in random order.

    Where memory or time does not suffice for a size, the smaller ones are measured and the limit says so. Ctrl-C keeps
    what was measured, as in ``time_calls``.

    Args:
        make: batch size → a call, whose data it holds.
        sizes: in ascending order. Of a list all are measured for which memory suffices; of an iterator, which need
            not end (:func:`doubling`), as many as the time allows too.
        clock: of the device; where none is given, the usual one.
        device: ``cpu`` or ``cuda``.
        samples: for each size.
        seconds: all of it takes about so long at most.

    Raises:
        InspectionError: there is no size, one below 1 or out of order, or not even the first fits.

    >>> found = sweep(lambda size: lambda: sum(range(100 * size)), [1, 64], samples=16, seconds=2)
    >>> list(found.timings), found.flat()
    ([1, 64], (1, 64))
    """
    calls, limit = _fitting(make, sizes, device, seconds if isinstance(sizes, Iterator) else math.inf)
    while True:
        try:
            timings = time_calls(
                {str(size): call for size, call in calls.items()},
                clock,
                device=device,
                samples=samples,
                seconds=seconds,
            )
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(calls) == 1:
                raise
        else:
            if any(timing.stopped for timing in timings.values()):
                limit = "stopped by hand"
            return Sweep({size: timings[str(size)] for size in calls}, limit)
        # Each fits, all of them together do not. The handler is left: there the traceback still holds tensors.
        largest, _ = calls.popitem()
        limit = f"memory suffices for {max(calls)}, not for {largest} beside the smaller ones"
        _release(device)


def doubling(most: int | None = None) -> Iterator[int]:
    """1, 2, 4, … up to ``most``, or without an end.

    >>> list(doubling(10))
    [1, 2, 4, 8]
    """
    size = 1
    while most is None or size <= most:
        yield size
        size *= 2


def _fitting(
    make: Callable[[int], Callable[[], object]], sizes: Iterable[int], device: str, seconds: float
) -> tuple[dict[int, Callable[[], object]], str]:
    """The sizes for which memory and time suffice, and why there are no more."""
    calls: dict[int, Callable[[], object]] = {}
    before, spent = 0, 0.0
    for size in sizes:
        if size <= before:
            raise InspectionError(f"batch sizes must be at least 1 and ascend, got {size} after {before}")
        before = size
        call, once = _called(make, size, device)
        if call is None:
            _release(device)
            if not calls:
                raise InspectionError(f"memory does not suffice for batch size {size}; begin with a smaller one")
            return calls, f"memory suffices for {max(calls)}, not for {size}"
        spent += once
        if calls and _FEWEST * spent > seconds:
            return calls, f"batch size {size} takes more than the time of {seconds:g} s allows"
        calls[size] = call
    if not calls:
        raise InspectionError("a sweep needs at least one batch size, got none")
    return calls, ""


def _called(
    make: Callable[[int], Callable[[], object]], size: int, device: str
) -> tuple[Callable[[], object] | None, float]:
    """What is timed, and seconds of its second call; None where memory does not suffice."""
    wait: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else lambda: None
    try:
        call = make(size)
        call()  # loads what is needed once
        wait()
        start = time.perf_counter()
        call()
        wait()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return None, 0.0
    return call, time.perf_counter() - start


def _release(device: str) -> None:
    """Give the device's unused memory back."""
    if device == "cuda":
        torch.cuda.empty_cache()
