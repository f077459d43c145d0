"""A result as JSON, Markdown and text."""

from __future__ import annotations

import dataclasses
import json

import pytest

from inspector.experiments.documents import measured, predicted, to_text
from inspector.experiments.records import Claim, Measured, Predicted
from inspector.experiments.running import run


def test_json_is_strict_and_whole(toy: str) -> None:
    result = run(toy)
    spoiled = dataclasses.replace(result, values={"a": {"loss": float("nan"), "losses": [1.0, float("inf")]}})
    found = json.loads(spoiled.to_json(), parse_constant=pytest.fail)
    assert found["values"] == {"a": {"loss": None, "losses": [1.0, None]}}
    assert found["verdict"] == "pass"
    assert found["claims"][0]["predicted"]["value"] == 1.0
    assert found["claims"][0]["measured"]["n"] == 5
    assert found["config"]["seed"] == 0
    assert {"device", "torch", "dtype", "threads"} <= set(found["environment"])


def test_markdown_has_a_row_for_each_claim(toy: str) -> None:
    lines = run(toy, fault="shifted").to_markdown().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 1 + 2
    assert all(row.count(" | ") == 3 for row in rows)
    assert "fail: outside" in rows[1]
    assert any("planted fault shifted" in line for line in lines)


def test_text_keeps_its_width(toy: str) -> None:
    result = run(toy)
    assert max(map(len, to_text(result, 60).splitlines())) <= 60
    assert str(result) == to_text(result)
    assert result.claim("mean").claim.statement in str(result)


def test_numbers_with_their_intervals() -> None:
    assert predicted(Claim("a", "", Predicted(0.5, 0.5, 0.5, ""), "at least")) == "≥ 0.5"
    assert measured(None) == "nothing"
    assert measured(Measured(0.5, 0.4, 0.6, 7)) == "0.5 [0.4, 0.6], n = 7"
    assert measured(Measured.exactly(2.0)) == "2, exactly"
