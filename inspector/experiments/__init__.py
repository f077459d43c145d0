"""Experiments that predict how a training behaves, measure it, and judge the prediction.

>>> from inspector import experiments
>>> "outliers" in experiments.names()
True
>>> sorted(experiments.faults("outliers"))
['mean-for-median', 'mean-reduction', 'no-outliers', 'squared-huber']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.experiments.experiment import Experiment
    from inspector.experiments.norms import freeze_batch_norm, to_group_norm
    from inspector.experiments.records import Cell, Claim, Config, Judged, Measured, Predicted, Result
    from inspector.experiments.registry import faults, names
    from inspector.experiments.running import run

__all__ = [
    "Cell",
    "Claim",
    "Config",
    "Experiment",
    "Judged",
    "Measured",
    "Predicted",
    "Result",
    "faults",
    "freeze_batch_norm",
    "names",
    "run",
    "to_group_norm",
]

_HOMES = {
    **dict.fromkeys(("Cell", "Claim", "Config", "Judged", "Measured", "Predicted", "Result"), "records"),
    **dict.fromkeys(("faults", "names"), "registry"),
    **dict.fromkeys(("freeze_batch_norm", "to_group_norm"), "norms"),
    "Experiment": "experiment",
    "run": "running",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used: a list of experiments need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'inspector.experiments' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"inspector.experiments.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
