"""Times of one update at several batch sizes, and a net to time; the law is :mod:`inspector.bench.knee`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from inspector.bench.knee import Law as Line
from inspector.bench.knee import line
from inspector.bench.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

__all__ = ["Line", "line", "timed", "wide"]


def timed(
    calls: Mapping[int, Callable[[], object]], device: torch.device, *, samples: int = 6, seconds: float = 10.0
) -> dict[int, float]:
    """Median seconds of each call, interleaved in random order; a size for which memory does not suffice is left out.

    Args:
        calls: by batch size; each does one update.
        device: where they compute.
        samples: for each call.
        seconds: all of it takes about so long at most.
    """
    found = sweep(calls.__getitem__, sorted(calls), device=device.type, samples=samples, seconds=seconds)
    return {size: timing.p50 for size, timing in found.timings.items()}


def wide(width: int, layers: int) -> nn.Sequential:
    """A plain convolutional net for (N, 1, 28, 28): every layer keeps the image's size, logits (N, 10)."""
    inner: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
    for _ in range(layers - 1):
        inner += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
