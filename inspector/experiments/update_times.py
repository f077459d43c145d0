"""Times of one update at several batch sizes, and the line T(B) = α + βB through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.bench.measuring import clock_for, time_calls
from inspector.errors import InspectionError
from inspector.experiments.environment import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

#: A slope that adds less than this share to the time of the largest batch cannot be told from none, and counts as it.
_SEEN = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """T(B) = α + βB.

    Attributes:
        fixed: α, in seconds.
        slope: β, in seconds for each sample.
    """

    fixed: float
    slope: float

    @property
    def knee(self) -> float:
        """B* = α/β, in samples.

        >>> Line(3.0, 0.5).knee
        6.0
        """
        return self.fixed / self.slope

    def at(self, batch: float) -> float:
        """Seconds of one update."""
        return self.fixed + self.slope * batch

    def growth(self, batch: float) -> float:
        """T(B)/T(1) = (B* + B)/(B* + 1).

        >>> Line(3.0, 1.0).growth(5)
        2.0
        """
        return self.at(batch) / self.at(1)


def line(times: Mapping[int, float]) -> Line:
    """The line with the least squared relative deviations from the times; neither of its parts is below zero.

    Args:
        times: batch size → seconds, for two sizes or more.

    Raises:
        InspectionError: fewer than two sizes.

    >>> line({1: 3.0, 2: 4.0, 8: 10.0})
    Line(fixed=2.0, slope=1.0)
    """
    if len(times) < 2:
        raise InspectionError(f"a line needs times at two batch sizes or more, got {len(times)}")
    # Rows (1/T, B/T)·(α, β) = 1: relative deviations, because the scatter of a time grows with it.
    rows = [(1 / seconds, size / seconds) for size, seconds in times.items()]
    aa, ab, bb = (sum(f(*row) for row in rows) for f in (lambda a, _: a * a, lambda a, b: a * b, lambda _, b: b * b))
    a1, b1 = (sum(row[at] for row in rows) for at in (0, 1))
    determinant = aa * bb - ab * ab
    fixed, slope = (a1 * bb - b1 * ab) / determinant, (b1 * aa - a1 * ab) / determinant
    if fixed < 0:  # the nearest line without a fixed cost
        fixed, slope = 0.0, b1 / bb
    return Line(fixed, max(slope, _SEEN * fixed / max(times)))


def timed(
    calls: Mapping[int, Callable[[], object]], device: torch.device, *, samples: int = 6, seconds: float = 10.0
) -> dict[int, float]:
    """Median seconds of each call, interleaved in random order; a size for which memory does not suffice is left out.

    Args:
        calls: by batch size; each does one update.
        device: where they compute.
        samples: for each call.
        seconds: all of it takes about so long at most.
    """
    fits = {}
    for size in sorted(calls):
        try:
            calls[size]()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            break
        fits[str(size)] = calls[size]
    found = time_calls(fits, clock_for(device.type), samples=samples, seconds=seconds)
    return {int(name): timing.p50 for name, timing in found.items()}
