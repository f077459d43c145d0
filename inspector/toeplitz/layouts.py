"""The matrix in PyTorch's layouts, written straight into its final memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import InspectionError
from inspector.toeplitz.pattern import Pattern, column_numbers, row_numbers, row_starts
from inspector.toeplitz.values import Scatter, Spread

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.configuration import Convolution
    from inspector.toeplitz.costs import Layout


def kernel_by_group(convolution: Convolution, weight: Tensor) -> Tensor:
    """(G, C_row/G, C_col/G, *taps) from a weight of PyTorch; sums of taps that padding folds together come after K.

    Differentiable.
    """
    kernel = weight.reshape(convolution.groups, weight.shape[0] // convolution.groups, *weight.shape[1:])
    for number, axis in enumerate(convolution.axes, start=3):
        if axis.collisions:
            sums = [kernel[(slice(None),) * number + (list(taps),)].sum(number) for taps in axis.collisions]
            kernel = torch.cat([kernel, torch.stack(sums, number)], number)
    return kernel.transpose(1, 2) if convolution.transposed else kernel


def sparse(layout: Layout, convolution: Convolution, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The matrix in one of the sparse layouts; a ``bias`` column in all but BSR."""
    if layout == "csr":
        return csr(convolution, weight, bias)
    if layout == "coo":
        return coo(convolution, weight, bias)
    return csc(convolution, weight, bias) if layout == "csc" else bsr(convolution, weight)


def csr(convolution: Convolution, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows compressed; with a ``bias`` (one for each row's channel) as last column."""
    pattern = _with_tail(convolution, bias)
    starts, columns, values = _compressed(pattern, kernel_by_group(convolution, weight), bias)
    return _quietly(torch.sparse_csr_tensor, starts, columns, values, pattern.shape)


def csc(convolution: Convolution, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Columns compressed: the rows of the transpose; a ``bias`` is a full column behind them."""
    pattern = convolution.T.pattern()
    columns, count = pattern.shape
    kernel = kernel_by_group(convolution.T, weight)
    if bias is None:
        starts, rows, values = _compressed(pattern, kernel, None)
        return _quietly(torch.sparse_csc_tensor, starts, rows, values, (count, columns))
    index = convolution.pattern(tail=1).index_dtype
    starts = row_starts(pattern, weight.device).to(index)
    starts = torch.cat([starts, starts[-1:] + count])
    rows = torch.empty(pattern.nnz + count, dtype=index, device=weight.device)
    column_numbers(pattern, rows[: pattern.nnz])
    torch.arange(count, out=rows[pattern.nnz :])
    values = Spread.apply(kernel, None, pattern, False, count)
    values[pattern.nnz :] = _bias_column(convolution, bias)
    return _quietly(torch.sparse_csc_tensor, starts, rows, values, (count, columns + 1))


def coo(convolution: Convolution, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Coordinates, coalesced; PyTorch's are int64 always."""
    pattern = _with_tail(convolution, bias)
    indices = torch.empty(2, pattern.nnz, dtype=torch.int64, device=weight.device)
    row_numbers(pattern, indices[0])
    column_numbers(pattern, indices[1])
    values = Spread.apply(kernel_by_group(convolution, weight), bias, pattern, False, 0)
    return torch.sparse_coo_tensor(indices, values, pattern.shape, check_invariants=False, is_coalesced=True)


def bsr(convolution: Convolution, weight: Tensor) -> Tensor:
    """Dense blocks C_out/G × C_in/G, one for each pair of positions: with channels last these lie side by side.

    Raises:
        InspectionError: channels first, or blocks of one entry, which CSR holds in less.
    """
    kernel = kernel_by_group(convolution, weight)
    height, width = kernel.shape[1:3]
    if not (convolution.rows.channels_last and convolution.columns.channels_last):
        raise InspectionError(
            "layout bsr: its dense blocks are the channels of one pair of positions, which lie together only with "
            "channels_last=True; build the operator so, or ask for csr"
        )
    if height * width <= 1:
        raise InspectionError(
            f"layout bsr: blocks would be {height} × {width} (channels per group) and cost more than csr; ask for csr"
        )
    pattern = convolution.pattern().by_channels()
    starts, columns, values = _compressed(pattern, kernel, None, blocked=True)
    shape = convolution.rows.numel, convolution.columns.numel
    return _quietly(torch.sparse_bsr_tensor, starts, columns, values.view(-1, height, width), shape)


def dense(convolution: Convolution, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """All of it, zeros included."""
    rows, columns = convolution.rows, convolution.columns
    at = torch.stack(places(convolution, weight.device))
    kernel = kernel_by_group(convolution, weight).flatten(3)
    shape = rows.numel, columns.numel + (bias is not None)
    matrix: Tensor = Scatter.apply(kernel, at, shape, rows, columns)
    if bias is not None:
        matrix[:, -1] = _bias_column(convolution, bias)
    return matrix


def _bias_column(convolution: Convolution, bias: Tensor) -> Tensor:
    """(n_out,): the bias of each row's channel."""
    rows = convolution.rows
    return rows.to_vectors(bias.view(1, -1, *[1] * len(rows.size)).expand(1, *rows.shape)).squeeze(1)


def places(convolution: Convolution, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """(row place, column place, tap) of every entry of one pair of channels, row by row, int64.

    Places number the pixels of one channel. A tap is flattened over the kernel that `kernel_by_group` gives.
    """
    alone = convolution.single_channel()
    pattern = alone.pattern()
    rows, columns = torch.empty(2, pattern.nnz, dtype=torch.int64, device=device)
    row_numbers(pattern, rows)
    column_numbers(pattern, columns)
    taps = [axis.kernel + len(axis.collisions) for axis in convolution.axes]
    numbers = torch.arange(prod(taps), device=device).view(1, 1, 1, *taps)
    return rows, columns, Spread.apply(numbers, None, pattern, False, 0)


def _with_tail(convolution: Convolution, bias: Tensor | None) -> Pattern:
    return convolution.pattern(tail=0 if bias is None else 1)


def _compressed(
    pattern: Pattern, kernel: Tensor, bias: Tensor | None, blocked: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    columns = torch.empty(pattern.nnz, dtype=pattern.index_dtype, device=kernel.device)
    column_numbers(pattern, columns)
    return row_starts(pattern, kernel.device), columns, Spread.apply(kernel, bias, pattern, blocked, 0)


def _quietly(build: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """PyTorch says once in a process that these layouts are in beta; the user asked for one by name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CS[RC]|Sparse BS[RC]|Sparse invariant checks")
        return build(*arguments)
