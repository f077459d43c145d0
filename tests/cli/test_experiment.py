"""The command as people type it: list, one, all, data, and what is no question."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.experiments.registry import EXPERIMENTS
from tests.experiments import toy as toys

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(EXPERIMENTS):
        monkeypatch.delitem(EXPERIMENTS, name)
    monkeypatch.setitem(EXPERIMENTS, "toy", toys.PLACE)


def ask(*options: str) -> Result:
    return CliRunner().invoke(main, ["experiment", *options], catch_exceptions=False)


def test_list_names_experiments_and_faults() -> None:
    found = ask("list")
    assert found.exit_code == 0
    assert "toy\n    The mean of many normal numbers" in found.stdout
    assert "--fault shifted: the numbers come from" in found.stdout


def test_list_as_json() -> None:
    found = json.loads(ask("list", "--json").stdout)
    assert list(found) == list(EXPERIMENTS)
    assert found["toy"]["faults"]["shifted"].startswith("the numbers come from")


@pytest.mark.parametrize("options", [("list", "--markdown"), ("data", "--json")])
def test_forms_that_there_are_not(options: tuple[str, str]) -> None:
    refused = ask(*options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"leave out {options[1]}" in refused.stderr


def test_one_passes_and_its_fault_fails() -> None:
    passed, failed = ask("toy"), ask("toy", "--fault", "shifted")
    assert (passed.exit_code, failed.exit_code) == (0, 1)
    assert passed.stdout.startswith("toy: pass\n")
    assert failed.stdout.startswith("toy: fail\n")


def test_out_keeps_everything_and_goes_on(tmp_path: Path) -> None:
    first, second = (ask("toy", "--out", str(tmp_path), "--seed", "3", "--json") for _ in range(2))
    folder = tmp_path / "toy" / "cpu,seed=3"
    assert {path.name for path in folder.iterdir()} >= {"prediction.json", "result.json", "figure.svg", "figure.png"}
    records = [json.loads(found.stdout) for found in (first, second)]
    assert records[0]["values"] == records[1]["values"]
    assert records[0]["predicted_at"] == records[1]["predicted_at"]


def test_markdown_and_control() -> None:
    found = ask("toy", "--markdown", "--control", "--quick")
    assert found.exit_code == 0
    assert found.stdout.startswith("## Means of normal numbers: pass\n")
    assert "quick, control" in found.stdout


def test_all_goes_on_where_one_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DIES", "question")
    monkeypatch.setitem(EXPERIMENTS, "other", toys.PLACE)
    found = ask("all")
    assert found.exit_code == 2
    assert found.stderr.count("the loss is NaN at step 7") == 2
    assert found.stdout.count("not run") == 2
    monkeypatch.delenv("TOY_DIES")
    found = ask("all")
    assert found.exit_code == 0
    assert [line.split()[:2] for line in found.stdout.splitlines()[-3:]][:2] == [["toy", "pass"], ["other", "pass"]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("toys",), "did you mean toy?"),
        (("toy", "--fault", "none"), "it has shifted"),
        (("all", "--fault", "shifted"), "--fault belongs to one experiment"),
        (("toy", "--export", "x.npz"), "--export belongs to data"),
        (("toy", "--device", "cdua"), "--device cdua cannot be used here"),
        (("toy", "--data", "nowhere.npz"), "no such file or folder"),
        (("toy", "--jobs", "0"), "--jobs must be at least 1"),
        (("toy", "--scheduler", "localhost"), "is no address"),
        (("data", "--data", "nowhere.npz"), "no such file or folder"),
        (("data", "--export", "nowhere/x.npz"), "No such file or directory"),
        (("toy", "--seed", "-1"), "is not in the range"),
    ],
)
def test_bad_questions_end_with_2_and_say_why(options: tuple[str, ...], said: str) -> None:
    found = ask(*options)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.output
    assert "fault of inspector" not in found.output


def test_data_is_described_and_exported(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=np.zeros((5, 9, 9)), labels=[0, 1, 1, 0, 1])
    told = ask("data", "--data", str(tmp_path / "own.npz"))
    assert told.stdout == "5 images of 28 × 28, classes 0: 2, 1: 3\n"
    written = ask("data", "--data", str(tmp_path / "own.npz"), "--export", str(tmp_path / "new.npz"))
    assert "5 images" in written.stdout
    assert ask("data", "--data", str(tmp_path / "new.npz")).stdout == told.stdout


def test_of_many_classes_the_sizes_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=np.zeros((45, 9, 9)), labels=[*range(30), *range(15)])
    told = ask("data", "--data", str(tmp_path / "own.npz"))
    assert told.stdout == "45 images of 28 × 28, 30 classes of 1 to 2 images\n"


def test_strict_does_not_let_an_open_verdict_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toys.Toy, "gather", lambda *_: {})
    assert ask("toy").exit_code == 0
    assert ask("toy", "--strict").exit_code == 1


def test_under_torchrun_one_process_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    found = ask("toy")
    assert (found.exit_code, found.output) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child there")
def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    """The fourth cell waits for the Ctrl-C, however long the machine takes to send it."""
    out = tmp_path / "runs"
    script = (
        "from inspector.cli import main\nfrom inspector.experiments.registry import EXPERIMENTS\n"
        f"EXPERIMENTS['toy'] = 'tests.experiments.toy:Toy'; main(['experiment', 'toy', '--out', {str(out)!r}])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "TOY_DIES": "hangs", "TOY_TRAIL": str(tmp_path / "trail")},
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        until = time.monotonic() + 300
        while not (tmp_path / "trail").exists() or len((tmp_path / "trail").read_text().split()) < 4:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "what was measured is kept in" in said
    assert "Traceback" not in said
    assert len(list((out / "toy" / "cpu,seed=0" / "cells").glob("*.json"))) == 3
    assert not list(out.rglob("*.part"))
