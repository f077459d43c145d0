"""The images that a convolution reads and writes, and how they lie flattened in the matrix's rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Grid:
    """Channels of one size, flattened as (C, *size), or with ``channels_last`` as (*size, C).

    >>> Grid(3, (4, 5)).strides, Grid(3, (4, 5), channels_last=True).strides
    ((20, 5, 1), (1, 15, 3))
    """

    channels: int
    size: tuple[int, ...]
    channels_last: bool = False

    @property
    def places(self) -> int:
        """Pixels of one channel."""
        return prod(self.size)

    @property
    def numel(self) -> int:
        """Length of one flattened image."""
        return self.channels * self.places

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, *size), as PyTorch holds an image whatever the order of the vector."""
        return self.channels, *self.size

    @property
    def strides(self) -> tuple[int, ...]:
        """How far the next channel, and the next place along each axis, lie in the flattened image."""
        inner = self.channels if self.channels_last else 1
        along = tuple(inner * prod(self.size[axis + 1 :]) for axis in range(len(self.size)))
        return 1 if self.channels_last else self.places, *along

    def to_images(self, vectors: Tensor) -> Tensor:
        """(numel, batch) -> (batch, C, *size)."""
        if self.channels_last:
            return vectors.movedim(0, -1).reshape(vectors.shape[1], *self.size, self.channels).movedim(-1, 1)
        return vectors.movedim(0, -1).reshape(vectors.shape[1], *self.shape)

    def to_vectors(self, images: Tensor) -> Tensor:
        """(batch, C, *size) -> (numel, batch)."""
        return (images.movedim(1, -1) if self.channels_last else images).reshape(len(images), self.numel).movedim(0, -1)

    def unravel(self, number: int) -> tuple[int, ...]:
        """(channel, *place) of one element of the flattened image.

        >>> Grid(3, (4, 5)).unravel(27)
        (1, 1, 2)
        """
        if self.channels_last:
            *place, channel = unravelled(number, (*self.size, self.channels))
            return channel, *place
        return unravelled(number, self.shape)


def unravelled(number: int, lengths: Sequence[int]) -> tuple[int, ...]:
    """Place of one element of a flattened box.

    >>> unravelled(27, (3, 4, 5))
    (1, 1, 2)
    """
    found = []
    for length in reversed(lengths):
        number, rest = divmod(number, length)
        found.append(rest)
    return tuple(reversed(found))
