"""What is recommended from which figures, and how it reads."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.experiments.advice_text import headline, markdown, text
from inspector.experiments.recommendation import (
    ACCEPTED_COST,
    Advice,
    Finding,
    LayerNeed,
    Recommendation,
    Remedy,
    power_of_two,
    recommend,
)


@pytest.mark.parametrize(
    ("asked", "batch", "norm"),
    [
        ({"best": 100.0, "needed": 16, "has_batch_norm": True}, 128, "keep"),
        ({"best": 100.0, "needed": None, "has_batch_norm": False}, 128, "none"),
        ({"best": 100.0, "needed": None, "has_batch_norm": True}, 128, "replace"),  # no batch is enough
        ({"best": 100.0, "needed": 16, "has_batch_norm": True, "limit": 70}, 64, "keep"),
        ({"best": 100.0, "needed": 65, "has_batch_norm": True, "limit": 64}, 64, "replace"),  # does not fit
        ({"best": 100.0, "needed": 16, "has_batch_norm": True, "samples": 40}, 32, "keep"),
        ({"best": 16.0, "needed": 20, "has_batch_norm": True}, 32, "keep"),  # twice the best: 12.5 % at most
        ({"best": 16.0, "needed": 20, "has_batch_norm": True, "limit": 31}, 20, "keep"),  # 32 does not fit
        ({"best": 4.0, "needed": 64, "has_batch_norm": True}, 4, "replace"),  # (2 + 16 + 1/16)/4 = 4.5 times as long
        ({"best": None, "noise": 500.0, "needed": 2, "has_batch_norm": True}, 512, "keep"),
        ({"best": None, "flat": 30.0, "needed": 2, "has_batch_norm": True}, 32, "keep"),
        ({"best": None, "needed": 2, "has_batch_norm": True}, None, "keep"),
    ],
)
def test_recommendations(asked: dict[str, object], batch: int | None, norm: str) -> None:
    found = recommend(**asked)  # type: ignore[arg-type]
    assert (found.batch, found.norm) == (batch, norm)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    best=st.floats(0.1, 1e5),
    needed=st.none() | st.integers(1, 4096),
    limit=st.none() | st.integers(1, 4096),
    samples=st.none() | st.integers(1, 4096),
)
def test_no_batch_breaks_a_limit(best: float, needed: int | None, limit: int | None, samples: int | None) -> None:
    found = recommend(best, needed, has_batch_norm=True, limit=limit, samples=samples)
    assert found.batch is not None
    assert 1 <= found.batch <= min(limit or math.inf, samples or math.inf)
    if found.norm == "keep":
        assert needed is not None
        assert needed <= found.batch
        if found.batch > power_of_two(best):
            ratio = found.batch / best
            assert (2 + ratio + 1 / ratio) / 4 <= ACCEPTED_COST


ADVICE = Advice(
    model="Net",
    device="cpu",
    loss="cross_entropy",
    data="500 samples",
    environment={"torch": "2.9"},
    findings=(
        Finding("gradient noise scale", 412.3, 380.0, 450.5, "64 batches of 8 | and 64"),
        Finding("memory limit", None, None, None, "nothing here limits it"),
    ),
    layers=(
        LayerNeed("bn_1", 196, 2.5, 2.1, 3.0, 40, "sd ≤ 0.1"),
        LayerNeed("bn_2", 49, 0.1, 0.1, 0.1, None, "sd ≤ 0.1"),
    ),
    remedies=(
        Remedy("group norm", True, "shapes agree"),
        Remedy("accumulate gradients", False, "gradients differ"),
        Remedy("freeze batch norm", None, "no statistics yet"),
    ),
    recommendation=Recommendation(256, "replace", ("because",)),
    notes=("mind",),
)


def test_words() -> None:
    printed = text(ADVICE)
    assert str(ADVICE) == printed
    assert [line.split() for line in printed.splitlines() if "noise scale" in line] == [
        ["gradient", "noise", "scale", "412", "[380,", "450]"]
    ]
    for said in ("—", "nothing here limits it", "none", "does not help", "not tried", "Note: mind", "because"):
        assert said in printed
    assert printed.count("sd ≤ 0.1") == 1  # said once for all layers
    assert headline(ADVICE) == "batch size 256; replace batch normalization (group norm) or freeze it"


def test_markdown_keeps_its_columns() -> None:
    rows = [line for line in markdown(ADVICE).splitlines() if line.startswith("|")]
    assert "64 batches of 8 \\| and 64" in "\n".join(rows)
    counts = [line.replace("\\|", "").count("|") for line in rows]
    assert counts == [5] * 4 + [6] * 4 + [4] * 5  # header, rule and rows of the three tables


def test_json() -> None:
    found = json.loads(json.dumps(ADVICE.to_dict()))
    assert found["schema_version"] == "1.0"
    assert found["findings"][1]["value"] is None
    assert found["recommendation"]["batch"] == 256
