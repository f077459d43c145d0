"""``python -m benchmarks``: which suites run, what they are given, and how they are stopped."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks.__main__ import SUITES, Suite, arguments, chosen, main, run
from benchmarks.bench import table

ROOT = Path(__file__).parent.parent


def names(only: list[str], gpu: bool = False) -> list[str]:
    return [suite.name for suite in chosen(only, gpu)]


def test_which_suites_run() -> None:
    assert names([]) == [suite.name for suite in SUITES]
    assert names(["toeplitz", "bench"]) == ["bench", "toeplitz"]
    assert "inspection" not in names([], gpu=True)
    assert {"bench", "toeplitz", "experiments"} <= set(names([], gpu=True))


def test_every_suite_is_a_module_that_takes_what_it_is_given() -> None:
    for suite in SUITES:
        if not suite.lacks():
            text = (ROOT / "benchmarks" / f"{suite.name}.py").read_text()
            assert all(f'"{flag}"' in text for flag in ("--quick", "--out", *(["--gpu"] if suite.gpu else [])))


def test_a_dry_run_gives_no_gpu_and_little_work() -> None:
    options = argparse.Namespace(quick=False, dry_run=True, gpu=True)
    suite = next(suite for suite in SUITES if suite.gpu)
    assert arguments(suite, options, Path("x")) == ["--quick", "--out", "x"]
    options.dry_run = False
    assert arguments(suite, options, Path("x")) == ["--gpu", "--out", "x"]
    assert arguments(dataclasses.replace(suite, gpu=False), options, Path("x")) == ["--out", "x"]


def test_a_suite_whose_modules_are_missing_is_left_out(capsys, monkeypatch) -> None:
    missing = Suite("bench", needs=("no_such_module",))
    monkeypatch.setattr(entry, "SUITES", (missing,))
    assert missing.lacks() == ["no_such_module"]
    assert main(["--dry-run"]) == 0
    assert "bench: skipped: no_such_module not here" in capsys.readouterr().out


class Process:
    """A suite that ends by itself, or when it is interrupted, or not even then."""

    def __init__(self, ends: int | None, hears: bool = True) -> None:
        self.ends, self.hears, self.told = ends, hears, []

    def wait(self, timeout: float | None = None) -> int:
        if self.ends is None:
            raise subprocess.TimeoutExpired("suite", timeout or 0)
        return self.ends

    def send_signal(self, number: int) -> None:
        self.told.append("interrupt")
        self.ends = 0 if self.hears else None

    def kill(self) -> None:
        self.told.append("kill")
        self.ends = -9


@pytest.mark.parametrize(
    ("process", "how", "told"),
    [
        (Process(0), "done", []),
        (Process(1), "failed", []),
        (Process(None), "stopped", ["interrupt"]),
        (Process(None, hears=False), "stopped", ["interrupt", "kill"]),
    ],
)
def test_how_a_suite_ends(process: Process, how: str, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry.subprocess, "Popen", lambda *_, **__: process)
    assert run(SUITES[0], [], 1.0) == how
    assert process.told == told


def test_a_failure_is_the_exit_code_and_no_time_runs_nothing(monkeypatch, capsys) -> None:
    monkeypatch.setattr(entry, "run", lambda *_: "failed")
    assert main(["--dry-run", "--only", "bench"]) == 1
    assert main(["--dry-run", "--only", "bench", "--time-limit", "1"]) == 0
    assert "no time left" in capsys.readouterr().out


@pytest.mark.parametrize("given", [["--only", "nothing"], ["--time-limit", "-1"], ["--fast"]])
def test_bad_questions(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2


def test_the_table_tells_what_was_found() -> None:
    one = {
        "seconds": 0.02,
        "floor": 0.01,
        "fused": 0.005,
        "layers": 3,
        "passed": ["a"],
        "bound": "memory",
        "hooked": 0.021,
    }
    report = {"environment": {"name": "X", "torch": "2"}, "floors": {"net": one}, "timer": {"0.001": 0.01}}
    written = table(report)
    assert "| net | 20.00 ms | 10.00 ms | 50% | 5.00 ms | 3 | 1 | memory | +5.0% |" in written
    assert "1 ms +1.00%" in written


@pytest.mark.slow
def test_a_dry_run_of_the_bench_suite(tmp_path: Path) -> None:
    """The same code that runs on a GPU."""
    command = [sys.executable, "-m", "benchmarks", "--dry-run", "--gpu", "--only", "bench", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["floors"]["LeNet-5"]["layers"] == 13
