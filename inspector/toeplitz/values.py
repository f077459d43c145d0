"""The values of the matrix, and back: each is the adjoint of the other, so that any number of derivatives exists."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from inspector.toeplitz.pattern import Pattern, tail_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from inspector.toeplitz.grid import Grid


class Spread(torch.autograd.Function):
    """Values of all entries from the kernel (G, C_row/G, C_col/G, *taps), and the tail's from (C_row,).

    So many ``spare`` ones lie behind them, for the caller to fill.
    """

    @staticmethod
    def forward(kernel: Tensor, tail: Tensor | None, pattern: Pattern, blocked: bool, spare: int) -> Tensor:
        height, width = kernel.shape[1:3]
        numel = pattern.nnz * height * width if blocked else pattern.nnz
        values = torch.empty(numel + spare, dtype=kernel.dtype, device=kernel.device)
        taps = [[torch.from_numpy(run.taps).to(kernel.device) for run in runs] for runs in pattern.runs]
        for block, chosen in zip(pattern.blocks(), product(*taps), strict=True):
            part = kernel
            for axis, indices in enumerate(chosen, start=3):
                part = part.index_select(axis, indices)
            box = block.inflated(height, width) if blocked else block.entries
            ones = [1] * len(chosen)  # the rows of a block repeat their values
            box.of(values).copy_(part.view(*part.shape[:2], *ones, *part.shape[2:]))
            if tail is not None:
                tail_of(block, values).copy_(tail.view(*part.shape[:2], *ones))
        return values

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:  # noqa: ARG004  autograd passes it
        kernel, tail, ctx.pattern, ctx.blocked, ctx.spare = inputs
        ctx.shape, ctx.tail = kernel.shape, tail is not None

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        kernel, tail = Collect.apply(grads[0], ctx.shape, ctx.tail, ctx.pattern, ctx.blocked, ctx.spare)
        return kernel, tail if ctx.tail else None, None, None, None


class Collect(torch.autograd.Function):
    """The adjoint of `Spread`: sums over all entries that hold the same tap."""

    @staticmethod
    def forward(values: Tensor, shape: torch.Size, tail: bool, pattern: Pattern, blocked: bool, spare: int) -> Any:  # noqa: ARG004
        values = values.contiguous()
        kernel, bias = values.new_zeros(shape), values.new_zeros(shape[0], shape[1])
        places = tuple(range(2, 2 + len(shape) - 3))
        for block in pattern.blocks():
            box = block.inflated(shape[1], shape[2]) if blocked else block.entries
            taps = np.ravel_multi_index(np.ix_(*(run.taps for run in block.runs)), tuple(shape[3:]))
            # A column of a folding padding holds one tap several times: each of its entries counts.
            kernel.flatten(3).index_add_(
                3, torch.from_numpy(taps.ravel()).to(values.device), box.of(values).sum(places).flatten(3)
            )
            if tail:
                bias += tail_of(block, values).sum(places)
        return kernel, bias.flatten()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004  autograd passes it
        _, _, ctx.tail, ctx.pattern, ctx.blocked, ctx.spare = inputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        values = Spread.apply(grads[0], grads[1] if ctx.tail else None, ctx.pattern, ctx.blocked, ctx.spare)
        values[len(values) - ctx.spare :] = 0
        return values, None, None, None, None, None


class _Placed(torch.autograd.Function):
    """What `Scatter` and `Gather` share: each is the other's derivative, and needs the entries' places alone for it."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:  # noqa: ARG004  autograd passes it
        values, ctx.at, _, ctx.rows, ctx.columns = inputs
        ctx.shape = values.shape


class Scatter(_Placed):
    """A dense matrix of this shape with the kernel (G, C_row/G, C_col/G, taps) in it.

    ``at`` holds (row place, column place, tap) of every entry of one pair of channels; `layouts.places` makes it.
    """

    @staticmethod
    def forward(kernel: Tensor, at: Tensor, shape: tuple[int, int], rows: Grid, columns: Grid) -> Tensor:
        matrix = kernel.new_zeros(shape)
        for taps, entries in _row_channels(kernel, matrix, rows, columns):
            entries[:, at[0], at[1]] = taps[:, at[2]]
        return matrix

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return Gather.apply(grads[0], ctx.at, ctx.shape, ctx.rows, ctx.columns), None, None, None, None


class Gather(_Placed):
    """The adjoint of `Scatter`: sums over all entries of each tap."""

    @staticmethod
    def forward(matrix: Tensor, at: Tensor, shape: torch.Size, rows: Grid, columns: Grid) -> Tensor:
        kernel = matrix.new_zeros(shape)
        for taps, entries in _row_channels(kernel, matrix, rows, columns):
            taps.index_add_(1, at[2], entries[:, at[0], at[1]])
        return kernel

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return Scatter.apply(grads[0], ctx.at, ctx.shape, ctx.rows, ctx.columns), None, None, None, None


def _row_channels(kernel: Tensor, matrix: Tensor, rows: Grid, columns: Grid) -> Iterator[tuple[Tensor, Tensor]]:
    """(taps, entries) of one row channel after the other, which takes little memory beside the matrix.

    Both are views: (C_col/G, taps) of the kernel, and (C_col/G, row place, column place) of the matrix.
    """
    height, width = kernel.shape[1:3]
    view = _by_channel(matrix, rows, columns)
    for row, taps in enumerate(kernel.flatten(0, 1)):
        first = width * (row // height)
        yield taps, view[row, first : first + width]


def _by_channel(matrix: Tensor, rows: Grid, columns: Grid) -> Tensor:
    """The matrix seen as (C_row, C_col, row place, column place)."""
    view = matrix[:, : columns.numel]
    for dim, grid in ((1, columns), (0, rows)):
        sizes = (grid.places, grid.channels) if grid.channels_last else (grid.channels, grid.places)
        view = view.unflatten(dim, sizes)
    order = [1, 0] if rows.channels_last else [0, 1]
    order += [3, 2] if columns.channels_last else [2, 3]
    return view.permute(order[0], order[2], order[1], order[3])
