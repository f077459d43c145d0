"""Rows are aligned as a diff aligns them: after a missing or an inserted row the rest still agrees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inspector.errors import InspectionError
from inspector.tables.alignment import Layer, align, text

ROWS = [
    Layer("C1", "conv", (6, 28, 28), 156, line=1),
    Layer("S2", "max_pool", (6, 14, 14), 0, line=2),
    Layer("C3", "conv", (16, 10, 10), 2416, line=3),
    Layer("S4", "max_pool", (16, 5, 5), 0, line=4),
    Layer("F6", "linear", (84,), 33684, line=5),
]


def broken(printed: list[Layer], actual: list[Layer]) -> list[str]:
    return [(pair.printed or pair.actual).name for pair in align(printed, actual) if pair.breaks]  # type: ignore[union-attr]


def test_equal_sides_agree() -> None:
    assert broken(ROWS, ROWS) == []


@pytest.mark.parametrize("at", range(len(ROWS)))
def test_a_row_missing_in_the_model_is_the_only_break(at: int) -> None:
    pairs = align(ROWS, ROWS[:at] + ROWS[at + 1 :])
    assert [pair.printed for pair in pairs if pair.actual is None] == [ROWS[at]]
    assert broken(ROWS, ROWS[:at] + ROWS[at + 1 :]) == [ROWS[at].name]


@pytest.mark.parametrize("at", range(len(ROWS) + 1))
def test_a_layer_that_the_table_lacks_is_the_only_break(at: int) -> None:
    extra = Layer("new", "conv", (6, 7, 7), 999)
    assert broken(ROWS, [*ROWS[:at], extra, *ROWS[at:]]) == ["new"]


def test_a_row_without_parameters_that_is_not_printed_breaks_nothing() -> None:
    relu = Layer("relu", "activation", (6, 28, 28), 0)
    assert broken(ROWS, [ROWS[0], relu, *ROWS[1:]]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": (16, 9, 10)}, "shape printed 16×10×10, the model has 16×9×10"),
        ({"params": 2400}, "parameters printed 2 416, the model has 2 400"),
    ],
)
def test_what_differs_is_said_at_its_row(change: dict[str, object], said: str) -> None:
    actual = [*ROWS[:2], replace(ROWS[2], **change), *ROWS[3:]]
    assert broken(ROWS, actual) == ["C3"]
    assert f"~ C3  =  C3: {said}" in text(align(ROWS, actual))
    assert "1 row breaks" in text(align(ROWS, actual))


def test_too_much_is_refused() -> None:
    with pytest.raises(InspectionError, match="too many to align"):
        align(ROWS * 1000, ROWS * 1000)
