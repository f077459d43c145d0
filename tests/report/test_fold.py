"""What counts as a repeated block, and what does not."""

from __future__ import annotations

import pytest

from inspector.report.lines import Line, lines

from .conftest import Call, Module, linear, relu, view_of


def titles(root: Module, **options: object) -> list[str]:
    return [line.title for line in lines(view_of(root), **options)]  # type: ignore[arg-type]


def block(path: str, width: int = 4) -> Module:
    return Module(path, "Block", (linear(f"{path}.fc", width, width), relu(f"{path}.act", width)))


def test_identical_neighbours_fold_and_expand_again() -> None:
    root = Module("", "Net", tuple(block(f"layers.{index}") for index in range(3)))
    assert titles(root) == ["Net", "layers.0–2 (Block) ×3", "fc (Linear)", "act (ReLU)"]
    assert len(titles(root, expand=True)) == 1 + 3 * 3


@pytest.mark.parametrize(
    "other",
    [
        block("layers.1", width=8),
        Module("layers.1", "Other", block("layers.1").inside),
        Module("layers.1", "Block", (*block("layers.1").inside, Call("add"))),
        block("layers.5.x"),
    ],
    ids=["sizes", "class", "inside", "name"],
)
def test_different_neighbours_do_not_fold(other: Module) -> None:
    root = Module("", "Net", (block("layers.0"), other))
    assert titles(root) == titles(root, expand=True)


def test_projections_with_names_of_their_own_stay_apart() -> None:
    root = Module("", "Net", (linear("q_proj", 4, 4), linear("k_proj", 4, 4), linear("v_proj", 4, 4)))
    assert titles(root) == ["Net", "q_proj (Linear)", "k_proj (Linear)", "v_proj (Linear)"]


def test_numbers_may_end_a_name() -> None:
    root = Module("", "Net", (block("encoder_layer_0"), block("encoder_layer_1")))
    assert titles(root)[1] == "encoder_layer_0–1 (Block) ×2"


def test_a_run_of_lines_folds_under_a_line_of_its_own() -> None:
    inside = tuple(part for i in range(0, 8, 2) for part in (linear(str(i), 4, 4), relu(str(i + 1))))
    root = Module("", "Sequential", inside)
    group = lines(view_of(root))[1]
    assert titles(root) == ["Sequential", "0–7 ×4", "0,2–6 (Linear)", "1,3–7 (ReLU)"]
    # 4·(4 + 1) = 20 parameters and 2·4·4 = 32 MACs in one repetition.
    assert (group.params, group.macs, group.params_worked) == (80, 128, "4 × 20 = 80")


def test_the_line_over_a_run_is_no_level_of_its_own() -> None:
    inside = tuple(part for i in range(0, 8, 2) for part in (block(str(i)), relu(str(i + 1))))
    root = Module("", "Sequential", inside)
    assert titles(root, depth=1) == ["Sequential", "0–7 ×4", "0,2–6 (Block)", "1,3–7 (ReLU)"]
    assert titles(root, depth=0) == ["Sequential"]
    assert titles(root, sort="macs") == ["0,2–6.fc (Linear) ×4", "0,2–6.act (ReLU) ×4", "1,3–7 (ReLU) ×4"]


def test_a_residual_loop_folds_blocks_with_their_additions() -> None:
    inside = tuple(part for i in range(3) for part in (block(f"layers.{i}"), Call("add")))
    assert titles(Module("", "Net", inside))[1] == "layers.0–2, add ×3"


def test_later_calls_of_one_module_fold_apart_from_the_first() -> None:
    root = Module("", "Net", tuple(linear("fc", 4, 4, call=call) for call in (1, 2, 3, 4)))
    assert titles(root) == ["Net", "fc (Linear)", "fc, calls 2–4 (Linear) ×3"]


def figures(root: Module) -> tuple[int, object]:
    """Sum of what the lines say that have nothing under them, each times the lines it stands for."""

    def flat() -> list[Line]:
        return lines(view_of(root), sort="macs")

    return sum(line.params for line in flat()), sum(line.known_macs for line in flat())


def test_the_folded_list_sums_to_the_whole() -> None:
    stages = tuple(Module(f"stage.{s}", "Stage", tuple(block(f"stage.{s}.{b}") for b in range(3))) for s in range(2))
    root = Module("", "Net", (linear("stem", 4, 4), *stages))
    view = view_of(root)
    # 1 + 2·3 Linears of 20 parameters and 32 MACs.
    assert figures(root) == (7 * 20, 7 * 32) == (view.total_params, view.total_macs)
    assert titles(root, sort="macs")[0] == "stage.0–1.0–2.fc (Linear) ×6"
