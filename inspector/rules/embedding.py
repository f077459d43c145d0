"""Tables of embeddings, and sums of bags of their rows. A lookup counts nothing; a bag adds each element it reads.

Source: PyTorch documentation of ``Embedding`` and ``EmbeddingBag``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.layers import EMBEDDING_PARAMS as PARAMS
from inspector.rules.common import Rule, ValuesNeeded, empty

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.layers import EMBEDDING_PARAMS as PARAMS
from inspector.rules.common import Outcome

BAG_WORK = Formula(
    "n*D", counts="elementwise", source="torch.nn.EmbeddingBag: one operation for each element of the rows it reads"
)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Outcome:
    """F.embedding: indices of any shape (*) into a table (V, D) give (*, D)."""
    if input.dtype is not torch.int64 and input.dtype is not torch.int32:
        told = f"indices into a table are int64 or int32, the input {list(input.shape)} is {input.dtype}"
        raise ShapeError(f"{told}; a dtype is given beside the sizes: --input 2,7:int64, or input_dtypes=")
    if weight.dim() != 2:
        raise ShapeError(f"a table of embeddings is (V, D), got {list(weight.shape)}")
    return empty((*input.shape, *weight.shape[1:]), weight.dtype), None


def _embedding_builtin(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Outcome:
    """torch.embedding: F.embedding with its table first."""
    return embedding(indices, weight)


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Any:
    """How many bags there are: rows of a matrix of indices, or one for each offset."""
    if input.dim() == 2:
        return input.shape[0]
    if input.dim() != 1 or offsets is None or offsets.dim() != 1:
        raise ShapeError(
            "embedding_bag takes indices (bags, length) alone or (n,) with offsets (bags,), "
            f"got {list(input.shape)} and {None if offsets is None else list(offsets.shape)}"
        )
    return offsets.shape[0] - 1 if include_last_offset else offsets.shape[0]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Outcome:
    """F.embedding_bag: indices (bags, length), or (n,) with offsets (bags,), into a table (V, D) give (bags, D)."""
    if weight.dtype is torch.int64 and input.dtype.is_floating_point:  # the old order of arguments, still taken
        return embedding_bag(weight, input, offsets, per_sample_weights=per_sample_weights)
    D = weight.shape[1]
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ShapeError(f"one weight for each index: {list(per_sample_weights.shape)} and {list(input.shape)}")
    bags = _bags(input, offsets, include_last_offset)
    return empty((bags, D), weight.dtype), BAG_WORK(n=input.numel(), D=D)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Outcome:
    """F.one_hot: indices (*) give (*, num_classes); without num_classes the largest index's value decides."""
    if tensor.dtype is not torch.int64:
        raise ShapeError(f"one_hot takes int64, got {tensor.dtype}")
    if num_classes == -1:
        raise ValuesNeeded
    return (*tensor.shape, num_classes), None


def embedding_params(input: Tensor, weight: Tensor, *settings: Any, **named: Any) -> BoundFormula:
    """One row of D features for each of V indices."""
    if weight.dim() != 2 or not weight.dtype.is_floating_point:
        weight = input
    V, D = weight.shape
    return PARAMS(V=V, D=D)


def _builtin_params(weight: Tensor, indices: Tensor, *settings: Any, **named: Any) -> BoundFormula:
    V, D = weight.shape
    return PARAMS(V=V, D=D)


RULES: dict[Any, Rule] = {
    F.embedding: embedding,
    torch.embedding: _embedding_builtin,
    F.embedding_bag: embedding_bag,
    F.one_hot: one_hot,
}
PARAMETERS: dict[Rule, Any] = {
    embedding: embedding_params,
    embedding_bag: embedding_params,
    _embedding_builtin: _builtin_params,
}
