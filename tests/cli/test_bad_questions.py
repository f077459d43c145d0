"""A question that cannot be put: exit code 2, one readable message on standard error, nothing on standard output."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result

Run = Callable[..., Result]


def refused(result: Result, *messages: str) -> str:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for message in messages:
        assert message in result.stderr
    return result.stderr


# Targets


@pytest.mark.parametrize("target", ["models.lenet", "models.lenet:", ":LeNet5"])
def test_target_without_attribute(run: Run, target: str) -> None:
    refused(run("summary", target if ":" in target else f"{target}:"), "names no attribute", "package.module:attr")


def test_missing_module(run: Run) -> None:
    refused(run("summary", "models.lenett:LeNet5"), "there is no module 'models.lenett'. Did you mean lenet")


def test_missing_package(run: Run) -> None:
    refused(run("summary", "modelz.lenet:LeNet5"), "there is no module 'modelz'. Did you mean models?")


def test_path_without_suffix(run: Run) -> None:
    refused(run("summary", "tests/cli/nets:Good"), "Is it the file tests/cli/nets.py?")


def test_missing_file(run: Run) -> None:
    refused(
        run("summary", "tests/cli/netz.py:Good"), "there is no file tests/cli/netz.py. Did you mean tests/cli/nets.py"
    )


def test_a_file_with_nothing_close(run: Run, tmp_path: Path) -> None:
    """What a suffix and a long folder share makes no name close."""
    (tmp_path / "hf.py").write_text("")
    told = refused(run("summary", f"{tmp_path / 'nofile.py'}:Net"), "there is no file")
    assert "Did you mean" not in told


def test_missing_attribute(run: Run) -> None:
    refused(run("summary", "God"), "has no attribute 'God'. Did you mean Good")


def test_missing_attribute_with_nothing_close(run: Run) -> None:
    refused(run("summary", "models.lenet:Transformer"), "Its models are LeNet5")


def test_a_module_whose_import_raises(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken_net.py"
    file.write_text("x = 1\nimport no_such_package\n")
    refused(run("summary", f"{file}:Net"), "No module named 'no_such_package'", f"{file}:2: import no_such_package")


def test_a_module_with_a_syntax_error(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "unparsable.py"
    file.write_text("x = 1\ndef f(:\n")
    refused(run("summary", f"{file}:Net"), "SyntaxError", f"{file}:2: def f(:")


def test_a_script_that_exits_when_imported(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import argparse\nargparse.ArgumentParser().parse_args(['--unknown'])\n")
    refused(run("summary", f"{file}:Net"), "raised SystemExit", f"{file}:2")


def test_an_attribute_that_is_no_model(run: Run) -> None:
    refused(run("summary", "number"), "number is of type int, not a torch.nn.Module")


def test_a_factory_that_returns_no_model(run: Run) -> None:
    refused(run("summary", "returns_text"), "returns_text returned a str, not a torch.nn.Module")


# Arguments


def test_missing_arguments_show_the_signature(run: Run) -> None:
    refused(
        run("summary", "NeedsArgs", "--input", "2,4"),
        "NeedsArgs(width, *, depth) cannot be called so: missing a required argument: 'width'",
        "--arg width=VALUE --arg depth=VALUE",
    )


def test_unknown_argument(run: Run) -> None:
    refused(
        run("summary", "Good", "--arg", "widht=3"),
        "Good(width: int = 4) cannot",
        "unexpected keyword argument 'widht'",
        "Did you mean width?",
    )


def test_arguments_for_an_instance(run: Run) -> None:
    refused(run("summary", "model", "--arg", "width=3"), "model is a model already")


@pytest.mark.parametrize("text", ["width", "=3", "a b=3"])
def test_argument_that_is_no_assignment(run: Run, text: str) -> None:
    refused(run("summary", "Good", "--arg", text), f"--arg {text!r} must be name=value")


def test_argument_given_twice(run: Run) -> None:
    refused(run("summary", "Good", "--arg", "width=3", "--arg", "width=4"), "--arg gives 'width' twice")


def test_constructor_that_raises(run: Run) -> None:
    refused(
        run("summary", "RaisesWhenBuilt"),
        "RaisesWhenBuilt() raised FileNotFoundError: weights.bin",
        'raise FileNotFoundError("weights.bin")',
    )


# Inputs


def test_no_input(run: Run) -> None:
    refused(run("summary", "Good"), "forward needs x: give --input SHAPE for each, or --input-file FILE")


def test_wrong_shape(run: Run) -> None:
    refused(
        run("summary", "Good", "--input", "2,5"), "fc (Linear), given [2, 5] float32", "4 features", "return self.fc(x)"
    )


def test_a_negative_size(run: Run) -> None:
    refused(run("summary", "Good", "--input", "-3,4"), "the size -3 must be at least 0")


@pytest.mark.parametrize("command", ["summary", "verify", "memory"])
def test_an_empty_batch_is_no_bad_question(run: Run, command: str) -> None:
    """PyTorch runs it: no rows, so no products."""
    result = run(command, "Good", "--input", "0,4")
    assert result.exit_code == 0, result.stderr
    assert "[0, " in result.stdout


def test_sizes_beyond_memory(run: Run) -> None:
    refused(run("summary", "Good", "--input", "1000000000000,1000000000000,4"), "more than memory can address")


def test_a_large_size_that_a_prediction_can_do(run: Run) -> None:
    result = run("summary", "Good", "--input", "1000000000000,4")
    assert result.exit_code == 0
    assert "MACs          16 000 000 000 000" in result.stdout  # 10¹²·4·4


def test_unknown_dtype(run: Run) -> None:
    refused(run("summary", "Good", "--input", "2,4:itn64"), "'itn64' is no dtype; did you mean int64")


def test_wrong_dtype(run: Run) -> None:
    refused(
        run("summary", "Tokens", "--input", "2,4:float32"), "table (Embedding), given [2, 4] float32", "int64 or int32"
    )


def test_wrong_dtype_of_a_linear(run: Run) -> None:
    refused(
        run("summary", "Good", "--input", "2,4:int64"), "fc (Linear), given [2, 4] int64", "is torch.int64, the weight"
    )


def test_unknown_input_name(run: Run) -> None:
    refused(run("summary", "Good", "--input", "y=2,4"), "missing a required argument: 'x'")


def test_input_and_file(run: Run) -> None:
    refused(run("summary", "Good", "--input", "2,4", "--input-file", "x.pt"), "--input or --input-file, not both")


def test_unknown_device(run: Run) -> None:
    refused(run("summary", "Good", "--input", "2,4", "--device", "gpu"), "--device gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_not_the_models_fault(run: Run) -> None:
    told = refused(run("summary", "Good", "--input", "2,4", "--device", "cuda"), "--device cuda cannot be used here: ")
    assert "nets.py" not in told


def test_unknown_subtree(run: Run) -> None:
    refused(
        run("summary", "Good", "--input", "2,4", "--module-path", "fx"), "no module 'fx' was called. Did you mean fc?"
    )


# Files


def test_missing_input_file(run: Run) -> None:
    refused(run("summary", "Good", "--input-file", "none.pt"), "none.pt: there is no such file")
    refused(run("summary", "Good", "--input-file", "."), "--input-file .: this is a folder")


def test_input_file_of_another_kind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2")
    refused(run("summary", "Good", "--input-file", str(tmp_path / "x.csv")), "must end in .pt")


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no such format at all"])
def test_damaged_input_file(run: Run, tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"x{suffix}"
    file.write_bytes(content)
    refused(run("summary", "Good", "--input-file", str(file)), f"--input-file {file}")


@pytest.mark.filterwarnings("ignore:.torch.jit")  # which is deprecated since 2.9
def test_a_scripted_model_is_no_input_and_said_once(run: Run, tmp_path: Path) -> None:
    """PyTorch warns of such a file before it refuses it."""
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "x.pt")
    told = refused(run("summary", "Good", "--input-file", str(tmp_path / "x.pt")), "x.pt is no file of plain tensors")
    assert len(told.splitlines()) == 1


class Harm:
    """Would write a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.target, "harm")


def test_pickle_with_code_in_it_is_not_run(run: Run, tmp_path: Path) -> None:
    written = tmp_path / "harm"
    torch.save(Harm(written), tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harm(written)))
    np.savez(tmp_path / "array.npz", x=np.array([Harm(written)], dtype=object), allow_pickle=True)
    for name in ("zip.pt", "plain.pt", "array.npz"):
        refused(run("summary", "Good", "--input-file", str(tmp_path / name)))
        assert not written.exists()
    assert "could run code" in run("summary", "Good", "--input-file", str(tmp_path / "zip.pt")).stderr


def test_input_file_without_tensors(run: Run, tmp_path: Path) -> None:
    torch.save(3, tmp_path / "x.pt")
    refused(run("summary", "Good", "--input-file", str(tmp_path / "x.pt")), "holds an int, not tensors")


# Forwards


def test_forward_that_raises_shows_the_table_up_to_there(run: Run) -> None:
    told = refused(
        run("summary", "RaisesInForward", "--input", "2,4"),
        "the root (RaisesInForward), given [2, 4] float32",
        "ValueError: I do not like (2, 4)",
        "raise ValueError(",
    )
    table, message = told.split("error: ")
    assert re.search(r"fc \(Linear\) +\[2, 4\] +20 +32", table)
    assert "Parameters" not in table  # half a forward has no totals
    assert "fc: linear gave [2, 4]" in message


def test_forward_that_returns_nothing(run: Run) -> None:
    refused(run("summary", "ReturnsNothing", "--input", "2,4"), "forward returned nothing", "fc (Linear)")


def test_forward_that_exits(run: Run) -> None:
    refused(run("summary", "Exits", "--input", "2,4"), "raised SystemExit: 0", ": sys.exit(0)")


def test_forward_that_needs_values(run: Run) -> None:
    refused(run("summary", "Branches", "--input", "2,4"), "--input-file", "if x.sum() > 0:")


@pytest.mark.parametrize(("model", "line"), [("NeverEnds", "time.sleep(86_400)  # here"), ("NeverBuilt", "nets.py:")])
def test_what_never_ends(run: Run, model: str, line: str) -> None:
    refused(run("summary", model, "--input", "2,4", "--timeout", "2"), "no answer within 2 s (--timeout)", line)


def test_rules_file_that_raises(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "my_rules.py"
    file.write_text("1 / 0\n")
    refused(run("summary", "Good", "--input", "2,4", "--rules", str(file)), "ZeroDivisionError", f"{file}:1: 1 / 0")


@pytest.mark.parametrize(
    ("command", "target", "options"),
    [
        ("summary", "Good", ("--json", "--csv")),
        ("verify", "Good", ("--markdown", "--json")),
        ("compare", "models.lenet:LeNet5", ("models.lenet:LeNet5", "--json", "--markdown")),
        ("toeplitz", "torch.nn:Conv2d", ("--json", "--html")),
        ("batch-size", "Good", ("--json", "--markdown")),
    ],
)
def test_two_forms_of_one_answer(run: Run, command: str, target: str, options: tuple[str, ...]) -> None:
    refused(run(command, target, "--input", "2,4", *options), "are two forms of one answer; give one of them")


@pytest.mark.parametrize("command", ["summary", "verify", "compare"])
def test_two_modes_of_one_model(run: Run, command: str) -> None:
    targets = ("models.lenet:LeNet5",) * (1 + (command == "compare"))
    said = "--train and --eval are two modes of one model; give one of them"
    refused(run(command, *targets, "--input", "1,1,32,32", "--eval", "--train"), said)
