"""The command as people type it: both forms, every output, and what is no question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.cli.numbers import read_numbers
from inspector.errors import InspectionError

KERNEL = "-1 0 1; -2 0 2; -1 0 1"
IMAGE = "10 10 0 0; 10 10 0 0; 10 10 0 0; 10 10 0 0"
CONV = ("torch.nn:Conv2d", "--arg", "in_channels=3", "--arg", "out_channels=8", "--arg", "kernel_size=3")

Ask = Callable[..., Result]


@pytest.fixture
def ask() -> Ask:
    return lambda *options: CliRunner().invoke(main, ["toeplitz", *options], catch_exceptions=False)


def test_the_worked_example(ask: Ask) -> None:
    found = ask("--kernel", KERNEL, "--input", IMAGE)
    assert found.exit_code == 0, found.output
    for line in (
        "   row (0,1):  0 -1 0 1  0 -2 0 2  0 -1 0 1   0 0 0 0",
        "   W·v(x) = (−40, −40, −40, −40)ᵀ",
        "equal to F.conv2d",
        "Memory  36 of 64 entries; csr 308 B, coo 720 B, dense 256 B",  # 36·(4 + 4) + 4·5, 36·20, 64·4
    ):
        assert line in found.stdout.splitlines()


def test_a_module_with_a_picture(ask: Ask, tmp_path: Path) -> None:
    found = ask(*CONV, "--input", "16,16", "--plot", str(tmp_path / "out.svg"), "--norm")
    assert found.exit_code == 0, found.output
    assert "1 568 × 768, 42 336 entries" in found.stdout
    assert "certified" in found.stdout
    assert (tmp_path / "out.svg").read_text().startswith("<svg")


def test_the_same_seed_gives_the_same_weights(ask: Ask) -> None:
    first, second, other = (ask(*CONV, "--input", "16,16", "--seed", seed).stdout for seed in ("0", "0", "1"))
    assert first == second != other


def test_json_holds_everything(ask: Ask) -> None:
    found = json.loads(ask("--kernel", KERNEL, "--input", IMAGE, "--json", "--norm").stdout)
    assert found["shape"] == [4, 16]
    assert found["nnz"] == 36
    assert found["output"] == [-40.0] * 4
    assert found["bytes"]["csr"] == 36 * 8 + 4 * 5
    assert found["norm"]["lower"] <= found["norm"]["upper"]
    assert found["agrees"] is True
    assert json.loads(ask("--kernel", "1 2", "--input", "5", "--json").stdout)["output"] is None


def test_markdown_and_html(ask: Ask) -> None:
    assert r"\begin{pmatrix}" in ask("--kernel", KERNEL, "--input", IMAGE, "--markdown", "--norm").stdout
    page = ask("--kernel", KERNEL, "--input", IMAGE, "--html", "--norm").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert "≤ ‖A‖₂ ≤" in page


def test_options_of_the_convolution(ask: Ask) -> None:
    """1-D by hand: (1, 2) turned around is (2, 1); stride 2 over 1 2 3 4 gives 2 + 2, 6 + 4, and 1 for the bias."""
    found = ask("--kernel", "1 2", "--input", "1 2 3 4", "--stride", "2", "--flip", "--bias", "1", "--json")
    assert json.loads(found.stdout)["output"] == [5.0, 11.0]
    padded = ask("--kernel", "1 2", "--input", "1 2 3", "--padding", "(1,0),", "--padding-mode", "replicate", "--json")
    assert json.loads(padded.stdout)["output"] == [3.0, 5.0, 8.0]
    spread = ask("--kernel", "1 2", "--input", "1 3", "--stride", "2", "--transposed", "--json")
    assert json.loads(spread.stdout)["output"] == [1.0, 2.0, 3.0, 6.0]
    same = ask("--kernel", "1 1 1", "--input", "1 1 1 1", "--padding", "same", "--json")
    assert json.loads(same.stdout)["output"] == [2.0, 3.0, 3.0, 2.0]


def test_a_convolution_inside_a_model(ask: Ask) -> None:
    found = ask("models.lenet:LeNet5", "--module-path", "features.3", "--input", "14,14", "--json")
    assert json.loads(found.stdout)["rows"] == [16, 10, 10]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input", "1 2"), 'give TARGET or --kernel "1 2; 3 4", one of them'),
        ((*CONV, "--kernel", "1", "--input", "4,4"), "one of them"),
        (("--kernel", "1 x", "--input", "1 2"), "'x' in row 1 is no number"),
        (("--kernel", "1 2; 3", "--input", "1 2"), "row 2 has 1 numbers, row 1 has 2"),
        (("--kernel", "1 nan", "--input", "1 2"), "'nan' in row 1 is not finite"),
        (("--kernel", "1 2 3", "--input", "1 2"), "the kernel reaches over 3 inputs"),
        (("--kernel", "1 2", "--input", "1 2", "--stride", "two!"), "--stride 'two!' is no number"),
        (("--kernel", "1 2", "--input", "1 2", "--stride", "0"), "stride: expected"),
        (("--kernel", "1 2", "--input", "1 2", "--padding-mode", "mirror"), "padding_mode: expected one of"),
        (("--kernel", "1 2 1", "--input", "1 2", "--padding", "2", "--padding-mode", "reflect"), "reflect takes less"),
        (("--kernel", "1 2", "--input", "1 2", "--arg", "a=1"), "belong to TARGET"),
        ((*CONV, "--input", "16,16", "--stride", "2"), "--stride belongs to --kernel"),
        ((*CONV, "--input", "16"), "input_size: expected"),
        ((*CONV, "--arg", "device=meta", "--input", "16,16"), "the weight is on the meta device and has no values"),
        (("torch.nn:Linear", "--arg", "in_features=3", "--arg", "out_features=3", "--input", "3"), "got Linear"),
        (("torch.nn:ReLU", "--input", "4,4"), "from_module: expected one of Conv1d"),
        (("models.lenet:LeNet5", "--module-path", "x", "--input", "4,4"), "its convolutions are features.0"),
        (("models.lenet:LeNet5", "--input", "4,4"), "name one with --module-path; its convolutions are features.0"),
        (("--kernel", "1 2; 3 4", "--input", "900000,900000", "--norm"), "the norm needs about"),
        (("--kernel", "1 2", "--input", "1 2 3", "--plot", "x.png"), "give a name that ends in .svg"),
        (("--kernel", "1 2", "--input", "1 2 3", "--plot", "no/such/folder/x.svg"), "No such file or directory"),
    ],
)
def test_bad_questions_end_with_2_and_say_why(ask: Ask, options: tuple[str, ...], message: str) -> None:
    found = ask(*options)
    assert found.exit_code == 2
    assert message in found.stderr
    assert "Traceback" not in found.output
    assert "fault of inspector" not in found.output


def test_a_matrix_that_never_fits_still_shows_its_rows(ask: Ask) -> None:
    """Nothing of its size is allocated. The last window ends at the last of 400 000² = 160 000 000 000 inputs."""
    found = ask("--kernel", "1 2; 3 4", "--input", "400000,400000")
    assert found.exit_code == 0, found.output
    assert "row (399998,399998): 159999599998: 1, 159999599999: 2, 159999999998: 3, 159999999999: 4" in found.stdout


def test_numbers_as_people_write_them() -> None:
    assert read_numbers("1, 2; 3, 4;", "--kernel") == [[1.0, 2.0], [3.0, 4.0]]
    assert read_numbers("−1 1e-3", "--kernel") == [[-1.0, 0.001]]
    with pytest.raises(InspectionError, match="row 1 has no numbers"):
        read_numbers(" ", "--kernel")
