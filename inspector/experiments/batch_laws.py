"""Laws of a batch's mean and variance: of n independent values, and of b images whose pixels depend on each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def sd_of_variance(n: int, kurtosis: float = 0.0) -> float:
    """sd(σ_B²)/σ² of the biased variance of n independent values: ((n − 1)/n)·√(2/(n − 1) + κ/n).

    >>> round(sd_of_variance(2), 4)  # σ_B² = (x₁ − x₂)²/4
    0.7071
    """
    return (n - 1) / n * math.sqrt(2 / (n - 1) + kurtosis / n)


def kurtosis_of_normalised(n: int) -> float:
    """E x̂⁴ of n normal values after normalisation by their own statistics: 3(n − 1)/(n + 1).

    >>> kurtosis_of_normalised(2)  # both are ±1
    1.0
    """
    return 3 * (n - 1) / (n + 1)


def fresh_second_moment(n: int) -> float:
    """E ((x − μ_B)/σ_B)² of another normal value: (1 + 1/n)·E[σ²/σ_B²] = (n + 1)/(n − 3), infinite for n ≤ 3.

    >>> fresh_second_moment(16), fresh_second_moment(3)
    (1.3076923076923077, inf)
    """
    return (n + 1) / (n - 3) if n > 3 else math.inf


def running_variance(momentum: float) -> float:
    """Variance of a running average over that of one batch: α/(2 − α).

    >>> round(1 / running_variance(0.1))  # effective batches
    19
    """
    return momentum / (2 - momentum)


def running_var(n: int, independent: float) -> float:
    """E[running_var]/σ² of n values a batch that are worth ``independent`` ones: n/(n − 1)·(1 − 1/n_eff).

    The unbiased estimate of independent values is 1; of dependent ones it is less.

    >>> round(running_var(8, 8), 12)
    1.0
    """
    return n / (n - 1) * (1 - 1 / independent)


def variance_over_images(means: Tensor, squares: Tensor, images: int) -> Tensor:
    """Var(σ_B²)/σ⁴ of each channel, over batches of so many independently drawn images: exactly, for b of any size.

    With a the mean of an image's values, q the mean of their squares, both about the mean of the data, σ_B² is q̄ − ā².
    Its variance is Var q̄ + Var ā² − 2·Cov(q̄, ā²), where of E ā⁴ = (E a⁴ + 3(b − 1)V²)/b³ with V = E a² and of E[q̄ā²]
    only the terms remain in which the images are the same in pairs:

        Var(q)/b + (E a⁴ + (2b − 3)V²)/b³ − 2·Cov(q, a²)/b²

    Args:
        means: (N, C), of each image and channel.
        squares: (N, C), means of the squares.
        images: b, in a batch.

    >>> import torch
    >>> coins = torch.tensor([[-1.0], [1.0]])  # of two coins, σ_B² is 0 or 1, each half of the time
    >>> variance_over_images(coins, coins**2, 2)
    tensor([0.2500])
    """
    centre = means.mean(0)
    a, q = means - centre, squares - 2 * centre * means + centre**2
    V, b = a.square().mean(0), images
    within = q.var(0, correction=0) / b
    of_mean = (a.pow(4).mean(0) + (2 * b - 3) * V**2) / b**3
    both = ((q - q.mean(0)) * a**2).mean(0) / b**2
    return (within + of_mean - 2 * both) / q.mean(0) ** 2
