"""Losses as the textbook states them: formula, value, gradient, Hessian and a bound of the curvature.

Each is a sum or a mean of one function of a prediction and its label, so that its Hessian is diagonal. The formulas are
Python expressions; value, gradient and Hessian are written so that they keep their digits where the formulas lose them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import logsigmoid

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss. Predictions ``x`` and labels ``y`` are tensors of one shape with n elements.

    Attributes:
        name: as it is called here.
        variable: what the predictions are: ``p`` a probability, ``z`` a logit, ``x`` any number.
        formula: of one element, in the variable and y.
        gradient_formula: its first derivative by the variable.
        hessian_formula: its second.
        reduction: how the elements become one number.
        curvature: the least upper bound of the second derivative's magnitude, over every prediction and all labels of
            the loss's kind; infinite where there is none.
        slope: the same of the first derivative.
    """

    name: str
    variable: Literal["p", "z", "x"]
    formula: str
    gradient_formula: str
    hessian_formula: str
    reduction: Literal["mean", "sum"]
    curvature: float
    slope: float
    _terms: Callable[[Tensor, Tensor], Tensor]
    _gradient: Callable[[Tensor, Tensor], Tensor]
    _hessian: Callable[[Tensor, Tensor], Tensor]

    def terms(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of each element, before their sum or mean.

        >>> l2.terms(torch.tensor([1.0, 10.0]), torch.tensor([0.0, 0.0]))
        tensor([  1., 100.])
        """
        return self._terms(x, y)

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss, a tensor without axes.

        >>> round(bce.value(torch.tensor([0.2, 0.5, 0.1]), torch.tensor([1.0, 0.0, 0.0])).item(), 4)
        0.8026
        """
        terms = self._terms(x, y)
        return terms.mean() if self.reduction == "mean" else terms.sum()

    def gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """By the predictions, of their shape.

        >>> bce_with_logits.gradient(torch.tensor([0.0]), torch.tensor([1.0]))
        tensor([-0.5000])
        """
        return self._gradient(x, y) * self._weight(x)

    def hessian(self, x: Tensor, y: Tensor) -> Tensor:
        """The diagonal of the matrix of second derivatives by the predictions, of their shape; all else in it is 0.

        >>> mse.hessian(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.0]))
        tensor([1., 1.])
        """
        return self._hessian(x, y) * self._weight(x)

    def curvature_bound(self, n: int) -> float:
        """No eigenvalue of the Hessian over n elements is larger in magnitude: gradient descent with a step below 2
        over it does not diverge.

        >>> bce_with_logits.curvature_bound(2)
        0.125
        """
        return self.curvature / n if self.reduction == "mean" else self.curvature

    def worked(self, x: Tensor, y: Tensor) -> str:
        """The terms and their sum or mean as a line.

        >>> l1.worked(torch.tensor([1.0, -1.0, 10.0]), torch.zeros(3))
        '1 + 1 + 10 = 12'
        """
        terms = self._terms(x, y).flatten().tolist()
        added = " + ".join(f"{term:.6g}" for term in terms)
        total = f"{self.value(x, y).item():.6g}"
        return f"({added})/{len(terms)} = {total}" if self.reduction == "mean" else f"{added} = {total}"

    def _weight(self, x: Tensor) -> float:
        return 1 / x.numel() if self.reduction == "mean" and x.numel() else 1.0


def _away(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The difference p − y and p(1 − p) at p = σ(z), without the digits that 1 − p loses where p is near 1."""
    p, q = torch.sigmoid(z), torch.sigmoid(-z)
    return (1 - y) * p - y * q, p * q


def _mse_gradient(z: Tensor, y: Tensor) -> Tensor:
    difference, slope = _away(z, y)
    return difference * slope


def _mse_hessian(z: Tensor, y: Tensor) -> Tensor:
    difference, slope = _away(z, y)
    return slope * (slope + difference * (torch.sigmoid(-z) - torch.sigmoid(z)))


def _bce_terms(z: Tensor, y: Tensor) -> Tensor:
    """max(z, 0) − zy + log1p(e^{−|z|}), as −y·log σ(z) − (1 − y)·log σ(−z): at large z nothing cancels."""
    return -y * logsigmoid(z) - (1 - y) * logsigmoid(-z)


#: p at which the curvature of ½(σ(z) − 1)², p(1 − p)²(3p − 1), is largest: its derivative has the factor 12p² − 9p + 1.
_MOST_CURVED = (9 + math.sqrt(33)) / 24


def _shares(p: Tensor, y: Tensor, power: int) -> tuple[Tensor, Tensor]:
    """y/p^power and (1 − y)/(1 − p)^power, each 0 where its label has no share in the loss, also at p = 0 or 1."""
    none = torch.zeros_like(p * y)
    return torch.where(y == 0, none, y / p**power), torch.where(y == 1, none, (1 - y) / (1 - p) ** power)


def _bce_gradient(p: Tensor, y: Tensor) -> Tensor:
    yes, no = _shares(p, y, 1)
    return no - yes


def _bce_hessian(p: Tensor, y: Tensor) -> Tensor:
    yes, no = _shares(p, y, 2)
    return yes + no


#: Binary cross-entropy of probabilities; labels in [0, 1]. PyTorch's ``binary_cross_entropy``, which stops at −100.
bce = Loss(
    "bce",
    "p",
    "-(y*log(p) + (1 - y)*log(1 - p))",
    "(p - y)/(p*(1 - p))",
    "y/p**2 + (1 - y)/(1 - p)**2",
    "mean",
    math.inf,
    math.inf,
    lambda p, y: -(torch.xlogy(y, p) + torch.special.xlog1py(1 - y, -p)),
    _bce_gradient,
    _bce_hessian,
)

#: Binary cross-entropy of logits; labels in [0, 1]. PyTorch's ``binary_cross_entropy_with_logits``.
bce_with_logits = Loss(
    "bce_with_logits",
    "z",
    "Max(z, 0) - z*y + log(1 + exp(-Abs(z)))",
    "1/(1 + exp(-z)) - y",
    "exp(-z)/(1 + exp(-z))**2",
    "mean",
    1 / 4,  # p(1 − p) at p = ½
    1.0,
    _bce_terms,
    lambda z, y: _away(z, y)[0],
    lambda z, y: _away(z, y)[1],
)

#: ½(σ(z) − y)² of logits; labels in [0, 1]. What a sigmoid makes of the squared error.
mse_with_logits = Loss(
    "mse_with_logits",
    "z",
    "(1/(1 + exp(-z)) - y)**2/2",
    "(1/(1 + exp(-z)) - y)*exp(-z)/(1 + exp(-z))**2",
    "exp(-z)/(1 + exp(-z))**2*(exp(-z)/(1 + exp(-z))**2 + (1/(1 + exp(-z)) - y)*(1 - 2/(1 + exp(-z))))",
    "mean",
    # At y = 1; y = 0 mirrors it, and between them it is linear in y.
    _MOST_CURVED * (1 - _MOST_CURVED) ** 2 * (3 * _MOST_CURVED - 1),
    4 / 27,  # p(1 − p)² at p = ⅓
    lambda z, y: _away(z, y)[0] ** 2 / 2,
    _mse_gradient,
    _mse_hessian,
)

#: Mean of squares: PyTorch's ``mse_loss``.
mse = Loss(
    "mse",
    "x",
    "(x - y)**2",
    "2*(x - y)",
    "2",
    "mean",
    2.0,
    math.inf,
    lambda x, y: (x - y) ** 2,
    lambda x, y: 2 * (x - y),
    lambda x, y: torch.full_like(x - y, 2.0),
)

#: Sum of squares: PyTorch's ``mse_loss`` with ``reduction="sum"``.
l2 = Loss(
    "l2",
    "x",
    mse.formula,
    mse.gradient_formula,
    mse.hessian_formula,
    "sum",
    mse.curvature,
    mse.slope,
    mse._terms,
    mse._gradient,
    mse._hessian,
)

#: Sum of magnitudes: PyTorch's ``l1_loss`` with ``reduction="sum"``. At 0 it has a kink, which no curvature bounds.
l1 = Loss(
    "l1",
    "x",
    "Abs(x - y)",
    "sign(x - y)",
    "0",
    "sum",
    math.inf,
    1.0,
    lambda x, y: (x - y).abs(),
    lambda x, y: (x - y).sign(),
    lambda x, y: torch.zeros_like(x - y),
)


def flow_time_bce(start: float, end: float) -> float:
    """Time in which dz/dt = −(σ(z) − 1), the gradient flow of the cross-entropy at y = 1, moves z from start to end.

    dt = (1 + e^z) dz, so it is z + e^z between the limits.

    >>> round(flow_time_bce(-10, 0), 1)
    11.0
    """
    return (end - start) + (math.exp(end) - math.exp(start))


def flow_time_mse(start: float, end: float) -> float:
    """The same for ½(σ(z) − 1)²: dt = (1 + e^z)³/e^z dz, so it is −e^{−z} + 3z + 3e^z + ½e^{2z} between the limits.

    >>> round(flow_time_mse(-10, 0))
    22059
    """

    def antiderivative(z: float) -> float:
        return -math.exp(-z) + 3 * z + 3 * math.exp(z) + math.exp(2 * z) / 2

    return antiderivative(end) - antiderivative(start)
