"""Distances of every pair of vectors, and losses made of distances. One operation for each element of the input.

No matrix product is counted: PyTorch's counter sees none in ``cdist`` either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.rules.common import EACH_INPUT, Rule, broadcast, empty, spread
from inspector.rules.common import result as combined
from inspector.rules.loss import by_number, kept, promoted, reduced

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.rules.common import Outcome


def pdist(input: Tensor, p: float = 2.0) -> Outcome:
    """F.pdist: every pair of N vectors (N, D) gives N·(N − 1)/2 distances."""
    if input.dim() != 2:
        raise ShapeError(f"pdist takes vectors [N, D], got {list(input.shape)}")
    N = input.shape[0]
    return (N * (N - 1) // 2,), EACH_INPUT(n=input.numel())


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = "use_mm_for_euclid_dist_if_necessary") -> Outcome:
    """torch.cdist: (*, M, D) against (*, P, D) gives (*, M, P)."""
    one, two = x1.shape, x2.shape
    if len(one) < 2 or len(two) < 2 or one[-1] != two[-1]:
        raise ShapeError(f"cdist takes (*, M, D) and (*, P, D), got {list(one)} and {list(two)}")
    shape = (*broadcast(one[:-2], two[:-2]), one[-2], two[-2]) if len(one) > 2 or len(two) > 2 else (one[0], two[0])
    return shape, EACH_INPUT(n=x1.numel() + x2.numel())


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.cosine_embedding_loss: vectors (N, D) or (D,) with targets (N,) or (), one loss for each target."""
    shape = broadcast(input1.shape, input2.shape)
    if target.dim() != len(shape) - 1:
        raise ShapeError(f"one target for each pair of vectors of {list(shape)}, got {list(target.shape)}")
    losses = broadcast(shape[:-1], target.shape)
    return reduced(input1, losses, promoted(input1, input2), kept(reduction, size_average, reduce))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.margin_ranking_loss: two inputs and their targets broadcast, one loss for each pair."""
    losses = broadcast(input1.shape, input2.shape, target.shape)
    dtype = promoted(input1, input2, target)
    if kept(reduction, size_average, reduce):
        return combined(losses, dtype, input1, input2, target), EACH_INPUT(n=input1.numel())
    return empty((), dtype), EACH_INPUT(n=input1.numel())


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.triplet_margin_loss: three times vectors (*, D), which broadcast, one loss for each triplet."""
    losses = broadcast(anchor.shape, positive.shape, negative.shape)[:-1]
    return reduced(anchor, losses, promoted(anchor, positive, negative), kept(reduction, size_average, reduce))


RULES: dict[Any, Rule] = {
    **spread("pdist", pdist),
    torch.cdist: cdist,
    F.cosine_embedding_loss: cosine_embedding_loss,
    F.margin_ranking_loss: margin_ranking_loss,
    F.triplet_margin_loss: triplet_margin_loss,
    torch.cosine_embedding_loss: by_number(cosine_embedding_loss, 4),
    torch.margin_ranking_loss: by_number(margin_ranking_loss, 4),
    torch.triplet_margin_loss: by_number(triplet_margin_loss, 7),
}
