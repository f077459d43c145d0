"""One row for each module that runs calls of its own: what it took beside the sum of its calls' floors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.bench.floor import NO_TIME, Floor
from inspector.bench.records import Row

if TYPE_CHECKING:
    from inspector.bench.demand import Demand
    from inspector.bench.floor import ModelFloor
    from inspector.bench.layers import LayerTimes
    from inspector.prediction import Prediction


def rows_of(
    prediction: Prediction, taken: tuple[Demand, ...], floors: ModelFloor, watched: LayerTimes
) -> tuple[Row, ...]:
    """The rows, most time lost first; calls of modules that were not entered are their caller's.

    A fused path of PyTorch's (``TransformerEncoderLayer`` in inference) enters no submodule: its floor is then the sum.
    """
    seen = {(layer.path, layer.call) for layer in watched.layers}
    homes: list[str] = []
    for module in prediction.modules:
        entered = (module.path, module.call) in seen or module.parent < 0
        homes.append(module.path if entered else homes[module.parent])
    least: dict[str, Floor] = {}
    macs: dict[str, int] = {}
    moved: dict[str, int] = {}
    for row, demand, floor in zip(prediction.rows, taken, floors.calls, strict=True):
        path = homes[row.module]
        least[path] = least.get(path, NO_TIME) + floor
        macs[path] = macs.get(path, 0) + (row.macs or 0)
        moved[path] = moved.get(path, 0) + demand.read + demand.written
    measured: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for layer in watched.layers:
        measured[layer.path] = measured.get(layer.path, 0.0) + layer.own
        kinds[layer.path] = layer.kind
    found = [
        Row(
            path,
            kinds[path],
            measured[path],
            floor.seconds,
            floor.bound,
            measured[path] - floor.seconds,
            macs[path],
            moved[path],
        )
        for path, floor in least.items()
        if path in measured
    ]
    return tuple(sorted(found, key=lambda row: -row.lost))
