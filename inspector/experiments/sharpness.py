"""How sharp a minimum is: Keskar's measure, loss along filter-normalised directions, rescaling that fools both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.utils import vector_to_parameters

from inspector.errors import InspectionError
from inspector.experiments.hessian import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

#: L-BFGS-B iterations of the search for the worst neighbour, as in Keskar et al. 2016.
_ITERATIONS = 10


def keskar(model: nn.Module, loss: Callable[[nn.Module], Tensor], epsilon: float = 1e-3) -> float:
    """φ = 100·(max f(x + y) − f(x))/(1 + f(x)) over the box |y_i| ≤ ε(|x_i| + 1): Keskar et al. 2016, arXiv 1609.04836.

    The maximum is that of 10 L-BFGS-B iterations from the box's corner up the gradient, a lower bound of the true one.

    Args:
        model: its parameters are x; they are as they were afterwards.
        loss: f, of the model; not negative.
        epsilon: ε, 1e-3 and 5e-4 in the paper.

    Raises:
        InspectionError: SciPy, of the extra ``experiments``, is missing.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise InspectionError("Keskar's sharpness needs SciPy: pip install 'inspector[experiments]'") from None
    parameters = [*model.parameters()]
    kept = flat(parameters).detach().clone()

    def negative(y: np.ndarray) -> tuple[float, np.ndarray]:
        vector_to_parameters(kept + torch.from_numpy(y).to(kept), parameters)
        value = loss(model)
        gradient = flat(torch.autograd.grad(value, parameters))
        return -value.item(), -gradient.double().cpu().numpy()

    radius = (epsilon * (kept.abs() + 1)).double().cpu().numpy()
    try:
        here, descent = negative(np.zeros_like(radius))
        corner = -np.sign(descent) * radius  # along the gradient, which at a minimum is too short to lead far
        found = minimize(
            negative,
            corner,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([-radius, radius], 1),
            options={"maxiter": _ITERATIONS},
        )
    finally:
        vector_to_parameters(kept, parameters)
    return float(100 * (here - min(found.fun, here)) / (1 - here))


@torch.no_grad()
def rescale(first: nn.Module, second: nn.Module, factor: float) -> None:
    """Multiply one layer by a factor and divide the next by it: through ReLU the function stays as it is.

    Dinh et al. 2017, arXiv 1703.04933: ReLU(a·x) = a·ReLU(x) for a > 0, and pooling keeps factors too. The Hessian's
    block of the first layer is divided by a², that of the second's weight multiplied by it.

    Args:
        first: a convolution or linear layer; weight and bias are multiplied.
        second: that which takes its output; the weight is divided.
        factor: a, above 0.

    >>> one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> before = two(one(torch.ones(1)).relu())
    >>> rescale(one, two, 4.0)
    >>> bool(torch.isclose(before, two(one(torch.ones(1)).relu())))
    True
    """
    assert isinstance(first.bias, nn.Parameter)
    assert isinstance(first.weight, nn.Parameter)
    assert isinstance(second.weight, nn.Parameter)
    first.weight.mul_(factor)
    first.bias.mul_(factor)
    second.weight.div_(factor)


def filter_direction(model: nn.Module, generator: torch.Generator) -> list[Tensor]:
    """A random direction whose every filter is as long as the model's: Li et al. 2018, arXiv 1712.09913.

    Returns:
        For each parameter a tensor of its shape, from the CPU's generator; of zeros for those of one axis (biases,
        norms), as in the paper.
    """
    found = []
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
        if parameter.ndim < 2:
            found.append(torch.zeros_like(drawn))
            continue
        lengths, ours = (each.detach().flatten(1).norm(dim=1) for each in (drawn, parameter))
        found.append(drawn * (ours / lengths).view(-1, *[1] * (parameter.ndim - 1)))
    return found


@torch.no_grad()
def losses_along(
    model: nn.Module,
    loss: Callable[[nn.Module], Tensor],
    directions: Sequence[Sequence[Tensor]],
    steps: Sequence[Sequence[float]],
) -> list[float]:
    """The loss at x + Σ t_k·d_k for each step (t_1, …, t_K); the model's parameters are as they were afterwards."""
    parameters = [*model.parameters()]
    kept = flat(parameters).clone()
    rows = torch.stack([flat(direction) for direction in directions])
    try:
        found = []
        for step in steps:
            vector_to_parameters(kept + torch.tensor(step).to(rows) @ rows, parameters)
            found.append(float(loss(model)))
        return found
    finally:
        vector_to_parameters(kept, parameters)
