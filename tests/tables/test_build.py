"""Source and module of solved tables: a chain is a Sequential, branches have a forward, unshown wiring is refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import nn

import inspector
from inspector.errors import InspectionError
from inspector.tables import PrintedRow, Table, build, read, solve

LENET = Path(__file__).parent / "printed" / "lenet_torchsummary.md"


def table(*rows: PrintedRow, form: str = "markdown") -> Table:
    return Table(rows, form)


def row(name: str, kind: str, shape: tuple[int, ...] | None, **more: object) -> PrintedRow:
    return PrintedRow(1, "", name, kind, output_shape=shape, **more)  # type: ignore[arg-type]


def test_a_chain_is_a_sequential_with_the_tables_names() -> None:
    solution = solve(read(LENET), (1, 32, 32), stride=1, padding=0)
    model = build(solution, "LeNet")
    assert isinstance(model, nn.Sequential)
    assert type(model).__name__ == "LeNet"
    assert [name for name, _ in model.named_children()][:3] == ["conv2d_1", "relu_2", "maxpool2d_3"]
    assert inspector.verify(model, (2, 1, 32, 32)).ok
    assert sum(parameter.numel() for parameter in model.parameters()) == 61706


def test_the_source_is_what_is_built() -> None:
    solution = solve(read(LENET), (1, 32, 32), stride=1, padding=0)
    source = solution.source("LeNet")
    space: dict[str, object] = {}
    exec(compile(ast.parse(source), "lenet", "exec"), space)
    assert str(space["LeNet"]()) == str(build(solution, "LeNet"))  # type: ignore[operator]
    assert "nn.Conv2d(1, 6, kernel_size=5)  # 6×28×28; 6 × (1 × 5² + 1) = 156" in source
    assert "Left open, taken by convention: MaxPool2d-3, MaxPool2d-6." in source


def test_an_activation_without_a_name_is_said() -> None:
    named = solve(table(row("a", "activation", (4,), cls="Tanh")), (4,)).source()
    assert "nn.Tanh()  # 4\n" in named
    assert "nn.ReLU()  # 4; ReLU by convention\n" in solve(table(row("a", "activation", (4,))), (4,)).source()


def test_sums_and_concatenations_by_connection() -> None:
    solution = solve(
        table(
            row("a", "conv", (8, 8, 8), input_names=("input_1",)),
            row("b", "conv", (8, 8, 8), input_names=("a",)),
            row("s", "add", (8, 8, 8), input_names=("a", "b")),
            row("c", "concat", (16, 8, 8), input_names=("s", "a")),
            row("fc", "linear", (5,)),
        ),
        (3, 8, 8),
        stride=1,
    )
    model = build(solution)
    x = torch.randn(2, 3, 8, 8)
    a = model.a(x)  # type: ignore[operator]
    s = a + model.b(a)  # type: ignore[operator]
    expected = model.fc(torch.cat((s, a), 1).flatten(1))  # type: ignore[operator]
    assert torch.equal(model(x), expected)
    assert inspector.verify(model, (2, 3, 8, 8)).ok


def test_a_downsample_takes_the_blocks_input() -> None:
    """Named as torchvision names them; the addition is a row of its own."""
    solution = solve(
        table(
            row("layer1.0.conv1", "conv", (8, 4, 4), params=8 * 4 * 9),
            row("layer1.0.downsample.0", "conv", (8, 4, 4), params=8 * 4),
            row("layer1.0.add", "add", (8, 4, 4)),
        ),
        (4, 8, 8),
    )
    assert solution["layer1.0.downsample.0"].inputs == (-1,)
    assert solution["layer1.0.downsample.0"].hyperparameters["kernel"] == (1, 1)
    assert set(solution["layer1.0.add"].inputs) == {0, 1}
    model = build(solution)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(
        model(x),
        model.layer1_0_conv1(x) + model.layer1_0_downsample_0(x),  # type: ignore[operator]
    )


def test_a_wiring_that_the_table_does_not_show_is_said() -> None:
    solution = solve(
        table(
            row("stem", "conv", (8, 8, 8)),
            row("block.norm", "batch_norm", (24, 8, 8)),
            row("join", "add", (24, 8, 8)),
        ),
        (3, 8, 8),
        stride=1,
    )
    assert solution.total_params > 0
    with pytest.raises(InspectionError, match=r"block\.norm: a table cannot show this wiring"):
        build(solution)


def test_an_unknown_layer_is_counted_and_not_built() -> None:
    solution = solve(table(row("magic", "unknown", (4, 4, 4), params=77, cls="Magic")), (4, 4, 4))
    assert solution.total_params == 77
    with pytest.raises(InspectionError, match="no layer is known for 'Magic'"):
        build(solution)


@pytest.mark.parametrize("name", ["class", "1a", "a-b", ""])
def test_a_class_name_must_be_one(name: str) -> None:
    solution = solve(table(row("r", "activation", (4,))), (4,))
    with pytest.raises(InspectionError, match="no name for a Python class"):
        solution.source(name)


@pytest.mark.parametrize("name", ["forward", "train", "a b", "3", '"""; import os #', "__init__", "lambda", "×"])
def test_any_row_name_gives_an_attribute(name: str) -> None:
    solution = solve(table(row(name, "linear", (4,)), row("r", "activation", (4,))), (4,))
    assert build(solution)(torch.zeros(2, 4)).shape == (2, 4)


@pytest.mark.parametrize(
    ("kind", "size", "output", "more"),
    [
        ("batch_norm", (4, 6, 6), (4, 6, 6), {"params": 8}),
        ("group_norm", (4, 6, 6), (4, 6, 6), {"params": 8}),
        ("layer_norm", (7, 16), (7, 16), {"params": 32}),
        ("rms_norm", (7, 16), (7, 16), {"params": 16}),
        ("instance_norm", (4, 6), (4, 6), {}),
        ("prelu", (4, 6), (4, 6), {"params": 4}),
        ("avg_pool", (4, 6), (4, 3), {}),
        ("adaptive_avg_pool", (4, 6, 6), (4, 2, 2), {}),
        ("global_avg_pool", (4, 6, 6), (4,), {}),
        ("upsample", (4, 6, 6), (4, 12, 12), {}),
        ("upsample", (4, 6, 6), (4, 9, 9), {}),
        ("pad", (4, 6, 6), (4, 9, 9), {}),
        ("crop", (4, 6, 6), (4, 4, 4), {}),
        ("pixel_shuffle", (8, 3, 3), (2, 6, 6), {}),
        ("flatten", (4, 6, 6), (144,), {}),
        ("reshape", (4, 6, 6), (4, 36), {}),
        ("conv_transpose", (4, 6, 6), (2, 12, 12), {"params": 4 * 2 * 4 + 2}),
        ("attention", (7, 16), (7, 16), {"params": 4 * 16 * 17}),
        ("dropout", (4,), (4,), {}),
        ("softmax", (4,), (4,), {}),
        ("local_response_norm", (4, 6, 6), (4, 6, 6), {}),
        ("conv", (2, 4, 5, 6), (3, 4, 5, 6), {"params": 3 * (2 * 27 + 1)}),
    ],
)
def test_every_kind_is_built_with_its_shape_and_count(
    kind: str, size: tuple[int, ...], output: tuple[int, ...], more: dict[str, object]
) -> None:
    solution = solve(table(row("x", kind, output, **more)), size)
    model = build(solution)
    assert model(torch.randn(2, *size)).shape == (2, *output)
    assert sum(parameter.numel() for parameter in model.parameters()) == solution.total_params == more.get("params", 0)


def test_an_embedding_takes_its_rows_from_the_count() -> None:
    solution = solve(table(row("e", "embedding", (5, 8), params=800)), (5,))
    assert solution.rows[0].hyperparameters == {"num_embeddings": 100, "embedding_dim": 8}
    assert build(solution)(torch.zeros(2, 5, dtype=torch.int64)).shape == (2, 5, 8)


def test_blocks_whose_joins_are_not_printed_are_not_built_as_a_chain() -> None:
    """Two convolutions inside a BasicBlock: torchsummary prints the block below them, and its addition nowhere."""
    solution = solve(
        table(
            row("Conv2d-1", "conv", (8, 8, 8), params=8 * 8 * 9),
            row("Conv2d-2", "conv", (8, 8, 8), params=8 * 8 * 9),
            row("BasicBlock-3", "container", (8, 8, 8), params=0, cls="BasicBlock"),
            form="torchsummary",
        ),
        (8, 8, 8),
    )
    assert solution.total_params == 2 * 576
    with pytest.raises(InspectionError, match="BasicBlock-3: a table cannot show this wiring"):
        build(solution)
