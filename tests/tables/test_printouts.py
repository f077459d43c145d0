"""What tools print of real models, to any depth: every parameter is found again, and what can be built is built."""

from __future__ import annotations

import pytest
import torch
import torchinfo
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

import inspector
from inspector.errors import InspectionError
from inspector.tables import Contradiction, PrintedRow, Table, build, read, solve
from inspector.tables.alignment import align
from inspector.tables.beside import leaves, model_layers, printed_depth, printed_layers

IMAGE = (3, 224, 224)


def printed(name: str, depth: int) -> tuple[str, int]:
    """The text that torchinfo prints, and the parameters that it counts."""
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None)
    summary = torchinfo.summary(model.eval(), (1, *IMAGE), depth=depth, device="meta", verbose=0)
    return str(summary), summary.total_params


@pytest.mark.parametrize("depth", [2, 3, 9])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_16", "convnext_tiny", "shufflenet_v2_x1_0"])
def test_a_summary_cut_at_any_depth_gives_the_whole_count(name: str, depth: int) -> None:
    """Blocks whose inside is not printed count as printed; ViT's tokens and ConvNeXt's scales stand in blocks' rows."""
    text, total = printed(name, depth)
    assert solve(read(text), IMAGE).total_params == total


def test_parameters_beside_the_layers_of_a_block_are_named() -> None:
    """ViT-B/16: 768 of the class token in the network itself; 197·768 = 151 296 of the positions in its encoder."""
    solution = solve(read(printed("vit_b_16", 9)[0]), IMAGE)
    held = {row.row.cls: row.params for row in solution.rows if "beside its layers" in row.note}
    assert held == {"VisionTransformer": 768, "Encoder": 151_296}


def test_a_flatten_in_forward_may_stand_before_a_dropout() -> None:
    """AlexNet flattens in forward, and its classifier begins with dropout: built, it verifies."""
    solution = solve(read(printed("alexnet", 3)[0]), IMAGE)
    (dropout,) = (row for row in solution.rows if row.hyperparameters.get("before") == "flatten")
    assert (dropout.kind, dropout.input_shapes, dropout.output_shape) == ("dropout", ((256, 6, 6),), (9216,))
    model = build(solution)
    with torch.device("meta"):
        theirs = torchvision.models.alexnet(weights=None)
    assert "what is no module, a sum, it cannot show" in solution.source()
    assert inspector.predict(model, (2, *IMAGE)).total_macs == inspector.predict(theirs, (2, *IMAGE)).total_macs


@pytest.mark.parametrize(("kind", "params"), [("batch_norm", 2 * 72), ("activation", 0), ("softmax", 0)])
def test_what_keeps_a_shape_may_follow_a_flatten(kind: str, params: int) -> None:
    table = Table((PrintedRow(1, "", "x", kind, output_shape=(72,), params=params),), "markdown")
    solution = solve(table, (8, 3, 3))
    assert solution.rows[0].hyperparameters["before"] == "flatten"
    model = build(solution)
    assert model(torch.zeros(2, 8, 3, 3)).shape == (2, 72)
    assert sum(parameter.numel() for parameter in model.parameters()) == params


@pytest.mark.parametrize("depth", [2, 3, 9])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_16", "convnext_tiny"])
def test_a_summary_cut_at_any_depth_is_held_against_its_model(name: str, depth: int) -> None:
    """A module at the last depth that is printed is one row, whatever it holds; so is what a block holds itself."""
    table = read(printed(name, depth)[0])
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None)
    rows = printed_layers((row, row.output_shape) for row in leaves(table))
    pairs = align(rows, model_layers(inspector.predict(model, (2, *IMAGE)), printed_depth(table)))
    assert [pair for pair in pairs if pair.breaks] == []
    assert sum(pair.printed is not None for pair in pairs) == len(rows) >= 7


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("block", "layers"), [(BasicBlock, [2, 2, 1, 1]), (Bottleneck, [2, 1, 2, 1])])
def test_a_resnet_is_built_with_its_additions(block: type[nn.Module], layers: list[int], named: bool) -> None:
    """torchinfo prints no addition. With the same weights the built model gives the same numbers, bit for bit."""
    torch.manual_seed(0)
    theirs = ResNet(block, layers).eval()  # type: ignore[arg-type]
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    rows = ("var_names", "depth") if named else ("depth",)
    text = str(torchinfo.summary(theirs, (1, 3, 128, 128), depth=9, row_settings=rows, verbose=0))
    pool = {"kernel": 3, "stride": 2, "padding": 1}
    solution = solve(read(text), (3, 128, 128), rows={"max_pool": pool})
    ours = build(solution).eval()
    assert f"{block.__name__}: the branch that takes its input again is added" in solution.source()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


def test_a_flatten_at_the_end_is_seen_in_the_networks_own_row() -> None:
    """SqueezeNet ends in 1000×1×1 and flattens it; its fire modules concatenate what nothing else takes."""
    solution = solve(read(printed("squeezenet1_1", 9)[0]), IMAGE)
    assert solution.rows[-1].kind == "flatten"
    assert build(solution).to("meta")(torch.empty(2, *IMAGE, device="meta")).shape == (2, 1000)


def test_blocks_that_show_no_sum_are_not_built() -> None:
    """MobileNet v2 adds inputs in some blocks, and no branch shows where."""
    solution = solve(read(printed("mobilenet_v2", 9)[0]), IMAGE)
    with pytest.raises(InspectionError, match="a InvertedResidual may join branches, and no row prints it"):
        build(solution)


KERAS = """Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)          ┃ Output Shape      ┃     Param # ┃ Connected to       ┃
┡━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━┩
│ input_layer_5         │ (None, 64, 64, 3) │           0 │ -                  │
│ (InputLayer)          │                   │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ conv2d_10 (Conv2D)    │ (None, 64, 64,    │         448 │ input_layer_5[0][… │
│                       │ 16)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ max_pooling2d_5       │ (None, 32, 32,    │           0 │ conv2d_10[0][0]    │
│ (MaxPooling2D)        │ 16)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ conv2d_11 (Conv2D)    │ (None, 32, 32,    │       4,640 │ max_pooling2d_5[0… │
│                       │ 32)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ conv2d_transpose      │ (None, 64, 64,    │       2,064 │ conv2d_11[0][0]    │
│ (Conv2DTranspose)     │ 16)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ concatenate           │ (None, 64, 64,    │           0 │ conv2d_transpose[… │
│ (Concatenate)         │ 32)               │             │ conv2d_10[0][0]    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ batch_normalization   │ (None, 64, 64,    │         128 │ concatenate[0][0]  │
│ (BatchNormalization)  │ 32)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ batch_normalization_1 │ (None, 64, 64,    │         128 │ batch_normalizati… │
│ (BatchNormalization)  │ 32)               │             │                    │
├───────────────────────┼───────────────────┼─────────────┼────────────────────┤
│ conv2d_12 (Conv2D)    │ (None, 64, 64, 1) │          33 │ batch_normalizati… │
└───────────────────────┴───────────────────┴─────────────┴────────────────────┘
 Total params: 7,441 (29.07 KB)
"""


def test_connections_that_keras_cuts_off() -> None:
    """Printed by Keras 3.15 in 80 columns, but for the two normalizations: 448 + 4 640 + 2 064 + 2·128 + 33 = 7 441."""
    solution = solve(read(KERAS))
    names = {row.name: [solution.rows[index].name for index in row.inputs if index >= 0] for row in solution.rows}
    assert names["concatenate"] == ["conv2d_transpose", "conv2d_10"]
    assert names["batch_normalization_1"] == ["batch_normalization"]
    assert names["conv2d_12"] == ["batch_normalization_1"]
    assert "'batch_normalizati…', which begins 2 names above; taken is the last" in solution["conv2d_12"].note
    assert (solution.total_params, solution.beside) == (7441 - 2 * 64, 2 * 64)
    assert build(solution).to("meta")(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 1, 64, 64)


def test_keras_normalizes_its_last_axis_the_channels() -> None:
    """LayerNormalization after a Conv1D of 32 channels over 48 steps: 2·32 parameters, printed (None, 48, 32)."""
    text = """Layer (type)                Output Shape              Param #
=================================================================
conv1d (Conv1D)             (None, 48, 32)            1568
_________________________________________________________________
layer_normalization (LayerN (None, 48, 32)            64
=================================================================
"""
    solution = solve(read(text), (16, 48))
    norm = solution["layer_normalization"]
    assert norm.hyperparameters == {"normalized_shape": (32,), "bias": True, "over": "channels"}
    x = torch.randn(2, 16, 48)
    model = build(solution)
    after = model.conv1d(x)  # type: ignore[operator]
    expected = nn.functional.layer_norm(after.transpose(1, 2), (32,)).transpose(1, 2)
    torch.testing.assert_close(model(x), expected)


MNIST = """----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1           [-1, 10, 24, 24]             260
            Conv2d-2             [-1, 20, 8, 8]           5,020
         Dropout2d-3             [-1, 20, 8, 8]               0
            Linear-4                   [-1, 50]          {}
            Linear-5                   [-1, 10]             510
================================================================
"""


def test_a_pool_in_forward_shows_in_the_count_of_the_linear_layer_after_it() -> None:
    """50·(20·4·4 + 1) = 16 050 after 20×8×8: half of each side. No pool explains 50·(300 + 1)."""
    linear = solve(read(MNIST.format("16,050")), (1, 28, 28))["Linear-4"]
    assert (linear.input_shapes, linear.params) == (((20, 4, 4),), 16_050)
    assert "made by an operation that the table does not print" in linear.note
    with pytest.raises(Contradiction, match="Linear-4: from 20×8×8 to 50 has no solution"):
        solve(read(MNIST.format("15,050")), (1, 28, 28))
