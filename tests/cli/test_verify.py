"""`inspector verify`: verdicts, exit codes and what GitHub is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from click.testing import Result
from referencing import Registry, Resource

import inspector
from inspector.records import Check, Measurement
from inspector.report import document

Run = Callable[..., Result]


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that sees one more MAC than was predicted."""
    module = sys.modules["inspector.verify"]  # as an attribute of the package it is the function
    honest = module.compare

    def compare(prediction: Any, measurement: Measurement) -> tuple[Check, ...]:
        checks = honest(prediction, measurement)
        return tuple(
            replace(check, verdict="differ", measured=33) if check.what == "macs" and check.path == "fc" else check
            for check in checks
        )

    monkeypatch.setattr(module, "compare", compare)


def validate(found: dict[str, Any]) -> None:
    prediction = Resource.from_contents(document.schema("prediction"))
    registry: Registry[Any] = prediction @ Registry()
    jsonschema.Draft202012Validator(document.schema("verification"), registry=registry).validate(found)


def test_a_good_model_exits_with_0_under_its_table(run: Run) -> None:
    result = run("verify", "Good", "--input", "2,4")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Layer (type)")
    assert "Good: nothing differs" in result.stdout
    assert "PyTorch's FLOP counter" in result.stdout


def test_a_difference_exits_with_1_and_names_place_and_both_values(run: Run, wrong: None) -> None:
    result = run("verify", "Good", "--input", "2,4")
    assert result.exit_code == 1
    assert "fc (Linear): macs differ" in result.stdout
    assert "predicted 32" in result.stdout
    assert "33" in result.stdout


@pytest.mark.parametrize("fault", [False, True])
def test_json_holds_to_its_schema(run: Run, request: pytest.FixtureRequest, fault: bool) -> None:
    if fault:
        request.getfixturevalue("wrong")
    result = run("verify", "Good", "--input", "2,4", "--json")
    found = json.loads(result.stdout)
    validate(found)
    assert found["ok"] is not fault
    assert result.exit_code == int(fault)
    assert {witness["reference"] for witness in found["witnesses"]} >= {"execution", "flop_counter", "torchinfo"}
    assert any(check["verdict"] == "differ" for check in found["checks"]) is fault


def test_the_schema_refuses_other_verdicts(run: Run) -> None:
    found = json.loads(run("verify", "Good", "--input", "2,4", "--json").stdout)
    found["checks"][0]["verdict"] = "maybe"
    with pytest.raises(jsonschema.ValidationError):
        validate(found)


def test_markdown(run: Run) -> None:
    printed = run("verify", "Good", "--input", "2,4", "--markdown").stdout
    assert printed.startswith("```text\nGood: nothing differs")
    assert "| Layer (type) |" in printed


def test_strict_fails_on_unknown_macs(run: Run) -> None:
    assert run("verify", "Odd", "--input", "2,4").exit_code == 0
    strict = run("verify", "Odd", "--input", "2,4", "--strict")
    assert strict.exit_code == 1
    assert "(--strict)" in strict.stderr


def test_a_question_that_cannot_be_put_exits_with_2(run: Run) -> None:
    result = run("verify", "RaisesInForward", "--input", "2,4")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "ValueError: I do not like (2, 4)" in result.stderr


def test_symbols_are_for_summary(run: Run) -> None:
    result = run("verify", "Good", "--input", "N,4")
    assert result.exit_code == 2
    assert "names the size 'N'" in result.stderr


def test_real_execution_on_the_cpu(run: Run) -> None:
    result = run("verify", "Good", "--input", "2,4", "--device", "cpu")
    assert result.exit_code == 0
    assert "cpu device" in result.stdout


@pytest.fixture
def on_github(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(Path.cwd()))
    return summary


def test_github_gets_an_annotation_at_the_class_and_a_summary(run: Run, wrong: None, on_github: Path) -> None:
    result = run("verify", "Good", "--input", "2,4", "--json")
    json.loads(result.stdout)  # nothing of it on standard output
    line = next(
        n for n, text in enumerate(Path("tests/cli/nets.py").read_text().split("\n"), 1) if "class Good" in text
    )
    (annotation, *_) = [text for text in result.stderr.split("\n") if text.startswith("::error")]
    assert annotation.startswith(f"::error file=tests/cli/nets.py,line={line}::fc (Linear): macs differ")
    assert "%0Apredicted 32" in annotation
    assert "| Layer (type) |" in on_github.read_text()


def test_github_is_told_of_a_question_that_cannot_be_put(run: Run, on_github: Path) -> None:
    result = run("verify", "RaisesInForward", "--input", "2,4")
    assert result.exit_code == 2
    assert "::error file=tests/cli/nets.py,line=" in result.stderr
    assert not on_github.exists()


def test_github_is_told_nothing_of_what_agrees(run: Run, on_github: Path) -> None:
    result = run("verify", "Good", "--input", "2,4")
    assert "::error" not in result.stderr
    assert "nothing differs" in on_github.read_text()


def test_what_the_command_prints_is_what_the_library_returns(run: Run) -> None:
    import torch

    verification = inspector.verify(torch.nn.Linear(4, 4), (2, 4))
    assert isinstance(verification, inspector.Verification)
    assert document.verification_document(verification.prediction, verification.checks, verification.measurements)["ok"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and the forward runs")
def test_strict_fails_where_no_witness_could_run(run: Run) -> None:
    assert run("verify", "NeedsGPU", "--input", "2,4").exit_code == 0
    strict = run("verify", "NeedsGPU", "--input", "2,4", "--strict")
    assert strict.exit_code == 1
    assert "error: execution, flop_counter, torchinfo could not run (--strict)" in strict.stderr


def test_a_forward_without_a_tensor_is_noted(run: Run) -> None:
    assert "forward returned no tensor, but str" in run("summary", "Says", "--input", "2,4").stdout


def test_a_mapping_for_the_one_argument_is_explained(run: Run) -> None:
    told = run("summary", "TakesMapping", "--input", "x=2,4").stderr
    assert "where batch is the mapping itself, give input_data=({...},), or a file with {'batch': {...}}" in told
