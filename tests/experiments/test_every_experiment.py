"""Every registered experiment: it passes (or says why not), each planted fault fails, and an A/A control does not."""

from __future__ import annotations

import functools
import json

import pytest

from inspector.experiments import faults, names, run
from inspector.experiments.records import Result
from inspector.experiments.registry import EXPERIMENTS, experiment

pytestmark = pytest.mark.slow
for module in ("matplotlib", "mlxtend"):
    pytest.importorskip(module)
NAMES = names()


@functools.cache
def plain(name: str, seed: int = 0) -> Result:
    return run(name, quick=True, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_or_says_what_is_open(name: str) -> None:
    result = plain(name)
    failed = [judged for judged in result.claims if judged.verdict == "fail"]
    assert not failed
    assert result.verdict == "pass" or all(judged.reason for judged in result.claims)
    assert result.claims
    json.loads(result.to_json(), parse_constant=pytest.fail)
    assert result.figure().axes
    for axes in result.figure().axes:
        assert axes.get_ylabel() or axes.get_xlabel() or axes.get_title()


#: These measure times, which on a busy machine may scatter too much to decide: a fault may leave them open, twice.
TIMED = ("update-time", "best-batch-size")
#: These train for a minute; five seeds of each were tried once.
LONG = ("small-batch-norms", "sharp-minima")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LONG])
@pytest.mark.parametrize("seed", [1])  # five of them: python -m benchmarks.experiments
def test_no_seed_turns_it_to_fail(name: str, seed: int) -> None:
    assert plain(name, seed).verdict != "fail"


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name in NAMES for fault in faults(name)])
def test_a_planted_fault_fails(name: str, fault: str) -> None:
    for _ in range(3 if name in TIMED else 1):
        verdict = run(name, quick=True, fault=fault).verdict
        assert verdict != "pass"
        if verdict == "fail":
            return
    pytest.fail(f"{fault} left {name} open")


@pytest.mark.parametrize("name", NAMES)
def test_a_control_does_not_fail(name: str) -> None:
    result = run(name, quick=True, control=True)
    assert result.verdict != "fail"
    assert result.claims


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    found = experiment(name)
    assert found.name == name
    assert found.title
    assert found.about
    assert found.faults
    assert all(found.faults.values())
    assert EXPERIMENTS[name].partition(":")[2] == type(found).__name__
