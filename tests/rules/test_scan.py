"""What happens along one axis: cumulative sums, softmax, differences, orders, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import ordering, scan
from tests.rules.draw import (
    ALL,
    EXAMPLES,
    FLOATING,
    REAL,
    agree,
    cases,
    dim,
    dims,
    full_shape,
    maybe,
    smaller,
    tensor,
)
from tests.rules.harness import refused


def along(draw: Any, dtypes: Any = ALL, **named: Any) -> Any:
    x = tensor(draw, full_shape(draw), dtypes)
    return (x, dim(draw, x.dim())), maybe(draw, **named)


def softmax(draw: Any) -> Any:
    return along(draw, FLOATING, dtype=st.sampled_from((torch.float64, None)))


def gumbel(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING[:2])
    return (x,), maybe(draw, tau=st.just(2.0), hard=st.booleans(), dim=st.just(dim(draw, x.dim())))


def normalize(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1), FLOATING)
    return (x, draw(st.sampled_from((1.0, 2.0)))), {
        "dim": draw(st.sampled_from((dim(draw, x.dim()), tuple(dims(draw, x.dim(), 1)))))
    }


def similarity(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    dtype = (draw(st.sampled_from(FLOATING[:2])),)
    return (tensor(draw, sizes, dtype), tensor(draw, smaller(draw, sizes), dtype)), {"dim": dim(draw, len(sizes))}


def distance(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    dtype = (draw(st.sampled_from(FLOATING[:2])),)
    return (tensor(draw, sizes, dtype), tensor(draw, sizes, dtype)), maybe(draw, p=st.just(1.0), keepdim=st.booleans())


def diff(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    axis = dim(draw, len(sizes))
    longer = list(sizes)
    longer[axis] = 2
    dtype = (draw(st.sampled_from(ALL)),)
    more = maybe(draw, prepend=st.just(tensor(draw, longer, dtype)), append=st.just(tensor(draw, longer, dtype)))
    return (tensor(draw, sizes, dtype),), {"n": draw(st.integers(0, 2)), "dim": axis, **more}


def integral(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    y = tensor(draw, sizes, FLOATING[:2])
    axis = dim(draw, len(sizes))
    if draw(st.booleans()):
        return (y,), {"dim": axis, **maybe(draw, dx=st.just(0.5))}
    return (y, torch.arange(sizes[axis], dtype=y.dtype) if draw(st.booleans()) else torch.ones_like(y)), {"dim": axis}


def slope(draw: Any) -> Any:
    x = tensor(draw, [size + 2 for size in full_shape(draw, 1, 3)], FLOATING[:2])
    return (x,), maybe(draw, dim=st.just(dims(draw, x.dim(), 1)), edge_order=st.just(1))


STRATEGIES: dict[Any, Any] = {
    scan.cumulative: lambda draw: along(draw, dtype=st.sampled_from((torch.float64, torch.int64))),
    scan.cumulative_in_place: along,
    scan.logcumsumexp: lambda draw: along(draw, FLOATING),
    "cummax": lambda draw: along(draw, REAL),
    "cummin": lambda draw: along(draw, REAL),
    scan.softmax: softmax,
    scan.functional_softmax: softmax,
    scan.gumbel_softmax: gumbel,
    scan.normalize: normalize,
    scan.cosine_similarity: similarity,
    scan.pairwise_distance: distance,
    scan.diff: diff,
    scan.gradient: slope,
    scan.trapezoid: integral,
    scan.cumulative_trapezoid: integral,
}


def topk(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), REAL)
    axis = dim(draw, x.dim())
    k = draw(st.integers(0, x.shape[axis] if x.dim() else 1))
    return (x, k, axis), maybe(draw, largest=st.booleans(), sorted=st.booleans())


def ordered(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), REAL)
    return (x,), maybe(draw, dim=st.just(dim(draw, x.dim())), descending=st.booleans(), stable=st.booleans())


def places(draw: Any) -> Any:
    values = draw(st.sampled_from((tensor(draw, full_shape(draw), FLOATING[:1]), 0.5)))
    return (torch.arange(5.0), values), maybe(draw, out_int32=st.booleans(), right=st.booleans())


def buckets(draw: Any) -> Any:
    (boundaries, values), options = places(draw)
    return (values, boundaries), options


def membership(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING[:1])
    return draw(st.sampled_from(((x, torch.ones(3)), (x, 1.0), (1.0, x)))), maybe(draw, invert=st.booleans())


ORDERING: dict[Any, Any] = {
    ordering.sort: ordered,
    ordering.argsort: ordered,
    ordering.msort: lambda draw: ((tensor(draw, full_shape(draw), REAL),), {}),
    ordering.topk: topk,
    ordering.searchsorted: places,
    ordering.bucketize: buckets,
    ordering.isin: membership,
}


@pytest.mark.parametrize(("function", "strategy"), [*cases(scan.RULES, STRATEGIES), *cases(ordering.RULES, ORDERING)])
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


def test_sizes_that_pytorch_refuses() -> None:
    assert "topk takes 4 of axis -1 of [2, 3]" in refused(torch.topk, torch.ones(2, 3), 4)
    assert "axis 2 of a tensor with 2 axes" in refused(torch.cumsum, torch.ones(2, 3), 2)
    assert "axis 3 of a tensor with 2 axes" in refused(torch.softmax, torch.ones(2, 3), 3, on="cpu")
    assert "at least one axis" in refused(torch.diff, torch.tensor(1.0))
