"""Whether two timings differ: decided by an interval of their ratio, never by two points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, TypeAlias

from inspector.bench.intervals import DECIDES, apart, paired

if TYPE_CHECKING:
    from inspector.bench.records import Interval, Timing

Decision: TypeAlias = Literal["slower", "faster", "no difference seen", "cannot be told"]

#: Power at which the smallest slowdown that is found is stated.
_POWER = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """One timing beside another.

    Attributes:
        ratio: time now over time before.
        interval: of the ratio, at 98 %.
        decision: ``slower`` or ``faster`` where the interval lies on one side of 1; ``cannot be told`` where the
            samples are too few for an interval, or where a timing of one of two runs differs from itself.
        finds: the smallest slowdown found in 95 % of runs such as this one (0.03 is 3 %), as far as the logarithm of
            the ratio is normal.
        reason: what a reader must know, or ``""``.
    """

    ratio: float
    interval: Interval
    decision: Decision
    finds: float
    reason: str = ""


def compare(before: Timing, now: Timing, *, in_turn: bool = False) -> Comparison:
    """Decide by the interval of ``now`` over ``before``; see :mod:`inspector.bench.intervals`.

    Args:
        before: what is compared with.
        now: what is compared.
        in_turn: both come from one ``time_calls``, so that their samples are pairs; then neither needs to be quiet.

    >>> from inspector.bench.measuring import summarize
    >>> times = [1.0, 1.1, 1.05, 1.02, 1.08, 1.01, 1.03, 1.07]
    >>> before, now = (summarize([by * t for t in times], [by * t for t in times]) for by in (1, 1.2))
    >>> found = compare(before, now, in_turn=True)
    >>> round(found.ratio, 3), found.decision
    (1.2, 'slower')
    """
    if in_turn:
        ratio, (low, high) = paired(before.samples, now.samples, DECIDES)
        reasons = []
    else:
        ratio, (low, high) = now.p50 / before.p50, apart(before.samples, now.samples, DECIDES)
        reasons = [timing.reason for timing in (before, now) if timing.noisy]
    if not math.isfinite(high):
        reasons = [f"{len(now.samples)} samples are too few for an interval"]
    decision: Decision = "slower" if low > 1 else "faster" if high < 1 else "no difference seen"
    return Comparison(
        ratio, (low, high), "cannot be told" if reasons else decision, _finds(low, high), "; ".join(reasons)
    )


def _finds(low: float, high: float) -> float:
    """Half of the interval is z(level) standard errors of the logarithm; z(power) more are needed beyond it."""
    if not (low > 0 and math.isfinite(high)):
        return math.inf
    normal = NormalDist()
    half = math.log(high / low) / 2
    return math.expm1(half * (1 + normal.inv_cdf(_POWER) / normal.inv_cdf((1 + DECIDES) / 2)))
