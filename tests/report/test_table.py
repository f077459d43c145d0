"""The terminal table: what stands in it, what is left out when it is narrow, and what never is."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sympy
from rich.cells import cell_len

from inspector.report import table

from .conftest import LINEAR, Call, Module, View, linear, relu, view_of


def table_lines(printed: str) -> list[str]:
    """The lines between the two rules."""
    lines = printed.split("\n")
    rules = [index for index, line in enumerate(lines) if line.startswith("──")]
    return lines[rules[0] + 1 : rules[1]]


def test_whole_table(two_layers: View) -> None:
    # Parameters 8·(4 + 1) = 40 and 4·(8 + 1) = 36; MACs 2·8·4 = 2·4·8 = 64; element-wise 2·8 (relu) + 8 (add) = 24.
    assert (
        table.render(two_layers)
        == """\
Layer (type)      Output shape  Param #  MACs  Share of MACs     Formula
─────────────────────────────────────────────────────────────────────────────────
Net               [2, 4]             76   128  ████████ 100.0 %
├─ up (Linear)    [2, 8]             40    64  ████      50.0 %  8 × (4 + 1) = 40
├─ act (ReLU)     [2, 8]              0     0
├─ down (Linear)  [2, 4]             36    64  ████      50.0 %  4 × (8 + 1) = 36
└─ add            [2, 4]              0     0
─────────────────────────────────────────────────────────────────────────────────
Input         x: [2, 4] float32
Parameters    76  (trainable 76, non-trainable 0)
Buffers       0 elements
Bytes         float32 304
              parameters 304, buffers 0
MACs          128
FLOPs         256  (FLOPs = 2 × MACs: a multiply and an add each)
Element-wise  24 operations, not among the MACs"""
    )


@pytest.mark.parametrize(
    ("width", "header"),
    [
        (100, "Layer (type) Output shape Param # MACs Share of MACs Formula"),
        (80, "Layer (type) Output shape Param # MACs % of MACs Formula"),
        (70, "Layer (type) Output shape Param # MACs Formula"),
        (58, "Layer (type) Output shape Param # MACs % of MACs"),
        (46, "Layer (type) Output shape Param # MACs"),
        (35, "Layer (type) Param # MACs"),
        (26, "Layer (type) Param #"),
    ],
)
def test_narrow_terminals_lose_columns_in_the_stated_order(two_layers: View, width: int, header: str) -> None:
    printed = table.render(two_layers, width=width)
    assert " ".join(printed.split("\n")[0].split()) == header


@pytest.mark.parametrize("width", [20, 24, 33, 40, 57, 64, 79, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(stack: View, width: int) -> None:
    printed = table.render(stack, width=width)
    assert max(cell_len(line) for line in printed.split("\n")) <= width
    assert len(table_lines(printed)) == 5


def test_a_long_type_is_cut_before_the_shape_is_left_out() -> None:
    """Of 80 columns 7 + 4 for the titles of figures, 12 for the shape's, and gaps of 2 leave 51."""
    view = view_of(Module("", "Net", (Module("attention", "T" * 60, linear("", 4, 4).inside), relu("act"))))
    printed = table.render(view, width=80).split("\n")
    assert printed[0].split()[2:4] == ["Output", "shape"]
    assert printed[3].startswith("├─ attention (TTT")
    assert printed[3][50] == "…"
    assert "[2, 4]" in printed[3]


def test_a_long_formula_is_cut_before_it_is_dropped(two_layers: View) -> None:
    long = Module("a" * 10, "Linear", linear("x", 1_000_000, 2_000_000).inside)
    printed = table.render(view_of(Module("", "Net", (long, relu("act")))), width=106)
    assert "2 000 000 × (1 000 000 + 1" in printed
    assert "…" in printed
    assert max(map(cell_len, printed.split("\n"))) <= 106


def test_without_width_nothing_is_cut(stack: View) -> None:
    deep = view_of(Module("", "Net", (linear("x" * 300, 4, 4), relu("act"))))
    printed = table.render(deep)
    assert "x" * 300 in printed
    assert "…" not in printed


def test_plain_text_has_no_ansi_and_colour_changes_nothing_else(stack: View) -> None:
    plain, coloured = table.render(stack, width=100), table.render(stack, width=100, color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_wide_characters_keep_columns_straight() -> None:
    printed = table_lines(table.render(view_of(Module("", "Net", (linear("层", 4, 4), linear("fc", 4, 4))))))
    assert len({cell_len(line[: line.index("[")]) for line in printed}) == 1


def test_unknown_macs_are_a_question_mark_and_totals_a_lower_bound() -> None:
    view = view_of(Module("", "Net", (linear("fc", 4, 4), Call("mylib::op", macs=None, source="pytorch"))))
    printed = table.render(view)
    root, _, row = table_lines(printed)
    assert "≥ 32" in root  # 2·4·4 known
    assert row.split()[:3] == ["└─", "mylib::op", "†"]
    assert "?" in row.split()
    assert "MACs          ≥ 32  (1 call unknown)" in printed
    assert "FLOPs         ≥ 64" in printed
    assert "† no rule here" in printed


def test_a_reused_module_shows_no_second_params() -> None:
    view = view_of(Module("", "Net", (linear("fc", 4, 4), linear("fc", 4, 4, call=2))))
    printed = table.render(view)
    assert "(reused)" in table_lines(printed)[2]
    assert "(reused)" not in table_lines(printed)[1]
    assert "(reused) parameters counted at an earlier call" in printed


def test_a_tied_module_is_told() -> None:
    head = Module("head", "Linear", (Call("linear", (2, 4), macs=32, formula=LINEAR(N=2, F_out=4, F_in=4)),))
    view = view_of(
        Module("", "Net", (linear("emb", 4, 4), relu("act"), head)), tied_parameters=(("emb.weight", "head.weight"),)
    )
    printed = table.render(view)
    assert "(tied)" in table_lines(printed)[3]
    assert "2 × 4 × 4 = 32" in table_lines(printed)[3]
    assert "Note: tied: emb.weight = head.weight" in printed


def test_data_dependent_rows_say_so() -> None:
    view = view_of(Module("", "Net", (Call("nonzero", data_dependent=True, note="3 here"), Call("add"))))
    assert "data-dependent; 3 here" in table_lines(table.render(view))[1]


def test_notes_and_unused_parameters_are_printed() -> None:
    view = view_of(
        Module("", "Net", (Call("add"),)), unused_parameters=tuple(f"p{i}" for i in range(10)), notes=("mind",)
    )
    printed = table.render(view)
    assert "Note: used by no call: p0, p1, p2, p3, p4, p5, p6, p7 and 2 more" in printed
    assert "Note: mind" in printed


def test_symbolic_counts_print_in_full_without_shares() -> None:
    N = sympy.Symbol("N", integer=True, positive=True)
    view = view_of(Module("", "Net", (linear("fc", 4, 8, batch=N), relu("act", 8))))
    printed = table.render(view)
    assert "[N, 8]" in printed
    assert "MACs          32·N" in printed
    assert "FLOPs         64·N" in printed
    assert "%" not in printed


def test_sums_of_one_level_are_the_line_above(stack: View) -> None:
    _, first, group, *_ = (line.split() for line in table_lines(table.render(stack)))
    # 4·(4 + 1) = 20, and twelve times that; MACs 2·4·4 = 32, and twelve times that.
    assert "20" in first
    assert {"240", "384"} <= set(group)


def test_svg_is_one_picture(stack: View) -> None:
    picture = table.svg(stack)
    assert picture.startswith("<svg")
    assert "url(http" not in picture
    assert "×12" in picture.replace("&#215;", "×")
    assert picture == table.svg(
        stack
    )  # no random identifiers: the file in the repository changes with its content alone


def test_1000_blocks_print_every_block_when_expanded() -> None:
    blocks: tuple[Any, ...] = tuple(Module(f"b.{i}", "Block", (linear(f"b.{i}.fc", 4, 4),)) for i in range(1000))
    view = view_of(Module("", "Net", blocks))
    assert len(table_lines(table.render(view, expand=True))) == 2001
    assert len(table_lines(table.render(view))) == 3
