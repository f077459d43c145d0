"""Other tools' formats, read by the tools themselves where they are here."""

from __future__ import annotations

import statistics

import pytest
from torch.utils.benchmark import Compare

from inspector.bench.exports import to_pytest_benchmark, to_torch
from inspector.bench.measuring import summarize
from inspector.bench.records import Record

SAMPLES = [1.0, 1.1, 1.2, 1.0, 1.1, 9.0]
ENVIRONMENT = {"name": "a", "torch": "2", "threads": "3", "revision": "abc-dirty", "date": "2026-01-01T00:00:00"}


def record(mode: str = "eager") -> Record:
    timing = summarize(SAMPLES, SAMPLES)
    return Record(
        "Net", ("x: [1] float32",), "cpu", "float32", mode, False, timing, 0.1, 0.1, (), None, {}, ENVIRONMENT
    )


def test_pytest_benchmark() -> None:
    found = to_pytest_benchmark([record(), record("compile")])
    one, other = found["benchmarks"]
    assert one["name"] == "Net[eager-float32]"
    assert other["params"]["mode"] == "compile"
    stats = one["stats"]
    assert stats["median"] == statistics.median(SAMPLES * 2)
    assert stats["stddev"] == pytest.approx(statistics.stdev(SAMPLES * 2))
    assert (stats["min"], stats["max"], stats["rounds"], stats["iqr_outliers"]) == (1.0, 9.0, 12, 2)
    assert stats["hd15iqr"] == 1.2
    assert found["commit_info"]["dirty"]


def test_torch_compares_the_measurements() -> None:
    one, other = to_torch(record()), to_torch(record("compile"))
    assert one.median == statistics.median(SAMPLES * 2)
    printed = str(Compare([one, other]))
    assert "compile float32" in printed
    assert "3 threads" in printed
