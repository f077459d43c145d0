"""`inspector summary`: targets, arguments, inputs and formats that work."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.report import document

from .conftest import NETS

Run = Callable[..., Result]

ROWS_OF_GOOD = ["Good", "fc (Linear)", "relu"]


def answered(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def data(result: Result) -> dict[str, object]:
    found: dict[str, object] = json.loads(answered(result))
    jsonschema.validate(found, document.schema())
    return found


def titles(printed: str) -> list[str]:
    """First column of the table without the tree's branches."""
    lines = printed.split("\n")
    rules = [index for index, line in enumerate(lines) if line.startswith("──")]
    return [line.split("  [")[0].lstrip("│├└─ ").strip() for line in lines[rules[0] + 1 : rules[1]]]


@pytest.mark.parametrize("target", [f"{NETS}:Good", f"{NETS}::Good", f"{NETS}:model", "tests/cli/nets.py:Good"])
def test_targets(run: Run, target: str) -> None:
    assert titles(answered(run("summary", target, "--input", "2,4"))) == ROWS_OF_GOOD


def test_module_of_the_working_directory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somewhere.py").write_text("from torch import nn\nclass Outer:\n    Net = nn.ReLU\n")
    monkeypatch.chdir(tmp_path)
    assert "ReLU" in answered(run("summary", "somewhere:Outer.Net", "--input", "2,4"))


def test_file_inside_a_package_may_import_its_neighbours(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "mypackage_of_nets"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text("from torch import nn\nPart = nn.Tanh\n")
    (package / "net.py").write_text("from .parts import Part\n")
    assert "Tanh" in answered(run("summary", f"{package / 'net.py'}:Part", "--input", "2,4"))


def test_file_named_like_a_library_does_not_replace_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "random.py"
    file.write_text("from torch import nn\nNet = nn.ReLU\n")
    answered(run("summary", f"{file}:Net", "--input", "2,4"))
    import random

    assert hasattr(random, "shuffle")


def test_arguments_are_literals(run: Run) -> None:
    found = data(run("summary", "Good", "--input", "2,4", "--arg", "width=7", "--json"))
    assert found["totals"]["params"] == 7 * (4 + 1)  # type: ignore[index]


def test_a_class_without_arguments_of_its_own(run: Run) -> None:
    printed = answered(run("summary", "NeedsArgs", "--arg", "width=4", "--arg", "depth=2", "--input", "2,4"))
    assert "2 × (4 + 1) = 10" in printed


def test_named_inputs_and_dtypes(run: Run) -> None:
    printed = answered(run("summary", "TwoInputs", "--input", "tokens=2,4", "--input", "mask=2,4:bool"))
    assert "tokens: [2, 4] float32" in printed
    assert "mask: [2, 4] bool" in printed
    mixed = answered(run("summary", "TwoInputs", "--input", "2,4", "--input", "mask=2,4:bool"))
    assert mixed == printed


def test_symbolic_sizes(run: Run) -> None:
    found = data(run("summary", "Good", "--input", "N,4", "--json"))
    assert found["totals"]["macs"] == "16*N"  # type: ignore[index]
    assert "16·N" in answered(run("summary", "Good", "--input", "N,4"))


def test_a_forward_without_arguments_needs_no_input(run: Run) -> None:
    assert "fc (Linear)" in answered(run("summary", "NoInput"))


def test_a_subtree(run: Run) -> None:
    printed = answered(run("summary", "deep", "--input", "2,4", "--module-path", "1"))
    assert titles(printed) == ["1 (Sequential)", "0 (Linear)", "1 (ReLU)"]
    assert "Parameters    20" in printed


def test_depth_sort_and_expand(run: Run) -> None:
    assert titles(answered(run("summary", "deep", "--input", "2,4"))) == [
        "Sequential",
        "0–2 (Sequential) ×3",
        "0 (Linear)",
        "1 (ReLU)",
    ]
    assert len(titles(answered(run("summary", "deep", "--input", "2,4", "--expand")))) == 1 + 3 * 3
    assert titles(answered(run("summary", "deep", "--input", "2,4", "--depth", "1"))) == [
        "Sequential",
        "0–2 (Sequential) ×3",
    ]
    assert titles(answered(run("summary", "deep", "--input", "2,4", "--sort", "macs"))) == [
        "0–2.0 (Linear) ×3",
        "0–2.1 (ReLU) ×3",
    ]


def test_formats(run: Run) -> None:
    question = ("summary", "deep", "--input", "2,4")
    assert answered(run(*question, "--markdown")).startswith("| Layer (type) |")
    assert len(list(csv.reader(io.StringIO(answered(run(*question, "--csv")))))) == 1 + 1 + 3 * 3
    assert answered(run(*question, "--html")).startswith("<!DOCTYPE html>")
    assert answered(run(*question, "--svg")).startswith("<svg")


def test_mode_is_the_models_own_unless_given(run: Run) -> None:
    assert "relu" in answered(run("summary", "Good", "--input", "2,4", "--eval"))
    assert "relu" in answered(run("summary", "Good", "--input", "2,4", "--train"))


def test_unknown_macs_fail_only_when_strict(run: Run) -> None:
    lax = run("summary", "Odd", "--input", "2,4")
    assert "≥ 32" in answered(lax)
    strict = run("summary", "Odd", "--input", "2,4", "--strict")
    assert strict.exit_code == 1
    assert strict.stdout == lax.stdout
    assert "MACs of 1 call are unknown (--strict)" in strict.stderr
    assert run("summary", "Good", "--input", "2,4", "--strict").exit_code == 0


def test_prints_of_the_model_stay_out_of_the_answer(run: Run) -> None:
    result = run("summary", "Prints", "--input", "2,4", "--json")
    data(result)
    assert "constructing\nrunning" in result.stderr


def test_a_model_built_on_the_meta_device(run: Run) -> None:
    printed = answered(run("summary", "Good", "--input", "2,4", "--arg", "width=1_000_000_000_000", "--device", "meta"))
    assert "5 000 000 000 000" in printed  # 10¹²·(4 + 1) parameters, of which none is in memory


# Files


def test_input_files_of_every_kind(run: Run, tmp_path: Path) -> None:
    x = torch.ones(2, 4)
    torch.save(x, tmp_path / "tensor.pt")
    torch.save((x, x), tmp_path / "tuple.pt")
    torch.save({"tokens": x, "mask": x}, tmp_path / "dict.pth")
    np.savez(tmp_path / "positional.npz", x.numpy(), x.numpy())
    np.savez(tmp_path / "named.npz", tokens=x.numpy(), mask=x.numpy())
    safetensors.torch.save_file({"tokens": x, "mask": x.clone()}, tmp_path / "named.safetensors")
    assert "x: [2, 4] float32" in answered(run("summary", "Good", "--input-file", str(tmp_path / "tensor.pt")))
    for name in ("tuple.pt", "dict.pth", "positional.npz", "named.npz", "named.safetensors"):
        printed = answered(run("summary", "TwoInputs", "--input-file", str(tmp_path / name)))
        assert "mask: [2, 4] float32" in printed, name


def test_real_data_answers_a_branch_on_values(run: Run, tmp_path: Path) -> None:
    torch.save(torch.ones(2, 4), tmp_path / "positive.pt")
    torch.save(-torch.ones(2, 4), tmp_path / "negative.pt")
    assert "fc (Linear)" in answered(run("summary", "Branches", "--input-file", str(tmp_path / "positive.pt")))
    assert "fc (Linear)" not in answered(run("summary", "Branches", "--input-file", str(tmp_path / "negative.pt")))


def test_a_rule_for_the_targets_own_function_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of rules imports the target's file under its own name: both mean one module."""
    (tmp_path / "launching_net.py").write_text(
        "from torch import nn\n\n\ndef launch(x):\n    return x + x\n\n\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return launch(x)\n"
    )
    (tmp_path / "launching_rules.py").write_text(
        "import inspector\nimport launching_net\n\n"
        "inspector.rules.register(launching_net.launch, lambda x: ((*x.shape, 7), None))\n"
    )
    monkeypatch.chdir(tmp_path)
    asked = ["summary", "launching_net.py:Net", "--input", "2,3", "--rules", "launching_rules.py"]
    answer = CliRunner().invoke(main, asked, catch_exceptions=False)
    assert answer.exit_code == 0, answer.stderr
    assert "[2, 3, 7]" in answer.stdout
