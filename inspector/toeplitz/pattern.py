"""Where the matrix's entries lie: the runs of every axis, multiplied out over the axes and the channels.

A choice of one run for each axis is a block of rows that read the same taps. Its entries lie in memory as a box: each
of its dimensions (group, channel, output places; channel, entry along each axis) is a constant stride. So a whole block
of indices or values is one strided write, and no table of entries is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator
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
        starts: where the first entry of each of its rows lies among all entries.
        entries: where its entries lie among all entries.
    """

    runs: tuple[Run, ...]
    starts: Box
    entries: Box

    def inflated(self, height: int, width: int) -> Box:
        """The box where each entry is a dense (height, width) matrix of channels."""
        size, stride = list(self.entries.size), [n * height * width for n in self.entries.stride]
        channel = len(self.runs) + 2
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
        tail: 1 for an entry after each row's own, in a column that is no convolution (the bias); else 0.
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
        return self.rows.channels * self.column_channels * prod(self.totals) + self.rows.numel * self.tail

    @property
    def index_dtype(self) -> torch.dtype:
        """int32 while everything fits."""
        return torch.int32 if max(self.nnz, *self.shape) < INT32_LIMIT else torch.int64

    @property
    def column_channels(self) -> int:
        """Channels that one row reads."""
        return self.columns.channels // self.groups

    def by_channels(self) -> Pattern:
        """The pattern whose entries stand for whole (C_row/G × C_col/G) matrices of channels."""
        rows, columns = (replace(grid, channels=self.groups, channels_last=True) for grid in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)

    def blocks(self) -> Iterator[Block]:
        """One for each choice of runs, in the order of `itertools.product`; every row lies in exactly one."""
        for runs in product(*self.runs):
            starts = self._starts(runs)
            yield Block(runs, starts, self._entries(runs, starts))

    def _starts(self, runs: tuple[Run, ...]) -> Box:
        lengths = [len(run.columns) for run in runs]
        offset, steps = 0, []
        for axis, run in enumerate(runs):
            # Rows of the earlier axes are full rows; entries of the later ones multiply each of this axis.
            each = self.column_channels * prod(lengths[:axis]) * prod(self.totals[axis + 1 :])
            tail = self.tail * prod(self.rows.size[axis + 1 :])
            offset += each * run.entry + tail * run.row
            steps.append(each * run.entry_step + tail * run.row_step)
        if self.rows.channels_last:
            channel, places = self.column_channels * prod(lengths) + self.tail, self.rows.channels
        else:
            channel, places = self.column_channels * prod(self.totals) + self.tail * self.rows.places, 1
        per_group = self.rows.channels // self.groups
        size = self.groups, per_group, *(run.count for run in runs)
        return Box(size, (channel * per_group, channel, *(places * step for step in steps)), places * offset)

    def _entries(self, runs: tuple[Run, ...], starts: Box) -> Box:
        row = Grid(self.column_channels, tuple(len(run.columns) for run in runs), self.columns.channels_last)
        return Box(starts.size + row.shape, starts.stride + row.strides, starts.offset)


def row_starts(pattern: Pattern, device: torch.device) -> Tensor:
    """(rows + 1,): entries before each row, and all of them."""
    starts = torch.empty(pattern.shape[0] + 1, dtype=pattern.index_dtype, device=device)
    starts[-1:] = pattern.nnz
    channel, *along = pattern.rows.strides
    for block in pattern.blocks():
        first, size = block.starts, block.starts.size
        steps = channel * size[1], channel, *(n * run.row_step for n, run in zip(along, block.runs, strict=True))
        rows = Box(size, steps, sum(n * run.row for n, run in zip(along, block.runs, strict=True)))
        parts = [
            _laid(_arange(n, step, starts), dim, len(size))
            for dim, (n, step) in enumerate(zip(size, first.stride, strict=True))
        ]
        torch.add(sum(parts[1:-1], parts[0] + first.offset), parts[-1], out=rows.of(starts))
    return starts


def row_numbers(pattern: Pattern, out: Tensor) -> None:
    """Write the row of every entry."""
    channel, *along = pattern.rows.strides
    ndim, per_group = 2 * len(along) + 3, pattern.rows.channels // pattern.groups
    channels = _laid(_arange(pattern.groups, channel * per_group, out), 0, ndim)
    channels = channels + _laid(_arange(per_group, channel, out), 1, ndim)
    places = [
        [_laid(_arange(run.count, n * run.row_step, out) + n * run.row, 2 + axis, ndim) for run in runs]
        for axis, (n, runs) in enumerate(zip(along, pattern.runs, strict=True))
    ]
    for block, chosen in zip(pattern.blocks(), product(*places), strict=True):
        numbers = sum(chosen, channels)
        block.entries.of(out).copy_(numbers)
        if pattern.tail:
            tail_of(block, out).copy_(numbers.reshape(block.starts.size))


def column_numbers(pattern: Pattern, out: Tensor) -> None:
    """Write the column of every entry."""
    channel, *along = pattern.columns.strides
    dims, per_group = len(along), pattern.column_channels
    ndim = 2 * dims + 3
    channels = _laid(_arange(pattern.groups, channel * per_group, out), 0, ndim)
    channels = channels + _laid(_arange(per_group, channel, out), dims + 2, ndim)
    first, steps = [], []
    for axis, (n, runs) in enumerate(zip(along, pattern.runs, strict=True)):
        first.append([_laid(torch.from_numpy(n * run.columns).to(out), dims + 3 + axis, ndim) for run in runs])
        steps.append([_laid(_arange(run.count, n * run.column_step, out), 2 + axis, ndim) for run in runs])
    for block, within, between in zip(pattern.blocks(), product(*first), product(*steps), strict=True):
        entries = block.entries.of(out)
        torch.add(sum(within, channels).expand_as(entries), sum(between[1:], between[0]), out=entries)
        if pattern.tail:
            tail_of(block, out).fill_(pattern.columns.numel)


def tail_of(block: Block, flat: Tensor) -> Tensor:
    """What lies behind the own entries of each of a block's rows."""
    own = prod(block.entries.size[len(block.starts.size) :])
    return replace(block.starts, offset=block.starts.offset + own).of(flat)


def _arange(count: int, step: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) * step


def _laid(part: Tensor, dim: int, ndim: int) -> Tensor:
    """A 1-D tensor along one of ``ndim`` dimensions."""
    return part.view([-1 if dim == at else 1 for at in range(ndim)])
