"""Attention with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import RULES
from tests.rules.draw import EXAMPLES, filled, full_shape
from tests.rules.harness import check, compare, predict, refused


def attended(draw: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    dtype = draw(st.sampled_from((torch.float32, torch.float64, torch.bfloat16)))
    L, S, E, E_v = (draw(st.integers(1, 5)) for _ in range(4))
    lead = full_shape(draw, 0, 3)
    heads = lead
    named: dict[str, Any] = {}
    if lead and draw(st.booleans()):
        repeats = draw(st.sampled_from((1, 2, 4)))
        lead, named["enable_gqa"] = (*lead[:-1], lead[-1] * repeats), True
    query, key, value = (
        filled((*front, *sizes), dtype) for front, sizes in ((lead, (L, E)), (heads, (S, E)), (heads, (S, E_v)))
    )
    form = draw(st.sampled_from(("none", "causal", "bool", "float", "broadcast")))
    if form == "causal":
        named["is_causal"] = True
    elif form != "none":
        mask = filled((1, S) if form == "broadcast" else (L, S), torch.bool if form == "bool" else dtype)
        named["attn_mask"] = mask
    if draw(st.booleans()):
        named["scale"] = 0.5
    return (query, key, value), named


@EXAMPLES
@given(data=st.data())
def test_scaled_dot_product_attention(data: st.DataObject) -> None:
    args, named = attended(data.draw)
    check(F.scaled_dot_product_attention, *args, **named)


def test_macs_worked_by_hand() -> None:
    q, k, v = torch.empty(2, 8, 5, 16), torch.empty(2, 2, 7, 16), torch.empty(2, 2, 7, 6)
    output, macs = predict(F.scaled_dot_product_attention, q, k, v, enable_gqa=True)
    assert tuple(output.shape) == (2, 8, 5, 6)
    # Each of 2·8 heads: 5·7 scores of 16 products, then 5·6 features of 7.
    assert macs is not None
    assert macs.number == 2 * 8 * (5 * 7 * 16 + 5 * 6 * 7)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_operator_of_flex_attention(transposed: bool, dtype: torch.dtype) -> None:
    query, key, value = (torch.ones(2, heads, 16, 8, dtype=dtype) for heads in (4, 2, 2))
    if transposed:
        query = query.transpose(1, 2).contiguous().transpose(1, 2)
    mask = tuple(torch.zeros(1, 1, 1, dtype=torch.int32) for _ in range(2))
    seen = (*mask, 16, lambda batch, head, q, kv: q >= kv)
    args = (query, key, value, lambda score, batch, head, q, kv: score, seen, 0.5, {})
    operator = torch.ops.higher_order.flex_attention
    with torch.no_grad():
        compare(predict(operator, *args)[0], operator(*args))
    formula = RULES[operator](*args)[1]
    assert formula is not None
    assert formula.number == 2 * 4 * 16 * 16 * (8 + 8)


def test_sizes_that_pytorch_refuses() -> None:
    attention = F.scaled_dot_product_attention
    q = torch.ones(2, 4, 5, 8)
    assert "have 8 features, keys [2, 4, 5, 6] have 6" in refused(attention, q, torch.ones(2, 4, 5, 6), q)
    assert "have 5 positions" in refused(attention, q, q, torch.ones(2, 4, 6, 8))
    assert "do not broadcast" in refused(attention, q, torch.ones(2, 3, 5, 8), torch.ones(2, 3, 5, 8))
    kv = torch.ones(2, 3, 5, 8)
    assert "no multiple of 3 key heads" in refused(attention, q, kv, kv, enable_gqa=True)
    assert "the mask [5, 4] does not broadcast" in refused(attention, q, q, q, torch.ones(5, 4))
