"""``inspector bench sweep``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from inspector.cli import main

NET = "models.lenet:LeNet5"


def _asked(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(main, ["bench", "sweep", NET, "--input", "1,1,32,32", *arguments])
    return found.exit_code, found.stdout, found.stderr


def test_sizes_their_law_and_how_far_it_is_flat() -> None:
    code, said, _ = _asked("--sizes", "1,64", "--samples", "8", "--seconds", "2")
    assert code == 0
    assert "knee B* = t₀/β =" in said
    assert "flat, T(B) ≤ 1.25·T(1), up to B = " in said


def test_as_json() -> None:
    code, said, _ = _asked("--sizes", "4", "--samples", "6", "--seconds", "1", "--json")
    found = json.loads(said)
    assert code == 0
    assert [each["batch"] for each in found["sizes"]] == [4]
    assert found["law"] is None
    assert found["flat"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sizes", "0,4"), "whole numbers from 1"),
        (("--sizes", "1,x"), "'x' in row 1 is no number"),
        (("--sizes", "1.5"), "whole numbers from 1"),
        (("--mode", "fast"), "there is no mode 'fast'"),
        (("--device", "abacus"), "cannot be used here"),
    ],
)
def test_bad_questions(arguments: tuple[str, ...], said: str) -> None:
    code, _, complaint = _asked("--seconds", "1", *arguments)
    assert code == 2
    assert said in complaint
