"""``inspector table`` as a person runs it: solved, built, verified, held against a model; and asked wrongly."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main

from .conftest import NETS

LENET = Path(__file__).parent.parent / "tables" / "printed" / "lenet_torchsummary.md"
ASKED = ("--input", "1,32,32", "--stride", "1", "--padding", "0")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent.parent.parent), *sys.path])

    def runs(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, ["table", *arguments], input=text, catch_exceptions=False)

    return runs


def test_the_worked_example(table: Callable[..., Result]) -> None:
    done = table(str(LENET), *ASKED)
    assert done.exit_code == 0, done.stderr
    assert "so K = I − O + 2 × P + 1 = 32 − 28 + 2 × 0 + 1 = 5" in done.stdout
    assert "parameters: 156 + 2 416 + 48 120 + 10 164 + 850 = 61 706" in done.stdout


def test_from_standard_input(table: Callable[..., Result]) -> None:
    done = table("-", *ASKED, text=LENET.read_text())
    assert done.exit_code == 0, done.stderr
    assert "= 61 706" in done.stdout


def test_built_file_verifies(table: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "built_lenet.py"
    done = table(str(LENET), *ASKED, "--build", str(file), "--name", "LeNet", "--verify")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "LeNet: nothing differs" in done.stdout
    assert "12 printed rows beside the model: all agree" in done.stdout
    again = table(str(LENET), "--input", "1,32,32", "--against", f"{file}:LeNet")
    assert again.exit_code == 0, again.stdout


def test_against_a_model(table: Callable[..., Result]) -> None:
    done = table(str(LENET), "--input", "1,32,32", "--against", "models.lenet:LeNet5")
    assert done.exit_code == 0
    assert "no rows break" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("| Conv2d-4 | [-1, 16, 10, 10] |\n", "", "+ features.3: conv"),
        ("| Conv2d-4 | [-1, 16, 10, 10] |\n", "| Conv2d-4 | [-1, 16, 9, 10] |\n", "~ Conv2d-4"),
        ("| ReLU-10 |", "| Linear-9b | [-1, 84] |\n| ReLU-10 |", "- Linear-9b"),
    ],
)
def test_a_planted_slip_is_one_break(
    table: Callable[..., Result], tmp_path: Path, old: str, new: str, broken: str
) -> None:
    text = LENET.read_text()
    assert old in text
    file = tmp_path / "slip.md"
    file.write_text(text.replace(old, new))
    done = table(str(file), "--input", "1,32,32", "--against", "models.lenet:LeNet5")
    assert done.exit_code == 1
    assert broken in done.stdout
    assert "1 row breaks" in done.stdout


def test_a_contradiction_exits_with_1_and_names_row_equation_and_change(
    table: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "wrong.md"
    file.write_text(LENET.read_text().replace("| Conv2d-1 | [-1, 6, 28, 28] |", "| Conv2d-1 | [-1, 6, 27, 28] |"))
    done = table(str(file), *ASKED)
    assert done.exit_code == 1
    assert "ReLU-2" in done.stderr
    assert "6×28×28 ≠ 6×27×28" in done.stderr
    assert "the 27 of its output shape would have to be 28" in done.stderr


def test_forms(table: Callable[..., Result]) -> None:
    assert json.loads(table(str(LENET), *ASKED, "--json").stdout)["total_params"] == 61706
    assert r"\times" in table(str(LENET), *ASKED, "--markdown").stdout
    assert table(str(LENET), *ASKED, "--html").stdout.startswith("<!DOCTYPE html>")


def test_one_row_and_a_total(table: Callable[..., Result]) -> None:
    done = table(str(LENET), *ASKED, "--row", "max_pool:kernel=2;stride=2;padding=0", "--param-total", "61706")
    assert done.exit_code == 0, done.stderr
    assert "the total 61 706 is met" in done.stdout
    assert "open: MaxPool2d" not in done.stdout
    wrong = table(str(LENET), *ASKED, "--param-total", "61707")
    assert wrong.exit_code == 1
    assert "no solution of the rows adds up to 61 707" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.md"], "there is no file nowhere.md"),
        ([str(LENET)], "no input shape"),
        ([str(LENET), "--input", "1,N,32"], "solved for numbers"),
        ([str(LENET), "--input", "0,32,32"], "must be at least 1"),
        ([str(LENET), *ASKED[:2], "--stride", "one"], "stride 'one' is no number"),
        ([str(LENET), *ASKED, "--row", "Conv2d-99:kernel=3"], "no row, class or kind 'Conv2d-99'"),
        ([str(LENET), *ASKED, "--row", "kernel=3"], "must be NAME:K=V"),
        ([str(LENET), *ASKED, "--bounds", "depth=3"], "known are kernel, stride, padding, dilation"),
        ([str(LENET), *ASKED, "--build", "/nowhere/at/all.py"], "cannot be written"),
        ([str(LENET), *ASKED, "--name", "a b", "--build", "x.py"], "no name for a Python class"),
        ([str(LENET), *ASKED[:2], "--against", "models.lenet:Nothing"], "no attribute 'Nothing'"),
        ([str(LENET), *ASKED, "--row", "Conv2d-1:kernel"], "--row 'kernel' must be name=value"),
        ([str(LENET), *ASKED, "--bounds", "kernel"], "--bounds 'kernel' must be name=value"),
        ([str(LENET), *ASKED, "--groups", "0"], "0 is not in the range"),
        ([str(LENET), *ASKED, "--row", "Conv2d-1:groups=0"], "groups is an integer of at least 1, not 0"),
        ([str(LENET), *ASKED, "--param-total", "-5"], "-5 is not in the range"),
        ([str(LENET), *ASKED, "--arg", "width=3"], "--arg is for the model of --against"),
        (
            [str(LENET), *ASKED, "--no-bias", "--build", "x.py", "--against", "models.lenet:LeNet5"],
            "leave out --stride, --padding, --bias, --build",
        ),
    ],
)
def test_what_cannot_be_asked_exits_with_2(table: Callable[..., Result], arguments: list[str], message: str) -> None:
    done = table(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_file_is_found_by_its_likeness(table: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "lenet.md").write_text("")
    (tmp_path / "notes.md").write_text("")
    done = table(str(tmp_path / "lenett.md"))
    assert done.exit_code == 2
    assert f"Did you mean {tmp_path / 'lenet.md'}?" in done.stderr


def test_a_pipe_is_a_file_too() -> None:
    """``inspector table <(python print_it.py)``: the shell gives a pipe under /dev/fd."""
    asked = [sys.executable, "-m", "inspector", "table", "/dev/stdin", *ASKED]
    done = subprocess.run(asked, input=LENET.read_text(), capture_output=True, text=True, timeout=120, check=True)
    assert "= 61 706" in done.stdout


def test_a_line_that_was_not_read_is_named_with_the_contradiction_that_it_may_cause(
    table: Callable[..., Result],
) -> None:
    rows = ("| Conv2d | 6x28x28 | |", "| Conv2d | 6x26x26 | many 3 |", "| ReLU | 6x26x26 | |")
    text = "\n".join(("| Layer | Output | Params |", "|---|---|---|", *rows))
    done = table("-", "--input", "1,32,32", text=text)
    assert done.exit_code == 1
    assert "ReLU: from 6×28×28 to 6×26×26 has no solution" in done.stderr
    assert "line 4: expected a parameter count such as 61,706 or 2.7K where 'many 3' stands" in done.stderr


def test_as_many_values_as_axes(table: Callable[..., Result]) -> None:
    done = table(str(LENET), *ASKED[:2], "--kernel", "5,5,5")
    assert done.exit_code == 1
    assert "kernel 5×5×5: 3 values for 2 axes" in done.stderr
    hidden = "| Layer | Kernel |\n|---|---|\n| Conv3d, 4 | (3, 3, 3) |\n| MaxPool3d | (2, 2) |\n"
    done = table("-", "--input", "1,8,8,8", text=hidden)
    assert "kernel 2×2: 2 values for 3 axes" in done.stderr


def test_a_size_of_nothing_is_refused(table: Callable[..., Result]) -> None:
    done = table("-", "--input", "1,32,32", text="| Layer | Output |\n|---|---|\n| Conv2d | [-1, 0, 28, 28] |\n")
    assert done.exit_code == 1
    assert "0×28×28: every size is at least 1" in done.stderr


def test_solving_loads_no_torch() -> None:
    code = (
        "import sys\nfrom inspector.cli import main\n"
        f"try: main({['table', str(LENET), *ASKED]!r})\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "= 61 706" in found.stdout
    assert found.stderr.strip() == "False"


def test_a_folder_and_two_forms_are_said(table: Callable[..., Result], tmp_path: Path) -> None:
    folder = table(str(tmp_path))
    assert folder.exit_code == 2
    assert "is a folder; give the file that holds the table" in folder.stderr
    both = table(str(LENET), *ASKED, "--json", "--csv")
    assert both.exit_code == 2
    assert "--json and --csv are two forms of one answer" in both.stderr
    beside = table(str(LENET), *ASKED, "--json", "--against", "models.lenet:LeNet5")
    assert beside.exit_code == 2


def test_csv_has_a_record_for_each_row(table: Callable[..., Result]) -> None:
    done = table(str(LENET), *ASKED, "--csv")
    records = list(csv.DictReader(done.stdout.splitlines()))
    assert len(records) == 12
    assert sum(int(record["parameters"]) for record in records) == 61706
    assert "6 × (1 × 5² + 1) = 156" in records[0]["worked"]


def test_a_paper_is_built_and_held_against_torchvision(table: Callable[..., Result], tmp_path: Path) -> None:
    """The table prints a softmax, which torchvision's model leaves to its loss: the one row that breaks."""
    paper = str(LENET.parent / "resnet.md")
    told = ("--column", "18-layer", "--input", "3,224,224")
    file = tmp_path / "resnet18.py"
    done = table(paper, *told, "--param-total", "11689512", "--build", str(file))
    assert done.exit_code == 0, done.stderr
    assert "by convention: every block in brackets adds its input" in done.stdout
    assert "+ self" not in file.read_text()
    against = table(paper, *told, "--against", "torchvision.models:resnet18")
    assert against.exit_code == 1
    assert "- softmax" in against.stdout
    assert "1 row breaks" in against.stdout


def test_what_is_assumed_can_be_said(table: Callable[..., Result]) -> None:
    paper = str(LENET.parent / "vit.md")
    told = ("--column", "ViT-Base", "--input", "3,224,224")
    done = table(paper, *told, "--assume", "classes=10", "--assume", "patch=16", "--json")
    assert json.loads(done.stdout)["rows"][-1]["output_shape"] == [10]
    wrong = table(paper, *told, "--assume", "colour=10")
    assert wrong.exit_code == 2
    assert "known are blocks, classes, growth" in wrong.stderr
    assert table(paper, "--input", "3,224,224").exit_code == 2


def test_an_unknown_layer_makes_the_total_a_least_one(table: Callable[..., Result]) -> None:
    text = "| Layer | Output Shape |\n|---|---|\n| Linear-1 | [-1, 4] |\n| Bilinear-2 | [-1, 4] |\n"
    done = table("-", "--input", "4", text=text)
    assert "parameters: ≥ 20\n" in done.stdout
    assert "no equation is known for Bilinear-2: their parameters are not in the total" in done.stdout
    assert r"Parameters: $\geq 20$" in table("-", "--input", "4", "--markdown", text=text).stdout
    more = table("-", "--input", "4", text=f"{text}| Linear-3 | [-1, 2] |\n")
    assert "parameters: ≥ 20 + 10 = 30\n" in more.stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("classes", "must be name=value"),
        ("norms=maybe", "norms is true or false"),
        ("classes=x", "classes is an integer"),
    ],
)
def test_what_is_assumed_wrongly_is_said(table: Callable[..., Result], given: str, message: str) -> None:
    paper = str(LENET.parent / "resnet.md")
    done = table(paper, "--column", "18-layer", "--input", "3,224,224", "--assume", given)
    assert done.exit_code == 2
    assert message in done.stderr


def test_normalizations_can_be_left_out(table: Callable[..., Result]) -> None:
    paper = str(LENET.parent / "resnet.md")
    done = table(paper, "--column", "18-layer", "--input", "3,224,224", "--assume", "norms=false", "--csv")
    assert done.exit_code == 0, done.stderr
    assert "batch_norm" not in done.stdout


def test_a_second_table_is_told_of(table: Callable[..., Result]) -> None:
    one = "| Layer | Output |\n|---|---|\n| Conv2d | 6x28x28 |\n"
    done = table("-", "--input", "1,32,32", text=f"{one}\nand\n\n{one}")
    assert "line 7: another table begins here; it was not read" in done.stdout


KERAS = """Layer (type)                Output Shape              Param #
=================================================================
conv1d (Conv1D)             (None, 48, 32)            1568
_________________________________________________________________
layer_normalization (LayerN (None, 48, 32)            64
_________________________________________________________________
global_average_pooling1d (G (None, 32)                0
_________________________________________________________________
dense (Dense)               (None, 3)                 99
=================================================================
Total params: 1,731
"""


def test_what_keras_prints_is_built_and_agrees(table: Callable[..., Result]) -> None:
    """Its normalization runs over the channels, and its global pool flattens: 32·(16·3 + 1), 2·32, 3·(32 + 1)."""
    done = table("-", "--input", "16,48", "--verify", text=KERAS)
    assert done.exit_code == 0, done.stdout
    assert "4 printed rows beside the model: all agree" in done.stdout


def test_a_model_that_exits_is_no_agreement(table: Callable[..., Result]) -> None:
    done = table(str(LENET), "--input", "1,32,32", "--against", f"{NETS}:Exits")
    assert done.exit_code == 2
    assert "raised SystemExit: 0" in done.stderr
