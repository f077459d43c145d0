"""Every loss beside torch.nn.functional, autograd and its own printed formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import sympy
import torch
from torch import Tensor
from torch.nn import functional as F

from inspector import losses
from inspector.losses import Loss

LOSSES = [losses.bce, losses.bce_with_logits, losses.mse_with_logits, losses.mse, losses.l1, losses.l2]
PYTORCH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "mse_with_logits": lambda z, y: F.mse_loss(torch.sigmoid(z), y) / 2,
    "mse": F.mse_loss,
    "l1": lambda x, y: F.l1_loss(x, y, reduction="sum"),
    "l2": lambda x, y: F.mse_loss(x, y, reduction="sum"),
}


def points(loss: Loss) -> tuple[Tensor, Tensor]:
    """Predictions of the loss's kind and labels, the soft ones too."""
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)
    x = torch.sigmoid(x) if loss.variable == "p" else x
    y = torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64).repeat(9)[:25]
    return x, y


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_value_gradient_and_hessian_are_pytorchs(loss: Loss) -> None:
    x, y = points(loss)

    def pytorch(x: Tensor) -> Tensor:
        return PYTORCH[loss.name](x, y)

    torch.testing.assert_close(loss.value(x, y), pytorch(x))
    torch.testing.assert_close(loss.gradient(x, y), torch.func.grad(pytorch)(x))
    torch.testing.assert_close(torch.diag(loss.hessian(x, y)), torch.autograd.functional.hessian(pytorch, x))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_formulas_are_each_others_derivatives_and_what_is_computed(loss: Loss) -> None:
    x, y = points(loss)
    variable, label = sympy.symbols(f"{loss.variable} y", real=True)
    value, gradient, hessian = (
        sympy.sympify(formula, locals={loss.variable: variable, "y": label})
        for formula in (loss.formula, loss.gradient_formula, loss.hessian_formula)
    )
    computed = loss.terms(x, y), loss._gradient(x, y), loss._hessian(x, y)
    for at in range(0, 25, 3):
        where = {variable: sympy.Float(x[at].item(), 30), label: sympy.Float(y[at].item(), 30)}
        for formula, found in zip((value, gradient, hessian), computed, strict=True):
            assert float(formula.subs(where).evalf(20)) == pytest.approx(found[at].item(), rel=1e-9, abs=1e-14)
        if x[at] != 0 and x[at] != y[at]:  # kinks
            assert float(value.diff(variable).subs(where).evalf(20)) == pytest.approx(
                float(gradient.subs(where).evalf(20)), abs=1e-12
            )
            assert float(gradient.diff(variable).subs(where).doit().evalf(20)) == pytest.approx(
                float(hessian.subs(where).evalf(20)), abs=1e-12
            )


@pytest.mark.parametrize("loss", [each for each in LOSSES if each.name != "bce"], ids=lambda loss: loss.name)
def test_bounds_hold_and_are_the_least(loss: Loss) -> None:
    x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    for name, derivative in (("slope", loss._gradient), ("curvature", loss._hessian)):
        bound = getattr(loss, name)
        seen = max(derivative(x, torch.full_like(x, label)).abs().max().item() for label in (0.0, 0.4, 1.0))
        assert seen <= bound * (1 + 1e-12)
        if math.isfinite(bound):
            assert seen == pytest.approx(bound, rel=1e-5)


def test_a_mean_divides_the_curvature_and_a_sum_does_not() -> None:
    assert (losses.mse.curvature_bound(10), losses.l2.curvature_bound(10)) == (0.2, 2.0)


def test_unbounded_slopes_are_said() -> None:
    assert math.isinf(losses.bce.slope)
    assert math.isinf(losses.l1.curvature)  # the kink


def test_large_logits_keep_their_digits() -> None:
    """log1p(e^−40) is e^−40 to the last digit; z − log σ(z) as PyTorch computes it gives 0."""
    z, y = torch.tensor([-40.0, 40.0], dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert losses.bce_with_logits.terms(z, y).tolist() == pytest.approx([math.exp(-40)] * 2, rel=1e-12)
    assert losses.bce_with_logits.gradient(z, y).tolist() == pytest.approx(
        [math.exp(-40) / 2, -math.exp(-40) / 2], rel=1e-12
    )
    wrong = torch.tensor([1000.0]), torch.tensor([0.0])
    assert losses.bce_with_logits.value(*wrong).item() == 1000.0


def test_certain_and_right_costs_nothing() -> None:
    p = torch.tensor([1.0, 0.0])
    assert losses.bce.value(p, p).item() == 0.0
    assert losses.bce.value(p, 1 - p).item() == math.inf
    assert losses.bce._gradient(p, p).tolist() == [-1, 1]  # −log p falls by 1/p on its way to p = 1
    assert losses.bce._hessian(p, p).tolist() == [1, 1]
    assert losses.bce._gradient(p, 1 - p).tolist() == [math.inf, -math.inf]


def test_the_worked_examples() -> None:
    p, y = torch.tensor([0.2, 0.5, 0.1], dtype=torch.float64), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert losses.bce.value(p, y).item() == pytest.approx(-(math.log(0.2) + math.log(0.5) + math.log(0.9)) / 3)
    assert losses.bce.worked(p, y) == "(1.60944 + 0.693147 + 0.105361)/3 = 0.802649"
    distances = torch.tensor([1.0] * 100 + [10.0])
    zeros = torch.zeros(101)
    assert (losses.l1.value(distances, zeros).item(), losses.l2.value(distances, zeros).item()) == (110.0, 200.0)


@pytest.mark.parametrize(
    ("time", "loss"), [(losses.flow_time_bce, losses.bce_with_logits), (losses.flow_time_mse, losses.mse_with_logits)]
)
def test_flow_times_are_integrals_of_one_over_the_gradient(time: Callable[[float, float], float], loss: Loss) -> None:
    z = torch.linspace(-6, 1, 200_001, dtype=torch.float64)
    slowness = -1 / loss._gradient(z, torch.ones_like(z))
    assert time(-6, 1) == pytest.approx(torch.trapezoid(slowness, z).item(), rel=1e-8)
    assert time(-6, -2) + time(-2, 1) == pytest.approx(time(-6, 1))
