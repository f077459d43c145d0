"""Images resampled, sampled along a grid, shuffled between channels and space, cut into blocks and put together again.

Sources: PyTorch documentation of each function; Jaderberg et al. 2015, arXiv 1506.02025 (grids); Shi et al. 2016,
arXiv 1609.05158 (pixel shuffle); Zhang et al. 2017, arXiv 1707.01083 (channel shuffle).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector import geometry
from inspector.errors import ShapeError
from inspector.rules.common import EACH_INPUT, ELEMENTWISE, Rule, empty, product, spread
from inspector.rules.convolution import per_axis
from inspector.rules.layout import pooled, shaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.rules.common import Outcome


def scaled(size: Any, factor: float) -> Any:
    """⌊size·factor⌋; a whole factor multiplies a symbol without rounding."""
    return size * int(factor) if factor == int(factor) else torch.sym_int(size * factor)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Outcome:
    """F.interpolate: (N, C, *size) gives (N, C, *out): out is given, or ⌊size·scale_factor⌋ along each axis."""
    have = input.shape[2:]
    rank = len(have)
    if not 1 <= rank <= 3:
        raise ShapeError(f"interpolate takes [N, C, *] with 1 to 3 axes of space, got {list(input.shape)}")
    given = size if size is not None else scale_factor
    if isinstance(given, (tuple, list)) and len(given) != rank:
        raise ShapeError(
            f"interpolate needs one number for each of {rank} axes of {list(input.shape)}, got {list(given)}"
        )
    if size is not None:
        sizes: list[Any] = list(per_axis(size, rank))
    else:
        sizes = [scaled(s, float(factor)) for s, factor in zip(have, per_axis(scale_factor, rank), strict=True)]
    for want in sizes:
        if want <= 0:
            raise ShapeError(f"interpolate from {list(have)} to {sizes}: nothing would remain")
    shape = (*input.shape[:2], *sizes)
    adaptive = mode == "area"  # an adaptive pool then
    output = empty(shape, input.dtype) if adaptive and rank == 3 else (pooled if adaptive else shaped)(input, shape)
    return output, ELEMENTWISE


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Outcome:
    """F.grid_sample: (N, C, *size) at the points (N, *out, 2 or 3) gives (N, C, *out)."""
    rank = input.dim() - 2
    if grid.dim() != input.dim() or grid.shape[-1] != rank or grid.shape[0] != input.shape[0]:
        raise ShapeError(f"grid_sample of {list(input.shape)} takes points [N, *out, {rank}], got {list(grid.shape)}")
    shape = (*input.shape[:2], *grid.shape[1:-1])
    return shape, ELEMENTWISE


def affine_grid(theta: Tensor, size: Sequence[Any], align_corners: bool | None = None) -> Outcome:
    """F.affine_grid: matrices (N, 2, 3) or (N, 3, 4) and the size (N, C, *out) give points (N, *out, 2 or 3)."""
    N, _, *space = size
    rank = len(space)
    if tuple(theta.shape) != (N, rank, rank + 1):
        raise ShapeError(f"a grid of {list(size)} takes matrices {[N, rank, rank + 1]}, got {list(theta.shape)}")
    return (N, *space, rank), ELEMENTWISE(n=N * product(space) * rank)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Outcome:
    """F.pixel_shuffle: (*, C·r², H, W) gives (*, C, H·r, W·r)."""
    r = upscale_factor
    if input.dim() < 3 or input.shape[-3] % (r * r) != 0:
        raise ShapeError(f"pixel_shuffle by {r} takes (*, C·{r * r}, H, W), got {list(input.shape)}")
    *lead, C, H, W = input.shape
    return (*lead, C // (r * r), H * r, W * r), None


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Outcome:
    """F.pixel_unshuffle: (*, C, H·r, W·r) gives (*, C·r², H, W)."""
    r = downscale_factor
    if input.dim() < 3 or input.shape[-2] % r != 0 or input.shape[-1] % r != 0:
        raise ShapeError(f"pixel_unshuffle by {r} takes (*, C, H·{r}, W·{r}), got {list(input.shape)}")
    *lead, C, H, W = input.shape
    return (*lead, C * r * r, H // r, W // r), None


def channel_shuffle(input: Tensor, groups: int) -> Outcome:
    """F.channel_shuffle: (N, C, *) keeps its shape; channels of the groups take turns."""
    if input.dim() < 3 or input.shape[1] % groups != 0:
        raise ShapeError(f"channel_shuffle cannot divide the channels of {list(input.shape)} into {groups} groups")
    return input.shape, None


def _blocks(space: Sequence[Any], kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[Any]:
    """How many blocks fit along each axis."""
    return [
        geometry.output_size(i, k, s, 2 * p, d)
        for i, k, s, p, d in zip(
            space, *(per_axis(value, 2) for value in (kernel, stride, padding, dilation)), strict=True
        )
    ]


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Outcome:
    """F.unfold: (N, C, H, W) gives its L blocks as columns, (N, C·K_h·K_w, L)."""
    if input.dim() not in (3, 4):
        raise ShapeError(f"unfold takes [N, C, H, W] or [C, H, W], got {list(input.shape)}")
    counts = _blocks(input.shape[-2:], kernel_size, dilation, padding, stride)
    for count in counts:
        if count <= 0:
            raise ShapeError(f"no block of {list(per_axis(kernel_size, 2))} fits into {list(input.shape)}")
    *lead, C, _, _ = input.shape
    return (*lead, C * product(per_axis(kernel_size, 2)), product(counts)), None


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Outcome:
    """F.fold: columns (N, C·K_h·K_w, L) are summed into an image (N, C, H, W)."""
    if input.dim() not in (2, 3):
        raise ShapeError(f"fold takes [N, C·K, L] or [C·K, L], got {list(input.shape)}")
    space, taps = per_axis(output_size, 2), product(per_axis(kernel_size, 2))
    counts = _blocks(space, kernel_size, dilation, padding, stride)
    *lead, rows, L = input.shape
    if rows % taps != 0 or product(counts) != L:
        raise ShapeError(
            f"fold to {list(space)} takes a multiple of {taps} rows and {product(counts)} columns, "
            f"got {list(input.shape)}"
        )
    return (*lead, rows // taps, *space), EACH_INPUT(n=input.numel())


RULES: dict[Any, Rule] = {
    F.interpolate: interpolate,
    F.grid_sample: grid_sample,
    **dict.fromkeys((torch.grid_sampler, torch.grid_sampler_2d, torch.grid_sampler_3d), grid_sample),
    **dict.fromkeys((F.affine_grid, torch.affine_grid_generator), affine_grid),
    F.unfold: unfold,
    F.fold: fold,
    **spread("pixel_shuffle", pixel_shuffle),
    **spread("pixel_unshuffle", pixel_unshuffle),
    **spread("channel_shuffle native_channel_shuffle", channel_shuffle),
}
