"""Operators of PyTorch that have no function of the same name, or one with other arguments: ``torch.ops.aten.*``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.rules.attention import scaled_dot_product_attention
from inspector.rules.common import ELEMENTWISE, Rule, axis_of, empty, like
from inspector.rules.conversion import converted
from inspector.rules.distance import cdist, pdist
from inspector.rules.image import fold, interpolate, unfold
from inspector.rules.indexing import chosen
from inspector.rules.loss import by_number, cross_entropy, elementwise_loss, huber_loss
from inspector.rules.normalization import native_batch_norm
from inspector.rules.padding import pad
from inspector.rules.pooling import adaptive_avg_pool
from inspector.rules.scan import softmax
from inspector.rules.view import RULES as VIEWS
from inspector.rules.view import reshaped

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def to_copy(self: Tensor, *, dtype: torch.dtype | None = None, memory_format: Any = None, **named: Any) -> Outcome:
    """aten._to_copy: a copy, in another dtype."""
    return converted(self, dtype or self.dtype, True, memory_format), None


def index(self: Tensor, indices: Any) -> Outcome:
    """aten.index: as ``self[indices]``, where None keeps an axis."""
    return chosen(self, tuple([slice(None) if index is None else index for index in indices])), None


def slice_(self: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: Any = 1) -> Outcome:
    """aten.slice: a range along one axis."""
    axis = axis_of(dim, self.dim())
    return self[(slice(None),) * axis + (slice(start, end, step),)], None


def unsafe_view(self: Tensor, size: Any) -> Outcome:
    """aten._unsafe_view: another shape."""
    return reshaped(self, size), None


def same(self: Tensor) -> Outcome:
    """aten.alias, lift_fresh: the same memory."""
    return self.detach(), None


def softmax_of(self: Tensor, dim: int, half_to_float: bool) -> Outcome:
    """aten._softmax, _log_softmax: the last argument widens half precision."""
    return softmax(self, dim, torch.float32 if half_to_float else None)


def unsafe_index_put(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Outcome:
    """aten._unsafe_index_put: a copy with values put."""
    return like(self), None


def copy(self: Tensor) -> Outcome:
    """aten.lift_fresh_copy: a constant of a graph, copied."""
    return like(self), None


def written(self: Tensor, src: Tensor, non_blocking: bool = False) -> Outcome:
    """aten.copy: another tensor's values, in the form of ``self``."""
    return like(self), None


def broadcast_tensors(tensors: Any) -> Outcome:
    """aten.broadcast_tensors: takes one list."""
    outputs, formula = VIEWS[torch.broadcast_tensors](*tensors)
    return list(outputs), formula


def inference_batch_norm(
    input: Tensor, weight: Any, bias: Any, running_mean: Tensor, running_var: Tensor, momentum: float, eps: float
) -> Outcome:
    """aten._native_batch_norm_legit_no_training."""
    return native_batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)


def legit_batch_norm(input: Tensor, weight: Any, bias: Any, *settings: Any) -> Outcome:
    """aten._native_batch_norm_legit: with running statistics before ``training``, or without."""
    if isinstance(settings[0], bool):
        settings = (None, None, *settings)
    return native_batch_norm(input, weight, bias, *settings)


def upsample(self: Tensor, output_size: Any, *settings: Any, scale_factors: Any = None, **named: Any) -> Outcome:
    """aten.upsample_*: the size is given, or, in the overload ``vec``, a factor for each axis."""
    factors = scale_factors or next((given for given in settings if isinstance(given, (tuple, list))), None)
    return interpolate(self, output_size, factors if output_size is None else None)


def padding(mode: str) -> Rule:
    """The rule of aten.reflection_pad2d and its kin."""

    def rule(self: Tensor, padding: Any) -> Outcome:
        """As F.pad in this mode."""
        return pad(self, padding, mode)

    return rule


def cross_entropy_by_number(
    self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: Any = 1, *settings: Any, **named: Any
) -> Outcome:
    """aten.cross_entropy_loss, nll_loss_nd: as in torch.nn.functional, the reduction as a number."""
    return cross_entropy(self, target, weight, reduction=reduction)


def prelu(self: Tensor, weight: Tensor) -> Outcome:
    """aten._prelu_kernel: the weight has the input's rank."""
    return like(self), ELEMENTWISE


def attention_on_cpu(query: Tensor, key: Tensor, value: Tensor, *settings: Any, **named: Any) -> Outcome:
    """aten._scaled_dot_product_flash_attention_for_cpu: the result, and the log-sum-exp of each query's scores."""
    shape, formula = scaled_dot_product_attention(query, key, value)
    precise = torch.float64 if query.dtype is torch.float64 else torch.float32
    return (like(query), empty([shape[0], shape[2], shape[1]], precise).transpose(1, 2)), formula


_UPSAMPLES = """
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa
"""

#: Operator's name -> rule.
RULES: dict[str, Rule] = {
    "_to_copy": to_copy,
    "index": index,
    "_unsafe_index": index,
    "_unsafe_index_put": unsafe_index_put,
    "slice": slice_,
    "_unsafe_view": unsafe_view,
    "_reshape_alias": unsafe_view,
    "alias": same,
    "lift_fresh": same,
    "_softmax": softmax_of,
    "_log_softmax": softmax_of,
    "lift_fresh_copy": copy,
    "copy": written,
    "_cdist_forward": cdist,
    "_pdist_forward": pdist,
    "broadcast_tensors": broadcast_tensors,
    **{name: VIEWS[getattr(Tensor, name).__get__] for name in ("mT", "mH")},
    "_native_batch_norm_legit": legit_batch_norm,
    "_native_batch_norm_legit_no_training": inference_batch_norm,
    "_adaptive_avg_pool2d": adaptive_avg_pool(2),
    "_adaptive_avg_pool3d": adaptive_avg_pool(3),
    **dict.fromkeys(_UPSAMPLES.split(), upsample),
    **{f"reflection_pad{rank}d": padding("reflect") for rank in (1, 2, 3)},
    **{f"replication_pad{rank}d": padding("replicate") for rank in (1, 2, 3)},
    "im2col": unfold,
    "col2im": fold,
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "soft_margin_loss"), by_number(elementwise_loss, 2)),
    "huber_loss": by_number(huber_loss, 2),
    **dict.fromkeys(("cross_entropy_loss", "nll_loss_nd", "nll_loss", "nll_loss2d"), cross_entropy_by_number),
    "_prelu_kernel": prelu,
    "_scaled_dot_product_flash_attention_for_cpu": attention_on_cpu,
}
#: Functions written in Python that take the arguments of the operator of their name.
SAME_ARGUMENTS = frozenset(("split", "norm", "einsum", "cdist", "__rsub__", "unflatten"))
