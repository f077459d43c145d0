"""The benchmark of experiments: its table, what it keeps of another device, and an interruption."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import experiments


def test_the_toy_is_timed_and_tabulated(toy: str) -> None:
    found = experiments.suite([toy], "cpu", True, None)
    assert found["toy"]["verdict"] == "pass"
    assert found["toy"]["seconds"] > 0
    written = experiments.tables(experiments.report(found, "cpu", {}))
    assert f"| toy | pass, 2 of 2 claims, {found['toy']['seconds']:.1f} s |" in written.splitlines()


def test_what_cannot_run_is_said(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DIES", "question")
    found = experiments.suite([toy], "cpu", True, None)
    assert found["toy"]["verdict"] == "not run"
    assert "the loss is NaN" in found["toy"]["reason"]
    assert "| toy | not run |" in experiments.tables(experiments.report(found, "cpu", {})).splitlines()


def test_an_interruption_keeps_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(name: str, *_: object) -> dict[str, Any]:
        if name == "second":
            raise KeyboardInterrupt
        return {"seconds": 1.0, "verdict": "pass"}

    monkeypatch.setattr(experiments, "measured", measured)
    assert list(experiments.suite(["first", "second", "third"], "cpu", True, None)) == ["first"]


def test_the_other_device_stays_in_the_record(toy: str) -> None:
    gpu = {
        "ran": {"gpu": "H100, CUDA 13", "torch": "2"},
        "experiments": {"toy": {"seconds": 2.0, "verdict": "not run"}},
    }
    whole = experiments.report(experiments.suite([toy], "cpu", True, None), "cpu", {"devices": {"cuda": gpu}})
    assert list(whole["devices"]) == ["cpu", "cuda"]
    assert whole["devices"]["cuda"] == gpu
    assert "GPU, full: H100, CUDA 13, torch 2." in experiments.tables(whole)
