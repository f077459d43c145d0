"""What is recommended from which figures, and how it reads."""

from __future__ import annotations

import json
import math
from dataclasses import replace

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
    doubts_about,
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


def test_what_is_said_to_be_lost_is_lost_by_the_batch_that_is_named() -> None:
    """512 samples are all there are, 991 were best: (2 + 512/991 + 991/512)/4 − 1 = 11.3 %; of 1 024 it were <0.1 %."""
    assert "1 024 lengthens training by <0.1 % at most against 991" in recommend(991, 2, has_batch_norm=True).reasons
    found = recommend(991.0, 2, has_batch_norm=True, samples=512)
    assert found.batch == 512
    assert "512 lengthens training by 11.3 % at most against 991" in found.reasons


def test_a_sharp_knee_forgives_less() -> None:
    """2⁵ for 2^5.5 misses by √2: 3.0 % where T is a line, (2 + √2 + 1/√2)/4 − 1, and 20.5 % where γ = 16."""
    for gamma, said in ((1.0, "3.0 %"), (16.0, "20.5 %")):
        reasons = recommend(2**5.49999, 2, has_batch_norm=True, gamma=gamma).reasons
        assert any(f"32 lengthens training by {said} at most" in reason for reason in reasons)


def measured(name: str, value: float | None, low: float | None, high: float | None) -> Finding:
    return Finding(name, value, low, high, "")


@pytest.mark.parametrize(
    ("best", "knee", "noise", "needed"),
    [
        ((991.0, 0.128, 6082.0), (1600.0, 1e-3, 1600.0), (614.0, 600.0, 640.0), ["--most"]),
        ((100.0, 9.9, 200.0), (100.0, 50.0, 200.0), (100.0, 8.0, 120.0), ["--updates"]),  # just beyond the rule
        ((100.0, 5.0, None), (100.0, 5.0, 200.0), (100.0, 90.0, None), ["--most", "--updates"]),
        ((None, None, None), (None, None, None), (100.0, 90.0, 1001.0), ["--updates"]),
    ],
)
def test_what_is_too_uncertain_names_nothing_and_says_what_decides(
    best: tuple[float], knee: tuple[float], noise: tuple[float], needed: list[str]
) -> None:
    first, *others = doubts_about(measured("best", *best), measured("knee", *knee), measured("noise", *noise))
    assert "too uncertain to recommend a batch size" in first
    assert [next(option for option in ("--most", "--updates") if option in said) for said in others] == needed
    found = recommend(best[0], 16, has_batch_norm=True, flat=4.0, noise=noise[0], doubts=(first, *others))
    assert (found.batch, found.norm) == (None, "keep")
    assert found.reasons == (first, *others, "batch norm bears 16 samples and more")
    assert recommend(None, 16, has_batch_norm=True, samples=12, doubts=(first,)).norm == "replace"


@pytest.mark.parametrize("best", [(100.0, 10.0, 1000.0), (None, None, None)])
def test_within_the_rule_there_is_no_doubt(best: tuple[float]) -> None:
    known = measured("noise", 100.0, 10.0, 1000.0) if best[0] else measured("noise", None, None, None)
    assert doubts_about(measured("best", *best), measured("knee", 100.0, 1e-3, 200.0), known) == ()


ADVICE = Advice(
    model="Net",
    device="cpu",
    loss="cross_entropy",
    data="500 samples",
    environment={"torch": "2.9"},
    findings=(
        Finding("gradient noise scale", 412.3, 380.0, 450.5, "64 batches of 8 | and 64"),
        Finding("memory limit", None, None, None, "nothing here limits it"),
        Finding("knee", 29567.2, 999.6, None, "from 2 to 16"),
    ),
    layers=(
        LayerNeed("bn_1", 12544, 2.5, 2.1, 3.0, 1040, "sd ≤ 0.1"),
        LayerNeed("bn_2", 49, 0.1, 0.1, 0.1, None, "sd ≤ 0.1"),
    ),
    remedies=(
        Remedy("group norm", True, "shapes agree"),
        Remedy("accumulate gradients", False, "gradients differ"),
        Remedy("freeze batch norm", None, "no statistics yet"),
    ),
    recommendation=Recommendation(2048, "replace", ("because",)),
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
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert {"knee 29 567 [1 000, ∞)", "bn_1 12 544 2.5 [2.1, 3] 1 040"} < {*lines}
    assert headline(ADVICE) == "batch size 2 048; replace batch normalization (group norm) or freeze it"


def test_markdown_keeps_its_columns() -> None:
    rows = [line for line in markdown(ADVICE).splitlines() if line.startswith("|")]
    assert "64 batches of 8 \\| and 64" in "\n".join(rows)
    counts = [line.replace("\\|", "").count("|") for line in rows]
    assert counts == [5] * 5 + [6] * 4 + [4] * 5  # header, rule and rows of the three tables


def test_json() -> None:
    found = json.loads(json.dumps(ADVICE.to_dict()))
    assert found["schema_version"] == "1.0"
    assert found["findings"][1]["value"] is None
    assert found["recommendation"]["batch"] == 2048


def test_without_a_batch_size_the_headline_says_so() -> None:
    nothing = replace(ADVICE, recommendation=Recommendation(None, "keep", ()))
    assert headline(nothing) == "no batch size can be named; keep batch normalization"
