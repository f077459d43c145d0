"""The verdict of every claim, by rules fixed before anything is measured. No torch.

1. **Interval.** Replicated samples give the interval of 95 % of Student's t; a measurement that brings its own
   interval (a bootstrap's) states how many replications it came from. Fewer than :data:`FEWEST` replications, or a
   number that is not finite, leave the claim open.
2. **Fail.** A claim allows a band of values: the prediction's own uncertainty, widened by the tolerance it states.
   The null hypothesis is that the true value lies in the band. Its p-value is that of the distance from the estimate to
   the band's nearer end, in standard errors, two-sided for ``equal`` and one-sided else. The p-values of one experiment
   are corrected by Holm–Bonferroni, so that one with nothing wrong fails with a probability of at most :data:`LEVEL`.
   A correction of the *passes* is not needed: an experiment passes only if all of its claims do.
3. **Inconclusive.** What did not fail passes only if it could have: an ``equal`` claim where half of the interval is at
   most ``Claim.decides``; ``at most`` and ``at least`` where the whole interval lies on the right side.

What is measured exactly (an interval of no width) is inside the band or outside: pass or fail.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from inspector.experiments.records import CONFIDENCE, Judged, Measured
from inspector.experiments.student import quantile, two_sided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.experiments.records import Claim

#: Experiments that are run together: ``inspector experiment all``.
SERIES = 10
#: Probability, at most, that any of them fails where every claim is true.
ALPHA = 0.01
#: The same of a single one.
LEVEL = ALPHA / SERIES
#: Replications without which an interval is no evidence: with two, 95 % reach 12.7 standard errors.
FEWEST = 3


def interval(samples: Sequence[float]) -> Measured:
    """Mean and 95 % interval of independent samples, by Student's t.

    >>> found = interval([1.0, 2.0, 3.0])
    >>> found.value, round(found.high - found.value, 3), found.n
    (2.0, 2.484, 3)
    """
    n = len(samples)
    if n == 0 or not all(map(math.isfinite, samples)):
        return Measured(math.nan, math.nan, math.nan, n)
    mean = statistics.fmean(samples)
    if n == 1:
        return Measured(mean, -math.inf, math.inf, 1)
    half = quantile(CONFIDENCE, n - 1) * statistics.stdev(samples) / math.sqrt(n)
    return Measured(mean, mean - half, mean + half, n)


def judge(claims: Sequence[Claim], found: Mapping[str, Sequence[float] | Measured]) -> tuple[Judged, ...]:
    """Every claim with its measurement and verdict.

    Args:
        claims: of one experiment.
        found: by the claims' names, samples or a ready measurement.

    >>> from inspector.experiments.records import Claim, Predicted
    >>> claim = Claim("mean", "the mean is 2", Predicted.exactly(2.0, "2"))
    >>> runs = [1.9, 2.0, 2.2], [5.0, 5.1, 5.0], [0.0, 2.0, 4.0]
    >>> [judge([claim], {"mean": samples})[0].verdict for samples in runs]
    ['pass', 'fail', 'inconclusive']
    """
    measured = [_measured(found.get(claim.name)) for claim in claims]
    tests = [_p(claim, each) for claim, each in zip(claims, measured, strict=True)]
    corrected = holm(tests)
    return tuple(map(_judged, claims, measured, tests, corrected))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p-values corrected by Holm–Bonferroni: the i-th smallest of m times (m − i + 1), never below the one before.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, at) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[at] = largest
    return corrected


def _measured(found: Sequence[float] | Measured | None) -> Measured | None:
    return found if found is None or isinstance(found, Measured) else interval(found)


def _undecidable(measured: Measured | None) -> str:
    """Why nothing can be said of it, or nothing."""
    if measured is None:
        return "not measured"
    if not math.isfinite(measured.value) or math.isnan(measured.low) or math.isnan(measured.high):
        return f"a number among {measured.n} replications is not finite" if measured.n else "no replication"
    if not measured.exact and measured.n < FEWEST:
        return f"{measured.n} replications; an interval needs {FEWEST}"
    if math.isinf(measured.low) or math.isinf(measured.high):
        return "the interval has no end"
    return ""


def _p(claim: Claim, measured: Measured | None) -> float | None:
    """Of a measurement at least so far outside of the band; None where nothing can be said."""
    if measured is None or _undecidable(measured):
        return None
    low, high = claim.band
    if low <= measured.value <= high:
        return 1.0
    if measured.exact:
        return 0.0
    below = measured.value < low
    distance = low - measured.value if below else measured.value - high
    half = measured.high - measured.value if below else measured.value - measured.low  # the side that faces the band
    if half <= 0:
        return 0.0
    p = two_sided(distance / half * quantile(CONFIDENCE, measured.n - 1), measured.n - 1)
    return p if claim.relation == "equal" else p / 2


def _judged(claim: Claim, measured: Measured | None, p: float | None, corrected: float | None) -> Judged:
    why = _undecidable(measured)
    if measured is None or p is None or corrected is None:
        return Judged(claim, measured, "inconclusive", why)
    low, high = claim.band
    if corrected <= LEVEL:
        how = "" if measured.exact else f" (p = {corrected:.2g} after correction, level {LEVEL:g})"
        return Judged(claim, measured, "fail", f"outside of what the claim allows{how}", p)
    if measured.exact:
        return Judged(claim, measured, "pass", "inside of what the claim allows", p)
    if claim.relation != "equal":
        if low <= measured.low and measured.high <= high:
            return Judged(claim, measured, "pass", "the whole interval lies on the claimed side", p)
        return Judged(claim, measured, "inconclusive", "the interval reaches over the claimed limit", p)
    half = max(measured.high - measured.value, measured.value - measured.low)
    decides = abs(claim.predicted.value) / 2 if claim.decides is None else claim.decides
    if half > decides:
        return Judged(
            claim,
            measured,
            "inconclusive",
            f"the interval, ± {half:.3g}, is wider than ± {decides:.3g} that decides",
            p,
        )
    where = "inside of" if p == 1 else "no further from"
    return Judged(
        claim, measured, "pass", f"{where} what the claim allows{'' if p == 1 else ' than chance explains'}", p
    )
