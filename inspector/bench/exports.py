"""Records in the formats of other tools: pytest-benchmark's JSON and ``torch.utils.benchmark``'s measurements."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.benchmark import Measurement

    from inspector.bench.records import Record

#: The version of pytest-benchmark whose JSON this is.
_PYTEST_BENCHMARK = "5.1.0"


def to_pytest_benchmark(records: Sequence[Record]) -> dict[str, Any]:
    """A document that ``pytest-benchmark compare`` and its readers take. Source: pytest-benchmark's documentation."""
    first = records[0].environment
    return {
        "machine_info": {"node": first.get("name", ""), "system": first.get("driver", ""), **first},
        "commit_info": {"id": first.get("revision", ""), "dirty": first.get("revision", "").endswith("-dirty")},
        "benchmarks": [_benchmark(record) for record in records],
        "datetime": first.get("date", ""),
        "version": _PYTEST_BENCHMARK,
    }


def _benchmark(record: Record) -> dict[str, Any]:
    samples = sorted(record.timing.samples)
    q1, _, q3 = statistics.quantiles(samples, n=4, method="inclusive")
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    mean, deviation = statistics.fmean(samples), statistics.stdev(samples)
    inside = [value for value in samples if low <= value <= high]
    far = sum(abs(value - mean) > deviation for value in samples)
    name = f"{record.model}[{record.mode}{'-training' if record.backward else ''}-{record.dtype}]"
    return {
        "group": record.model,
        "name": name,
        "fullname": f"inspector::{name}",
        "params": {"mode": record.mode, "dtype": record.dtype, "input": list(record.input)},
        "param": None,
        "extra_info": {"floor": record.floor, "fused": record.fused, "efficiency": record.efficiency},
        "options": {"timer": "inspector"},
        "stats": {
            "min": samples[0],
            "max": samples[-1],
            "mean": mean,
            "stddev": deviation,
            "rounds": len(samples),
            "median": record.timing.p50,
            "iqr": q3 - q1,
            "q1": q1,
            "q3": q3,
            "iqr_outliers": len(samples) - len(inside),
            "stddev_outliers": far,
            "outliers": f"{far};{len(samples) - len(inside)}",
            "ld15iqr": inside[0],
            "hd15iqr": inside[-1],
            "ops": 1 / mean,
            "total": sum(samples),
            "data": list(record.timing.samples),
            "iterations": 1,
        },
    }


def to_torch(record: Record) -> Measurement:
    """A measurement that ``torch.utils.benchmark.Compare`` takes."""
    from torch.utils.benchmark import Measurement
    from torch.utils.benchmark.utils.common import TaskSpec

    words = "training step" if record.backward else "forward"
    spec = TaskSpec(
        stmt=f"{record.model}, {words}",
        setup="",
        label=record.model,
        sub_label=", ".join(record.input),
        description=f"{record.mode} {record.dtype}",
        env=f"{record.environment.get('name', '')}, torch {record.environment.get('torch', '')}",
        num_threads=int(threads) if (threads := record.environment.get("threads", "")).isdecimal() else 1,
    )
    return Measurement(1, list(record.timing.samples), spec)
