"""Padding at the edges: with a constant, by reflection, replication or around a circle. It copies and computes nothing.

Source: PyTorch documentation of ``torch.nn.functional.pad``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.rules.common import Rule, empty, like
from inspector.rules.layout import shaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.rules.common import Outcome


def pad(input: Tensor, pad: Sequence[Any], mode: str = "constant", value: float | None = None) -> Outcome:
    """F.pad: (left, right, top, bottom, ...) from the last axis on; a negative number cuts elements away."""
    shape = list(input.shape)
    if len(pad) % 2 or len(pad) > 2 * len(shape):
        raise ShapeError(f"pad takes two numbers for each axis of {shape} from the last on, got {list(pad)}")
    if mode != "constant" and len(shape) - len(pad) // 2 not in (1, 2):
        raise ShapeError(f"{mode} pads all axes but the channels', and the batch's; {list(pad)} does not fit {shape}")
    for axis, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True), 1):
        have = shape[-axis]
        if mode == "reflect" and (before >= have or after >= have):
            raise ShapeError(f"reflection of {list(pad)} must be less than each size of {list(input.shape)}")
        if mode == "circular" and (before > have or after > have):
            raise ShapeError(f"padding {list(pad)} goes around {list(input.shape)} more than once")
        shape[-axis] = have + before + after
        if shape[-axis] < 0:
            raise ShapeError(f"pad {list(pad)} cuts more than there is of {list(input.shape)}")
    if mode == "constant" and not any(pad):
        return like(input), None
    return (empty(shape, input.dtype) if mode == "circular" else shaped(input, shape)), None


def _constant(input: Tensor, pad_: Sequence[Any], value: Any = 0) -> Outcome:
    """torch.constant_pad_nd: F.pad with a constant."""
    return pad(input, pad_)


RULES: dict[Any, Rule] = {F.pad: pad, torch._C._nn.pad: pad, torch.constant_pad_nd: _constant}
