"""How every command ends that is stopped, and how click's own errors read."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main

from .conftest import NETS

Run = Callable[..., Result]
TARGET = f"{NETS}:Interrupted"


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", TARGET, "--input", "2,4"],
        ["verify", TARGET, "--input", "2,4"],
        ["memory", TARGET, "--input", "2,4"],
        ["compare", TARGET, TARGET, "--input", "2,4"],
    ],
)
def test_ctrl_c_ends_with_130_and_one_line(run: Run, arguments: list[str]) -> None:
    stopped = run(*arguments)
    assert (stopped.exit_code, stopped.stdout, stopped.stderr) == (130, "", "stopped by ctrl-C\n")


def test_ctrl_c_in_a_command_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["inspector.cli.formulas"], "textbook", interrupted)
    stopped = CliRunner().invoke(main, ["formulas"])
    assert (stopped.exit_code, stopped.stderr) == (130, "stopped by ctrl-C\n")


@pytest.mark.parametrize("arguments", [["--bogus"], ["bogus"], ["summary"], ["summary", "a:b", "--depth", "x"]])
def test_clicks_errors_read_as_ours(arguments: list[str]) -> None:
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "\nerror: " in refused.stderr
    assert "Error:" not in refused.stderr


def test_help_and_version_still_end_well() -> None:
    assert [CliRunner().invoke(main, [option]).exit_code for option in ("--help", "--version")] == [0, 0]
