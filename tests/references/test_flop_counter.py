"""PyTorch's counter: what it counts, and each operation it is known to miss, on the smallest model that shows it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inspector.inputs import make_inputs
from inspector.references.flop_counter import flop_counter


class Apply(nn.Module):
    """A function as a model."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


def count(model, size, **options):
    return flop_counter(model, make_inputs(model, size, **options))


def root(measurement):
    assert measurement.failure is None
    return measurement.modules[0]


def test_each_call_of_each_module():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x)) @ x.t()

    measurement = count(Twice(), (2, 3))
    # Each Linear 2·3·3 = 18; the product of (2 × 3) by (3 × 2): 2·3·2 = 12.
    assert [(call.path, call.call, call.macs) for call in measurement.modules] == [
        ("", 1, 48),
        ("layer", 1, 18),
        ("layer", 2, 18),
    ]
    assert measurement.totals["macs"] == 48


def test_a_bias_is_not_counted():
    assert root(count(nn.Conv2d(2, 3, 3), (1, 2, 5, 5))).macs == 3 * 2 * 9 * 9  # C_out·C_in·K²·pixels, 3×3 pixels


@pytest.mark.parametrize(
    ("function", "sizes", "operator", "macs"),
    [
        (torch.mv, [(3, 4), (4,)], "aten::mv", 12),  # 3 rows of 4
        (torch.addmv, [(3,), (3, 4), (4,)], "aten::addmv", 12),
        (torch.dot, [(4,), (4,)], "aten::dot", 4),
        (torch.vdot, [(4,), (4,)], "aten::vdot", 4),
        (torch.addbmm, [(3, 5), (2, 3, 4), (2, 4, 5)], "aten::addbmm", 120),  # 2·3·4·5
        (
            F.bilinear,
            [(2, 3), (2, 4), (5, 3, 4)],
            "aten::_trilinear",
            150,
        ),  # rows 2·(5·3·4 for A·x₂ + 5·3 for x₁ of it)
        (
            torch.conv_tbc,
            [(5, 2, 3), (3, 3, 4), (4,)],
            "aten::conv_tbc",
            216,
        ),  # 3 steps·2·4 outputs of 3 taps·3 channels
    ],
)
def test_operators_without_a_formula_in_the_counter(function, sizes, operator, macs):
    call = root(count(Apply(function), sizes))
    assert (call.macs, call.corrected_macs) == (0, macs)
    assert call.fault == f"has no formula for {operator}"


def test_integer_products():
    call = root(count(Apply(torch._int_mm), [(32, 8), (8, 16)], input_dtypes="int8"))
    assert (call.macs, call.corrected_macs) == (0, 32 * 8 * 16)


@pytest.mark.parametrize(
    ("left", "right", "macs"),
    [
        ((16, 8), (2, 8, 32), 16 * 8 * 32),  # every row of the left meets one (8 × 32) matrix
        ((2, 16, 8), (2, 8, 32), 2 * 16 * 8 * 32),
        ((2, 16, 8), (8, 32), 16 * 8 * 32),  # every column of the right meets one (16 × 8) matrix
        ((16, 8), (8, 32), 16 * 8 * 32),  # the 8 are cut into groups
    ],
)
def test_grouped_products(left, right, macs):
    class Grouped(nn.Module):
        def forward(self, a, b):
            groups = None if a.dim() == b.dim() == 3 else torch.zeros(2, dtype=torch.int32, device=a.device)
            return torch._grouped_mm(a, b, offs=groups)

    call = root(count(Grouped(), [left, right], input_dtypes="bfloat16"))
    assert (call.macs, call.corrected_macs) == (0, macs)


def test_deformable_convolution():
    ops = pytest.importorskip("torchvision.ops")
    call = root(count(Apply(ops.deform_conv2d), [(1, 3, 8, 8), (1, 18, 6, 6), (4, 3, 3, 3)]))
    assert (call.macs, call.corrected_macs) == (0, 4 * 36 * 3 * 9)  # 4·6·6 outputs, each of 3 channels·3² taps
    assert call.fault == "has no formula for torchvision::deform_conv2d"


def test_a_custom_operator_is_named_and_not_mended():
    @torch.library.custom_op("inspector_tests::product", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    @product.register_fake
    def _(a, b):
        return a.new_empty(a.shape[0], b.shape[1])

    measurement = count(Apply(lambda a, b: product(a, b).mv(b[0])), [(3, 4), (4, 5)])
    call = root(measurement)
    assert call.fault == "has no formula for aten::mv; cannot look into inspector_tests::product"
    assert (call.macs, call.corrected_macs) == (0, 15)  # the (3 × 5) matrix by a vector
    assert measurement.conditions["missed operators"] == "inspector_tests::product ×1, aten::mv ×1"


def test_fused_kernels_are_counted_on_the_meta_device():
    # 5 steps of 2 examples, each (3 + 4)·(4·4) = 112.
    assert root(count(nn.LSTM(3, 4), (5, 2, 3))).macs == 1120
    # Queries and keys of 5 positions, 2 heads of 4: 2·5·5·4 for the scores and as many for the mixture.
    attention = Apply(F.scaled_dot_product_attention)
    assert root(count(attention, [(1, 2, 5, 4)] * 3)).macs == 400


def test_complex_convolutions_count_three_times():
    # C_out·C_in·K·outputs = 3·2·3·6 = 108 complex products.
    measurement = count(Apply(F.conv1d), [(1, 2, 8), (3, 2, 3)], input_dtypes="complex64")
    assert root(measurement).macs == 3 * 108


def test_work_of_hooks_belongs_to_the_call():
    model = nn.Sequential(nn.Linear(3, 4, bias=False))
    weight = torch.zeros(3, 3, device="meta")
    model[0].register_forward_pre_hook(lambda module, args: (args[0] @ weight,))
    model[0].register_forward_hook(lambda module, args, output: output @ output.t())
    measurement = count(model, (2, 3))
    # Before: 2·3·3 = 18. The layer: 2·3·4 = 24. After: 2·4·2 = 16.
    assert [call.macs for call in measurement.modules] == [18 + 24 + 16] * 2
