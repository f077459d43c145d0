"""Where the matrix's entries lie: the runs of every axis, multiplied out over the axes and the channels.

A choice of one run for each axis is a block of rows that read the same taps. Its entries lie in memory as a box: each
of its dimensions (group, channel, output places; channel, entry along each axis) is a constant stride. So a whole block
of indices or values is one strided write, and no table of entries is ever made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import torch

from inspector.toeplitz.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.axis import Run

#: Sparse indices are int32 while every index and count is below this.
INT32_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Box:
    """A strided view into flat memory; dimensions (G, C_row/G, *rows[, C_col/G, *entries])."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def of(self, flat: Tensor) -> Tensor:
        """The view of a contiguous 1-D tensor."""
        return flat.as_strided(self.size, self.stride, flat.storage_offset() + self.offset)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that read the same taps.

    Attributes:
        runs: the run of each axis.
        rows: where the numbers of its rows lie in a vector of all rows.
        starts: where the first entry of each of its rows lies among all entries.
        entries: where its entries lie among all entries.
    """

    runs: tuple[Run, ...]
    rows: Box
    starts: Box
    entries: Box

    def inflated(self, height: int, width: int) -> Box:
        """The box where each entry is a dense (height, width) matrix of channels."""
        size, stride, channel = (
            list(self.entries.size),
            [n * height * width for n in self.entries.stride],
            len(self.runs) + 2,
        )
        size[1], stride[1] = height, width
        size[channel], stride[channel] = width, 1
        return Box(tuple(size), tuple(stride), self.entries.offset * height * width)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Places of all entries, row by row, columns ascending.

    Attributes:
        rows, columns: the images whose elements the rows and the columns stand for.
        runs: of each axis, over its rows.
        totals: entries of each axis.
        tail: entries after each row's own, for columns that are no convolution (the bias).
    """

    rows: Grid
    columns: Grid
    groups: int
    runs: tuple[tuple[Run, ...], ...]
    totals: tuple[int, ...]
    tail: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows.numel, self.columns.numel + self.tail

    @property
    def nnz(self) -> int:
        """Stored entries."""
        return self.rows.channels * self._column_channels * prod(self.totals) + self.rows.numel * self.tail

    @property
    def index_dtype(self) -> torch.dtype:
        """int32 while everything fits."""
        return torch.int32 if max(self.nnz, *self.shape) < INT32_LIMIT else torch.int64

    @property
    def _column_channels(self) -> int:
        return self.columns.channels // self.groups

    def by_channels(self) -> Pattern:
        """The pattern whose entries stand for whole (C_row/G × C_col/G) matrices of channels."""
        rows, columns = (replace(grid, channels=self.groups, channels_last=True) for grid in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)

    def blocks(self) -> Iterator[Block]:
        """Every row lies in exactly one."""
        per_group = self.rows.channels // self.groups
        channel, *along = self.rows.strides
        for runs in product(*self.runs):
            size = (self.groups, per_group, *(run.count for run in runs))
            steps = (channel * per_group, channel, *(n * run.row_step for n, run in zip(along, runs, strict=True)))
            rows = Box(size, steps, sum(n * run.row for n, run in zip(along, runs, strict=True)))
            yield Block(runs, rows, starts := self._starts(runs, size), self._entries(runs, starts))

    def _starts(self, runs: tuple[Run, ...], size: tuple[int, ...]) -> Box:
        lengths = [len(run.columns) for run in runs]
        offset, steps = 0, []
        for axis, run in enumerate(runs):
            # Rows of the earlier axes are full rows; entries of the later ones multiply each of this axis.
            each = self._column_channels * prod(lengths[:axis]) * prod(self.totals[axis + 1 :])
            tail = self.tail * prod(self.rows.size[axis + 1 :])
            offset += each * run.entry + tail * run.row
            steps.append(each * run.entry_step + tail * run.row_step)
        if self.rows.channels_last:
            channel, places = self._column_channels * prod(lengths) + self.tail, self.rows.channels
        else:
            channel, places = self._column_channels * prod(self.totals) + self.tail * self.rows.places, 1
        return Box(size, (channel * size[1], channel, *(places * step for step in steps)), places * offset)

    def _entries(self, runs: tuple[Run, ...], starts: Box) -> Box:
        row = Grid(self._column_channels, tuple(len(run.columns) for run in runs), self.columns.channels_last)
        return Box(starts.size + row.shape, starts.stride + row.strides, starts.offset)


def row_starts(pattern: Pattern, device: torch.device) -> Tensor:
    """(rows + 1,): entries before each row, and all of them."""
    starts = torch.empty(pattern.shape[0] + 1, dtype=pattern.index_dtype, device=device)
    starts[-1] = pattern.nnz
    for block in pattern.blocks():
        _write_ramp(block.rows.of(starts), block.starts.stride, block.starts.offset)
    return starts


def row_numbers(pattern: Pattern, out: Tensor) -> None:
    """Write the row of every entry."""
    for block in pattern.blocks():
        entries = block.entries.of(out)
        for position in range(pattern.tail):
            _write_ramp(tail_of(block, out, position), block.rows.stride, block.rows.offset)
        ramp = torch.empty(block.rows.size, dtype=out.dtype, device=out.device)
        _write_ramp(ramp, block.rows.stride, block.rows.offset)
        entries.copy_(ramp.reshape(*ramp.shape, *[1] * (entries.dim() - ramp.dim())))


def column_numbers(pattern: Pattern, out: Tensor) -> None:
    """Write the column of every entry."""
    channel, *along = pattern.columns.strides
    per_group = pattern.columns.channels // pattern.groups
    for block in pattern.blocks():
        entries = block.entries.of(out)
        dims = len(block.runs)
        first = [_arange(pattern.groups, channel * per_group, 0, out), _arange(per_group, channel, 0, out)]
        first += [torch.as_tensor(run.columns * n).to(out) for run, n in zip(block.runs, along, strict=True)]
        steps = [_arange(run.count, run.column_step * n, 0, out) for run, n in zip(block.runs, along, strict=True)]
        within = _outer_sum(first, [0, *range(dims + 2, 2 * dims + 3)], entries.dim())
        torch.add(within.expand_as(entries), _outer_sum(steps, range(2, dims + 2), entries.dim()), out=entries)
        for position in range(pattern.tail):
            tail_of(block, out, position).fill_(pattern.columns.numel + position)


def tail_of(block: Block, flat: Tensor, position: int) -> Tensor:
    """What lies behind the own entries of each of a block's rows."""
    own = prod(block.entries.size[len(block.starts.size) :])
    return replace(block.starts, offset=block.starts.offset + own + position).of(flat)


def _arange(count: int, step: int, start: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) * step + start


def _outer_sum(parts: Sequence[Tensor], dims: Iterable[int], ndim: int) -> Tensor:
    """Σ of 1-D tensors, each laid along its own dimension."""
    laid = (part.reshape([-1 if dim == at else 1 for at in range(ndim)]) for part, dim in zip(parts, dims, strict=True))
    return sum(laid, torch.zeros((), dtype=parts[0].dtype, device=parts[0].device))


def _write_ramp(out: Tensor, stride: tuple[int, ...], offset: int) -> None:
    """out[i, j, ...] = offset + i·stride[0] + j·stride[1] + ..."""
    parts = [_arange(count, step, 0, out) for count, step in zip(out.shape, stride, strict=True)]
    channels = _outer_sum(parts[:2], (0, 1), out.dim()) + offset
    torch.add(channels.expand_as(out), _outer_sum(parts[2:], range(2, out.dim()), out.dim()), out=out)
