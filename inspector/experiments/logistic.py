"""Logistic regression on Bernoulli labels: how much a slope varies that the likelihood or the squared error fits.

Labels are Bernoulli with p = σ(1·x + 0.5) for normal x. Both losses ask for a zero of Σ w(p)(p − y)(x, 1) with weights
w = 1 for the likelihood and w = p(1 − p) for the squared error, so both are consistent, and the theory of estimating
equations (Huber 1967) gives the variance A⁻¹BA⁻¹/n with A = E[w·p(1 − p)·(x, 1)(x, 1)ᵀ] and B the same with w². For the
likelihood A = B is the Fisher information, and nothing varies less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.experiments.records import JSON

SLOPE, INTERCEPT = 1.0, 0.5
SAMPLES, DATA_SETS = 400, 400
_NEWTON_STEPS = 25


def asymptotic_variance(side: str) -> float:
    """Variance of the fitted slope times n, as n grows.

    Args:
        side: ``bce`` or ``mse``.

    >>> asymptotic_variance("bce") < asymptotic_variance("mse")
    True
    """
    x = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    weight = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])  # smooth and decaying: sums are integrals
    p = torch.sigmoid(SLOPE * x + INTERCEPT)
    A, B = (
        _second_moments(x, weight * part)
        for part in (_weights(p, side) * p * (1 - p), _weights(p, side) ** 2 * p * (1 - p))
    )
    inverse = torch.linalg.inv(A)
    return float((inverse @ B @ inverse)[0, 0])


def variances(seed: int, sides: tuple[str, str], flipped: float, device: str, *, fresh: bool) -> dict[str, JSON]:
    """Variance of the slope times n, over :data:`DATA_SETS` data sets of :data:`SAMPLES`, for two losses.

    Args:
        seed: of the data.
        sides: the losses, ``bce`` or ``mse``.
        flipped: share of labels that are turned around.
        device: where to fit.
        fresh: the second loss fits data sets of its own.

    Returns:
        ``first`` and ``second``, and ``miscalibration``: the largest difference between the means of probabilities and
        labels under the first loss.
    """
    found: dict[str, JSON] = {}
    for number, side in enumerate(sides):
        generator = torch.Generator().manual_seed(seed + number if fresh else seed)
        x = torch.randn(DATA_SETS, SAMPLES, generator=generator, dtype=torch.float64)
        chance = torch.rand(DATA_SETS, SAMPLES, generator=generator, dtype=torch.float64)
        y = (chance < torch.sigmoid(SLOPE * x + INTERCEPT)).double()
        turned = torch.rand(DATA_SETS, SAMPLES, generator=generator, dtype=torch.float64) < flipped
        x, y = x.to(device), torch.where(turned, 1 - y, y).to(device)
        coefficients = fitted(x, y, side)
        found["first" if number == 0 else "second"] = float(SAMPLES * coefficients[:, 0].var())
        if number == 0:
            p = torch.sigmoid(coefficients[:, :1] * x + coefficients[:, 1:])
            found["miscalibration"] = float((p.mean(1) - y.mean(1)).abs().max())
    return found


def fitted(x: Tensor, y: Tensor, side: str) -> Tensor:
    """Slope and intercept of each data set, (D, 2), from (D, n) samples, by Fisher's scoring: Newton with E[y] = p.

    >>> x = torch.tensor([[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    >>> y = torch.tensor([[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    >>> fitted(x, y, "bce").round(decimals=4)  # p = ⅔ at x = 1: the slope is ln 2
    tensor([[0.6931, 0.0000]], dtype=torch.float64)
    """
    found = torch.zeros(len(x), 2, dtype=x.dtype, device=x.device)
    for _ in range(_NEWTON_STEPS):
        p = torch.sigmoid(found[:, :1] * x + found[:, 1:])
        weights = _weights(p, side)
        score = weights * (y - p)
        gradient = torch.stack([(score * x).sum(1), score.sum(1)], 1)
        found = found + torch.linalg.solve(_second_moments(x, weights * p * (1 - p)), gradient)
    return found


def _weights(p: Tensor, side: str) -> Tensor:
    return torch.ones_like(p) if side == "bce" else p * (1 - p)


def _second_moments(x: Tensor, weight: Tensor) -> Tensor:
    """Σ w(x, 1)(x, 1)ᵀ over the last axis, (..., 2, 2)."""
    sums = [(weight * x**power).sum(-1) for power in (2, 1, 0)]
    return torch.stack([torch.stack([sums[0], sums[1]], -1), torch.stack([sums[1], sums[2]], -1)], -2)
