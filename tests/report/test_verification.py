"""A verification in print."""

from __future__ import annotations

from inspector.records import Check, Measurement
from inspector.report.verification import place, unconfirmed, value, verification_text

CONDITIONS = {"torch": "2.9.0", "mode": "eval", "device": "meta", "note": "run twice"}
MEASUREMENTS = (
    Measurement("execution", (), {}, CONDITIONS),
    Measurement("flop_counter", (), {}, {"torch": "2.9.0", "mode": "eval", "device": "meta"}),
)
AGREE = Check("execution", "output_shapes", "a", "Conv2d", 1, ((1, 2),), ((1, 2),), "agree")
DIFFER = Check("execution", "output_shapes", "b", "Linear", 2, ((1, 1234),), ((1, 2), (3,)), "differ")
MISSED = [
    Check("flop_counter", "macs", path, "Odd", 1, 12000, 0, "not counted", "has no formula for odd") for path in "cd"
]


def test_first_what_differs_then_what_nobody_confirms_then_the_witnesses_then_notes():
    text = verification_text("Net", [AGREE, *MISSED, DIFFER], MEASUREMENTS, ["tied: a = b"])
    assert text.splitlines() == [
        "Net: 1 of 4 checks differ",
        "  b (Linear), call 2: output shapes differ",
        "    predicted [1, 1234], PyTorch execution [1, 2], [3]",
        "Confirmed by no witness:",
        "  c (Odd) and 1 more: macs = 12 000; PyTorch's FLOP counter has no formula for odd",
        "Witnesses:",
        "  PyTorch execution: 1 agree, 1 differ, 0 not counted (meta device, eval mode, torch 2.9.0)",
        "    run twice",
        "  PyTorch's FLOP counter: 0 agree, 0 differ, 2 not counted (meta device, eval mode, torch 2.9.0)",
        "    not counted ×2: has no formula for odd",
        "Notes:",
        "  tied: a = b",
    ]


def test_where_all_agrees_it_says_so():
    assert verification_text("Net", [AGREE], MEASUREMENTS[:1], []).startswith("Net: nothing differs\nWitnesses:")


def test_many_differences_are_cut_and_counted():
    lines = verification_text("Net", [DIFFER] * 30, (), []).splitlines()
    assert lines[0] == "Net: 30 of 30 checks differ"
    assert lines[41] == "  … 20 more lines"


def test_a_figure_that_another_witness_confirms_is_confirmed():
    other = Check("torchinfo", "macs", "c", "Odd", 1, 12000, 12000, "agree")
    assert [check.path for check in unconfirmed([*MISSED, other])] == ["d"]


def test_what_we_do_not_know_is_unknown():
    """Not the witness's silence, which is nothing."""
    silent = Check("torchinfo", "macs", "e", "Odd", 1, None, None, "not counted", "does not count this")
    assert "e (Odd): macs = unknown; torchinfo" in verification_text("Net", [silent], (), [])


def test_places_and_values():
    assert place(Check("torchinfo", "macs", "", "Net", 0, 1, 1, "agree")) == "whole model"
    assert place(Check("torchinfo", "macs", "", "Net", 1, 1, 1, "agree")) == "root (Net)"
    assert value(None) == "nothing"
    assert value(("float32", "int64")) == "float32, int64"
    assert value(()) == "—"
    assert value("runs") == "runs"
