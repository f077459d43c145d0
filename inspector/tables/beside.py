"""What a table prints and what a model has, as layers that can be aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.tables.alignment import Layer
from inspector.tables.reading.kinds import kind_of_class
from inspector.tables.solving.kinds import moving_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inspector.prediction import Prediction
    from inspector.tables.records import PrintedRow, Table


def printed_layers(rows: Iterable[tuple[Any, tuple[int, ...] | None]]) -> list[Layer]:
    """Layers of a table, of each its printed row and its output shape, printed or solved."""
    found = []
    for row, shape in rows:
        params = row.params
        if params is not None and shape:
            params -= moving_statistics(row, shape[0])
        kernel = row.stated.get("kernel")
        whole = kernel if isinstance(kernel, tuple) and shape and len(kernel) == len(shape) - 1 else None
        reused = "reused" in row.stated
        found.append(Layer(row.name, _alike(row.kind, shape), shape, None if reused else params, whole, row.line))
    return found


def _alike(kind: str, shape: tuple[int, ...] | None) -> str:
    """An average of the whole image is one thing, by whichever pool."""
    return "adaptive_avg_pool" if kind == "avg_pool" and shape and set(shape[1:]) == {1} else kind


def printed_depth(table: Table) -> int | None:
    """The depth to which torchinfo prints a tree of modules: a module at it is one row, whatever it holds."""
    return max(row.depth for row in table.rows) or None if table.format == "torchinfo" else None


def leaves(table: Table) -> list[PrintedRow]:
    """The rows that stand for layers: neither inputs nor containers whose inside is printed.

    Of torchinfo's containers also those that hold parameters of their own, beside their layers.
    """
    below = [row.depth for row in table.rows[1:]] + [0]
    tree = printed_depth(table) is not None
    return [
        row
        for row, after in zip(table.rows, below, strict=True)
        if row.kind != "input"
        and (row.kind != "container" or (row.depth > 0 and after <= row.depth) or (tree and row.params))
    ]


def model_layers(prediction: Prediction, depth: int | None = None) -> list[Layer]:
    """The calls of modules that call no other, and the functions called outside them, in order.

    Args:
        prediction: of the model.
        depth: modules at this depth are one layer each, whatever they call; parameters that a module holds beside its
            layers are a layer, not those of the function that takes them.
    """
    parents = {call.parent for call in prediction.modules if depth is None or call.depth <= depth}
    places: list[tuple[int, int, Layer]] = []
    for number, call in enumerate(prediction.modules):
        kind = kind_of_class(call.kind)[0]
        if number in parents and kind != "attention" and depth is not None and call.output_shapes:
            own = call.params - sum(inner.params for inner in prediction.modules if inner.parent == number)
            if own:
                shape = _without_batch(call.output_shapes[0])
                places.append((call.rows[0], number, Layer(call.path, "container", shape, own)))
        if (number in parents and kind != "attention") or not call.output_shapes:
            continue
        if depth is not None and call.depth > depth:
            continue
        rows = prediction.rows[slice(*call.rows)]
        shape = _without_batch(call.output_shapes[0])
        places.append((call.rows[0], number, Layer(call.path, _alike(kind, shape), shape, call.params, _kernel(rows))))
    for number, row in enumerate(prediction.rows):
        kind = kind_of_class(row.kind)[0]
        if row.module in parents and row.output_shapes and kind != "unknown":
            path = f"{prediction.modules[row.module].path}.{row.kind}".lstrip(".")
            shape = _without_batch(row.output_shapes[0])
            params = row.params if depth is None else 0
            places.append(
                (number, len(prediction.modules), Layer(path, _alike(kind, shape), shape, params, _kernel([row])))
            )
    return [layer for _, _, layer in sorted(places, key=lambda place: place[:2])]


def _without_batch(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape[1:])


def _kernel(rows: Iterable[Any]) -> tuple[int, ...] | None:
    for row in rows:
        if row.params_formula is not None:
            values = row.params_formula.values
            for names in (("K_d", "K_h", "K_w"), ("K_h", "K_w"), ("K",)):
                if all(name in values for name in names):
                    return tuple(int(values[name]) for name in names)
    return None
