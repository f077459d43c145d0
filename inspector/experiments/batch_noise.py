"""Gradient noise of any model, from the gradients of independent batches.

With E|G_B|² = |G|² + tr Σ/B, m gradients of B samples each give without bias tr Σ = B·Σ|g_i − ḡ|²/(m − 1) and
|G|² = |ḡ|² − tr Σ/(mB), however batch normalization couples the samples of one batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inspector.errors import InspectionError
from inspector.experiments.records import CONFIDENCE
from inspector.experiments.student import quantile
from inspector.experiments.training import batch_explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor, nn

#: Elements of all gradients together that are kept; of larger ones a random part of the coordinates.
_KEPT = 2**27


@dataclass(frozen=True, slots=True)
class Noise:
    """tr Σ, |G|² and the simple noise scale tr Σ/|G|² in samples, with its 95 % interval.

    Attributes:
        trace, square: sums over the coordinates that were looked at.
        scale: their ratio; infinite where |G|² cannot be told from zero.
        low, high: by the jackknife over batches, on the logarithm.
        batches, batch: how many gradients, of how many samples each.
    """

    trace: float
    square: float
    scale: float
    low: float
    high: float
    batches: int
    batch: int


def noise(gradients: Tensor, batch: int) -> Noise:
    """From gradients (m, p) of m independent batches of ``batch`` samples.

    Raises:
        InspectionError: fewer than 3 gradients, or one that is not finite.

    >>> found = noise(torch.tensor([[3.0, 0.0], [1.0, 0.0], [2.0, 1.0], [2.0, -1.0]]), batch=2)
    >>> round(found.trace, 4), round(found.square, 4), round(found.scale, 4)
    (2.6667, 3.6667, 0.7273)
    """
    m = len(gradients)
    if m < 3:
        raise InspectionError(f"the noise of a gradient needs 3 batches or more, got {m}")
    if not bool(torch.isfinite(gradients).all()):
        raise InspectionError("a gradient is not finite: look at the loss and the data, or lower the learning rate")
    values = gradients.double()
    total = values.sum(0)
    lengths = values.square().sum(1)
    trace, square = _parts(float(lengths.sum()), float(total.square().sum()), m, batch)
    scale = trace / square if square > 0 else math.inf
    # Without gradient i, sums over the others follow from the dot products with the sum.
    without = lengths.sum() - lengths
    totals = total.square().sum() - 2 * (values @ total) + lengths
    parts = [_parts(a, b, m - 1, batch) for a, b in zip(without.tolist(), totals.tolist(), strict=True)]
    if not (trace > 0 and square > 0 and all(t > 0 and s > 0 for t, s in parts)):
        return Noise(trace, square, scale, 0.0, math.inf, m, batch)
    logs = [math.log(t / s) for t, s in parts]
    mean = sum(logs) / m
    error = math.sqrt((m - 1) / m * sum((each - mean) ** 2 for each in logs))
    reach = math.exp(quantile(CONFIDENCE, m - 1) * error)
    return Noise(trace, square, scale, scale / reach, scale * reach, m, batch)


def _parts(lengths: float, total: float, m: int, batch: int) -> tuple[float, float]:
    """(tr Σ, |G|²) from Σ|g_i|² and |Σg_i|²."""
    trace = batch * (lengths - total / m) / (m - 1)
    return trace, total / m**2 - trace / (m * batch)


def gradients(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], count: int
) -> Tensor:
    """Gradients (m, p) of the trainable parameters, one row for each batch; parameters' ``grad`` is not touched.

    Args:
        model: in the mode that it is in.
        loss: mean over a batch, from output and labels.
        batches: (samples, labels).
        count: how many batches come, from which follows how many coordinates can be kept.

    Raises:
        InspectionError: nothing can be trained, or a batch is too small for batch normalization.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    elements = sum(parameter.numel() for parameter in parameters)
    if not elements:
        raise InspectionError("the model has no parameter that requires a gradient: there is nothing to train")
    chosen = None
    if elements * count > _KEPT:
        drawn = torch.randint(elements, (max(1, _KEPT // count),), generator=torch.Generator().manual_seed(0))
        chosen = drawn.to(parameters[0].device)
    rows = []
    for x, y in batches:
        with batch_explained():
            value = loss(model(x), y)
        found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        row = torch.cat([each.flatten() for each in found])
        rows.append(row if chosen is None else row[chosen])
    return torch.stack(rows)
