"""Embeddings with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import RULES, ValuesNeeded, embedding
from tests.rules.draw import EXAMPLES, FLOATING, agree, cases, filled, full_shape, maybe, shape, tensor
from tests.rules.harness import parameters, predict, refused

INDICES = (torch.int64, torch.int32)


def lookup(draw: Any) -> Any:
    indices = tensor(draw, shape(draw), INDICES)
    table = filled((5, draw(st.integers(1, 4))), draw(st.sampled_from(FLOATING)))
    options = {"padding_idx": st.sampled_from((0, -1)), "max_norm": st.just(1.0), "norm_type": st.just(1.0)}
    return (indices, table), maybe(draw, **options, scale_grad_by_freq=st.booleans(), sparse=st.booleans())


def bags(draw: Any) -> Any:
    table = filled((5, draw(st.integers(1, 4))), torch.float32)
    mode = draw(st.sampled_from(("sum", "mean", "max")))
    named: dict[str, Any] = {"mode": mode}
    if draw(st.booleans()):
        indices = tensor(draw, full_shape(draw, 2, 2), (torch.int64,))
    else:
        indices = tensor(draw, (6,), (torch.int64,))
        named["include_last_offset"] = draw(st.booleans())
        named["offsets"] = torch.tensor([0, 2, 3, 6] if named["include_last_offset"] else [0, 2, 3])
    if mode == "sum" and draw(st.booleans()):
        named["per_sample_weights"] = filled(indices.shape, torch.float32)
    return (indices, table), {**named, **maybe(draw, padding_idx=st.just(1))}


def hot(draw: Any) -> Any:
    return (tensor(draw, shape(draw), (torch.int64,)),), {"num_classes": draw(st.integers(3, 6))}


STRATEGIES: dict[Any, Any] = {
    F.embedding: lookup,
    torch.embedding: lambda draw: (lookup(draw)[0][::-1], {}),
    F.embedding_bag: bags,
    embedding.one_hot: hot,
}


@pytest.mark.parametrize(("function", "strategy"), cases(embedding.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


def test_parameters_and_work() -> None:
    indices, table = torch.zeros(2, 3, dtype=torch.int64), torch.ones(10, 4)
    for function in (F.embedding, F.embedding_bag):
        assert parameters(function, indices, table).number == 40  # 10 rows of 4
    assert parameters(torch.embedding, table, indices).number == 40
    assert RULES[F.embedding](indices, table)[1] is None
    formula = RULES[F.embedding_bag](indices, table)[1]
    assert formula is not None
    assert (formula.formula.counts, formula.number) == ("elementwise", 24)  # 6 rows of 4 are read


def test_the_number_of_classes_may_be_a_value() -> None:
    with pytest.raises(ValuesNeeded):
        predict(F.one_hot, torch.zeros(3, dtype=torch.int64))


def test_sizes_that_pytorch_refuses() -> None:
    indices, table = torch.zeros(2, 3, dtype=torch.int64), torch.ones(10, 4)
    assert "with offsets" in refused(F.embedding_bag, indices[0], table)
    weights = torch.ones(2, 4)
    message = refused(F.embedding_bag, indices, table, mode="sum", per_sample_weights=weights)
    assert "one weight for each index" in message
