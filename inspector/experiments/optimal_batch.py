"""The batch size that reaches a target loss soonest, from the time of one update and the noise of its gradient.

Two laws meet. One update on B samples takes T(B) = (t₀^γ + (βB)^γ)^(1/γ): t₀ is what it costs however few the samples,
β what each sample adds, and γ how sharply one passes into the other (γ = 1 is the straight line t₀ + βB). The knee B* =
t₀/β is where both parts are equal. Reaching a target loss takes S(B) = S_min·(1 + B_crit/B) updates (McCandlish et al.
2018, arXiv 1812.06162, equation 2.7), because a step along a gradient with noise gains the less the noisier it is.

The time to the target is S(B)·T(B). Its logarithm has the derivative

    T'/T + S'/S = (1/B)·r/(1 + r) − (1/B)·B_crit/(B + B_crit),    r = (B/B*)^γ,

which is zero where r = B_crit/B, so B_opt = (B*^γ·B_crit)^(1/(1 + γ)), and √(B*·B_crit) for the straight line. Left of
it the derivative is negative, right of it positive: there is one minimum, and no other.
"""

from __future__ import annotations

import math

from inspector.bench.knee import flat_until, update_time
from inspector.errors import InspectionError

__all__ = [
    "CRITICAL_FACTOR",
    "cost_of_missing",
    "flat_until",
    "optimal_batch",
    "steps_to_target",
    "time_to_target",
    "update_time",
]

#: How far the simple noise scale may lie from the critical batch size: McCandlish et al. 2018, section 3, find
#: agreement "to within an order of magnitude"; B_opt moves with the root of it.
CRITICAL_FACTOR = 10.0


def steps_to_target(batch: float, critical: float, fewest: float = 1.0) -> float:
    """S(B) = S_min·(1 + B_crit/B): updates until the target, for ``fewest`` = S_min of them with an exact gradient.

    Raises:
        InspectionError: the batch size is not positive, or the critical one is negative or not finite.

    >>> steps_to_target(64, critical=64, fewest=100)
    200.0
    """
    if not batch > 0:
        raise InspectionError(f"a batch size must be above 0, got {batch}")
    if not 0 <= critical < math.inf:
        raise InspectionError(f"the critical batch size must be finite and at least 0, got {critical}")
    return fewest * (1 + critical / batch)


def time_to_target(batch: float, fixed: float, slope: float, critical: float, gamma: float = 1.0) -> float:
    """S(B)·T(B)/S_min: the time until the target, in the unit of ``fixed`` for each of the S_min updates.

    >>> time_to_target(20, fixed=100, slope=1, critical=4)
    144.0
    """
    return steps_to_target(batch, critical) * update_time(batch, fixed, slope, gamma)


def optimal_batch(knee: float, critical: float, gamma: float = 1.0) -> float:
    """B_opt = (B*^γ·B_crit)^(1/(1 + γ)), the one minimum of ``time_to_target``; √(B*·B_crit) at γ = 1.

    Args:
        knee: B* = t₀/β, in samples.
        critical: B_crit, in samples.
        gamma: γ of the update's time; the larger it is, the nearer the optimum lies to the knee.

    Raises:
        InspectionError: an argument is not positive and finite.

    >>> round(optimal_batch(100, 4), 6), round(optimal_batch(100, 4, gamma=2), 6)
    (20.0, 34.199519)
    """
    for name, value in (("knee", knee), ("critical batch size", critical), ("sharpness γ", gamma)):
        if not 0 < value < math.inf:
            raise InspectionError(f"the {name} must be positive and finite, got {value}")
    # In logarithms, so that no power overflows where γ is large.
    return math.exp((gamma * math.log(knee) + math.log(critical)) / (1 + gamma))


def cost_of_missing(factor: float, gamma: float = 1.0) -> float:
    """At most how many times as long training takes at ``factor`` = c times the best batch size.

    With r = B_crit/B_opt = (B_opt/B*)^γ the time there over the best is (1 + r/c)·((1 + r·c^γ)/(1 + r))^(1/γ)/(1 + r).
    It is 1 at r = 0 and for r → ∞; between them the derivative of its logarithm is zero once, with a = c^γ at
    r = ((γ + 1)·c − γ − a·c)/(a·(γ + 1 − γ·c) − 1). For the straight line that is r = 1, B* = B_crit, where the ratio
    is (2 + c + 1/c)/4: twice or half of the optimum costs an eighth at most. A sharper knee forgives less.

    Args:
        factor: c, above 0.
        gamma: γ of the update's time.

    Raises:
        InspectionError: the factor is not positive.

    >>> cost_of_missing(2), cost_of_missing(0.5), cost_of_missing(1)
    (1.125, 1.125, 1.0)
    """
    if not factor > 0:
        raise InspectionError(f"a factor must be above 0, got {factor}")
    if gamma == 1:
        return (2 + factor + 1 / factor) / 4
    raised = factor**gamma
    above, below = (gamma + 1) * factor - gamma - raised * factor, raised * (gamma + 1 - gamma * factor) - 1
    if abs(below) < 1e-12:  # at c = 1 all r are alike
        return 1.0
    r = above / below
    return float((1 + r / factor) * ((1 + r * raised) / (1 + r)) ** (1 / gamma) / (1 + r))
