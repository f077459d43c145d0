"""`inspector batch-size`: answers, formats and questions that cannot be put."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.cli.batch_size import _samples
from tests.experiments.clock import undisturbed

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.a = nn.Linear(6, width)
        self.norm = nn.BatchNorm1d(width)
        self.b = nn.Linear(width, 3)
    def forward(self, x):
        print("own words")
        return self.b(self.norm(self.a(x)).relu())

def own(output, y):
    return (output.logsumexp(1) - output[torch.arange(len(y)), y]).mean()

number = 3
"""
Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    (tmp_path / "own_net.py").write_text(NET)
    x = np.random.default_rng(0).normal(size=(48, 6))
    np.savez(tmp_path / "data.npz", x=x, y=x[:, :3].argmax(1))
    np.savez(tmp_path / "far.npz", x=x, y=np.arange(48))
    np.savez(tmp_path / "odd.npz", a=x)
    np.savez(tmp_path / "few.npz", x=x[:4], y=np.arange(4) % 3)
    np.savez(tmp_path / "floats.npz", x=x, y=x[:, :3].argmax(1).astype(float))
    np.savez(tmp_path / "halves.npz", x=x, y=x[:, :3].argmax(1) + 0.5)
    np.savez(tmp_path / "nan.npz", x=np.where(np.arange(48)[:, None] == 7, np.nan, x), y=x[:, :3].argmax(1))
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    torch.save((torch.ones(9, 6), torch.zeros(8)), tmp_path / "unequal.pt")
    monkeypatch.chdir(tmp_path)
    return lambda *options: CliRunner().invoke(main, ["batch-size", *options], catch_exceptions=False)


def test_the_answer(ask: Ask) -> None:
    result = ask("own_net.py:Net", "--data", "data.npz", "--input", "6", "--most", "8", "--updates", "3")
    assert result.exit_code == 0, result.stderr
    for said in ("gradient noise scale", "knee", "memory limit", "batch norm bears", "norm  ", "Tried", "Recommended:"):
        assert said in result.stdout
    assert "own words" not in result.stdout


def test_samples_are_counted_as_all_else_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", x=np.zeros((1200, 2)), y=np.zeros(1200, dtype=int))
    samples = _samples(str(tmp_path / "many.npz"), None, "cross_entropy")
    assert samples.said == "1 200 samples of many.npz"


@pytest.mark.slow
def test_json_and_a_loss_of_ones_own(ask: Ask) -> None:
    options = ("--arg", "width=4", "--loss", "own_net.py:own", "--most", "8", "--updates", "0", "--tolerance", "0.5")
    found = json.loads(ask("own_net.py:Net", "--data", "data.npz", *options, "--json").stdout)
    assert found["loss"] == "own_net.py:own"
    assert found["layers"][0]["smallest"] == 4  # 1/0.5²
    assert {each["name"] for each in found["remedies"]} == {"freeze batch norm", "group norm", "accumulate gradients"}


def test_classes_may_be_stored_as_floats(ask: Ask) -> None:
    result = ask("own_net.py:Net", "--data", "floats.npz", "--most", "4", "--updates", "0")
    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
def test_without_data_times_alone(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed(monkeypatch)
    result = ask("own_net.py:Net", "--input", "6", "--most", "8", "--markdown")
    assert result.exit_code == 0, result.stderr
    assert "needs real samples" in result.stdout
    assert result.stdout.startswith("**batch size")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --data FILE"),
        (("--data", "none.npz"), "no such file"),
        (("--data", "odd.npz"), "it holds a"),
        (("--data", "broken.npz"), "--data broken.npz is no file of plain tensors"),
        (("--data", "nan.npz"), "sample 7 (from 0) holds a number that is not finite"),
        (("--data", "halves.npz"), "cross_entropy takes classes, whole numbers from 0"),
        (("--data", "few.npz"), "8 or more; got 4 and 4"),
        (("--data", "unequal.pt"), "got 9 and 8"),
        (("--data", "far.npz"), "labels run from 0 to 47, and the model gives 3 outputs"),
        (("--data", "data.npz", "--input", "7"), "the samples of data.npz are 6"),
        (("--data", "data.npz", "--input", "N,6"), "without the batch"),
        (("--data", "data.npz", "--loss", "cross"), "expected one of cross_entropy"),
        (("--data", "data.npz", "--loss", "own_net.py:number"), "not a function"),
        (("--data", "data.npz", "--loss", "mse"), "does not take samples"),
        (("--data", "data.npz", "--device", "cudo"), "cannot be used here"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_questions_that_cannot_be_put(ask: Ask, options: tuple[str, ...], said: str) -> None:
    result = ask("own_net.py:Net", *options)
    assert result.exit_code == 2
    assert said in result.stderr
