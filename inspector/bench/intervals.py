"""Intervals of medians and of ratios, which hold what they promise on a machine that does other work too.

**Taken in turn.** Samples of one :func:`~inspector.bench.measuring.time_calls` are pairs, round by round, in random
order within each round. If both calls cost the same, exchanging their names in any round changes nothing, whatever the
machine did meanwhile: the logarithm of each pair's ratio is as likely above 0 as below. Wilcoxon's signed-rank test is
therefore exact, and the Hodges–Lehmann interval that belongs to it (Hollander, Wolfe and Chicken 2014, section 3.2)
holds its level under any load.

**Apart.** Samples of two runs meet different moments of a machine. Their medians are resampled by whole blocks (Künsch
1989), which keeps slow moments together. What differs from process to process, such as where memory lies, no sample of
one process shows (Mytkowicz et al. 2009); a limit such as 1.05 times the baseline leaves room for it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.bench.records import Interval

    Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

LEVEL = 0.95
#: Level at which two timings are held to differ. Of 200 runs that differ in nothing, 2 % give a false alarm on
#: average, and more than 5 % in fewer than one case out of 300.
DECIDES = 0.98
_RESAMPLES = 1000


def paired(before: Sequence[float], now: Sequence[float], level: float = LEVEL) -> tuple[float, Interval]:
    """now/before of samples taken in turn: an estimate, and its interval, 0 to infinity where they are too few.

    >>> paired([1.0, 1.1, 1.2, 1.1, 1.0, 1.2], [2.0, 2.2, 2.4, 2.2, 2.0, 2.4])
    (2.0, (2.0, 2.0))
    >>> paired([1.0, 1.1, 1.2], [2.0, 2.2, 2.4])
    (2.0, (0.0, inf))
    """
    logs = [math.log(a / b) for a, b in zip(now, before, strict=True)]
    middle, low, high = (math.exp(value) for value in _signed_rank(logs, level))
    return middle, (low, high)


def apart(before: Sequence[float], now: Sequence[float], level: float = LEVEL) -> Interval:
    """Interval of median(now)/median(before) of samples taken in different runs.

    >>> apart([1.0] * 8, [2.0] * 8)
    (2.0, 2.0)
    """
    return ends(medians(now, seed=1) / medians(before, seed=0), level)


def of_median(samples: Sequence[float], level: float = LEVEL) -> Interval:
    """Interval of the median of samples in the order in which they were taken.

    >>> of_median([1.0] * 8)
    (1.0, 1.0)
    """
    return ends(medians(samples, seed=0), level)


def smallest_found(intervals: Sequence[Interval], power: float = 0.95) -> float:
    """The smallest slowdown found in this share of runs, from intervals of the ratio of a call to itself.

    A call that takes (1 + s) times as long moves the whole interval by that factor, so that a run finds it where
    (1 + s)·low > 1. The share of runs that do so reaches ``power`` where s is that quantile of 1/low − 1.

    >>> round(smallest_found([(0.98, 1.03), (0.97, 1.01), (0.96, 1.05), (0.99, 1.02)], power=0.75), 4)
    0.0309
    """
    needed = sorted(1 / low - 1 if low > 0 else math.inf for low, _ in intervals)
    return max(0.0, needed[max(0, math.ceil(power * len(needed)) - 1)])


def medians(samples: Sequence[float], seed: int) -> Numbers:
    """Medians of resampled series, ∛n consecutive samples at a time, as on a ring; equal seeds draw equal places."""
    values = np.asarray(samples, dtype=np.float64)
    n = len(values)
    length = max(1, math.ceil(n ** (1 / 3)))
    starts = np.random.default_rng(seed).integers(0, n, (_RESAMPLES, math.ceil(n / length), 1))
    drawn = ((starts + np.arange(length)) % n).reshape(_RESAMPLES, -1)[:, :n]
    resampled: Numbers = np.median(values[drawn], axis=1)
    return resampled


def ends(values: Sequence[float] | Numbers, level: float) -> Interval:
    """The middle ``level`` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _signed_rank(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Hodges and Lehmann's estimate of the middle, and the interval of the signed-rank test."""
    found = np.asarray(values, dtype=np.float64)
    at = np.triu_indices(len(found))
    means = np.sort((found[at[0]] + found[at[1]]) / 2)  # Walsh averages
    cut = _cut(len(found), level)
    middle = float(np.median(means)) if len(means) else math.nan
    return (middle, float(means[cut - 1]), float(means[-cut])) if cut else (middle, -math.inf, math.inf)


@cache
def _cut(n: int, level: float) -> int:
    """Which Walsh average, counted from either end, bounds the interval; 0 where n are too few for the level.

    Fewer than c of them lie below the middle as often as the signed-rank sum is below c, whose exact distribution
    counts the subsets of 1 … n by their sum.
    """
    chances = np.zeros(n * (n + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, n + 1):
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: len(chances) - rank]
        chances = (chances + moved) / 2
    return int(np.searchsorted(np.cumsum(chances), (1 - level) / 2, side="right"))
