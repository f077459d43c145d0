"""Indexing in every form, and what writes where indices say, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, ValuesNeeded, indexing, scatter
from tests.rules.draw import ALL, EXAMPLES, FLOATING, agree, cases, dim, full_shape, maybe, smaller, tensor
from tests.rules.harness import check, refused, twin


def part(draw: Any, size: int, common: tuple[int, ...]) -> Any:
    """What may index an axis of ``size`` elements."""
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return draw(st.integers(-size, size - 1))
    if kind == 1:
        return slice(
            draw(st.none() | st.integers(-size, size)),
            draw(st.none() | st.integers(-size, size)),
            draw(st.sampled_from((None, 1, 2))),
        )
    if kind == 2:
        return slice(None)
    if kind == 3:
        return draw(st.lists(st.integers(-size, size - 1), min_size=common[-1], max_size=common[-1])) if common else 0
    if kind == 4 and common:
        return np.zeros(common[-1:], dtype=np.int64)
    if kind == 5:
        return torch.tensor(draw(st.integers(0, size - 1)))
    return tensor(draw, smaller(draw, common), (torch.int64, torch.int32)) % size


def index(draw: Any, x: Tensor) -> Any:
    common = full_shape(draw, 1, 2)
    parts = [part(draw, size, common) for size in x.shape[: draw(st.integers(0, x.dim()))]]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.integers(0, 2)) == 0:
        parts.insert(draw(st.integers(0, len(parts))), Ellipsis)
    if draw(st.integers(0, 3)) == 0:
        parts.insert(draw(st.integers(0, len(parts))), draw(st.booleans()))
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def getitem(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw))
    return (x, index(draw, x)), {}


def setitem(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING[:1])
    place = index(draw, x)
    try:
        value = tensor(draw, smaller(draw, x[place].shape), FLOATING[:1])
    except IndexError:  # indices that do not broadcast
        value = torch.ones(())
    return (x, place, draw(st.sampled_from((value, 2.0)))), {}


def along(draw: Any) -> tuple[Tensor, int, Tensor]:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    return x, axis, tensor(draw, (draw(st.integers(0, 4)),), (torch.int64,)) % x.shape[axis]


def gathered(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    sizes = [
        draw(st.integers(0, 4)) if place == axis % x.dim() else draw(st.integers(1, n))
        for place, n in enumerate(x.shape)
    ]
    return (x, axis, tensor(draw, sizes, (torch.int64,)) % x.shape[axis]), {}


def taken(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw))
    return (x, tensor(draw, full_shape(draw), (torch.int64,)) % x.numel()), {}


def taken_along(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    sizes = list(smaller(draw, x.shape))
    sizes = [1] * (x.dim() - len(sizes)) + sizes
    sizes[axis] = draw(st.integers(1, 4))
    return (x, tensor(draw, sizes, (torch.int64,)) % x.shape[axis]), {"dim": axis}


INDEXING: dict[Any, Any] = {
    indexing.getitem: getitem,
    indexing.setitem: setitem,
    indexing.index_select: lambda draw: (along(draw), {}),
    indexing.gather: gathered,
    indexing.take: taken,
    indexing.take_along_dim: taken_along,
}


def scattered(draw: Any, dtypes: Any = ALL) -> tuple[Tensor, int, Tensor, Tensor]:
    (x, axis, places), _ = gathered(draw)
    dtype = (draw(st.sampled_from(dtypes)),)
    return tensor(draw, x.shape, dtype), axis, places, tensor(draw, [size + 1 for size in places.shape], dtype)


def written(draw: Any) -> Any:
    *first, source = scattered(draw)
    if draw(st.booleans()):
        return (*first, source), {}
    return (*first, draw(st.sampled_from((2, 1.5)))), {}


def reduced(draw: Any) -> Any:
    options = maybe(draw, include_self=st.booleans())
    return (*scattered(draw, FLOATING), draw(st.sampled_from(("sum", "prod", "mean", "amax", "amin")))), options


def slices(draw: Any, dtypes: Any = ALL) -> tuple[Tensor, int, Tensor, Tensor]:
    x, axis, places = along(draw)
    dtype = (draw(st.sampled_from(dtypes)),)
    sizes = list(x.shape)
    sizes[axis] = places.numel()
    return tensor(draw, x.shape, dtype), axis, places, tensor(draw, sizes, dtype)


def put_at(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1), FLOATING[:1])
    common = full_shape(draw, 1, 2)
    places = [tensor(draw, common, (torch.int64,)) % size for size in x.shape[: draw(st.integers(1, x.dim()))]]
    values = tensor(draw, smaller(draw, x[tuple(places)].shape), FLOATING[:1])
    return (x, tuple(places), values), maybe(draw, accumulate=st.booleans())


def put(draw: Any) -> Any:
    (x, places), _ = taken(draw)
    return (x, places, tensor(draw, places.shape, (x.dtype,))), maybe(draw, accumulate=st.booleans())


def masked(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING[:1])
    mask = tensor(draw, smaller(draw, x.shape), (torch.bool,))
    return (x, mask, torch.ones(x.numel())), {}


def view_replaced(cut: Any) -> Any:
    def strategy(draw: Any) -> Any:
        x = tensor(draw, (3, 4, 5), FLOATING[:1])
        arguments = cut(draw)
        return (x, arguments[0](x).clone(), *arguments[1:]), {}

    return strategy


SCATTER: dict[Any, Any] = {
    scatter.scatter: written,
    scatter.scatter_add: lambda draw: (scattered(draw), {}),
    scatter.scatter_reduce: reduced,
    scatter.index_add: lambda draw: (slices(draw), maybe(draw, alpha=st.just(2))),
    scatter.index_copy: lambda draw: (slices(draw), {}),
    scatter.index_reduce: lambda draw: ((*slices(draw, FLOATING), "mean"), maybe(draw, include_self=st.booleans())),
    scatter.index_fill: lambda draw: ((*along(draw), 2), {}),
    scatter.index_put: put_at,
    scatter.put: put,
    scatter.masked_scatter: masked,
    scatter.masked_scatter_in_place: masked,
    scatter.select_scatter: view_replaced(lambda draw: (lambda x: x.select(1, 2), 1, 2)),
    scatter.slice_scatter: view_replaced(lambda draw: (lambda x: x[:, 1:3], 1, 1, 3)),
    scatter.diagonal_scatter: view_replaced(lambda draw: (lambda x: x.diagonal(1, 0, 1), 1)),
    scatter.as_strided_scatter: view_replaced(lambda draw: (lambda x: torch.ones(2, 2), (2, 2), (2, 1))),
}


@pytest.mark.parametrize(("function", "strategy"), [*cases(indexing.RULES, INDEXING), *cases(scatter.RULES, SCATTER)])
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


@settings(EXAMPLES, max_examples=300)
@given(data=st.data())
def test_an_index_of_every_form(data: st.DataObject) -> None:
    agree(Tensor.__getitem__, getitem(data.draw))


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.parametrize(
    "index",
    [
        [torch.tensor([0, 1]), torch.tensor([1, 2])],  # as a tuple: one index for each axis
        [torch.tensor(0), torch.tensor(1)],
        [[0, 1], [1, 2]],
        [slice(None), 0],
        [None, 0],
        [Ellipsis, 0],
        [0] * 33,  # as one index
        ([[0, 1], [1, 0]],),
        np.array([[0, 1], [1, 0]]),
    ],
    ids=str,
)
def test_a_list_of_sequences_indexes_as_pytorch_reads_it(index: Any) -> None:
    check(Tensor.__getitem__, torch.ones(2, 4, 5), index, on="cpu")


@pytest.mark.parametrize(
    "mask",
    [
        torch.tensor([True, False, True]),
        torch.tensor([1, 0, 1], dtype=torch.uint8),
        [True, False, True],
        np.array([True, False, True]),
    ],
)
def test_a_mask_asks_for_values_and_takes_assignments(mask: Any) -> None:
    x = torch.ones(3, 2)
    lone = (Ellipsis, torch.tensor(True), 0)  # one truth value adds an axis
    assert RULES[Tensor.__getitem__](x, lone)[0].shape == x[lone].shape == (3, 1)
    hidden = twin(mask) if isinstance(mask, Tensor) else torch.empty(3, dtype=torch.bool, device="meta")
    for place in (hidden, (hidden, 0), (Ellipsis, hidden, slice(None))):
        with pytest.raises(ValuesNeeded):
            RULES[Tensor.__getitem__](x, place)
        assert RULES[Tensor.__setitem__](x, place, 0.0) == (None, None)
    assert RULES[Tensor.__setitem__](x, mask, 0.0) == (None, None)
    assert torch.equal(x, torch.ones(3, 2))


def test_a_tensor_as_the_bound_of_a_slice_asks_for_values() -> None:
    with pytest.raises(ValuesNeeded):
        RULES[Tensor.__getitem__](torch.ones(3), slice(torch.empty((), device="meta"), None))


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")  # deprecated, and still met
def test_a_list_with_slices_reads_as_a_tuple() -> None:
    x = torch.ones(3, 4, 5)
    for index in ([slice(None), slice(1, 3)], [Ellipsis, None, 2], [slice(2), torch.tensor([0, 3, 3])]):
        check(Tensor.__getitem__, x, index, on="cpu")


def test_which_element_a_lone_index_names_changes_no_size() -> None:
    output, _ = RULES[Tensor.__getitem__](
        torch.empty(3, 4, device="meta"), torch.empty((), dtype=torch.int64, device="meta")
    )
    assert output.shape == (4,)


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(2, 3)
    assert "3 indices for [2, 3]" in refused(Tensor.__getitem__, x, (torch.tensor([0]), 0, 0))
    assert "out of bounds" in refused(Tensor.__getitem__, x, 5)
    assert "the indices do not fit together" in refused(
        Tensor.__getitem__, x, (torch.zeros(2).long(), torch.zeros(3).long())
    )
    assert "[3] and [4] do not broadcast" in refused(Tensor.__setitem__, x, 0, torch.ones(4))
    assert "a vector of indices" in refused(torch.index_select, x, 0, torch.zeros(1, 1).long(), on="cpu")
    assert "longer than [2, 3] at axis 0" in refused(torch.gather, x, 1, torch.zeros(3, 3).long(), on="cpu")
    assert "takes a source [1, 3]" in refused(torch.index_add, x, 0, torch.zeros(1).long(), torch.ones(1, 2), on="cpu")
    check(torch.gather, x, 1, torch.zeros(1, 5).long(), on="cpu")
