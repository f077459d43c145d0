"""The sizes that a printed row leaves: its own print, the next row's input, or what its stride makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspector.tables.records import PrintedRow, Sizes


def size_after(row: PrintedRow, before: Sizes, after: PrintedRow | None) -> Sizes:
    """Sizes behind ``row``, without channels.

    Args:
        row: as printed.
        before: the shape that comes in.
        after: the printed row below it, None at the end.
    """
    rank = len(before) - 1
    if row.output_shape is not None:
        return row.output_shape[1:]
    for stated in (row.stated.get("output_size"), after.input_shape[1:] if after and after.input_shape else None):
        if isinstance(stated, tuple) and stated:
            return stated * rank if len(stated) == 1 else stated
    if after is not None and isinstance(size := after.stated.get("input_size"), tuple):
        return size * rank if len(size) == 1 else size
    if row.kind.startswith(("global", "adaptive")):
        return (1,) * rank
    pools = row.kind in ("max_pool", "avg_pool", "lp_pool")
    strides = row.stated.get("stride", row.stated.get("kernel") if pools else None)
    if not isinstance(strides, tuple):
        return before[1:]
    return tuple(
        -(-size // step)
        for size, step in zip(before[1:], strides * rank if len(strides) == 1 else strides, strict=True)
    )
