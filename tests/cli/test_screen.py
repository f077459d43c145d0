"""Width and colours of terminals, pipes and people who said what they want."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from click.testing import Result

from inspector.cli import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_has_a_width_and_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert screen.width(Terminal()) == 77
    assert screen.width(io.StringIO()) is None


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),  # no-color.org: an empty value says nothing
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_who_gets_colours(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, environment: dict[str, str], expected: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert screen.color(stream) is expected


def test_forced_colours_reach_the_output(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in run("summary", "Good", "--input", "2,4").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("summary", "Good", "--input", "2,4").stdout
