"""Normalizations. One operation is counted for each element of the input; they multiply no matrices.

Sources: Ioffe & Szegedy 2015, arXiv 1502.03167 (batch); Ulyanov et al. 2016, arXiv 1607.08022 (instance); Ba et al.
2016, arXiv 1607.06450 (layer); Wu & He 2018, arXiv 1803.08494 (group); Zhang & Sennrich 2019, arXiv 1910.07467 (RMS);
Salimans & Kingma 2016, arXiv 1602.07868 (weight); Krizhevsky et al. 2012 (local response).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.layers import CHANNEL_PARAMS, FEATURE_PARAMS
from inspector.rules.common import EACH_INPUT as WORK
from inspector.rules.common import Rule, empty, floating, like, product
from inspector.rules.layout import shaped
from inspector.rules.reduction import weight_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome, ToBind

WEIGHT_NORM_PARAMS = Formula(
    "C_out*(n + 1)",
    counts="params",
    source="torch.nn.utils.parametrizations.weight_norm: a direction v and a length g for each output channel",
    symbols={"n": "weights of one output channel"},
)


def _per_channel(name: str, shape: Sequence[Any], *statistics: Tensor | None) -> None:
    if len(shape) < 2:
        if product(shape) == 0:
            return
        raise ShapeError(f"{name} takes [N, C, *], got {list(shape)}")
    channels = shape[1]
    for given in statistics:
        if given is not None and given.numel() != channels:
            raise ShapeError(f"{name} is over {given.numel()} channels, the input {list(shape)} has {channels}")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Outcome:
    """F.batch_norm: (N, C, *) keeps its shape; each channel is normalized over the batch."""
    shape = input.shape
    _per_channel("batch_norm", shape, weight, running_mean)
    if training and 0 != input.numel() == shape[1]:
        raise ShapeError(f"batch_norm in training needs more than one value for each channel, got {list(shape)}")
    return shaped(input, shape), WORK


def _batch_norm_builtin(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    *settings: Any,
    **named: Any,
) -> Outcome:
    """torch.batch_norm: F.batch_norm with its parameters before its statistics."""
    _per_channel("batch_norm", input.shape, weight, bias, running_mean, running_var)
    return shaped(input, input.shape), WORK


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Outcome:
    """torch.native_batch_norm: the result, mean and reciprocal deviation."""
    _per_channel("batch_norm", input.shape, weight, bias, running_mean, running_var)
    saved = (input.shape[1],) if training else (0,)
    dtype = weight.dtype if weight is not None else input.dtype
    return (shaped(input, input.shape), empty(saved, dtype), empty(saved, dtype)), WORK


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Outcome:
    """F.instance_norm: (N, C, *) keeps its shape; each channel of each example is normalized by itself."""
    _per_channel("instance_norm", input.shape, weight, bias, running_mean, running_var)
    if use_input_stats and product(input.shape[2:]) == 1:
        raise ShapeError(
            f"instance_norm in training needs more than one value for each channel, got {list(input.shape)}"
        )
    return input.shape, WORK


def _instance_norm_builtin(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *settings: Any,
    **named: Any,
) -> Outcome:
    """torch.instance_norm: F.instance_norm with its parameters before its statistics."""
    _per_channel("instance_norm", input.shape, weight, bias, running_mean, running_var)
    return input.shape, WORK


def _trailing(name: str, input: Tensor, normalized_shape: Sequence[Any], *parameters: Tensor | None) -> None:
    rank = len(normalized_shape)
    shape = input.shape
    if rank == 0 or len(shape) < rank or tuple(shape[-rank:]) != tuple(normalized_shape):
        raise ShapeError(f"{name} is over {list(normalized_shape)}, the input {list(shape)} does not end so")
    for given in parameters:
        if given is not None and tuple(given.shape) != tuple(normalized_shape):
            raise ShapeError(f"{name} is over {list(normalized_shape)}, its parameters have {list(given.shape)}")


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[Any],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Outcome:
    """F.layer_norm: (*, normalized_shape) keeps its shape; the trailing axes are normalized together."""
    _trailing("layer_norm", input, normalized_shape, weight, bias)
    return input.shape, WORK


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[Any], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Outcome:
    """torch.native_layer_norm: the result, mean and reciprocal deviation."""
    _trailing("layer_norm", input, normalized_shape, weight, bias)
    rank = len(normalized_shape)
    saved = (*input.shape[:-rank], *(1,) * rank)
    dtype = weight.dtype if weight is not None else input.dtype
    return (empty(input.shape, input.dtype), empty(saved, dtype), empty(saved, dtype)), WORK


def rms_norm(
    input: Tensor, normalized_shape: Sequence[Any], weight: Tensor | None = None, eps: float | None = None
) -> Outcome:
    """F.rms_norm: (*, normalized_shape) keeps its shape; the trailing axes are scaled by their root mean square."""
    _trailing("rms_norm", input, normalized_shape, weight)
    return shaped(input, input.shape), WORK


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Outcome:
    """F.group_norm: (N, C, *) keeps its shape; the channels of one group are normalized together."""
    _per_channel("group_norm", input.shape, weight, bias)
    for given in (weight, bias):
        if given is not None and given.dim() != 1:
            raise ShapeError(f"group_norm takes a vector with one number for each channel, got {list(given.shape)}")
    if input.shape[1] % num_groups != 0:
        raise ShapeError(
            f"group_norm cannot divide the {input.shape[1]} channels of {list(input.shape)} into {num_groups} groups"
        )
    return shaped(input, input.shape), WORK


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: Any,
    C: Any,
    HxW: Any,
    group: int,
    eps: float,
) -> Outcome:
    """torch.native_group_norm: the result, mean and reciprocal deviation of each group."""
    output, formula = group_norm(input, group, weight, bias)
    return (output, empty((N, group), input.dtype), empty((N, group), input.dtype)), formula


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Outcome:
    """F.local_response_norm: (N, C, *) keeps its shape; each element is divided by a sum over nearby channels."""
    if input.dim() < 3:
        raise ShapeError(f"local_response_norm takes [N, C, *] with at least 3 axes, got {list(input.shape)}")
    if input.numel() == 0:
        return input, WORK(n=0)
    return like(input, floating(input.dtype)), WORK


def batch_norm_params(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *settings: Any,
    **named: Any,
) -> ToBind:
    """A scale and a shift for each channel; running statistics are buffers."""
    return partial(CHANNEL_PARAMS, C=input.shape[1], b=int(bias is not None))


def group_norm_params(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *settings: Any,
    **named: Any,
) -> ToBind:
    """A scale and a shift for each channel."""
    return partial(CHANNEL_PARAMS, C=input.shape[1], b=int(bias is not None))


def layer_norm_params(
    input: Tensor,
    normalized_shape: Sequence[Any],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *settings: Any,
    **named: Any,
) -> ToBind:
    """A scale and a shift for each element that is normalized."""
    return partial(_feature_params, tuple(normalized_shape), int(bias is not None))


def _feature_params(normalized_shape: Sequence[Any], b: int) -> BoundFormula:
    return FEATURE_PARAMS(n=product(normalized_shape), b=b)


def rms_norm_params(
    input: Tensor, normalized_shape: Sequence[Any], weight: Tensor | None = None, eps: float | None = None
) -> BoundFormula:
    """A scale for each element that is normalized."""
    return FEATURE_PARAMS(n=product(normalized_shape), b=0)


def weight_norm_params(v: Tensor, g: Tensor, dim: int = 0) -> BoundFormula:
    """A direction of the weight's size, and one length for each slice of it."""
    return WEIGHT_NORM_PARAMS(C_out=g.numel(), n=v.numel() // g.numel())


RULES: dict[Any, Rule] = {
    F.batch_norm: batch_norm,
    torch.batch_norm: _batch_norm_builtin,
    torch.native_batch_norm: native_batch_norm,
    F.instance_norm: instance_norm,
    torch.instance_norm: _instance_norm_builtin,
    F.layer_norm: layer_norm,
    torch.layer_norm: layer_norm,
    torch.native_layer_norm: native_layer_norm,
    F.rms_norm: rms_norm,
    torch.rms_norm: rms_norm,
    F.group_norm: group_norm,
    torch.group_norm: group_norm,
    torch.native_group_norm: native_group_norm,
    F.local_response_norm: local_response_norm,
}
PARAMETERS: dict[Rule, Any] = {
    batch_norm: batch_norm_params,
    instance_norm: batch_norm_params,
    group_norm: group_norm_params,
    layer_norm: layer_norm_params,
    rms_norm: rms_norm_params,
    weight_norm: weight_norm_params,
}
