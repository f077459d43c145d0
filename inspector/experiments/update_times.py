"""Times of one update at several batch sizes; the line through them is :mod:`inspector.bench.knee`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.bench.knee import Law as Line
from inspector.bench.knee import line
from inspector.bench.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

__all__ = ["Line", "line", "timed"]


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
