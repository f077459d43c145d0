"""Quantization as floats see it: linear layers with packed int8 or float16 weights, and what training for it rounds.

Source: PyTorch documentation, "Quantization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import ShapeError
from inspector.layers import LINEAR_MACS
from inspector.rules.common import ELEMENTWISE, Rule, like, product, spread

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.rules.common import Outcome


def packed_linear(unpack: Any) -> Rule:
    """The rule of torch.ops.quantized.linear_dynamic and its kin; ``unpack`` shows the weight that is packed."""

    def rule(X: Tensor, W_prepack: Any, reduce_range: bool = False) -> Outcome:
        """(*, F_in) by a packed weight (F_out, F_in) gives (*, F_out)."""
        F_out, F_in = unpack(W_prepack)[0].shape
        if X.shape[-1] != F_in:
            raise ShapeError(f"the packed weight takes {F_in} features, the input {list(X.shape)} has {X.shape[-1]}")
        return (*X.shape[:-1], F_out), LINEAR_MACS(N=product(X.shape[:-1]), F_in=F_in, F_out=F_out)

    return rule


def rounded(input: Tensor, *_: Any, **__: Any) -> Outcome:
    """torch.fake_quantize_per_tensor_affine and its kin: each element rounded to a step of the quantizer."""
    return like(input), ELEMENTWISE


_ROOM: Any = torch.ops.quantized
_UNPACKERS = {
    "linear_dynamic": "linear_unpack",
    "linear_relu_dynamic": "linear_unpack",
    "linear_dynamic_fp16": "linear_unpack_fp16",
    "linear_relu_dynamic_fp16": "linear_unpack_fp16",
}
_ROUNDERS = """
    fake_quantize_per_tensor_affine fake_quantize_per_channel_affine fused_moving_avg_obs_fake_quant
    _fake_quantize_learnable_per_tensor_affine _fake_quantize_learnable_per_channel_affine
"""
#: A build of PyTorch without quantized kernels has none of them.
RULES: dict[Any, Rule] = {
    getattr(_ROOM, name): packed_linear(getattr(_ROOM, unpacker))
    for name, unpacker in _UNPACKERS.items()
    if hasattr(_ROOM, name)
} | spread(_ROUNDERS, rounded, (torch,), known=False)
