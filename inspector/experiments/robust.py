"""Estimates of location under outliers: what mean, median and Huber's estimate do, by formula.

The contaminated distributions are Tukey's: a share ε of N(0, 1) is replaced by numbers far off at c, or by N(0, 9).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import torch

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_NORMAL = NormalDist()
#: Standard deviation of the wide part of the symmetric mixture.
WIDE = 3.0


def mean_bias(share: float, at: float) -> float:
    """How far a share of outliers at this distance moves the mean.

    >>> mean_bias(0.1, 100.0)
    10.0
    """
    return share * at


def median_bias(share: float) -> float:
    """How far a share below ½ of outliers, however far, moves the median of N(0, 1): Φ⁻¹(1/(2(1 − ε))).

    >>> round(median_bias(0.1), 3)
    0.14
    """
    if not 0 <= share < 0.5:
        raise InspectionError(f"the median breaks down at a share of one half; got {share}")
    return _NORMAL.inv_cdf(1 / (2 * (1 - share)))


def huber_bias(share: float, delta: float) -> float:
    """How far a share of far outliers moves Huber's estimate of location on N(0, 1): (1 − ε)·E ψ(Z − b) + ε·δ = 0.

    >>> round(huber_bias(0.1, 50.0), 2), round(huber_bias(0.1, 1e-6), 3)  # of the mean, of the median
    (5.56, 0.14)
    """

    def pull(b: float) -> float:
        return (1 - share) * _clipped_mean(-b, delta) + share * delta

    low, high = 0.0, 2.0 + 2 * delta * share / (1 - share)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if pull(middle) > 0 else (low, middle)
    return low


def _clipped_mean(mean: float, delta: float) -> float:
    """Expectation of N(mean, 1) clipped to ±δ."""
    below, above = -delta - mean, delta - mean
    inside = mean * (_NORMAL.cdf(above) - _NORMAL.cdf(below)) + _NORMAL.pdf(below) - _NORMAL.pdf(above)
    return inside + delta * _NORMAL.cdf(-above) - delta * _NORMAL.cdf(below)


def variance_ratio(share: float) -> float:
    """Variance of the median over that of the mean, of many numbers from (1 − ε)·N(0, 1) + ε·N(0, 9).

    The median's is 1/(4f(0)²n) with f(0) = (1 − ε + ε/3)/√(2π), the mean's (1 + 8ε)/n.

    >>> round(variance_ratio(0.0), 4)  # π/2
    1.5708
    """
    density = (1 - share + share / WIDE) / math.sqrt(2 * math.pi)
    return 1 / (4 * density**2) / (1 + (WIDE**2 - 1) * share)


def crossing() -> float:
    """The share of N(0, 9) from which the median varies less than the mean.

    >>> round(crossing(), 4)
    0.1006
    """
    low, high = 0.0, 0.3  # (1 − 2ε/3)²(1 + 8ε) has the slope 0 at ε = 5/12 alone, and rises before it
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if variance_ratio(middle) > 1 else (low, middle)
    return low


def breakdown(estimate: Callable[[Tensor], Tensor], n: int) -> float:
    """The smallest share of n normal numbers whose replacement by 10¹² carries an estimate beyond all the others.

    >>> breakdown(torch.mean, 10)
    0.1
    """
    clean = torch.linspace(-2, 2, n, dtype=torch.float64)
    for replaced in range(1, n + 1):
        spoiled = clean.clone()
        spoiled[:replaced] = 1e12
        if float(estimate(spoiled)) > 2.0:
            return replaced / n
    return 1.0


def fit_lines(x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Intercept and slope of each data set by a loss of the residuals, (D, 2), from (D, n) samples: Adam, ever slower.

    Args:
        x: where.
        y: what was seen there.
        loss: of prediction and y, summed over all.
    """
    lines = torch.zeros(len(x), 2, dtype=x.dtype, device=x.device, requires_grad=True)
    optimizer = torch.optim.Adam([lines], 0.1)
    steps = 800
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(lines[:, :1] + lines[:, 1:] * x, y).backward()
        optimizer.step()
        schedule.step()
    return lines.detach()
