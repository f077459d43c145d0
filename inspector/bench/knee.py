"""The law of one update's time against the batch size, fitted to times, and its knee.

T(B) = (t₀^γ + (βB)^γ)^(1/γ): t₀ is what an update costs however few the samples, β what each sample adds, and γ how
sharply one passes into the other. γ = 1 is the straight line t₀ + βB, where both parts follow one another; γ → ∞ is
max(t₀, βB), where one hides behind the other. Which of the two describes the times is chosen by Akaike's criterion with
its correction for few points (Hurvich and Tsai 1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.bench.intervals import LEVEL, ends, medians
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.bench.records import Interval, Timing

#: A slope that adds less than this share to the time of the largest batch cannot be told from none, and counts as it.
_SEEN = 0.01
#: γ beyond which the curve is its two straight parts; and steps of the search from 1 to there, which then narrows.
_SHARPEST, _STEPS, _NARROWINGS = 16.0, 17, 4
#: Relative deviations below any clock's resolution are taken for this, so that no law wins by rounding.
_RESOLUTION = 1e-6
_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Law:
    """T(B) = (t₀^γ + (βB)^γ)^(1/γ).

    Attributes:
        fixed: t₀, in seconds.
        slope: β, in seconds for each sample.
        gamma: γ; 1 is the straight line.
    """

    fixed: float
    slope: float
    gamma: float = 1.0

    @property
    def knee(self) -> float:
        """B* = t₀/β, in samples: where both parts are equal.

        >>> Law(3.0, 0.5).knee
        6.0
        """
        return self.fixed / self.slope

    def at(self, batch: float) -> float:
        """Seconds of one update.

        >>> Law(3.0, 0.2).at(10), Law(3.0, 0.2, gamma=2.0).at(20)
        (5.0, 5.0)
        """
        return update_time(batch, self.fixed, self.slope, self.gamma)

    def growth(self, batch: float) -> float:
        """T(B)/T(1); of a line, (B* + B)/(B* + 1).

        >>> Law(3.0, 1.0).growth(5)
        2.0
        """
        return self.at(batch) / self.at(1)


def update_time(batch: float, fixed: float, slope: float, gamma: float = 1.0) -> float:
    """T(B) = (t₀^γ + (βB)^γ)^(1/γ), in the unit of ``fixed`` = t₀ and ``slope`` = β.

    >>> update_time(10, fixed=3, slope=0.2), update_time(20, fixed=3, slope=0.2, gamma=2)
    (5.0, 5.0)
    """
    return float((fixed**gamma + (slope * batch) ** gamma) ** (1 / gamma))


def flat_until(knee: float, gamma: float = 1.0, allowed: float = 1.25) -> float:
    """The largest B with T(B) ≤ ``allowed``·T(1): from B^γ = (a^γ − 1)·B*^γ + a^γ.

    >>> flat_until(100), flat_until(0.0)
    (26.25, 1.25)
    """
    if not (knee >= 0 and allowed >= 1):
        raise InspectionError(f"the knee must be at least 0 and the allowance at least 1, got {knee} and {allowed}")
    raised = allowed**gamma
    return float(((raised - 1) * knee**gamma + raised) ** (1 / gamma))


def line(times: Mapping[int, float]) -> Law:
    """The straight line with the least squared relative deviations from the times; no part of it is below zero.

    Args:
        times: batch size → seconds, for two sizes or more.

    Raises:
        InspectionError: fewer than two sizes.

    >>> law = line({1: 3.0, 2: 4.0, 8: 10.0})
    >>> round(law.fixed, 6), round(law.slope, 6), round(law.knee, 6)
    (2.0, 1.0, 2.0)
    """
    return _bent(times, 1.0)


def fitted(times: Mapping[int, float]) -> Law:
    """The line or the bent curve, whichever Akaike's criterion prefers; below six sizes, the line.

    Raises:
        InspectionError: fewer than two sizes.

    >>> law = fitted({b: Law(8.0, 0.5, gamma=4.0).at(b) for b in (1, 2, 4, 8, 16, 32, 64, 128)})
    >>> round(law.gamma, 3), round(law.knee, 3)
    (4.0, 16.0)
    """
    straight = line(times)
    if len(times) < 6:  # the criterion of the curve's four numbers (σ² is one) needs more points than five
        return straight
    low, high = 0.0, math.log(_SHARPEST)
    best = straight
    for _ in range(_NARROWINGS):
        step = (high - low) / (_STEPS - 1)
        tried = [_bent(times, math.exp(low + number * step)) for number in range(_STEPS)]
        best = min(tried, key=lambda law: _deviation(law, times))
        middle = math.log(best.gamma)
        low, high = max(0.0, middle - step), min(math.log(_SHARPEST), middle + step)
    return min((straight, 3), (best, 4), key=lambda pair: _criterion(pair[0], pair[1], times))[0]


def knee_of(timings: Mapping[int, Timing]) -> tuple[Law, Interval]:
    """The law of the medians, and the bootstrap interval of its knee at 95 %.

    Args:
        timings: by batch size, two or more.

    Raises:
        InspectionError: fewer than two sizes.
    """
    law = fitted({size: timing.p50 for size, timing in timings.items()})
    drawn = {size: medians(timing.samples, seed=size)[:_DRAWS] for size, timing in timings.items()}
    knees = []
    for number in range(_DRAWS):
        times = {size: float(found[number]) for size, found in drawn.items()}
        knees.append((line(times) if law.gamma == 1 else _bent(times, law.gamma)).knee)
    return law, ends(knees, LEVEL)


def _bent(times: Mapping[int, float], gamma: float) -> Law:
    """The law of this γ: T^γ is a line in B^γ, and small relative deviations of T^γ are γ times those of T."""
    if len(times) < 2:
        raise InspectionError(f"a law of time needs times at two batch sizes or more, got {len(times)}")
    unit = max(times.values())  # powers stay near 1
    bent = {size**gamma: (seconds / unit) ** gamma for size, seconds in times.items()}
    # Rows (1/T, B/T)·(α, β) = 1: relative deviations, because the scatter of a time grows with it.
    rows = [(1 / seconds, size / seconds) for size, seconds in bent.items()]
    aa, ab, bb = (sum(f(*row) for row in rows) for f in (lambda a, _: a * a, lambda a, b: a * b, lambda _, b: b * b))
    a1, b1 = (sum(row[at] for row in rows) for at in (0, 1))
    determinant = aa * bb - ab * ab
    fixed, slope = (a1 * bb - b1 * ab) / determinant, (b1 * aa - a1 * ab) / determinant
    if fixed < 0:  # the nearest without a fixed cost
        fixed, slope = 0.0, b1 / bb
    slope = max(slope, 0.0)
    fixed = fixed if slope else a1 / aa
    fixed, slope = unit * fixed ** (1 / gamma), unit * slope ** (1 / gamma)
    return Law(fixed, max(slope, _SEEN * fixed / max(times)), gamma)


def _deviation(law: Law, times: Mapping[int, float]) -> float:
    """Sum of the squared relative deviations."""
    return sum((law.at(size) / seconds - 1) ** 2 for size, seconds in times.items())


def _criterion(law: Law, numbers: int, times: Mapping[int, float]) -> float:
    n = len(times)
    variance = max(_deviation(law, times) / n, _RESOLUTION**2)
    return n * math.log(variance) + 2 * numbers + 2 * numbers * (numbers + 1) / (n - numbers - 1)
