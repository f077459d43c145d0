"""`inspector compare`: exit codes, JSON against its schema, an inserted layer, and questions that cannot be put."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import pytest
from click.testing import Result

from inspector.report import document

from .conftest import NETS

Run = Callable[..., Result]
LENET, NORMALIZED = "models.lenet:LeNet5", "models.normalized:LeNetBatchNorm"


def test_the_same_model_exits_with_0(run: Run) -> None:
    result = run("compare", LENET, LENET, "--input", "1,1,32,32")
    assert result.exit_code == 0, result.stderr
    assert "MACs, 29 calls" in result.stdout


@pytest.mark.parametrize("size", ["2,1,32,32", "N,1,32,32"])
def test_inserted_layers_shift_none_after_them(run: Run, size: str) -> None:
    """61 848 − 61 706 = 142; three normalizations are added, nothing is removed."""
    result = run("compare", LENET, NORMALIZED, "--input", size, "--json")
    assert result.exit_code == 1, result.stderr
    found = json.loads(result.stdout)
    jsonschema.validate(found, document.schema("comparison"))
    assert found["totals"]["params"]["difference"] == 142
    assert found["totals"]["macs"]["difference"] == 0
    added = [pair["b"]["path"] for pair in found["pairs"] if pair["mark"] == "added" and pair["b"]["module"]]
    assert added == ["features.1", "features.5", "features.9"]
    assert found["counts"]["removed"] == 0


def test_each_may_have_arguments_of_its_own(run: Run) -> None:
    good = f"{NETS}:Good"
    result = run("compare", good, good, "--input", "2,4", "--arg-b", "width=6", "--markdown")
    assert result.exit_code == 1, result.stderr
    assert "| ~ |" in result.stdout


@pytest.mark.parametrize(
    ("targets", "options", "said"),
    [
        ((LENET, "models.lenet:Lenet"), ("--input", "1,1,32,32"), "TARGET_B"),
        (("models.lenett:LeNet5", LENET), ("--input", "1,1,32,32"), "TARGET_A"),
        ((LENET, LENET), (), "forward needs image"),
        ((LENET, LENET), ("--input", "1,1,32,32", "--input-b", "1,3,32,32"), "TARGET_B"),
        ((LENET, LENET), ("--input", "1,1,32,32", "--arg-b", "width=3"), "width"),
    ],
)
def test_questions_that_cannot_be_put(run: Run, targets: tuple[str, str], options: tuple[str, ...], said: str) -> None:
    result = run("compare", *targets, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_unknown_is_not_called_equal(run: Run) -> None:
    odd = f"{NETS}:Odd"
    result = run("compare", odd, odd, "--input", "2,4")
    assert result.exit_code == 0, result.stderr
    assert "MACs of 1 call are unknown, and cannot be compared" in result.stdout
    assert "parameters and MACs" not in result.stdout
    strict = run("compare", odd, odd, "--input", "2,4", "--strict")
    assert strict.exit_code == 1
    assert "MACs of 1 call are unknown (--strict)" in strict.stderr
    good = f"{NETS}:Good"
    assert run("compare", good, good, "--input", "2,4", "--strict").exit_code == 0
