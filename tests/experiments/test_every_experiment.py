"""Every registered experiment: it passes (or says why not), each planted fault fails, and an A/A control does not."""

from __future__ import annotations

import functools
import json

import pytest

from inspector.experiments import faults, names, run
from inspector.experiments.records import Config, Result
from inspector.experiments.registry import EXPERIMENTS, experiment
from inspector.experiments.running import measured

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("steady")]  # no verdict may hang on the machine's load
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


#: These train for tens of seconds: one more seed here, five by ``python -m benchmarks.experiments --seeds 5``.
LONG = ("bce-vs-mse", "l2-regularisation", "best-batch-size", "sync-batchnorm")
#: And these for a minute or more: no more seeds here.
LONGEST = ("small-batch-norms", "sharp-minima")
SEEDS = [(name, seed) for name in NAMES if name not in LONGEST for seed in range(1, 2 if name in LONG else 5)]


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_no_seed_turns_it_to_fail(name: str, seed: int) -> None:
    assert plain(name, seed).verdict != "fail"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sync-batchnorm"])  # held in its own file
def test_a_cell_measured_twice_is_identical(name: str) -> None:
    """One that trains, where any does."""
    asked, config = experiment(name), Config(quick=True)
    cells = asked.cells(config)
    *_, cell = [each for each in cells if {"seed", "run"} & set(each.arguments)] or cells
    assert measured(asked, config, cell) == measured(asked, config, cell)


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name in NAMES for fault in faults(name)])
def test_a_planted_fault_fails(name: str, fault: str) -> None:
    assert run(name, quick=True, fault=fault).verdict == "fail"


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
