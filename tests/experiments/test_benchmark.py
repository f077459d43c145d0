"""The benchmark of experiments: its table, what it keeps of another device, and an interruption."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import experiments


def _forget(found: dict[str, Any]) -> None:
    """In place of what writes the record."""


def test_the_toy_is_timed_and_tabulated(toy: str) -> None:
    found = experiments.suite([toy], "cpu", True, None, _forget)
    assert found["toy"]["verdict"] == "pass"
    assert found["toy"]["seconds"] > 0
    written = experiments.tables(experiments.report(found, "cpu", {}))
    assert f"| toy | pass, 2 of 2 claims, {found['toy']['seconds']:.1f} s |" in written.splitlines()


def test_more_seeds_are_counted(toy: str) -> None:
    found = experiments.suite([toy], "cpu", True, None, _forget, seeds=3)
    assert found["toy"]["seeds"] == ["pass"] * 3
    assert "; 0 of 3 seeds fail |" in experiments.tables(experiments.report(found, "cpu", {}))


def test_what_cannot_run_is_said(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DIES", "question")
    found = experiments.suite([toy], "cpu", True, None, _forget)
    assert found["toy"]["verdict"] == "not run"
    assert "the loss is NaN" in found["toy"]["reason"]
    assert "| toy | not run |" in experiments.tables(experiments.report(found, "cpu", {})).splitlines()


def test_an_interruption_keeps_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(name: str, *_: object) -> dict[str, Any]:
        if name == "second":
            raise KeyboardInterrupt
        return {"seconds": 1.0, "verdict": "pass"}

    monkeypatch.setattr(experiments, "measured", measured)
    kept: list[list[str]] = []
    found = experiments.suite(["first", "second", "third"], "cpu", True, None, lambda so_far: kept.append([*so_far]))
    assert [*found] == ["first"]
    assert kept == [["first"]]


def test_the_other_device_stays_in_the_record(toy: str) -> None:
    gpu = {
        "ran": {"gpu": "H100, CUDA 13", "torch": "2"},
        "experiments": {"toy": {"seconds": 2.0, "verdict": "not run"}},
    }
    whole = experiments.report(experiments.suite([toy], "cpu", True, None, _forget), "cpu", {"devices": {"cuda": gpu}})
    assert list(whole["devices"]) == ["cpu", "cuda"]
    assert whole["devices"]["cuda"] == gpu
    assert "GPU, full: H100, CUDA 13, torch 2." in experiments.tables(whole)
