"""What only a process of its own shows: what is imported, pipes, and writes below Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import NETS


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS")}
    return subprocess.run(
        [sys.executable, "-m", "inspector", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**kept, "PYTHONUTF8": "1", **environment},
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["summary", "--help"], ["verify", "--help"], ["formulas", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom inspector.cli import main\n"
        f"try: main({arguments})\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'sympy', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in found.stdout
    assert found.stderr.strip() == "[]"


def test_a_pipe_gets_everything_and_no_colours() -> None:
    found = process("summary", f"{NETS}:Good", "--input", "2,4", COLUMNS="20")
    assert found.returncode == 0, found.stderr
    assert "4 × (4 + 1) = 20" in found.stdout
    assert "\x1b" not in found.stdout


def test_writes_below_python_do_not_spoil_json() -> None:
    found = process("summary", f"{NETS}:Prints", "--input", "2,4", "--json")
    assert json.loads(found.stdout)["model"] == "Prints"
    assert "from below Python" in found.stderr


def test_an_encoding_without_box_characters_is_no_error() -> None:
    found = process("summary", f"{NETS}:Good", "--input", "2,4", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert found.returncode == 0, found.stderr
    assert "fc (Linear)" in found.stdout


def test_rules_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "odd_rules.py"
    file.write_text(
        "import torch\n"
        "from inspector import Formula, rules\n"
        "torch.library.define('nets::odd', '(Tensor x) -> Tensor')\n"
        "MACS = Formula('3*n')\n"
        "def odd(x):\n"
        "    return x.shape, MACS(n=x.numel())\n"
        "rules.register(torch.ops.nets.odd, odd)\n"
    )
    found = process("summary", f"{NETS}:Odd", "--input", "2,4", "--rules", str(file), "--strict")
    assert found.returncode == 0, found.stderr
    assert "3 × 8 = 24" in found.stdout  # 2·4 elements


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_model_that_ends_the_process_is_no_verdict() -> None:
    found = process("verify", f"{NETS}:ExitsAtOnce", "--input", "2,4")
    assert found.returncode == 2
    assert found.stdout == ""
    assert "SystemExit: 0" in found.stderr
    assert "os._exit(0)" in found.stderr  # the user's line


def test_the_clock_of_timeout_starts_when_pytorch_is_there() -> None:
    code = (
        "import contextlib, sys\nimport inspector.cli.question as question\nfrom inspector.cli import main\n"
        "def deadline(seconds):\n"
        "    print([name for name in ('torch', 'inspector.predict') if name in sys.modules], file=sys.stderr)\n"
        "    return contextlib.nullcontext()\n"
        "question.deadline = deadline\n"
        f"main(['summary', {NETS + ':Good'!r}, '--input', '2,4', '--timeout', '9'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "['torch', 'inspector.predict']"
