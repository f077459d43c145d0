"""Functions of one tensor's elements, with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import elementwise
from tests.rules.draw import ALL, EXAMPLES, FLOATING, INTEGER, agree, cases, dim, full_shape, maybe, shape, tensor
from tests.rules.harness import check, predict, refused


def one(draw: Any) -> Any:
    return (tensor(draw),), {}


def one_floating(draw: Any) -> Any:
    return (tensor(draw, dtypes=FLOATING),), {}


def with_numbers(draw: Any, *numbers: float) -> Any:
    given = draw(st.integers(0, len(numbers)))
    return (tensor(draw, dtypes=FLOATING), *numbers[:given]), {}


def activation(draw: Any) -> Any:
    return (tensor(draw, dtypes=FLOATING),), maybe(draw, inplace=st.booleans())


def prelu(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    dtype = draw(st.sampled_from(FLOATING))
    channels = draw(st.sampled_from((1, sizes[1] if len(sizes) > 1 else 1)))
    return (tensor(draw, sizes, (dtype,)), torch.full((channels,), 0.25, dtype=dtype)), {}


def glu(draw: Any) -> Any:
    sizes = list(shape(draw, 1))
    axis = dim(draw, len(sizes))
    sizes[axis] = draw(st.sampled_from((2, 4, 3)))
    return (tensor(draw, sizes, FLOATING), axis), {}


def dropout(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING)
    return (x, draw(st.sampled_from((0.0, 0.5))), draw(st.booleans())), {}


def functional_dropout(draw: Any, least: int = 0, most: int = 4) -> Any:
    options = maybe(draw, p=st.sampled_from((0.0, 0.5)), training=st.booleans(), inplace=st.booleans())
    return (tensor(draw, full_shape(draw, least, most), FLOATING),), options


def renorm(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 2), (torch.float32,))
    return (x, draw(st.sampled_from((1, 2.0))), dim(draw, x.dim()), 0.5), {}


def polygamma(draw: Any) -> Any:
    return (draw(st.integers(0, 3)), tensor(draw)), {}


def polygamma_method(draw: Any) -> Any:
    return (tensor(draw), draw(st.integers(0, 3))), {}


NUMBERS = {
    "nan_to_num": (0.0, 1.0, -1.0),
    "hardshrink": (0.3,),
    "softshrink": (0.3,),
    "softplus": (1.0, 20.0),
    "elu": (1.5,),
    "celu": (1.5,),
    "leaky_relu": (0.1,),
    "hardtanh": (-1.0, 1.0),
}


def numbers_of(name: str) -> Any:
    return lambda draw: with_numbers(draw, *NUMBERS[name])


STRATEGIES: dict[Any, Any] = {
    elementwise.polygamma: polygamma,
    elementwise.polygamma_method: polygamma_method,
    "round": lambda draw: ((tensor(draw),), maybe(draw, decimals=st.integers(-1, 2))),
    "gelu": lambda draw: ((tensor(draw, dtypes=FLOATING),), maybe(draw, approximate=st.sampled_from(("none", "tanh")))),
    "threshold": lambda draw: ((tensor(draw, dtypes=FLOATING), 0.1, 20.0), {}),
    **{name: numbers_of(name) for name in NUMBERS},
    elementwise.activation: activation,
    "_threshold": lambda draw: ((tensor(draw, dtypes=FLOATING), 0.1, 20.0), maybe(draw, inplace=st.booleans())),
    elementwise.unary: one,
    elementwise.inverted: lambda draw: ((tensor(draw, dtypes=(*INTEGER, torch.bool)),), {}),
    elementwise.floating_unary: one,
    elementwise.magnitude: one,
    elementwise.angle: one,
    elementwise.square: one,
    elementwise.predicate: one,
    elementwise.positive: one,
    elementwise.unchanged_if_real: one,
    elementwise.frexp: one_floating,
    elementwise.logit: lambda draw: with_numbers(draw, 0.1),
    elementwise.mvlgamma: lambda draw: ((tensor(draw) + 2, draw(st.integers(1, 3))), {}),
    elementwise.prelu: prelu,
    elementwise.glu: glu,
    elementwise.dropout: dropout,
    elementwise.native_dropout: dropout,
    elementwise.functional_dropout: functional_dropout,
    elementwise.alpha_dropout: functional_dropout,
    F.dropout2d: lambda draw: functional_dropout(draw, 4),
    elementwise.log_sigmoid: one_floating,
    elementwise.rrelu: lambda draw: with_numbers(draw, 0.1, 0.3),
    elementwise.functional_rrelu: activation,
    F.dropout1d: lambda draw: functional_dropout(draw, 2, 3),
    F.dropout3d: lambda draw: functional_dropout(draw, 4, 5),
    elementwise.renorm: renorm,
}


@pytest.mark.parametrize(("function", "strategy"), cases(elementwise.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


@pytest.mark.parametrize("dtype", ALL)
def test_integers_become_floating_where_they_must(dtype: torch.dtype) -> None:
    check(torch.exp, torch.ones(2, dtype=dtype))
    check(torch.sigmoid, torch.ones(2, 3, dtype=dtype).t())


def test_the_work_is_one_operation_for_each_element() -> None:
    for function in (torch.exp, F.relu, torch.relu_, Tensor.neg, F.dropout):
        _, formula = predict(function, torch.empty(2, 3, 4, device="meta"))
        assert formula is not None
        assert (formula.formula.counts, formula.number) == ("elementwise", 24)  # 2 · 3 · 4


def test_sizes_that_pytorch_refuses() -> None:
    assert "halves axis -1 of [2, 3]" in refused(F.glu, torch.ones(2, 3))
    assert "4 channels, got [3]" in refused(F.prelu, torch.ones(2, 4, 5), torch.ones(3))
    assert "axis 4 of a tensor with 2 axes" in refused(F.glu, torch.ones(2, 2), 4)
