"""Sizes that are names: counts are sympy expressions that equal the concrete counts."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import ShapeEnv

import inspector
from inspector.symbolic import Symbols
from tests.zoo.holding import Bodiless

N, H, W = (sympy.Symbol(name) for name in "NHW")


def test_a_size_of_one_name_is_one_symbol() -> None:
    symbols = Symbols()
    assert symbols.size("N") is symbols.size("N")
    assert symbols.read(symbols.size("N")) == N
    assert symbols.read(7) == 7


def test_arithmetic_on_sizes_reads_as_sympy() -> None:
    symbols = Symbols()
    n, h = symbols.size("N"), symbols.size("H")
    assert symbols.read(n * 3 + h) == 3 * N + H
    assert symbols.read((h - 1) // 2 + 1) == sympy.floor((H - 1) / sympy.Integer(2)) + 1
    assert symbols.read(h % 4).subs(H, 10) == 2
    assert symbols.read(torch.sym_max(n, h)) == sympy.Max(N, H)


def test_a_linear_layer_in_closed_form() -> None:
    p = inspector.predict(nn.Linear(120, 84), ("N", 120))
    assert p.total_macs == 120 * 84 * N
    assert p.modules[0].output_shapes == ((N, 84),)
    assert p.rows[0].formula is not None
    assert "N" in p.rows[0].formula.worked
    assert p.input_description == ("input: [N, 120] float32",)


def test_a_convolution_in_closed_form() -> None:
    p = inspector.predict(nn.Conv2d(3, 8, 5, stride=2, padding=1), ("N", 3, "H", "W"))
    # Along one axis ⌊(H + 2·1 − 5)/2⌋ + 1 outputs; each sums 3·5·5 products.
    out = [sympy.floor((size - 3) / sympy.Integer(2)) + 1 for size in (H, W)]
    assert sympy.simplify(p.total_macs - N * 8 * 75 * out[0] * out[1]) == 0
    (shape,) = p.modules[0].output_shapes
    assert shape[:2] == (N, 8)
    assert [size.subs({H: 11, W: 12}) for size in shape[2:]] == [5, 5]


class Fn(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


#: Forwards of x (N, 8, H, W) with H and W at least 8.
FORWARDS: dict[str, Callable[[Tensor], Tensor]] = {
    "view": lambda x: x.view(x.shape[0], -1, x.shape[-1]),
    "flatten": lambda x: x.flatten(1) @ x.flatten(1).T,
    "attention": lambda x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)] * 3),
    "interpolate": lambda x: F.conv2d(F.interpolate(x, scale_factor=2), torch.ones(4, 8, 3, 3)),
    "pad and crop": lambda x: F.pad(x, (1, 2, 3, 4))[:, :, 1:-1, ::2] * torch.ones(1),
    "pools": lambda x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2) + F.adaptive_avg_pool2d(x, 1),
    "hardtanh in place": lambda x: F.hardtanh(x.clone(), inplace=True),
    "einsum": lambda x: torch.einsum("nchw,ncij->nhwij", x, x),
    "cat and chunk": lambda x: torch.cat(torch.cat([x, x], 1).chunk(4, 1), 0),
    "a sum over a size": lambda x: x * x.shape[0] + x.numel(),
    "arange": lambda x: torch.arange(x.shape[2])[None] * torch.ones(x.shape[0], 1),
    "norms": lambda x: F.layer_norm(F.group_norm(x, 4).transpose(1, 3), (8,)),
    "transposed convolution": lambda x: F.conv_transpose2d(x, torch.ones(8, 2, 3, 3), stride=2),
    "unfold": lambda x: F.unfold(x, 3, padding=1).transpose(1, 2) @ torch.ones(72, 5),
    "fft": lambda x: torch.fft.rfft2(x).abs(),
    "masked": lambda x: x.masked_fill(torch.ones(x.shape[-2:], dtype=torch.bool).triu(1), 0.0),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_symbols_agree_with_numbers(name: str) -> None:
    model = Fn(FORWARDS[name])
    p = inspector.predict(model, ("N", 8, "H", "W"))
    for n, h, w in ((1, 16, 12), (3, 9, 14), (2, 33, 8), (5, 12, 64)):
        sizes = {N: n, H: h, W: w}
        concrete = inspector.predict(model, (n, 8, h, w))
        assert sympy.sympify(p.total_macs).subs(sizes) == concrete.total_macs
        assert sympy.sympify(p.total_elementwise_ops).subs(sizes) == concrete.total_elementwise_ops
        shapes = tuple(tuple(int(sympy.sympify(s).subs(sizes)) for s in shape) for shape in p.modules[0].output_shapes)
        assert shapes == concrete.modules[0].output_shapes


def test_two_names_that_would_have_to_be_equal_are_named() -> None:
    with pytest.raises(inspector.InspectionError, match=r"\[H, W\] by \[H, W\], W against H"):
        inspector.predict(Fn(lambda x: x @ x), ("H", "W"))


def test_a_name_that_is_held_to_a_number_is_told() -> None:
    p = inspector.predict(Fn(lambda x: x.view(-1, int(x.shape[1]))), ("N", "H"))
    (note,) = p.notes
    assert note.startswith(f"this forward holds only where H = {p.modules[0].output_shapes[0][1]}, at ")
    assert "test_symbolic.py:" in note


def test_a_branch_on_a_size_holds_a_note() -> None:
    p = inspector.predict(Fn(lambda x: x.flatten(1) if x.shape[1] == 4 else x), ("N", "H"))
    assert p.modules[0].output_shapes in (((N, H),), ((N, 4),))


def test_symbols_in_several_inputs_are_shared() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x @ y

    p = inspector.predict(Both(), [("N", "H"), ("H", "W")])
    assert p.total_macs == N * H * W
    assert p.modules[0].output_shapes == ((N, W),)


def numbers(p: inspector.Prediction) -> Callable[..., Any]:
    return sympy.lambdify((N, H, W), p.total_macs, modules="sympy")


SIZES = [
    (random.Random(seed).randint(1, 9), *(random.Random(-seed).choices(range(64, 400), k=2))) for seed in range(10)
]


def test_resnet18_in_closed_form() -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        model = models.resnet18()
    p = inspector.predict(model, ("N", 3, "H", "W"))
    count = numbers(p)
    for sizes in SIZES:
        assert count(*sizes) == inspector.predict(model, (sizes[0], 3, *sizes[1:])).total_macs
    shape = next(call for call in p.modules if call.path == "layer4").output_shapes[0]
    assert shape[:2] == (N, 512)
    assert [s.subs({H: 224, W: 256}) for s in shape[2:]] == [7, 8]


#: Convolutional: any image size runs. inception_v3 resizes nothing and asks for 75 pixels; the transformers fix their
#: size.
_NAMES = """
    alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
    efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 mnasnet0_5 mnasnet0_75
    mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf regnet_x_32gf
    regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf
    regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50
    resnext101_32x8d resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
    shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
    wide_resnet101_2 wide_resnet50_2
"""
CONVOLUTIONAL = _NAMES.split()


def test_the_list_of_convolutional_models_is_complete() -> None:
    models = pytest.importorskip("torchvision.models")
    listed = models.list_models(module=models)
    others = {"maxvit_t", *(name for name in listed if name.startswith(("vit_", "swin_")))}
    assert set(listed) == set(CONVOLUTIONAL) | others


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_models_of_torchvision_in_closed_form(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with Bodiless():
        model = models.get_model(name, weights=None, **options).eval()
    p = inspector.predict(model, ("N", 3, "H", "W"))
    count = numbers(p)
    for n, h, w in SIZES:
        h, w = h + 32, w + 32  # inception and alexnet need more than 64 pixels
        assert count(n, h, w) == inspector.predict(model, (n, 3, h, w)).total_macs
    assert {row.source for row in p.rows} == {"formula"}


class Branching(nn.Module):
    """Takes another layer for large batches."""

    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.large(x) if x.shape[0] > 8 else self.small(x)


def test_the_branch_that_was_followed_is_told() -> None:
    p = inspector.predict(Branching(), ("N", 6))
    assert p.notes == ("forward branches on sizes; this is the branch where N > 8",)
    assert p.total_macs.subs({"N": 9}) == inspector.predict(Branching(), (9, 6)).total_macs
    assert inspector.predict(Branching(), (9, 6)).notes == ()


def test_what_rules_ask_of_sizes_is_no_branch_of_the_model() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.MaxPool2d(2), nn.Flatten(2)).eval()
    assert inspector.predict(model, ("N", 3, "H", "W")).notes == ()


class ClassToken(nn.Module):
    """A parameter spread over the batch, as vision transformers do."""

    def __init__(self, spread: str) -> None:
        super().__init__()
        self.token, self.spread = nn.Parameter(torch.zeros(1, 1, 6)), spread

    def forward(self, x: Tensor) -> Tensor:
        token = {
            "expand": lambda: self.token.expand(x.shape[0], -1, -1),
            "expand_as": lambda: self.token.expand_as(x[:, :1]),
            "broadcast_to": lambda: torch.broadcast_to(self.token, (x.shape[0], 1, 6)),
            "repeat": lambda: self.token.repeat(x.shape[0], 1, 1),
        }[self.spread]()
        return torch.cat([token, x], dim=1)


@pytest.mark.parametrize("spread", ["expand", "expand_as", "broadcast_to", "repeat"])
def test_a_parameter_that_holds_data_is_spread_over_a_symbol(spread: str) -> None:
    p = inspector.predict(ClassToken(spread), ("N", 5, 6))
    assert p.modules[0].output_shapes == ((sympy.Symbol("N"), 6, 6),)
    assert {row.source for row in p.rows} == {"formula"}
    assert not p.unused_parameters


class Square(nn.Module):
    """Patches in one row, folded back into a square by the root of their number."""

    def forward(self, x: Tensor) -> Tensor:
        patches = x[:, :, ::4, ::4].flatten(2)
        side = int(patches.shape[2] ** 0.5)  # the line that needs a number
        return patches.unflatten(2, (side, side))


def test_a_size_that_the_forward_turns_into_a_number_is_told_with_the_line() -> None:
    with pytest.raises(inspector.InspectionError) as caught:
        inspector.predict(Square(), ("N", 3, "H", "W"))
    lines = str(caught.value).splitlines()
    (turned,) = (number for number, line in enumerate(lines) if "into a number" in line)
    assert "turned the size floor(" in lines[turned]
    assert "H" in lines[turned]
    assert lines[turned].endswith("side = int(patches.shape[2] ** 0.5)  # the line that needs a number")
    assert "the counts hold for no other size" in lines[turned + 1]
    assert "give numbers (224 for W)" in lines[turned + 2]
    assert inspector.predict(Square(), (2, 3, 32, 32)).modules[0].output_shapes == ((2, 3, 8, 8),)


def test_the_line_that_holds_a_size_to_a_number_stands_in_the_note() -> None:
    p = inspector.predict(Fn(lambda x: x * int(x.shape[1] // 2)), ("N", "H"))
    (note,) = p.notes
    assert note.startswith("this forward holds only where floor(H/2) = ")
    assert "test_symbolic.py:" in note


def test_pytorch_logs_no_warning_of_sizes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What PyTorch cannot evaluate it logs as it raises; the person is told of the error alone."""

    evaluate = ShapeEnv._evaluate_expr

    def refuses(env: ShapeEnv, expression: Any, *args: Any, **kwargs: Any) -> Any:
        if "//" in str(expression):
            raise ArithmeticError("no such size")
        return evaluate(env, expression, *args, **kwargs)

    monkeypatch.setattr(ShapeEnv, "_evaluate_expr", refuses)
    with pytest.raises(inspector.InspectionError, match="no such size"):
        inspector.predict(Fn(lambda x: x * int(x.shape[0] // 3)), ("N",))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
