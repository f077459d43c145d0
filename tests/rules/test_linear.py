"""Matrix products in every spelling, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from inspector.rules import RULES
from tests.rules.draw import EXAMPLES, FLOATING, filled, full_shape, maybe, smaller
from tests.rules.harness import check, parameters, predict, refused

KINDS = (*FLOATING, torch.complex64)


def dtype_of(draw: Any) -> torch.dtype:
    return draw(st.sampled_from(KINDS))


@EXAMPLES
@given(data=st.data())
def test_linear(data: st.DataObject) -> None:
    draw, dtype = data.draw, dtype_of(data.draw)
    F_in, F_out = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    bias = torch.ones(F_out, dtype=dtype) if draw(st.booleans()) else None
    args = (filled((*full_shape(draw, 0, 3), F_in), dtype), filled((F_out, F_in), dtype), bias)
    check(F.linear, *args, macs=args[0].dim() > 1)  # the counter misses a vector's product
    params = parameters(F.linear, *args)
    assert params.number == F_in * F_out + (0 if bias is None else F_out)


def test_linear_with_a_vector_for_a_weight() -> None:
    x, weight = torch.ones(2, 3, 4), torch.ones(4)
    check(F.linear, x, weight, macs=False)
    macs = predict(F.linear, x, weight)[1]
    assert macs is not None
    assert macs.number == 24  # 6 rows of 4


@pytest.mark.parametrize("function", [torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.linalg.matmul])
@EXAMPLES
@given(data=st.data())
def test_matmul(function: Any, data: st.DataObject) -> None:
    draw, dtype = data.draw, dtype_of(data.draw)
    M, Q, P = (draw(st.integers(1, 4)) for _ in range(3))
    lead = full_shape(draw, 0, 2)
    left = (*smaller(draw, lead), M, Q) if draw(st.integers(0, 4)) else (Q,)
    right = (*smaller(draw, lead), Q, P) if draw(st.integers(0, 4)) else (Q,)
    check(function, filled(left, dtype), filled(right, dtype), macs=False)
    macs = predict(function, filled(left, dtype), filled(right, dtype))[1]
    # PyTorch's counter misses the products of vectors, so the sizes are multiplied here.
    result = torch.broadcast_shapes(left[:-2], right[:-2]).numel()
    assert macs is not None
    assert macs.number == result * (M if len(left) > 1 else 1) * Q * (P if len(right) > 1 else 1)


@pytest.mark.parametrize("room", [torch, Tensor])
def test_products_of_fixed_rank(room: Any) -> None:
    matrix, other, vector = torch.ones(2, 3), torch.ones(3, 4), torch.ones(3)
    batch, batch_other = torch.ones(5, 2, 3), torch.ones(5, 3, 4)
    check(room.mm, matrix, other)
    check(room.mm, matrix, mat2=other)
    check(room.bmm, batch, mat2=batch_other)
    check(room.mv, matrix, vec=vector, macs=False)
    check(room.dot, vector, tensor=vector, macs=False)
    check(room.vdot, vector, vector, macs=False)
    check(room.inner, batch, torch.ones(4, 3))
    check(room.inner, torch.ones(()), other)
    check(room.outer, vector, vector)
    check(room.ger, vector, vec2=vector)
    check(Tensor.__rmatmul__, other, matrix)
    assert RULES[room.mv](matrix, vector)[1].number == 6  # 2 rows of 3
    assert RULES[room.dot](vector, vector)[1].number == 3


@pytest.mark.parametrize("room", [torch, Tensor])
@EXAMPLES
@given(data=st.data())
def test_products_added_to_a_tensor(room: Any, data: st.DataObject) -> None:
    draw, dtype = data.draw, data.draw(st.sampled_from((torch.float32, torch.float64)))
    B, M, Q, P = (draw(st.integers(1, 4)) for _ in range(4))
    named = maybe(draw, beta=st.just(0.5), alpha=st.just(2))
    batch = filled((B, M, Q), dtype), filled((B, Q, P), dtype)

    def added(*sizes: int) -> Tensor:
        return filled(smaller(draw, sizes), dtype)

    check(room.addmm, added(M, P), batch[0][0], batch[1][0], **named)
    check(room.addmv, added(M), batch[0][0], batch[1][0, :, 0], macs=False, **named)
    check(room.baddbmm, added(B, M, P), *batch, **named)
    check(room.addbmm, added(M, P), *batch, macs=False, **named)
    assert RULES[room.addbmm](filled((M, P), dtype), *batch)[1].number == B * M * Q * P


def test_in_place() -> None:
    # The counter knows neither operator.
    check(Tensor.addmm_, torch.ones(2, 4), torch.ones(2, 3), torch.ones(3, 4), macs=False)
    check(Tensor.baddbmm_, torch.ones(5, 2, 4), torch.ones(5, 2, 3), torch.ones(5, 3, 4), macs=False)
    assert RULES[Tensor.addmm_](torch.ones(2, 4), torch.ones(2, 3), torch.ones(3, 4))[1].number == 24  # 2 · 3 · 4


@EXAMPLES
@given(data=st.data())
def test_bilinear(data: st.DataObject) -> None:
    draw, dtype = data.draw, data.draw(st.sampled_from(FLOATING))
    lead = full_shape(draw, 0, 2)
    F_1, F_2, F_out = (draw(st.integers(1, 4)) for _ in range(3))
    bias = torch.ones(F_out, dtype=dtype) if draw(st.booleans()) else None
    args = (filled((*lead, F_1), dtype), filled((*lead, F_2), dtype), filled((F_out, F_1, F_2), dtype), bias)
    check(F.bilinear, *args, macs=False)  # the counter does not know its kernel
    assert parameters(F.bilinear, *args).number == F_out * F_1 * F_2 + (0 if bias is None else F_out)
    macs = predict(F.bilinear, *args)[1]
    assert macs is not None
    # Each output feature: F_1·F_2 products with the second input, and F_1 with the first.
    assert macs.number == torch.Size(lead).numel() * F_out * (F_1 * F_2 + F_1)


def test_formulas_worked_by_hand() -> None:
    layer = nn.Linear(84, 10)
    x = torch.empty(1, 84)
    macs = RULES[F.linear](x, layer.weight, layer.bias)[1]
    assert macs is not None
    assert macs.worked == "1 × 84 × 10 = 840"
    assert parameters(F.linear, x, layer.weight, layer.bias).worked == "10 × (84 + 1) = 850"


def test_integers_add_up_in_int32() -> None:
    a, b = torch.ones(32, 16, dtype=torch.int8, device="meta"), torch.ones(16, 8, dtype=torch.int8, device="meta")
    output, formula = predict(torch._int_mm, a, mat2=b)
    assert (output.shape, output.dtype) == (torch._int_mm(a, b).shape, torch.int32)
    assert formula is not None
    assert formula.number == 32 * 16 * 8


def test_sizes_that_pytorch_refuses() -> None:
    a, b = torch.ones(2, 3), torch.ones(4, 5)
    assert "takes 5 features, the input [2, 3] has 3" in refused(F.linear, a, b)
    assert "inner sizes differ" in refused(torch.mm, a, b)
    assert "at least one axis" in refused(torch.matmul, torch.ones(()), b)
    assert "do not broadcast" in refused(torch.matmul, torch.ones(2, 3, 4), torch.ones(3, 4, 5))
    assert "last sizes differ" in refused(torch.inner, a, b)
    assert "does not fit [2, 3] and [4, 5]" in refused(F.bilinear, a, b, torch.ones(2, 3, 4))
