"""Real models, printed by torchinfo and in the styles of torchsummary and Keras, read back with every figure exact."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
import torchinfo
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inspector.tables import Table, read
from tests.tables import printers

COLUMNS = ("kernel_size", "input_size", "output_size", "num_params", "params_percent", "mult_adds", "trainable")
SETTINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("var_names",),
    ("depth",),
    ("var_names", "depth", "ascii_only"),
    ("hide_recursive_layers", "depth"),
)


def held(model: nn.Module, shape: tuple[int, ...], **options: Any) -> Table:
    """The table that torchinfo's text reads back to, compared row by row with what torchinfo holds."""
    summary = torchinfo.summary(model, shape, verbose=0, device="meta", **options)
    text = str(summary)
    table = read(text)
    hidden = summary.formatting.hide_recursive_layers
    expected = [
        info
        for info in summary.summary_list
        if info.depth <= summary.formatting.max_depth and not (hidden and info.is_recursive)
    ]
    assert (table.format, table.unread, table.outside) == ("torchinfo", (), ())
    assert [(row.depth, row.cls) for row in table.rows] == [(info.depth, info.class_name) for info in expected]
    for row, info in zip(table.rows, expected, strict=True):
        assert row.printed_shape == (tuple(info.output_size) or None)
        assert row.output_shape == (tuple(info.output_size[1:]) or None)
        count = info.num_params_to_str(info.depth == summary.formatting.max_depth).strip("()").replace(",", "")
        assert row.params == (int(count) if count.isdigit() else None)
        if "kernel_size" in options.get("col_names", ()) and info.kernel_size is not None:
            kernel = info.kernel_size if isinstance(info.kernel_size, list) else [info.kernel_size]
            assert row.stated["kernel"] == tuple(kernel)
            assert row.input_shape == tuple(info.input_size[1:])
    assert (table.total_params, table.trainable_params) == (summary.total_params, summary.trainable_params)
    return table


@pytest.mark.parametrize("depth", [1, 2, 9])
@pytest.mark.parametrize("rows", SETTINGS)
@pytest.mark.parametrize("columns", [("output_size", "num_params"), COLUMNS])
def test_torchinfo_in_all_its_settings(depth: int, rows: tuple[str, ...], columns: tuple[str, ...]) -> None:
    with torch.device("meta"):
        model = torchvision.models.resnet18().eval()
    held(model, (2, 3, 64, 64), depth=depth, row_settings=rows, col_names=columns)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "alexnet",
        "vgg11_bn",
        "densenet121",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "squeezenet1_0",
        "shufflenet_v2_x1_0",
        "mnasnet0_5",
        "convnext_tiny",
        "resnet50",
        "vit_b_16",
        "swin_t",
    ],
)
def test_torchinfo_of_real_models(name: str) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)().eval()
    table = held(model, (1, 3, 224, 224), depth=9, row_settings=("var_names", "depth"), col_names=COLUMNS)
    paths = {path for path, _ in model.named_modules() if path}
    assert {row.name.split("#")[0] for row in table.rows[1:]} <= paths


def test_torchinfo_names_of_reused_modules() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.conv(x))

    table = held(Twice(), (1, 4, 8, 8), row_settings=("var_names", "depth"))
    assert [(row.name, row.params, row.stated.get("reused")) for row in table.rows[1:]] == [
        ("conv", 4 * (4 * 9 + 1), None),
        ("conv#2", None, "conv"),
    ]


def test_torchinfo_verbose_prints_parameters_below_their_module() -> None:
    code = (
        "import torch, torchinfo\n"
        "columns = 'kernel_size', 'output_size', 'num_params'\n"
        "torchinfo.summary(torch.nn.LSTM(4, 5), (2, 3, 4), verbose=2, col_names=columns)"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    (row,) = read(text).rows
    assert (row.kind, row.params) == ("lstm", 220)
    assert row.stated["weights"] == {
        "weight_ih_l0": (20, 4),
        "weight_hh_l0": (20, 5),
        "bias_ih_l0": (20,),
        "bias_hh_l0": (20,),
    }


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A sequential network of one, two or three axes that fits its input, and the input's shape."""
    axes = draw(st.integers(1, 3))
    one_of = {
        name: getattr(nn, f"{name}{axes}d") for name in ("Conv", "ConvTranspose", "MaxPool", "AvgPool", "BatchNorm")
    }
    channels = draw(st.sampled_from((1, 3, 5)))
    size = draw(st.sampled_from((8, 11)))
    shape = (1, channels, *[size + 3 * axis for axis in range(axes)])
    layers: list[nn.Module] = []
    sizes = list(shape[2:])
    for _ in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from((*one_of, "ReLU", "Dropout")))
        if name in ("ReLU", "Dropout"):
            layers.append(getattr(nn, name)())
        elif name == "BatchNorm":
            layers.append(one_of[name](channels))
        elif name in ("MaxPool", "AvgPool"):
            if min(sizes) < 2:
                continue
            layers.append(one_of[name](2))
            sizes = [side // 2 for side in sizes]
        elif name == "Conv":
            kernel = draw(st.integers(1, min(3, *sizes)))
            out = draw(st.sampled_from((2, 7, 16)))
            layers.append(one_of[name](channels, out, kernel, bias=draw(st.booleans())))
            channels, sizes = out, [side - kernel + 1 for side in sizes]
        else:
            out = draw(st.sampled_from((2, 7)))
            layers.append(one_of[name](channels, out, 2, 2))
            channels, sizes = out, [side * 2 for side in sizes]
    features = channels * int(torch.tensor(sizes).prod())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 10)), shape


@settings(max_examples=40, derandomize=True, deadline=None)
@given(networks())
def test_drawn_networks_in_every_style(drawn: tuple[nn.Module, tuple[int, ...]]) -> None:
    model, shape = drawn
    seen = printers.run(model, shape)
    held(copy.deepcopy(model), shape, col_names=COLUMNS)  # torchinfo moves it to the meta device
    table = read(printers.torchsummary(model, shape))
    assert table.format == "torchsummary"
    assert [(row.cls, row.output_shape, row.params) for row in table.rows] == [
        (one.cls, one.shape[1:], one.params) for one in seen
    ]
    for text in (
        printers.keras_ascii(model, shape),
        printers.keras_ascii(model, shape, width=98),
        printers.keras_boxes(model, shape),
        printers.keras_boxes(model, shape, widths=(21, 16, 12)),
    ):
        table = read(text)
        assert (table.format, table.unread) == ("keras", ())
        assert [(row.cls, row.params) for row in table.rows] == [(one.keras, one.params + one.buffers) for one in seen]
        if table.channels_last and any("1D" in row.cls for row in table.rows) == (len(shape) == 3):
            assert [row.output_shape for row in table.rows] == [one.shape[1:] for one in seen]
        assert [row.printed_shape for row in table.rows] == [
            (None, *one.shape[2:], one.shape[1]) if len(one.shape) > 2 else (None, one.shape[1]) for one in seen
        ]


def test_torchsummary_prints_blocks_after_their_inside() -> None:
    model = torchvision.models.resnet18()
    table = read(printers.torchsummary(model, (1, 3, 64, 64)))
    blocks = [row for row in table.rows if row.kind == "container"]
    assert [row.cls for row in blocks] == ["BasicBlock"] * 8
    assert sum(row.params or 0 for row in table.rows) == table.total_params == 11_689_512


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--markdown"], ["--html"]])
def test_our_own_summary_reads_back(form: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "summary", "models.lenet:LeNet5", "--input", "1,1,32,32", *form],
        capture_output=True,
        text=True,
        check=True,
    )
    table = read(done.stdout)
    leaves = [row for row in table.rows if row.kind != "container"]
    assert [row.name for row in leaves] == [
        *[f"features.{index}" for index in range(8)],
        *[f"classifier.{index}" for index in range(5)],
    ]
    assert [row.params for row in leaves if row.params] == [156, 2416, 48120, 10164, 850]
    assert leaves[3].output_shape == (16, 10, 10)
    assert not table.unread
    if form != ["--csv"]:  # it prints neither totals nor the input
        assert (table.total_params, table.input_shape) == (61706, (1, 32, 32))
