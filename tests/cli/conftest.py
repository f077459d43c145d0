"""Runs a command as a person would and gives its exit code, standard output and standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main

NETS = str(Path(__file__).parent / "nets.py")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``run("summary", "Good", "--input", "2,4")``; a target without a colon is a model of nets.py."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def runs(command: str, target: str, *options: str) -> Result:
        full = target if ":" in target or command == "formulas" else f"{NETS}:{target}"
        return CliRunner().invoke(main, [command, full, *options], catch_exceptions=False)

    return runs
