"""What a call cannot do without, against counting by hand and against brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from inspector import predict
from inspector.bench.demand import Demand, demands
from inspector.bench.unavoidable import shares
from inspector.rules import RULES


class Calls(nn.Module):
    """The forward is a function of the test's."""

    def __init__(self, forward) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 4))
        self._function = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._function(self, x)


def of(function, *shape: int) -> list[Demand]:
    return [demand for demand in demands(Calls(function), shape)[1] if demand.moves]


def test_bytes_of_each_kind_of_call() -> None:
    (linear,) = of(lambda self, x: F.linear(x, self.weight), 3, 4)
    assert (linear.read, linear.written, linear.macs) == (4 * (3 * 4 + 6 * 4), 4 * 3 * 6, 3 * 6 * 4)
    (added,) = of(lambda self, x: x + x, 3, 4)
    assert (added.read, added.written) == (48, 48), "one tensor is read once"
    (repeated,) = of(lambda self, x: x + x[:, :1].expand(-1, 4), 3, 4)
    assert repeated.read == 48, "the expanded column is part of what is read already"
    (in_place,) = of(lambda self, x: x.relu_(), 3, 4)
    assert (in_place.read, in_place.written) == (48, 48)
    (copied,) = of(lambda self, x: x.t().contiguous(), 3, 4)
    assert (copied.read, copied.written) == (48, 48)
    (picked,) = of(lambda self, x: F.embedding(torch.tensor([1]), self.weight), 3, 4)
    assert (picked.read, picked.written) == (0, 16), "which rows are read is for the indices to say"


def test_what_moves_nothing() -> None:
    def views(self: Calls, x: Tensor) -> Tensor:
        x = F.dropout(x.view(4, 3).t()[1:].unsqueeze(0).float(), training=False)
        return x.flatten().contiguous().reshape(2, 4).detach().to(torch.float32) if x.is_contiguous() else x.squeeze(0)

    assert of(views, 3, 4) == []
    assert of(lambda self, x: x.chunk(2)[0].expand(2, 2, 4), 4, 4) == []


def test_bytes_that_a_call_may_leave_alone() -> None:
    (window,) = of(lambda self, x: x.unfold(1, 3, 1) * 2, 2, 8)
    assert (window.read, window.written) == (4 * 2 * 8, 4 * 2 * 6 * 3), "elements of windows share addresses"
    (diagonal,) = of(lambda self, x: x.trace(), 8, 8)
    assert diagonal.read == 0
    (ignored,) = of(lambda self, x: torch.baddbmm(torch.empty(2, 3, 3), x, x, beta=0), 2, 3, 3)
    assert ignored.read == 4 * 2 * 9, "what is multiplied, and not the summand"
    (added,) = of(lambda self, x: torch.baddbmm(torch.ones(2, 3, 3), x, x), 2, 3, 3)
    assert added.read == 2 * 4 * 2 * 9
    (causal,) = of(lambda self, x: F.scaled_dot_product_attention(x[:, :2], x, x, is_causal=True), 1, 6, 4)
    assert causal.read == 4 * 2 * 4, "two queries see two keys of six"


def test_what_is_empty_runs_no_kernel() -> None:
    assert of(lambda self, x: F.linear(x, self.weight).relu(), 0, 4) == []


def test_a_stride_longer_than_the_kernel_steps_over_elements() -> None:
    (stepping,) = of(lambda self, x: F.conv2d(x, torch.ones(1, 1, 1, 1), stride=2), 1, 1, 8, 8)
    assert stepping.read == 4 * (4 * 4 + 1)
    (pooled,) = of(lambda self, x: F.max_pool2d(x, 2, stride=4), 1, 1, 8, 8)
    assert pooled.read == 4 * 4 * 4
    (whole,) = of(lambda self, x: F.max_pool2d(x, kernel_size=3, stride=2), 1, 1, 9, 9)
    assert whole.read == 4 * 81


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 2),
    st.sampled_from([1, 2]),
)
def test_taps_on_padding_are_left_out(
    size: int, kernel: int, stride: int, padding: int, dilation: int, rank: int
) -> None:
    """The share of multiplications by a real input, counted one by one by a convolution of ones with ones."""
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return
    convolve = (F.conv1d, F.conv2d)[rank - 1]
    x, w = torch.ones(1, 1, *[size] * rank), torch.ones(1, 1, *[kernel] * rank)
    found = convolve(x, w, stride=stride, padding=padding, dilation=dilation)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    direct, fast = shares(RULES[convolve], (x, w), options, found.shape)
    assert direct == Fraction(int(found.sum()), found.numel() * w.numel())
    assert 0 <= fast <= direct


def test_cropped_outputs_of_a_transposed_convolution_are_left_out() -> None:
    x, w = torch.ones(1, 1, 5, 4), torch.ones(1, 1, 3, 3)
    for stride, padding in product((1, 2), (0, 1, 2)):
        found = F.conv_transpose2d(x, w, stride=stride, padding=padding)
        direct, _ = shares(RULES[F.conv_transpose2d], (x, w), {"stride": stride, "padding": padding}, found.shape)
        assert direct == Fraction(int(found.sum()), 20 * 9)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding: str) -> None:
    x, w = torch.ones(1, 1, 6), torch.ones(1, 1, 4)
    found = F.conv1d(F.pad(x, (1, 2)) if padding == "same" else x, w)
    named = shares(RULES[F.conv1d], (x, w), {"padding": padding}, found.shape)
    assert named[0] == Fraction(int(found.sum()), found.numel() * 4)


def test_a_causal_mask_leaves_the_triangle() -> None:
    q = torch.empty(1, 2, 5, 8)
    masked = shares(RULES[F.scaled_dot_product_attention], (q, q, q), {"is_causal": True}, q.shape)
    assert masked[0] == Fraction(15, 25)


def test_winograds_tile_of_four() -> None:
    x, w = torch.empty(1, 1, 9, 9), torch.empty(1, 1, 3, 3)
    direct, fast = shares(RULES[F.conv2d], (x, w), {}, (1, 1, 7, 7))
    assert direct / fast == 4  # 4·4 outputs of 3·3 taps by 6·6 multiplications
    assert shares(RULES[F.conv2d], (x, w), {"stride": 2}, (1, 1, 4, 4)) == (1, 1)


def test_which_gradients_a_backward_multiplies() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    first, _, second = demands(model, (2, 4))[1]
    assert (first.gradient_macs, second.gradient_macs) == (1, 2), "nobody wants the input's gradient"
    model[0].requires_grad_(False)
    first, _, second = demands(model, (2, 4))[1]
    assert (first.gradient_macs, second.gradient_macs) == (0, 1)
    with torch.no_grad():
        assert all(demand.gradient_macs == 0 for demand in demands(model, (2, 4))[1])
    model[0].bias.requires_grad_(True)
    first, _, second = demands(model, (2, 4))[1]
    assert (first.gradient_macs, second.gradient_macs) == (0, 2), "the gradient of a bias is no product"


def test_what_is_detached_ends_the_backward() -> None:
    first, second = of(lambda self, x: F.linear(F.linear(x, self.weight).detach(), torch.ones(4, 6)), 3, 4)
    assert (first.gradient_macs, second.gradient_macs) == (1, 0)


def test_one_demand_for_each_row_and_the_prediction_as_ever() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.LSTM(18, 3))
    model.forward = lambda x: model[4](model[3](model[2](model[1](model[0](x)))))[0]
    found, noted = demands(model, (2, 1, 3, 3))
    assert [row.kind for row in found.rows] == [row.kind for row in predict(model, (2, 1, 3, 3)).rows]
    assert len(noted) == len(found.rows)
    assert all(demand.macs <= (row.macs or 0) for demand, row in zip(noted, found.rows, strict=True))
