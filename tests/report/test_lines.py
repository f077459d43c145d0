"""Depth, order, and what collapses to one line."""

from __future__ import annotations

import sympy

from inspector.report import table
from inspector.report.lines import lines, share_is_of

from .conftest import LINEAR, Call, Module, View, linear, relu, view_of


def test_depth_cuts_the_tree_and_keeps_sums(stack: View) -> None:
    cut = lines(stack, depth=1)
    assert [line.title for line in cut] == ["Stack", "first (Linear)", "layers.0–11 (Block) ×12"]
    assert cut[2].params == 240
    assert [line.title for line in lines(stack, depth=0)] == ["Stack"]


def test_sorted_lines_are_flat_with_whole_paths(stack: View) -> None:
    ordered = lines(stack, sort="macs")
    assert [line.title for line in ordered] == [
        "layers.0–11.fc (Linear) ×12",
        "first (Linear)",
        "layers.0–11.act (ReLU) ×12",
    ]
    assert all(line.branch == "" for line in ordered)


def test_sorting_by_params_takes_shares_of_params() -> None:
    view = view_of(Module("", "Net", (linear("small", 4, 4, batch=100), linear("large", 9, 9))))
    by_params = lines(view, sort="params")
    assert [line.name for line in by_params] == ["large", "small"]  # 9·10 = 90 and 4·5 = 20
    assert by_params[0].share == 90 / 110
    assert [line.name for line in lines(view, sort="macs")] == ["small", "large"]  # 100·16 = 1 600 and 2·81 = 162


def test_unknown_macs_come_first_in_order_of_cost() -> None:
    view = view_of(Module("", "Net", (linear("fc", 4, 4), Call("opaque", macs=None))))
    assert [line.name for line in lines(view, sort="macs")] == ["opaque", "fc"]


def test_symbolic_counts_are_ordered_by_size() -> None:
    N = sympy.Symbol("N", integer=True, positive=True)
    view = view_of(Module("", "Net", (linear("fixed", 9, 9, batch=9), linear("grows", 2, 2, batch=N))))
    # 9·81 = 729 against 4·1024.
    assert [line.name for line in lines(view, sort="macs")] == ["grows", "fixed"]


def test_without_macs_shares_are_of_params() -> None:
    view = view_of(Module("", "Net", (Call("embedding", params=30), Call("add", params=10))))
    assert share_is_of(view) == "params"
    assert [line.share for line in lines(view)] == [1.0, 0.75, 0.25]


def test_of_unknown_macs_nobody_knows_a_share() -> None:
    view = view_of(Module("", "Net", (linear("fc", 4, 4), Call("opaque", macs=None))))
    assert share_is_of(view) == "known MACs"
    assert "Share of known MACs" in table.render(view)
    assert share_is_of(view_of(Module("", "Net", (linear("fc", 4, 4),)))) == "MACs"


def test_a_model_that_counts_nothing_has_no_shares() -> None:
    assert [line.share for line in lines(view_of(Module("", "Net", (Call("view"), Call("add")))))] == [None] * 3


def test_a_leaf_with_one_costly_call_is_one_line_with_its_formula() -> None:
    leaf = Module("proj", "Projection", (Call("view"), *linear("", 4, 4).inside, Call("view"), Call("dropout")))
    view = view_of(Module("", "Net", (leaf, Call("add"))))
    assert [(line.title, line.worked) for line in lines(view)] == [
        ("Net", ""),
        ("proj (Projection)", "4 × (4 + 1) = 20"),
        ("add", ""),
    ]


def test_a_leaf_with_several_costly_calls_shows_all_its_calls() -> None:
    matmul = Call("matmul", macs=32, formula=LINEAR(N=2, F_out=4, F_in=4))
    leaf = Module("attention", "Attention", (Call("view"), matmul, Call("softmax"), matmul))
    names = [line.title for line in lines(view_of(Module("", "Net", (leaf, relu("act")))))]
    assert names == ["Net", "attention (Attention)", "view", "matmul", "softmax", "matmul", "act (ReLU)"]


def test_functional_calls_of_the_whole_model_are_never_collapsed() -> None:
    view = view_of(Module("", "Net", (Call("view"), *linear("", 4, 4).inside, Call("relu"))))
    assert [line.title for line in lines(view)] == ["Net", "view", "linear", "relu"]


def test_a_model_that_is_one_layer_is_one_line() -> None:
    assert [(line.title, line.worked) for line in lines(view_of(linear("", 4, 4)))] == [("Linear", "4 × (4 + 1) = 20")]


def test_calls_stand_in_the_order_of_the_forward() -> None:
    identity = Module("skip", "Identity", ())
    root = Module("", "Net", (Call("view"), identity, linear("fc", 4, 4), Call("add"), identity))
    assert [line.name for line in lines(view_of(root))] == ["", "view", "skip", "fc", "add", "skip"]


def test_module_names_are_relative_to_their_caller() -> None:
    shared = linear("encoder.shared", 4, 4)  # called from a module that does not own it
    decoder = Module("decoder", "Decoder", (linear("decoder.fc", 4, 4), shared))
    assert [line.name for line in lines(view_of(Module("", "Net", (decoder,))))] == [
        "",
        "decoder",
        "fc",
        "encoder.shared",
    ]


def test_macs_stand_in_the_formula_column_where_no_params_are() -> None:
    attention = Call("scaled_dot_product_attention", macs=32, formula=LINEAR(N=2, F_out=4, F_in=4))
    view = view_of(Module("", "Net", (attention, Call("add"))))
    assert lines(view)[1].worked == "2 × 4 × 4 = 32"


def test_pytorch_rows_mark_the_line_that_speaks_for_them() -> None:
    leaf = Module("odd", "Odd", (Call("strange", source="pytorch"), Call("view")))
    assert lines(view_of(Module("", "Net", (leaf, Call("add")))))[1].title == "odd (Odd) †"
