"""Sizes that a table does not print: which sizes the rows of a run may leave, from a known size before to a known one
after.

The search is a shortest path: for every row the sizes that it may leave, at the cost of the best window that does;
the few best paths to each size are kept. All axes change together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from inspector.tables.solving.axis import Mode, axis
from inspector.tables.solving.kinds import WINDOWS
from inspector.tables.solving.windows import wanted_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.records import PrintedRow, Sizes
    from inspector.tables.solving.bounds import Asked, Bounds

_BEST = 8


class Run(NamedTuple):
    """Rows one after the other, and the size that the last one leaves, where it is known."""

    rows: tuple[tuple[PrintedRow, Asked], ...]
    target: Sizes | None


class Path(NamedTuple):
    """One way through a run: the size after each row."""

    cost: int
    volume: int  # of all sizes together: of equal cost, the early reduction comes first
    sizes: tuple[Sizes, ...]


def paths(size: Sizes, run: Run, bounds: Bounds) -> list[Path]:
    """The best ways through the run, best first; empty where none leads to the target."""
    ends: dict[Sizes, list[Path]] = {size: [Path(0, 0, ())]}
    for row, asked in run.rows:
        following: dict[Sizes, list[Path]] = {}
        for before, ways in ends.items():
            for after in _reachable(row, asked, before, run.target):
                cost = _cost(row, asked, before, after, bounds)
                if cost is None:
                    continue
                volume = 1
                for entry in after:
                    volume *= entry
                following.setdefault(after, []).extend(
                    Path(way.cost + cost, way.volume + volume, (*way.sizes, after)) for way in ways
                )
        ends = {after: sorted(ways)[:_BEST] for after, ways in following.items()}
    if run.target is not None:
        return ends.get(run.target, [])
    return sorted(way for ways in ends.values() for way in ways)[:_BEST]


def _reachable(row: PrintedRow, asked: Asked, before: Sizes, target: Sizes | None) -> Sequence[Sizes]:
    if row.kind not in WINDOWS:
        return (before,)
    found: dict[Sizes, None] = {}
    if target is not None:
        found[target] = None
        found[before] = None
    grows = row.kind == "conv_transpose"
    # A pool's stride is its kernel unless stated, 2 where neither is, and so a transposed convolution's.
    touching = row.kind != "conv"
    strides = [
        asked.axis("stride", n) or ((asked.axis("kernel", n) or 2) if touching else None) for n in range(len(before))
    ]
    if all(stride is not None for stride in strides) or target is None:
        steps = [stride or 1 for stride in strides]
        found[tuple(size * s if grows else -(-size // s) for size, s in zip(before, steps, strict=True))] = None
        kernels = [asked.axis("kernel", n) for n in range(len(before))]
        if not grows and all(kernel is not None for kernel in kernels):
            for side in {0, *(asked.axis("padding", n) or 0 for n in range(len(before)))}:
                found[
                    tuple(
                        (size + 2 * side - (asked.axis("dilation", n) or 1) * ((kernels[n] or 1) - 1) - 1) // steps[n]
                        + 1
                        for n, size in enumerate(before)
                    )
                ] = None
    return [after for after in found if all(entry >= 1 for entry in after)]


def _cost(row: PrintedRow, asked: Asked, before: Sizes, after: Sizes, bounds: Bounds) -> int | None:
    if row.kind not in WINDOWS:
        return 0
    mode: Mode = "transposed" if row.kind == "conv_transpose" else "conv" if row.kind == "conv" else "pool"
    total = 0
    for number, (size, output) in enumerate(zip(before, after, strict=True)):
        wanted = wanted_of(asked, number)
        options = axis(mode, size, output, wanted, bounds, ceil_mode=False, plain=True).options
        options = options or axis(mode, size, output, wanted, bounds, ceil_mode=mode == "pool", plain=False).options
        if not options:
            return None
        total += options[0].cost
    return total
