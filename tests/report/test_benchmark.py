"""The totals of a benchmark: rows are added, hooks are told apart."""

from __future__ import annotations

from dataclasses import replace

from inspector.bench.records import Record, Row, Timing
from inspector.report.benchmark import render, totals


def row(path: str, measured: float) -> Row:
    return Row(path, "Linear", measured, 1e-3, "memory", measured - 1e-3, 8, 96)


RECORD = Record(
    model="Net",
    input=("[2, 4]",),
    device="cpu",
    dtype="float32",
    mode="eager",
    backward=False,
    timing=Timing((8e-3, 8e-3), 8e-3, (8e-3, 8e-3), 0.0),
    floor=1e-3,
    fused=1e-3,
    rows=(row("a", 4e-3), row("b", 2e-3)),
    hooked=10e-3,
    memory={},
    environment={},
)


def test_the_sum_is_that_of_the_rows_and_hooks_have_their_own_line() -> None:
    """4 + 2 = 6 ms of 8; with hooks 10 ms of 8."""
    found = dict(totals(RECORD))
    assert found["Layers"] == "add up to 6.00 ms, 75.0 % of the whole"
    assert found["Hooks"].startswith("the forward takes 10.00 ms while its layers are timed, +25.0 %;")


def test_rows_that_are_not_shown_are_added_too() -> None:
    assert "add up to 6.00 ms" in render([RECORD], most=1)


def test_layers_of_a_training_step_are_held_to_the_forward_alone() -> None:
    """A step of 8 ms has a backward too; only a forward, of 10 ms with hooks, was watched layer by layer."""
    found = dict(totals(replace(RECORD, backward=True)))
    assert found["Layers"] == "add up to 6.00 ms, 60.0 % of the forward with hooks"
    assert found["Hooks"].startswith("the forward takes 10.00 ms while its layers are timed;")


def test_without_layers_nothing_is_added() -> None:
    assert not {"Layers", "Hooks"} & dict(totals(replace(RECORD, rows=(), hooked=None))).keys()
