"""Memory layouts of windowed and normalized images: a result keeps "channels last" where its input has it.

Source: PyTorch documentation, "Channels Last Memory Format"; c10's ``suggest_memory_format``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from inspector.rules.common import META, empty, remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_CHANNELS_LAST = {4: (torch.channels_last, (1, 3, 2, 0)), 5: (torch.channels_last_3d, (1, 4, 3, 2, 0))}


def memory_format(x: Tensor) -> torch.memory_format:
    """The format that PyTorch gives to a result with the layout of ``x``: channels last where its strides look so."""
    if x.is_contiguous() or x.dim() not in _CHANNELS_LAST:
        return torch.contiguous_format
    return _format(x.shape, x.stride())


@remembered
def _format(shape: Sequence[Any], stride: Sequence[Any]) -> torch.memory_format:
    format_, order = _CHANNELS_LAST[len(shape)]
    step: Any = 0
    if stride[1] == 0:
        return torch.contiguous_format
    for axis in order:
        size = shape[axis]
        if size == 0 or stride[axis] < step or (axis == 0 and step == stride[1]):
            return torch.contiguous_format
        step = stride[axis] * size if size > 1 else stride[axis]
    return format_


def shaped(x: Tensor, shape: Sequence[Any], dtype: torch.dtype | None = None) -> Tensor:
    """A meta tensor of this shape, in the memory format and (unless given) with the dtype of ``x``."""
    if x.is_contiguous() or len(shape) not in _CHANNELS_LAST:
        return empty(shape, dtype or x.dtype)
    return torch.empty(shape, dtype=dtype or x.dtype, device=META, memory_format=memory_format(x))


def pooled(x: Tensor, shape: Sequence[Any], dtype: torch.dtype | None = None) -> Tensor:
    """The same for a pool, which treats a sequence (N, C, L) as an image of height 1."""
    if x.is_contiguous() or len(shape) != 3:
        return shaped(x, shape, dtype)
    return shaped(x.unsqueeze(-2), (*shape[:-1], 1, shape[-1]), dtype).squeeze(-2)
