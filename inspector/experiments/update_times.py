"""Times of one update at several batch sizes, and a net to time; the law is :mod:`inspector.bench.knee`'s."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from inspector.bench.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def timed(
    make: Callable[[int], Callable[[], object]],
    sizes: Iterable[int],
    device: torch.device,
    *,
    samples: int = 6,
    seconds: float = 10.0,
) -> dict[int, float]:
    """Median seconds of each call, interleaved in random order; a size for which memory does not suffice is left out.

    Args:
        make: batch size → a call that does one update.
        sizes: in ascending order.
        device: where they compute.
        samples: for each call.
        seconds: all of it takes about so long at most.
    """
    found = sweep(make, list(sizes), device=device.type, samples=samples, seconds=seconds)
    return {size: timing.p50 for size, timing in found.timings.items()}


@contextmanager
def compiled_apart(sizes: int) -> Iterator[None]:
    """Inside, ``torch.compile(..., dynamic=False)`` compiles a function for each of so many sizes.

    By default Dynamo gives up after eight variants of a function's code, over all models that were compiled before, and
    runs it eagerly from then on.
    """
    import torch._dynamo as dynamo  # a second to import, and seldom needed

    torch.compiler.reset()
    with dynamo.config.patch(recompile_limit=max(sizes, dynamo.config.recompile_limit)):
        yield


def wide(width: int, layers: int) -> nn.Sequential:
    """A plain convolutional net for (N, 1, 28, 28): every layer keeps the image's size, logits (N, 10)."""
    inner: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
    for _ in range(layers - 1):
        inner += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
