"""How many samples each batch-normalization layer of a model needs, from what its input is like on the user's data.

The mean of a batch has the variance σ²/(b·w): w = σ²/Var(per-sample mean) is how many independent values one sample of
the layer's input is worth. Pixels of one image are not independent, so that w lies far below H·W. A layer is taken to
bear b samples if the sd of the mean is at most a share t of σ: b ≥ 1/(t²·w).
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from inspector.experiments.recommendation import LayerNeed
from inspector.experiments.training import batch_explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

#: Share of σ that the batch mean may scatter by. A sixteenth of the signal's power is then noise of the batch; Wu & He
#: 2018 find ResNet-50 hardly worse at 8 images and clearly worse at 4, where its last layers are worth about 2 values
#: an image.
TOLERANCE = 0.25
_RESAMPLES, _ROUNDING = 200, 1e-9


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Layers that would normalise with the statistics of the batch in a training forward, by path."""
    return {
        path: module for path, module in model.named_modules() if isinstance(module, _BatchNorm) and module.training
    }


def layer_needs(model: nn.Module, x: Tensor, tolerance: float = TOLERANCE, seed: int = 0) -> tuple[LayerNeed, ...]:
    """The need of every layer of ``batch_norms(model)`` that a forward of ``x`` reaches, in the order of the forward.

    Args:
        model: in training mode; its running statistics move on.
        x: (N, ...) samples; the more, the narrower the intervals.
        tolerance: share of σ by which the mean of a batch may scatter.
        seed: of the bootstrap over samples.

    Raises:
        InspectionError: a layer would see one value per channel.
    """
    seen: dict[str, tuple[int, Tensor, Tensor]] = {}
    with ExitStack() as stack, torch.no_grad():
        for path, module in batch_norms(model).items():
            handle = module.register_forward_pre_hook(_watch(path, seen))
            stack.callback(handle.remove)
        with batch_explained():
            model(x)
    return tuple(_need(path, *parts, tolerance, seed) for path, parts in seen.items())


def _watch(path: str, seen: dict[str, tuple[int, Tensor, Tensor]]) -> Callable[[nn.Module, Any], None]:
    def look(_module: nn.Module, given: Any) -> None:
        values = given[0].detach().flatten(2) if given[0].dim() > 2 else given[0].detach()[..., None]
        wide = values.double()
        seen.setdefault(path, (values.shape[-1], wide.mean(2), wide.square().mean(2)))

    return look


def _need(path: str, values: int, means: Tensor, squares: Tensor, tolerance: float, seed: int) -> LayerNeed:
    n = len(means)
    worth = _worth(means, squares)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randint(n, (n,), generator=generator).to(means.device) for _ in range(_RESAMPLES)]
    again = torch.tensor([_worth(means[chosen], squares[chosen]) for chosen in drawn], dtype=torch.float64)
    low, high = torch.quantile(again, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    known = math.isfinite(worth) and worth > 0
    # Less what sums may be off by, lest a worth of 1 − 2⁻⁵³ asks for one sample more than a worth of 1.
    smallest = max(2, math.ceil((1 - _ROUNDING) / (tolerance**2 * worth))) if known else None
    evidence = (
        f"median channel of {n} samples: a batch bears the layer where its mean scatters by at most {tolerance:g} σ, "
        f"b ≥ 1/({tolerance:g}²·worth)"
    )
    return LayerNeed(path, values, worth, low, high, smallest, evidence)


def _worth(means: Tensor, squares: Tensor) -> float:
    """σ²/Var(per-sample mean) of the median channel; channels without variance have none."""
    variance = squares.mean(0) - means.mean(0).square()
    between = means.var(0, correction=0)  # as biased as the whole variance: single values are worth exactly 1
    alive = (variance > 0) & (between > 0)
    return float((variance[alive] / between[alive]).median()) if bool(alive.any()) else math.nan
