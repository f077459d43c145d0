"""The one visible table of experiments: name → where its class is. Each is loaded when it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.experiments.experiment import Experiment

EXPERIMENTS: dict[str, str] = {
    "bce-vs-mse": "inspector.experiments.bce_vs_mse:BceVsMse",
    "l2-regularisation": "inspector.experiments.l2_regularisation:L2Regularisation",
    "outliers": "inspector.experiments.outliers:Outliers",
    "batch-statistics": "inspector.experiments.batch_statistics:BatchStatistics",
    "small-batch-norms": "inspector.experiments.small_batch_norms:SmallBatchNorms",
    "gradient-noise": "inspector.experiments.gradient_noise:GradientNoise",
    "sharp-minima": "inspector.experiments.sharp_minima:SharpMinima",
    "sync-batchnorm": "inspector.experiments.sync_batchnorm:SyncBatchnorm",
    "update-time": "inspector.experiments.update_time:UpdateTime",
    "best-batch-size": "inspector.experiments.best_batch_size:BestBatchSize",
}


def names() -> list[str]:
    """Names of all experiments, in the order in which ``all`` runs them."""
    return list(EXPERIMENTS)


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InspectionError: there is none.
    """
    if name not in EXPERIMENTS:
        close = difflib.get_close_matches(name, EXPERIMENTS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(EXPERIMENTS)}"
        raise InspectionError(f"no experiment is called {name!r}; {hint}")
    module, _, kind = EXPERIMENTS[name].partition(":")
    found: Experiment = getattr(import_module(module), kind)()
    return found


def faults(name: str) -> Mapping[str, str]:
    """Planted faults of an experiment: name → what is broken. Under each of them the verdict must be ``fail``.

    Raises:
        InspectionError: there is no such experiment.
    """
    return experiment(name).faults
