"""Shapes that follow from a row's kind and from what it states, where the table prints none."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from inspector.errors import InspectionError
from inspector.tables.solving.kinds import CONVOLUTIONS, KEEPING
from inspector.tables.solving.problem import Unsolvable, shown

if TYPE_CHECKING:
    from inspector.tables.records import PrintedRow, Sizes
    from inspector.tables.solving.bounds import Asked


def made_for(row: PrintedRow, before: Sizes) -> Sizes | None:
    """The input that a row itself says it takes, where no printed row gives it; None where it does not say it."""
    if row.kind in KEEPING and row.output_shape is not None:
        return row.output_shape
    if row.kind == "linear" and isinstance(features := row.stated.get("in_features"), int):
        return (features,)
    if row.kind in ("layer_norm", "rms_norm") and isinstance(shape := row.stated.get("normalized_shape"), tuple):
        return shape
    name = "in_channels" if row.kind in CONVOLUTIONS else "out_channels" if row.kind in KEEPING else ""
    channels = row.stated.get(name)
    return (channels, *before[1:]) if isinstance(channels, int) and len(before) > 1 else None


def pooled_for(row: PrintedRow, before: Sizes) -> Sizes | None:
    """What goes into a linear row whose count shows a pool before it that the table does not print; else None.

    ``F.max_pool2d(x, 2)`` in a forward is no module: 50·(320 + 1) = 16 050 after 20×8×8 tells of 320 = 20×4×4.
    """
    if row.kind != "linear" or row.params is None or row.output_shape is None or len(before) < 2:
        return None
    F_out = row.output_shape[-1]
    reduced = ((before[0], *(size // stride for size in before[1:])) for stride in range(2, max(before[1:]) + 1))
    return next((sizes for sizes in reduced if row.params in (F_out * prod(sizes), F_out * (prod(sizes) + 1))), None)


def steps_of(before: Sizes, sizes: tuple[Sizes, ...]) -> str:
    """Sizes one after the other, in words."""
    return " → ".join(shown(size) for size in (before, *sizes))


def stated_size(row: PrintedRow) -> Sizes | None:
    """Sizes that a row prints without channels; None where it prints none."""
    size = row.stated.get("output_size")
    return size if isinstance(size, tuple) and size and all(isinstance(entry, int) for entry in size) else None


def stretched(size: Sizes, rank: int) -> Sizes:
    """A size for every axis, where one stands for all.

    Raises:
        Unsolvable: it has another number of axes.
    """
    if len(size) == 1:
        return size * rank
    if len(size) != rank:
        raise Unsolvable(shown(size), f"the size has {len(size)} axes, the input {rank}")
    return size


def follows(row: PrintedRow, asked: Asked, shapes: tuple[Sizes, ...]) -> Sizes:
    """The shape that a row without a window leaves, from its kind and what it states."""
    size = shapes[0]
    stated = row.stated
    features = stated.get("out_features", stated.get("out_channels", asked.out_channels))
    target = stated_size(row)
    if row.kind == "linear":
        if not isinstance(features, int):
            raise InspectionError(f"line {row.line}: {row.name} prints neither an output shape nor its features")
        return (*size[:-1], features) if len(size) == 2 else (features,)
    if row.kind.startswith(("global", "adaptive")):
        return (size[0], *(stretched(target, len(size) - 1) if target else (1,) * (len(size) - 1)))
    if row.kind == "flatten":
        return (prod(size),)
    if row.kind == "concat":
        return (sum(shape[0] for shape in shapes), *size[1:])
    if row.kind == "upsample" and len(size) > 1:
        scale = stated.get("scale")
        if target:
            return (size[0], *stretched(target, len(size) - 1))
        return (size[0], *(entry * (scale if isinstance(scale, int) else 2) for entry in size[1:]))
    if row.kind == "embedding" and isinstance(features, int):
        return (*size, features)
    if row.kind in KEEPING or row.kind in ("add", "multiply", "unknown"):
        return size
    raise InspectionError(
        f"line {row.line}: {row.name} prints no output shape, and none follows for {row.kind!r}: "
        "print the shape, or its layers row by row"
    )
