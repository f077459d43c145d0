"""Reductions with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, reduction
from tests.rules.draw import (
    ALL,
    EXAMPLES,
    FLOATING,
    INTEGER,
    REAL,
    agree,
    cases,
    dim,
    dims,
    full_shape,
    maybe,
    shape,
    smaller,
    tensor,
)
from tests.rules.harness import check, refused

SINGLE = (torch.float32, torch.float64)


def over_axes(draw: Any, dtypes: Any = ALL, several: bool = True, **named: Any) -> Any:
    """Over all axes, one, or several, with further options."""
    x = tensor(draw, full_shape(draw), dtypes)
    form = draw(st.integers(0, 2 if several else 1))
    if form == 0:
        return (x,), {}
    axes = dim(draw, x.dim()) if form == 1 else tuple(dims(draw, x.dim(), 1))
    return (x, axes), maybe(draw, keepdim=st.booleans(), **named)


def segments(draw: Any) -> Any:
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    data = tensor(draw, (sum(lengths), *shape(draw)), FLOATING[:2])
    cut = {"lengths": torch.tensor(lengths)} if draw(st.booleans()) else {}
    cut = cut or {"offsets": torch.tensor([0, *lengths]).cumsum(0)}
    return (data, draw(st.sampled_from(("sum", "mean", "max")))), {**cut, "axis": 0}


def with_dtype(draw: Any) -> Any:
    args, kwargs = over_axes(draw)
    return args, {**kwargs, **maybe(draw, dtype=st.sampled_from((torch.float64, torch.int64, torch.complex64)))}


def averaged(draw: Any) -> Any:
    args, kwargs = over_axes(draw, (*FLOATING, torch.complex64))
    return args, {**kwargs, **maybe(draw, dtype=st.just(torch.float64))}


def multiplied(draw: Any) -> Any:
    args, kwargs = over_axes(draw, several=False)
    return args, {**kwargs, **maybe(draw, dtype=st.just(torch.float64))}


def along_one(draw: Any, dtypes: Any = REAL) -> Any:
    return over_axes(draw, dtypes, several=False)


def extremes(draw: Any) -> Any:
    form = draw(st.integers(0, 2))
    sizes = shape(draw)
    first = tensor(draw, sizes if form else full_shape(draw), REAL)
    if form == 0:
        return along_one(draw)
    second = tensor(draw, smaller(draw, sizes), REAL)
    return ((first, second), {}) if form == 1 else ((first,), {"other": second})


def spread(draw: Any) -> Any:
    args, kwargs = over_axes(draw, (*SINGLE, torch.complex64))
    if len(args) == 1 and draw(st.booleans()):
        return (*args, draw(st.booleans())), {}
    if draw(st.booleans()):
        return args, {**kwargs, "correction": draw(st.sampled_from((0, 1, 2)))}
    return args, {**kwargs, **(maybe(draw, unbiased=st.booleans()) if len(args) > 1 else {})}


def minmax(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), REAL)
    return (x,), maybe(draw, dim=st.just(dim(draw, x.dim())), keepdim=st.booleans())


def quantile(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), SINGLE[:1])
    q = draw(st.sampled_from((0.5, torch.tensor(0.5), torch.tensor([0.1, 0.9]))))
    return (x, q), maybe(draw, dim=st.just(dim(draw, x.dim())), keepdim=st.booleans())


def norm(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), (*SINGLE, torch.complex64))
    p = draw(st.sampled_from(("fro", 1, 2, 3.0, float("inf"), 0)))
    return (x, p), maybe(draw, dim=st.just(dims(draw, x.dim(), 1)), keepdim=st.booleans())


def matrix(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw, 2, 2), (*SINGLE, *INTEGER)),), {}


def matrix_norm(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw, 2, 2), SINGLE), (0, 1)), maybe(draw, keepdim=st.booleans())


def observations(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw, 1, 2), SINGLE),), {}


def difference(draw: Any) -> Any:
    sizes = full_shape(draw)
    dtype = (draw(st.sampled_from(SINGLE)),)
    return (tensor(draw, sizes, dtype), tensor(draw, smaller(draw, sizes), dtype)), maybe(
        draw, p=st.sampled_from((1, 2.0))
    )


def to_size(draw: Any) -> Any:
    sizes = full_shape(draw)
    return (tensor(draw, sizes, SINGLE), smaller(draw, sizes)), {}


def counts(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw), SINGLE),), maybe(draw, bins=st.integers(1, 5))


def slices(draw: Any) -> Any:
    v = tensor(draw, full_shape(draw, 1), SINGLE[:1])
    return (v, 2, draw(st.integers(-1, v.dim() - 1))), {}


def weight(draw: Any) -> Any:
    v = tensor(draw, full_shape(draw, 2), SINGLE[:1])
    return (v, torch.ones([v.shape[0]] + [1] * (v.dim() - 1)), 0), {}


STRATEGIES: dict[Any, Any] = {
    reduction.total: with_dtype,
    reduction.mean: averaged,
    reduction.product_of: multiplied,
    reduction.extremes: lambda draw: over_axes(draw, REAL),
    reduction.truth: over_axes,
    reduction.position: along_one,
    reduction.count_nonzero: lambda draw: (over_axes(draw)[0], {}),
    "max": extremes,
    "min": extremes,
    "median": along_one,
    "nanmedian": along_one,
    reduction.mode: along_one,
    reduction.kthvalue: lambda draw: ((*(args := along_one(draw, SINGLE)[0])[:1], 1, *args[1:]), {}),
    reduction.aminmax: minmax,
    reduction.spread_of: spread,
    reduction.spread_and_mean: spread,
    reduction.logsumexp: lambda draw: ((x := tensor(draw, full_shape(draw, 1), REAL), dims(draw, x.dim(), 1)), {}),
    reduction.norm: norm,
    reduction.quantile: quantile,
    reduction.dist: difference,
    reduction.trace: matrix,
    reduction.covariance: observations,
    reduction.sum_to_size: to_size,
    reduction.segment_reduce: segments,
    reduction.histc: counts,
    reduction.histogram: lambda draw: ((*counts(draw)[0], draw(st.integers(1, 5))), {}),
    reduction.matrix_norm: matrix_norm,
    reduction.norm_except_dim: slices,
    reduction.weight_norm: weight,
}


@pytest.mark.parametrize(("function", "strategy"), cases(reduction.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


@pytest.mark.parametrize(
    "function", [torch.sum, Tensor.mean, torch.amax, torch.max, Tensor.std, torch.any, torch.argmin]
)
def test_arguments_under_numpys_names(function: Any) -> None:
    check(function, torch.ones(2, 3), axis=1, keepdims=True)


def test_the_work_is_one_operation_for_each_element_of_the_input() -> None:
    for function in (torch.sum, torch.mean, torch.max, torch.var, torch.norm, torch.argmax):
        _, formula = RULES[function](torch.empty(2, 3, 4, device="meta"))
        assert (formula.formula.counts, formula.number) == ("elementwise", 24)  # 2 · 3 · 4


def test_axes_that_pytorch_refuses() -> None:
    assert "axis 2 of a tensor with 2 axes" in refused(torch.sum, torch.ones(2, 3), 2)
    assert "name one axis twice" in refused(torch.sum, torch.ones(2, 3), (0, -2))
    assert "takes a matrix" in refused(torch.trace, torch.ones(2))
    assert "do not broadcast" in refused(Tensor.sum_to_size, torch.ones(2, 3), 2, 2)
    assert "takes lengths or offsets" in refused(
        torch.segment_reduce, torch.ones(2, 3), "sum", lengths=torch.tensor([3, 3, 3]), axis=1, on="cpu"
    )
