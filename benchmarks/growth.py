"""How the time of a prediction grows with the number of calls."""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks.subjects import blocks
from benchmarks.timing import interleaved
from inspector.predict import predict


def growth(counts: list[int], rounds: int) -> dict[str, Any]:
    """Time per call for models of so many blocks, and the exponent k in time ~ calls^k; 1 is linear."""
    asked = {str(count): blocks(count).on("meta") for count in counts}
    calls = {name: len(predict(model, input_data=x).rows) for name, (model, x) in asked.items()}

    def ask(name: str) -> object:
        model, x = asked[name]
        return predict(model, input_data=x).total_macs

    samples = interleaved({name: lambda name=name: ask(name) for name in asked}, rounds)
    median = {name: statistics.median(values) for name, values in samples.items()}
    slope, _ = statistics.linear_regression(
        [math.log(calls[name]) for name in asked], [math.log(median[name]) for name in asked]
    )
    return {
        "exponent": slope,
        "blocks": {
            name: {"calls": calls[name], "seconds": median[name], "seconds_per_call": median[name] / calls[name]}
            for name in asked
        },
    }
