"""Losses: one for each element, for each example or for each sequence, reduced to a scalar unless ``reduction="none"``.

One operation is counted for each element of the input; ``linear_cross_entropy`` multiplies a matrix too.
Source: PyTorch documentation of each loss.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.layers import LINEAR_MACS, LINEAR_PARAMS
from inspector.rules.common import EACH_INPUT, Rule, broadcast, empty, floating, product, real, refuse_index
from inspector.rules.common import result as combined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome


def kept(reduction: str | int, size_average: bool | None = None, reduce: bool | None = None) -> bool:
    """Whether every loss is returned: ``reduction="none"``, which the older ``reduce=False`` also says."""
    if size_average is not None or reduce is not None:
        return reduce is False
    return reduction in ("none", 0)


def reduced(input: Tensor, losses: Sequence[Any], dtype: torch.dtype, keep: bool) -> Outcome:
    """The losses, or the scalar that they are reduced to."""
    return empty(losses if keep else (), dtype), EACH_INPUT(n=input.numel())


def promoted(*tensors: Tensor) -> torch.dtype:
    """The dtype of a loss of these tensors: their common one, floating and real."""
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        if tensor.dtype is not dtype:
            dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype if dtype.is_floating_point else real(floating(dtype))


def _elementwise(input: Tensor, target: Tensor, keep: bool) -> Outcome:
    shape: Any = input.shape
    if shape != target.shape:
        shape = broadcast(shape, target.shape)
    dtype = promoted(input, target)
    if keep:
        return combined(shape, dtype, input, target), EACH_INPUT(n=input.numel())
    return empty((), dtype), EACH_INPUT(n=input.numel())


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(f"{name} takes a target of the input's shape {list(input.shape)}, got {list(target.shape)}")


def elementwise_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str | int = "mean",
    *settings: Any,
    **named: Any,
) -> Outcome:
    """F.mse_loss, l1_loss, smooth_l1_loss, soft_margin_loss, kl_div: input and target broadcast, one loss each."""
    return _elementwise(input, target, kept(reduction, size_average, reduce))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Outcome:
    """F.huber_loss: input and target broadcast, one loss for each element."""
    return _elementwise(input, target, kept(reduction))


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.hinge_embedding_loss: input and target broadcast, one loss for each element."""
    return _elementwise(input, target, kept(reduction, size_average, reduce))


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.poisson_nll_loss: input and target broadcast, one loss for each element."""
    return _elementwise(input, target, kept(reduction, size_average, reduce))


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Outcome:
    """F.gaussian_nll_loss: input, target and variance broadcast, one loss for each element."""
    keep = kept(reduction)
    dtype = promoted(input, target)
    if not isinstance(var, torch.Tensor):
        return reduced(input, broadcast(input.shape, target.shape), dtype, keep)
    sizes: Sequence[Any] = var.shape
    if sizes != input.shape and tuple(input.shape[:-1]) == tuple(sizes):
        sizes = (*sizes, 1)
    elif sizes != input.shape and len(sizes) != input.dim():
        raise ShapeError(f"the variance {list(sizes)} does not fit the input {list(input.shape)}")
    return reduced(input, broadcast(input.shape, target.shape, sizes), promoted(input, target, var), keep)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.binary_cross_entropy: input and target of one shape, one loss for each element."""
    _same_shape("binary_cross_entropy", input, target)
    keep = kept(reduction, size_average, reduce)
    return (combined(input.shape, input.dtype, input) if keep else empty((), input.dtype)), EACH_INPUT(n=input.numel())


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Outcome:
    """F.binary_cross_entropy_with_logits: input and target of one shape, weights broadcast to it."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    operands = [tensor for tensor in (input, target, weight, pos_weight) if tensor is not None]
    dtype = promoted(*operands)
    if kept(reduction, size_average, reduce):
        return combined(broadcast(*(x.shape for x in operands)), dtype, *operands), EACH_INPUT(n=input.numel())
    return empty((), dtype), EACH_INPUT(n=input.numel())


def _classified(shape: Sequence[Any], target: Tensor, weight: Tensor | None) -> tuple[Any, ...]:
    """Shape of one loss for each example: scores (C,), (N, C) or (N, C, *) lose their classes."""
    axis = 0 if len(shape) == 1 else 1
    losses = (*shape[:axis], *shape[axis + 1 :])
    if weight is not None and weight.numel() != shape[axis]:
        raise ShapeError(f"{weight.numel()} class weights for the {shape[axis]} classes of {list(shape)}")
    if target.dtype.is_floating_point and tuple(target.shape) == tuple(shape):
        return losses
    if tuple(target.shape) != losses:
        raise ShapeError(f"scores {list(shape)} have one class for each of {list(losses)}, got {list(target.shape)}")
    if target.dtype not in (torch.int64, torch.uint8):
        raise ShapeError(f"classes are int64 (or uint8), got {target.dtype}; target.long() makes them so")
    return losses


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Outcome:
    """F.cross_entropy, nll_loss: scores (N, C, *) with classes (N, *), or probabilities of the scores' shape."""
    losses = _classified(input.shape, target, weight)
    dtype = promoted(input, target) if target.dtype.is_floating_point else input.dtype
    return reduced(input, losses, dtype, kept(reduction, size_average, reduce))


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    **settings: Any,
) -> Outcome:
    """F.linear_cross_entropy: (*, F_in) by a weight (C, *out, F_in) gives scores (*, C, *out), and their loss."""
    C, *rest, F_in = linear_weight.shape
    if input.shape[-1] != F_in:
        raise ShapeError(f"the weight {list(linear_weight.shape)} takes {F_in} features, got {list(input.shape)}")
    losses = _classified((*input.shape[:-1], C, *rest), target, weight)
    macs = LINEAR_MACS(N=product(input.shape[:-1]), F_in=F_in, F_out=C * product(rest))
    return empty(losses if kept(reduction) else (), input.dtype), macs


def linear_cross_entropy_params(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None, **settings: Any
) -> BoundFormula:
    """One weight for each feature of each score, and a bias for each score."""
    *scores, F_in = linear_weight.shape
    return LINEAR_PARAMS(F_out=product(scores), F_in=F_in, b=int(linear_bias is not None))


def _each_example(name: str, input: Tensor, target: Tensor, keep: bool, labels: bool) -> Outcome:
    refuse_index(name, target)
    if labels:
        _same_shape(name, input, target)
    elif target.numel() != (1 if input.dim() < 2 else input.shape[0]):
        raise ShapeError(f"{name} takes one class for each row of {list(input.shape)}, got {list(target.shape)}")
    return reduced(input, input.shape[:-1], input.dtype, keep)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.multi_margin_loss: scores (N, C) with classes (N,), one loss for each example."""
    return _each_example("multi_margin_loss", input, target, kept(reduction, size_average, reduce), labels=False)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.multilabel_margin_loss: scores (N, C) with as many labels, one loss for each example."""
    return _each_example("multilabel_margin_loss", input, target, kept(reduction, size_average, reduce), labels=True)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Outcome:
    """F.multilabel_soft_margin_loss: scores (*, C) with labels that broadcast, one loss for each example."""
    shape = broadcast(input.shape, target.shape)
    return reduced(input, shape[:-1], promoted(input, target), kept(reduction, size_average, reduce))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Outcome:
    """F.ctc_loss: log probabilities (T, N, C) with N target sequences, one loss for each sequence."""
    if log_probs.dim() not in (2, 3):
        raise ShapeError(f"ctc_loss takes log probabilities [T, N, C] or [T, C], got {list(log_probs.shape)}")
    return reduced(log_probs, log_probs.shape[1:-1], log_probs.dtype, kept(reduction))


def by_number(rule: Rule, place: int) -> Rule:
    """The rule of torch.kl_div and its kin, whose argument ``place`` is the reduction: 0 none, 1 mean, 2 sum."""

    @wraps(rule)
    def numbered(*args: Any, reduction: int = 1, **kwargs: Any) -> Outcome:
        number = args[place] if len(args) > place else reduction
        return rule(*args[:place], reduction=number, **kwargs)

    return numbered


def _logits_by_number(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: Any = 1,
) -> Outcome:
    """torch.binary_cross_entropy_with_logits: as in torch.nn.functional, the reduction as a number."""
    return binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)


def _poisson_by_number(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Outcome:
    """torch.poisson_nll_loss: as in torch.nn.functional, the reduction as a number."""
    return _elementwise(input, target, kept(reduction))


RULES: dict[Any, Rule] = {
    **dict.fromkeys((F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.soft_margin_loss, F.kl_div), elementwise_loss),
    F.huber_loss: huber_loss,
    F.hinge_embedding_loss: hinge_embedding_loss,
    F.poisson_nll_loss: poisson_nll_loss,
    F.gaussian_nll_loss: gaussian_nll_loss,
    F.binary_cross_entropy: binary_cross_entropy,
    F.binary_cross_entropy_with_logits: binary_cross_entropy_with_logits,
    F.cross_entropy: cross_entropy,
    F.nll_loss: cross_entropy,
    F.multi_margin_loss: multi_margin_loss,
    F.multilabel_margin_loss: multilabel_margin_loss,
    F.multilabel_soft_margin_loss: multilabel_soft_margin_loss,
    **dict.fromkeys((F.ctc_loss, torch.ctc_loss), ctc_loss),
    torch.kl_div: by_number(elementwise_loss, 2),
    torch.poisson_nll_loss: _poisson_by_number,
    torch.hinge_embedding_loss: by_number(hinge_embedding_loss, 3),
    torch.binary_cross_entropy_with_logits: _logits_by_number,
}
PARAMETERS: dict[Rule, Any] = {}
if hasattr(F, "linear_cross_entropy"):  # since torch 2.12
    RULES[F.linear_cross_entropy] = linear_cross_entropy
    PARAMETERS[linear_cross_entropy] = linear_cross_entropy_params
