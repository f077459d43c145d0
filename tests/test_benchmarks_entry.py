"""``python -m benchmarks``: which suites run, what they are given, and how they are stopped."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as entry
from benchmarks import bench as bench_suite
from benchmarks.__main__ import SUITES, Suite, arguments, chosen, main, run
from benchmarks.bench import table
from benchmarks.stopping import interrupts, write

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
    on_gpu = Suite("bench", gpu=True, needs=("no_such_module",))
    assert on_gpu.lacks() == ["no_such_module"]
    assert on_gpu.lacks(gpu=True) == [], "peers stand in the CPU's tables alone"


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


def test_ctrl_c_ends_the_suite_and_all_later_ones(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    class Interrupted(Process):
        def wait(self, timeout: float | None = None) -> int:
            if not self.told:
                raise KeyboardInterrupt
            return 0

    started = []
    monkeypatch.setattr(entry.subprocess, "Popen", lambda command, **_: started.append(command) or Interrupted(None))
    assert main(["--dry-run", "--only", "bench", "--only", "experiments", "--time-limit", "1000"]) == 0
    assert len(started) == 1
    assert "bench: interrupted after" in capsys.readouterr().out


def test_every_suite_leaves_time_to_the_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {}
    monkeypatch.setattr(entry, "run", lambda suite, _, seconds: limits.update({suite.name: seconds}) or "done")
    monkeypatch.setattr(entry.time, "monotonic", lambda: 0.0)
    assert main(["--dry-run", "--gpu"]) == 0
    assert limits == {"bench": 450 - 15 - 2 * 60, "toeplitz": 450 - 15 - 60, "experiments": 450 - 15}
    main(["--dry-run", "--gpu", "--time-limit", "100"])
    assert limits == {"bench": 42.5, "toeplitz": 42.5, "experiments": 85}


def test_ctrl_c_is_not_lost_in_what_keeps_it_to_itself() -> None:
    """A measurement that ctrl-C falls into returns what it has; the suite ends all the same, once."""
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as check:
        check()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the second is not heard
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_written_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "folder" / "x.json"
    write(file, {"a": 1})

    def torn(self: Path, text: str, **_: object) -> None:
        with self.open("w") as half:
            half.write(text[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", torn)
    with pytest.raises(KeyboardInterrupt):
        write(file, {"b": 2})
    assert json.loads(file.read_text()) == {"a": 1}


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
    report = {
        "environment": {"name": "X", "torch": "2"},
        "floors": {"net": one},
        "modes": {
            "net, eager, float32": {"seconds": 0.02, "floor": 0.01, "memory": {}},
            "net, graph, float32": {"reason": "no"},
        },
        "timer": {"1 ms": 0.01},
        "beside": {"net, other": {"theirs": 0.02, "ratio": 1.01, "interval": (0.99, 1.02), "itself": (0.98, 1.03)}},
        "decisions": {"runs": 200, "false_alarms": 0.02, "found": 0.98, "smallest": 0.034},
        "sweep": {"knee": 123.4, "interval": (100.0, 150.0), "limit": "memory suffices for 4, not for 8"},
    }
    written = table(report)
    assert "| net | 20.00 ms | 10.00 ms | 50% | 5.00 ms | 3 | 1 | memory | +5.0% |" in written
    assert "| net, eager, float32 | 20.00 ms | 10.00 ms | 50% |" in written
    assert "| net, graph, float32 | no |" in written
    assert "1 ms +1.00%" in written
    assert "| net, other | 20.00 ms | +1.00% | -1.00% to +2.00% | -2.00% to +3.00% |" in written
    assert "Of 200 runs beside a busy process, 2.0% said" in written
    assert "98.0% found a slowdown of 20%" in written
    assert "smallest slowdown found in 95 % of them is 3.4%" in written
    assert "knee B* = 123 (100 to 150); memory suffices for 4" in written


#: Put before everything else on the path: what is named cannot be found.
_HIDING = """
import sys

class Hides:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {hidden} else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hides, sys.meta_path)
"""
#: Of what the tests install, all but torch, numpy, sympy, rich and matplotlib with what those bring.
_ABSENT = """
    click distributed einconv fvcore hypothesis jsonschema markdown_it mlxtend ptflops pytest safetensors scipy sklearn
    thop torchinfo torchvision transformers triton
"""


@pytest.mark.slow
def test_a_dry_run_for_a_gpu_needs_no_other_packages(tmp_path: Path) -> None:
    """The same code that runs on a GPU, where torch, numpy, sympy, rich and matplotlib are all there is."""
    (tmp_path / "sitecustomize.py").write_text(_HIDING.replace("{hidden}", repr(_ABSENT.split())))
    command = [sys.executable, "-m", "benchmarks", "--dry-run", "--gpu", "--out", str(tmp_path / "out")]
    where = {**os.environ, "PYTHONPATH": str(tmp_path), "CXX": "no-such-compiler"}  # compiling alone takes half of it
    done = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(("bench:", "toeplitz:", "experiments:"))]
    assert [line.split(" after")[0] for line in told] == ["bench: done", "toeplitz: done", "experiments: done"]
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert found["floors"]["LeNet-5"]["layers"] == 13
    assert found["decisions"]["runs"] == 5
    assert "CUDA graphs" in found["modes"]["LeNet-5, graph, float32"]["reason"]
    assert "torch.compile does not manage" in found["modes"]["LeNet-5, compile, float32"]["reason"]
    assert json.loads((tmp_path / "out" / "toeplitz.json").read_text())["devices"]["cpu"].keys() == {
        *("building", "materialising", "applying")
    }
    assert json.loads((tmp_path / "out" / "experiments.json").read_text())["devices"]["cpu"]["experiments"]


def test_a_sweep_of_one_size_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = SimpleNamespace(timings={1: None}, limit="batch size 2 takes more than the time of 1 s allows")
    monkeypatch.setattr(bench_suite, "sweep_batches", lambda *_, **__: stopped)
    found = bench_suite.swept("cpu", quick=True)
    assert found == {"reason": stopped.limit}
    environment = {"name": "X", "torch": "2"}
    assert f"no knee, for {stopped.limit}." in table({"environment": environment, "floors": {}, "sweep": found})
