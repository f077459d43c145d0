"""A small experiment with known answers, that workers in other processes can import."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from matplotlib.figure import Figure

from inspector.errors import InspectionError
from inspector.experiments.environment import halving
from inspector.experiments.experiment import Experiment
from inspector.experiments.figures import points
from inspector.experiments.records import JSON, Cell, Claim, Config, Measured, Predicted, Result

PLACE = f"{__name__}:Toy"


class Toy(Experiment):
    """Means of normal numbers; the environment says where a cell dies, and where each one is written down."""

    name = "toy"
    title = "Means of normal numbers"
    about = "The mean of many normal numbers is their expectation."
    faults: ClassVar = {"shifted": "the numbers come from a normal distribution with another mean"}

    def predict(self, config: Config) -> Sequence[Claim]:
        assert config.fault is None
        return [
            Claim("mean", "the mean is 1", Predicted.exactly(1.0, "μ = 1")),
            Claim("count", "there are 400 numbers", Predicted.exactly(400.0, "400"), "at most"),
        ]

    def cells(self, config: Config) -> Sequence[Cell]:
        return [Cell(f"n=400,seed={seed}", {"seed": seed}) for seed in range(5)]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        if trail := os.environ.get("TOY_TRAIL"):
            with Path(trail).open("a") as file:
                file.write(f"{cell.key}\n")
        match os.environ.get("TOY_DIES"), cell.arguments["seed"]:
            case "killed", 3:
                os._exit(9)
            case "hangs", 3:
                time.sleep(600)
            case "interrupted", 3:
                raise KeyboardInterrupt
            case "memory", 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
            case "question", 3:
                raise InspectionError("the loss is NaN at step 7")
            case "bug", 3:
                raise RuntimeError("a bug")
        mean = 2.0 if config.fault == "shifted" else 1.0
        numbers, size, notes = halving(lambda size: torch.randn(size) + mean, 400)
        return {"mean": numbers.mean().item(), "size": size, "notes": [*notes]}

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        return {
            "mean": [value["mean"] for value in values.values()],
            "count": Measured.exactly(max(value["size"] for value in values.values())),
        }

    def draw(self, figure: Figure, result: Result) -> None:
        axes = figure.add_subplot(xlabel="replications", ylabel="mean")
        axes.axhline(1.0, label="predicted")
        points(axes, [5], [result.claim("mean").measured], "measured", "C1")
        axes.legend()
