"""Pooling: windows that slide (max, average, power), adapt to an output size or lie at random, and their reversal.

One operation is counted for each element of the input. Sources: PyTorch documentation of each module; Graham 2014,
arXiv 1412.6071 (fractional).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector import geometry
from inspector.errors import ShapeError
from inspector.layers import INPUT
from inspector.rules.common import EACH_INPUT, Rule, empty, spread
from inspector.rules.convolution import per_axis
from inspector.rules.layout import pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.rules.common import Outcome


def _checked(name: str, input: Tensor, rank: int) -> Sequence[Any]:
    """The sizes that the window slides over."""
    if input.dim() not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{name}{rank}d takes [N, C, {', '.join(INPUT[rank])}] or the same without N, got {list(input.shape)}"
        )
    return input.shape[-rank:]


def _pooled(input: Tensor, rank: int, sizes: Sequence[Any], indices: bool = False, layout: bool = True) -> Outcome:
    """The result, with ``indices`` beside it, in the input's memory layout or (``layout=False``) contiguous."""
    for size in sizes:
        if size <= 0:
            raise ShapeError(
                f"the window is larger than the padded input {list(input.shape)}: the output would be {list(sizes)}"
            )
    shape = (*input.shape[:-rank], *sizes)
    formula = EACH_INPUT(n=input.numel())
    if not indices and input.is_contiguous():
        return shape, formula
    if not layout or (rank == 2 and len(shape) == 3):
        output = empty(shape, input.dtype)
        return ((output, empty(shape, torch.int64)) if indices else output), formula
    output = pooled(input, shape)
    return ((output, pooled(input, shape, torch.int64)) if indices else output), formula


def _windows(
    input: Tensor, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[Any]:
    kernel = per_axis(kernel_size, rank)
    stride = kernel if stride is None or stride == [] or stride == () else per_axis(stride, rank)
    padding, dilation = per_axis(padding, rank), per_axis(dilation, rank)
    sizes = []
    size_of = geometry.ceil_output_size if ceil_mode else geometry.output_size
    for i, k, s, p, d in zip(input.shape[-rank:], kernel, stride, padding, dilation, strict=True):
        if 2 * p > d * (k - 1) + 1:
            raise ShapeError(
                f"padding {list(padding)} of a pooling window must be at most half of its size {list(kernel)}"
            )
        sizes.append(size_of(i, k, s, p if ceil_mode else 2 * p, d))
    return sizes


def max_pool(rank: int, indices: bool = False) -> Rule:
    """The rule of F.max_pool1d, max_pool2d or max_pool3d, and of their twins that return indices too."""

    def rule(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Outcome:
        """F.max_pool: (N, C, *size) gives (N, C, *out), the largest element of each window."""
        _checked("max_pool", input, rank)
        sizes = _windows(input, rank, kernel_size, stride, padding, dilation, ceil_mode)
        return _pooled(input, rank, sizes, indices or return_indices)

    return rule


def avg_pool(rank: int) -> Rule:
    """The rule of F.avg_pool1d, avg_pool2d or avg_pool3d."""

    def rule(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Outcome:
        """F.avg_pool: (N, C, *size) gives (N, C, *out), the mean of each window."""
        _checked("avg_pool", input, rank)
        sizes = _windows(input, rank, kernel_size, stride, padding, 1, ceil_mode)
        return _pooled(input, rank, sizes, layout=rank < 3)

    return rule


def lp_pool(rank: int) -> Rule:
    """The rule of F.lp_pool1d, lp_pool2d or lp_pool3d."""

    def rule(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Outcome:
        """F.lp_pool: (N, C, *size) gives (N, C, *out), the p-norm of each window."""
        _checked("lp_pool", input, rank)
        sizes = _windows(input, rank, kernel_size, stride, 0, 1, ceil_mode)
        return _pooled(input, rank, sizes, layout=rank < 3)

    return rule


def _adapted(input: Tensor, rank: int, output_size: Any) -> list[Any]:
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if len(wanted) == 1:
        wanted = tuple(wanted) * rank
    if len(wanted) != rank:
        raise ShapeError(f"an adaptive pool over {rank} axes cannot give {list(wanted)}")
    return [have if want is None else want for have, want in zip(input.shape[-rank:], wanted, strict=True)]


def adaptive_avg_pool(rank: int) -> Rule:
    """The rule of F.adaptive_avg_pool1d, adaptive_avg_pool2d or adaptive_avg_pool3d."""

    def rule(input: Tensor, output_size: Any) -> Outcome:
        """F.adaptive_avg_pool: (N, C, *size) gives (N, C, *output_size); a size that is None stays."""
        _checked("adaptive_avg_pool", input, rank)
        return _pooled(input, rank, _adapted(input, rank, output_size), layout=rank < 3)

    return rule


def adaptive_max_pool(rank: int, indices: bool = False) -> Rule:
    """The rule of F.adaptive_max_pool1d, adaptive_max_pool2d or adaptive_max_pool3d."""

    def rule(input: Tensor, output_size: Any, return_indices: bool = False) -> Outcome:
        """F.adaptive_max_pool: (N, C, *size) gives (N, C, *output_size); a size that is None stays."""
        _checked("adaptive_max_pool", input, rank)
        return _pooled(input, rank, _adapted(input, rank, output_size), indices or return_indices, layout=rank < 3)

    return rule


def fractional_max_pool(rank: int, indices: bool = False) -> Rule:
    """The rule of F.fractional_max_pool2d or fractional_max_pool3d."""

    def rule(
        input: Tensor,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Outcome:
        """F.fractional_max_pool: (N, C, *size) gives (N, C, *output_size), or ⌊size·ratio⌋ of each."""
        have = _checked("fractional_max_pool", input, rank)
        if output_size is None:
            ratios = per_axis(output_ratio, rank)
            sizes: Sequence[Any] = [torch.sym_int(size * ratio) for size, ratio in zip(have, ratios, strict=True)]
        else:
            sizes = per_axis(output_size, rank)
        for size, out, k in zip(have, sizes, per_axis(kernel_size, rank), strict=True):
            if out + k - 1 > size:
                raise ShapeError(f"{out} windows of {k} do not fit into {size} of {list(input.shape)}")
        return _pooled(input, rank, sizes, indices or return_indices, layout=False)

    return rule


def max_unpool(rank: int) -> Rule:
    """The rule of F.max_unpool1d, max_unpool2d or max_unpool3d."""

    def rule(
        input: Tensor,
        indices: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Outcome:
        """F.max_unpool: (N, C, *size) gives (N, C, *out), each element where its index says and 0 elsewhere."""
        have = _checked("max_unpool", input, rank)
        if tuple(input.shape) != tuple(indices.shape):
            raise ShapeError(
                f"max_unpool{rank}d needs one index for each element: {list(input.shape)} and {list(indices.shape)}"
            )
        kernel = per_axis(kernel_size, rank)
        stride = per_axis(stride, rank) if stride else kernel
        default = [
            (i - 1) * s - 2 * p + k for i, k, s, p in zip(have, kernel, stride, per_axis(padding, rank), strict=True)
        ]
        sizes = default if output_size is None else list(output_size)[-rank:]
        for size, usual, s in zip(sizes, default, stride, strict=True):
            if output_size is not None and not usual - s < size < usual + s:
                raise ShapeError(f"max_unpool{rank}d to {sizes}: each size must lie within one stride of {default}")
        shape = (*input.shape[:-rank], *sizes)
        output = pooled(input, shape) if rank == 2 else empty(shape, input.dtype)
        return output, EACH_INPUT(n=input.numel())

    return rule


def _table() -> dict[Any, Rule]:
    table: dict[Any, Rule] = {}
    for rank in (1, 2, 3):
        for name, rule in {
            f"max_pool{rank}d": max_pool(rank),
            f"max_pool{rank}d_with_indices": max_pool(rank, indices=True),
            f"avg_pool{rank}d": avg_pool(rank),
            f"lp_pool{rank}d": lp_pool(rank),
            f"adaptive_avg_pool{rank}d": adaptive_avg_pool(rank),
        }.items():
            table.update(spread(name, rule))
        table[getattr(F, f"adaptive_max_pool{rank}d")] = adaptive_max_pool(rank)
        for room in (F, torch):  # torch.adaptive_max_pool1d returns the indices always
            twin = getattr(room, f"adaptive_max_pool{rank}d" + ("_with_indices" if room is F else ""), None)
            if twin is not None:
                table[twin] = adaptive_max_pool(rank, indices=True)
        table[getattr(F, f"max_unpool{rank}d")] = max_unpool(rank)
    for rank in (2, 3):
        table[getattr(F, f"fractional_max_pool{rank}d")] = fractional_max_pool(rank)
        table[getattr(F, f"fractional_max_pool{rank}d_with_indices")] = fractional_max_pool(rank, indices=True)
        table[getattr(torch._C._nn, f"adaptive_max_pool{rank}d")] = adaptive_max_pool(rank, indices=True)
    return table


RULES: dict[Any, Rule] = _table()
