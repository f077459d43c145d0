"""Operators of torchvision: regions pooled from feature maps, deformable convolution, non-maximum suppression.

They exist once torchvision is imported, and are found by their names. Everything else in ``torchvision.ops`` is Python,
whose parts arrive as calls.

Sources: He et al. 2017, arXiv 1703.06870 (RoIAlign); Girshick 2015, arXiv 1504.08083 (RoI pooling); Dai et al. 2016,
arXiv 1605.06409 (position-sensitive regions); Dai et al. 2017, arXiv 1703.06211 (deformable convolution).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from inspector import geometry
from inspector.errors import ShapeError
from inspector.layers import CONVOLUTION_MACS as MACS
from inspector.layers import CONVOLUTION_PARAMS as PARAMS
from inspector.rules.common import ELEMENTWISE, Rule, ValuesNeeded, empty

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome


def _pooled(input: Tensor, rois: Tensor, channels: Any, height: Any, width: Any) -> tuple[Any, ...]:
    if input.dim() != 4 or rois.dim() != 2 or rois.shape[1] != 5:
        raise ShapeError(f"regions [K, 5] of images [N, C, H, W], got {list(rois.shape)} and {list(input.shape)}")
    return rois.shape[0], channels, height, width


def roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: Any,
    pooled_width: Any,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Outcome:
    """torchvision.ops.roi_align: K regions of (N, C, H, W) give (K, C, pooled_height, pooled_width)."""
    shape = _pooled(input, rois, input.shape[1], pooled_height, pooled_width)
    return shape, ELEMENTWISE


def roi_pool(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: Any, pooled_width: Any) -> Outcome:
    """torchvision.ops.roi_pool: K regions give (K, C, h, w), the largest element of each bin, and where it was."""
    shape = _pooled(input, rois, input.shape[1], pooled_height, pooled_width)
    return (empty(shape, input.dtype), empty(shape, torch.int32)), ELEMENTWISE


def ps_roi_pool(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: Any, pooled_width: Any, sampling_ratio: int = -1
) -> Outcome:
    """torchvision.ops.ps_roi_pool, ps_roi_align: (N, C·h·w, H, W) gives (K, C, h, w), and each bin's channel."""
    bins = pooled_height * pooled_width
    if input.shape[1] % bins != 0:
        raise ShapeError(f"{input.shape[1]} channels of {list(input.shape)} are no multiple of {bins} bins")
    shape = _pooled(input, rois, input.shape[1] // bins, pooled_height, pooled_width)
    return (empty(shape, input.dtype), empty(shape, torch.int32)), ELEMENTWISE


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Outcome:
    """torchvision.ops.nms: how many boxes remain follows from their values."""
    raise ValuesNeeded


def deform_conv2d(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Outcome:
    """torchvision.ops.deform_conv2d: as conv2d, with a place to read from for each tap."""
    N, C_in, H, W = input.shape
    C_out, depth, K_h, K_w = weight.shape
    if depth * groups != C_in:
        raise ShapeError(f"the weight {list(weight.shape)} takes {depth * groups} channels, got {list(input.shape)}")
    H_out = geometry.output_size(H, K_h, stride_h, 2 * pad_h, dilation_h)
    W_out = geometry.output_size(W, K_w, stride_w, 2 * pad_w, dilation_w)
    if tuple(offset.shape[-2:]) != (H_out, W_out):
        raise ShapeError(f"offsets {list(offset.shape)} for an output of {[H_out, W_out]}")
    formula = MACS[2](N=N, C_out=C_out, C_in=C_in, G=groups, K_h=K_h, K_w=K_w, H_out=H_out, W_out=W_out)
    return (N, C_out, H_out, W_out), formula


def deform_conv2d_params(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, *sizes: Any
) -> BoundFormula:
    """The weight and bias of the convolution; without bias torchvision passes zeros."""
    C_out, depth, K_h, K_w = weight.shape
    G = sizes[6]
    return PARAMS[2](C_out=C_out, C_in=depth * G, G=G, K_h=K_h, K_w=K_w, b=int(isinstance(bias, torch.nn.Parameter)))


class Operator:
    """An operator by its name alone: it exists once its library is imported."""

    def __init__(self, name: str) -> None:
        self.__name__ = name


#: Name of an operator of torchvision -> its rule.
BY_NAME: dict[str, Rule] = {
    "roi_align": roi_align,
    "roi_pool": roi_pool,
    "ps_roi_pool": ps_roi_pool,
    "ps_roi_align": ps_roi_pool,
    "nms": nms,
    "deform_conv2d": deform_conv2d,
}
RULES: dict[Any, Rule] = {Operator(name): rule for name, rule in BY_NAME.items()}
PARAMETERS: dict[Rule, Any] = {deform_conv2d: deform_conv2d_params}
