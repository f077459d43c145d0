"""Whether two timings differ: decided by an interval of their ratio, never by two points.

**Taken in turn.** Timings of one :func:`~inspector.bench.measuring.time_calls` are pairs, round by round, in random
order within each round. If both calls cost the same, exchanging their names in any round changes nothing, whatever the
machine did meanwhile: the logarithm of each pair's ratio is as likely above 0 as below. Wilcoxon's signed-rank test is
therefore exact, and the Hodges–Lehmann interval that belongs to it (Hollander, Wolfe and Chicken 2014, section 3.2)
holds its level under any load.

**Apart.** Timings of two runs meet different moments of a machine. Medians are compared by a bootstrap of whole blocks
(Künsch 1989), which keeps slow moments together. What differs from process to process, such as where memory lies, no
sample of one process shows (Mytkowicz et al. 2009); a limit such as 1.05 times the baseline leaves room for it.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.bench.records import Interval, Timing

    Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

Decision: TypeAlias = Literal["slower", "faster", "no difference seen", "cannot be told"]

LEVEL = 0.95
_RESAMPLES = 1000
#: Power at which the smallest slowdown that is found is stated.
POWER = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """One timing beside another.

    Attributes:
        ratio: time now over time before.
        interval: of the ratio, at 95 %.
        decision: ``slower`` or ``faster`` where the interval lies on one side of 1; ``cannot be told`` where the samples
            do not suffice for an interval, or where one of two runs differs from itself.
        finds: the smallest slowdown found in 95 % of runs such as this one (0.03 is 3 %), as far as the logarithm of the
            ratio is normal.
        reason: what a reader must know, or ``""``.
    """

    ratio: float
    interval: Interval
    decision: Decision
    finds: float
    reason: str = ""


def compare(before: Timing, now: Timing, *, paired: bool = False, level: float = LEVEL) -> Comparison:
    """Decide by the interval of ``now`` over ``before``.

    Args:
        before: what is compared with.
        now: what is compared.
        paired: both come from one ``time_calls``.
        level: of the interval.

    >>> from inspector.bench.measuring import summarize
    >>> times = [1.0, 1.1, 1.05, 1.02, 1.08, 1.01, 1.03, 1.07]
    >>> before, now = (summarize([by * t for t in times], [by * t for t in times]) for by in (1, 1.2))
    >>> found = compare(before, now, paired=True)
    >>> round(found.ratio, 3), found.decision
    (1.2, 'slower')
    """
    if paired:
        pairs = zip(now.samples, before.samples, strict=False)  # a run that was cut short has fewer rounds of some
        logs = [math.log(a / b) for a, b in pairs]
        ratio, low, high = (math.exp(value) for value in _signed_rank(logs, level))
    else:
        drawn = np.log(medians(now.samples)) - np.log(medians(before.samples))
        low, high = (math.exp(value) for value in ends(drawn, level))
        ratio = now.p50 / before.p50
    noisy = [timing.reason for timing in (before, now) if timing.noisy]
    if not math.isfinite(high) or (noisy and not paired):
        decision: Decision = "cannot be told"
    else:
        decision = "slower" if low > 1 else "faster" if high < 1 else "no difference seen"
    few = [] if math.isfinite(high) else [f"{min(len(before.samples), len(now.samples))} samples are too few"]
    return Comparison(ratio, (low, high), decision, _finds(low, high, level), "; ".join([*few, *noisy]))


def same(first: Sequence[float], second: Sequence[float], level: float) -> Interval:
    """Interval of second over first for pairs taken in turn, from 0 to infinity where they are too few.

    >>> same([1.0, 1.1, 1.2, 1.1, 1.0, 1.2], [1.0, 1.1, 1.2, 1.1, 1.0, 1.2], 0.95)
    (1.0, 1.0)
    """
    _, low, high = _signed_rank([math.log(b / a) for a, b in zip(first, second, strict=True)], level)
    return math.exp(low), math.exp(high)


def smallest_found(intervals: Sequence[Interval], power: float = POWER) -> float:
    """The smallest slowdown found in this share of runs, from intervals of the ratio of a call to itself.

    A call that takes (1 + s) times as long moves the whole interval by that factor, so that a run finds it where
    (1 + s)·low > 1. The share of runs that do so reaches ``power`` where s is that quantile of 1/low − 1.

    >>> round(smallest_found([(0.98, 1.03), (0.97, 1.01), (0.96, 1.05), (0.99, 1.02)], power=0.75), 4)
    0.0309
    """
    needed = sorted(1 / low - 1 if low > 0 else math.inf for low, _ in intervals)
    return max(0.0, needed[max(0, math.ceil(power * len(needed)) - 1)])


def medians(samples: Sequence[float]) -> Numbers:
    """Medians of resampled series, blocks of consecutive samples at a time (circular; ∛n of them, at least 1)."""
    values = np.asarray(samples, dtype=np.float64)
    n = len(values)
    length = max(1, math.ceil(n ** (1 / 3)))
    generator = np.random.default_rng(0)  # the same samples give the same interval
    starts = generator.integers(0, n, (_RESAMPLES, math.ceil(n / length), 1))
    drawn = ((starts + np.arange(length)) % n).reshape(_RESAMPLES, -1)[:, :n]
    # A stream of its own decides each series' draws: two series of one length must not share them.
    resampled: Numbers = np.median(values[np.random.default_rng(n).permuted(drawn, axis=0)], axis=1)
    return resampled


def ends(values: Numbers, level: float = LEVEL) -> Interval:
    """The middle ``level`` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _finds(low: float, high: float, level: float) -> float:
    """The half interval is z(level) standard errors; it is passed with the power where z(power) more lie between."""
    if not (low > 0 and math.isfinite(high)):
        return math.inf
    normal = statistics.NormalDist()
    half = math.log(high / low) / 2
    return math.expm1(half * (1 + normal.inv_cdf(POWER) / normal.inv_cdf((1 + level) / 2)))


def _signed_rank(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Hodges and Lehmann's estimate of the middle, and the interval of the signed-rank test."""
    found = np.asarray(values, dtype=np.float64)
    at = np.triu_indices(len(found))
    means = np.sort((found[at[0]] + found[at[1]]) / 2)  # Walsh averages
    cut = _cut(len(found), level)
    estimate = float(np.median(means)) if len(means) else math.nan
    if cut < 1:
        return estimate, -math.inf, math.inf
    return estimate, float(means[cut - 1]), float(means[-cut])


@cache
def _cut(n: int, level: float) -> int:
    """How many of the smallest and of the largest Walsh averages the interval leaves out, less one; 0 where none holds.

    The signed-rank sum is at most c where c or fewer Walsh averages are above the middle. Its exact distribution
    counts the subsets of 1 … n by their sum.
    """
    chances = np.zeros(n * (n + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, n + 1):
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: len(chances) - rank]
        chances = (chances + moved) / 2
    return int(np.searchsorted(np.cumsum(chances), (1 - level) / 2, side="right"))
