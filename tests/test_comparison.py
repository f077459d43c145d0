"""Two models side by side: what is aligned with what, and what is said to differ."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import inspector
from inspector.comparison import Comparison, Pair
from inspector.report import comparison as report


def compared(a: nn.Module, b: nn.Module, size: Any = (1, 8)) -> Comparison:
    return inspector.compare(inspector.predict(a, size), inspector.predict(b, size))


def marks(found: Comparison) -> dict[str, str]:
    """Of every module but the root."""
    return {pair.either.path: pair.mark for pair in found.root.walk() if pair.either.path and pair.either.kind}


def leaves(found: Comparison) -> list[Pair]:
    return [pair for pair in found.root.walk() if not pair.children]


def chain(*widths: int) -> nn.Sequential:
    with torch.device("meta"):
        return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))


def test_a_model_is_the_same_as_itself() -> None:
    found = compared(chain(8, 4, 2), chain(8, 4, 2))
    assert found.same
    assert set(marks(found).values()) == {"same"}
    assert all(total.difference == 0 for total in found.totals)


def test_an_inserted_layer_shifts_none_after_it() -> None:
    a = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    b = nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    found = compared(a, b)
    assert marks(found) == {"0": "same", "1": "added", "2": "renamed", "3": "renamed", "4": "renamed"}
    assert {total.name: total.difference for total in found.totals}["params"] == 2 * 6


def test_each_changed_fact_is_named() -> None:
    found = compared(nn.Linear(8, 4), nn.Linear(8, 4, bias=False))
    (change,) = [change for change in found.root.changes if change.what == "params"]
    assert (change.a, change.b) == (4 * (8 + 1), 4 * 8)
    assert "bias" in str([change for change in found.root.changes if change.what == "tensors"])


def test_another_dtype_is_a_difference() -> None:
    single, half = nn.Linear(8, 4), nn.Linear(8, 4).to(torch.bfloat16)
    found = compared(single, half)
    assert not found.same
    assert {total.name: total.difference for total in found.totals}["param_bytes"] == -2 * 4 * (8 + 1)


def test_symbols_are_subtracted() -> None:
    found = compared(nn.Linear(8, 4), nn.Linear(8, 6), ("N", 8))
    macs = next(total for total in found.totals if total.name == "macs")
    assert str(macs.difference) == "16*N"  # 8 × 6 − 8 × 4 for each of N examples


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_every_call_stands_in_one_pair_and_sums_hold(left: list[int], right: list[int]) -> None:
    found = compared(chain(8, *left), chain(8, *right))
    pairs = leaves(found)
    assert [pair.a.path for pair in pairs if pair.a] == sorted(str(i) for i in range(len(left)))
    assert [pair.b.path for pair in pairs if pair.b] == sorted(str(i) for i in range(len(right)))
    assert found.same == (left == right)
    for name in ("params", "macs"):
        total = next(total for total in found.totals if total.name == name)
        assert total.difference == sum(
            (getattr(pair.b, name) if pair.b else 0) - (getattr(pair.a, name) if pair.a else 0) for pair in pairs
        )


def test_many_tensors_of_one_module_are_counted_in_print() -> None:
    """A module that makes no calls of its parts registers all their tensors itself: 20 layers' weights and biases."""

    class Loose(nn.Module):
        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(8, 8, dtype=dtype) for _ in range(20))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    found = compared(Loose(torch.float32), Loose(torch.float64))
    (change,) = [change for change in found.root.changes if change.what == "tensors"]
    assert len(change.a) == 40
    told = str(found).splitlines()
    assert any("and 36 more → " in line for line in told)
    assert max(map(len, told)) < 500
    assert "parts.19.bias" in str(report.document(found))


def test_models_in_place_of_predictions_are_told_what_to_give() -> None:
    with pytest.raises(inspector.InspectionError, match=r"Linear is none: compare\(predict\(a, ...\), predict\(b"):
        inspector.compare(nn.Linear(2, 2), nn.Linear(2, 3))  # type: ignore[arg-type]
