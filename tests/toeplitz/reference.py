"""PyTorch's own convolution under the operator's arguments, and its matrix by impulses: nothing of ours is in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}

Convolve = Callable[[Tensor], Tensor]


def pytorch(weight: Tensor, bias: Tensor | None = None, **arguments: Any) -> Convolve:
    """(N, C_in, *size) -> (N, C_out, *out) by `F.pad` and `F.conv*`; ``padding`` as `conv_operator` takes it."""
    dims = weight.dim() - 2
    plain: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0} | arguments
    mode, transposed = plain.pop("padding_mode", "zeros"), plain.pop("transposed", False)
    if plain.pop("flip", False):
        weight = weight.flip(*range(2, 2 + dims))
    extra, padding = plain.pop("output_padding"), plain.pop("padding")
    if transposed:
        crop = [-cut for cut in _sides(padding, dims)]

        def spread(images: Tensor) -> Tensor:
            whole = TRANSPOSED[dims](images, weight, None, padding=0, output_padding=extra, **plain)
            return _with_bias(F.pad(whole, crop), bias)

        return spread
    if isinstance(padding, str) and mode == "zeros":
        return lambda images: CONV[dims](images, weight, bias, padding=padding, **plain)
    if padding == "same":  # as torch.nn.Conv2d does it
        totals = [_each(plain["dilation"], dims)[axis] * (weight.shape[2 + axis] - 1) for axis in range(dims)]
        padding = [(total // 2, total - total // 2) for total in totals]
    around = _sides(0 if padding == "valid" else padding, dims)

    def slide(images: Tensor) -> Tensor:
        if any(around):
            images = F.pad(images, around, mode="constant" if mode == "zeros" else mode)
        return CONV[dims](images, weight, bias, **plain)

    return slide


def impulses(convolve: Convolve, channels: int, size: Sequence[int], dtype: torch.dtype = torch.float64) -> Tensor:
    """The dense matrix (n_out, n_in): column j is the convolution of the j-th unit impulse."""
    n_in = channels * prod(size)
    units = torch.eye(n_in, dtype=dtype).reshape(n_in, channels, *size)
    return convolve(units).flatten(1).T


def channels_to_end(channels: int, size: Sequence[int]) -> Tensor:
    """Where each element of a flattened (*size, C) stands in the flattened (C, *size)."""
    return torch.arange(channels * prod(size)).reshape(channels, *size).movedim(0, -1).flatten()


def _each(value: int | Sequence[int], dims: int) -> Sequence[int]:
    return [value] * dims if isinstance(value, int) else value


def _sides(padding: Any, dims: int) -> list[int]:
    """In the order of `F.pad`: the last axis first."""
    pairs = [side if isinstance(side, Sequence) else (side, side) for side in _each(padding, dims)]
    return [length for pair in reversed(pairs) for length in pair]


def _with_bias(images: Tensor, bias: Tensor | None) -> Tensor:
    return images if bias is None else images + bias.reshape(-1, *[1] * (images.dim() - 2))
