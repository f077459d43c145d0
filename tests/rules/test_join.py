"""Tensors joined, repeated, turned and laid out anew, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, ValuesNeeded, join
from tests.rules.draw import ALL, EXAMPLES, FLOATING, agree, cases, dim, dims, full_shape, maybe, shape, tensor
from tests.rules.harness import check, refused, twin


def joined(draw: Any) -> Any:
    sizes = list(full_shape(draw, 1))
    axis = dim(draw, len(sizes))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        sizes[axis] = draw(st.integers(0, 3))
        parts.append(tensor(draw, sizes))
    if draw(st.integers(0, 4)) == 0:
        parts.append(torch.ones(0))
    return (parts, axis), {}


def stacked(draw: Any) -> Any:
    sizes = full_shape(draw)
    parts = [tensor(draw, sizes) for _ in range(draw(st.integers(1, 3)))]
    return (parts, draw(st.integers(-len(sizes) - 1, len(sizes)))), {}


def piled(draw: Any) -> Any:
    sizes = full_shape(draw, 0, 3)
    return ([tensor(draw, sizes) for _ in range(draw(st.integers(1, 3)))],), {}


def repeated(draw: Any) -> Any:
    x = tensor(draw)
    times = draw(st.lists(st.integers(0, 3), min_size=x.dim(), max_size=x.dim() + 2))
    return ((x, *times) if times and draw(st.booleans()) else (x, times)), {}


def tiled(draw: Any) -> Any:
    return (tensor(draw), draw(st.lists(st.integers(0, 3), max_size=5))), {}


def interleaved(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw))
    return (x, draw(st.integers(0, 3))), maybe(draw, dim=st.just(dim(draw, x.dim())))


def rolled(draw: Any) -> Any:
    x = tensor(draw, shape(draw, 1))
    axes = dims(draw, x.dim(), 1)
    return ((x, 1) if draw(st.booleans()) else (x, [1] * len(axes), axes)), {}


def flipped(draw: Any) -> Any:
    x = tensor(draw)
    return (x, dims(draw, x.dim())), {}


def turned(draw: Any) -> Any:
    x = tensor(draw, shape(draw, 2))
    return (x, draw(st.integers(-3, 4)), draw(st.permutations(range(x.dim())))[:2]), {}


def triangle(draw: Any) -> Any:
    return (tensor(draw, shape(draw, 2)),), maybe(draw, diagonal=st.integers(-2, 2))


def diag(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw, 1, 2)),), maybe(draw, diagonal=st.integers(-2, 2))


def diag_embed(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw, 1, 3)),), maybe(
        draw, offset=st.integers(-2, 2), dim1=st.just(0), dim2=st.just(-1)
    )


def vectors(draw: Any) -> Any:
    dtype = (draw(st.sampled_from(ALL)),)
    return tuple(tensor(draw, full_shape(draw, 1, 1), dtype) for _ in range(draw(st.integers(1, 3)))), {}


def meshgrid(draw: Any) -> Any:
    given, _ = vectors(draw)
    return given, {"indexing": draw(st.sampled_from(("ij", "xy")))}


def matrices(draw: Any) -> Any:
    return tuple(tensor(draw, full_shape(draw, 0, 2)) for _ in range(draw(st.integers(1, 3)))), {}


def indices(draw: Any) -> Any:
    return (tensor(draw, full_shape(draw), (torch.int64,)), draw(st.sampled_from(((2, 3), (6,), (3, 2, 2))))), {}


def pair(draw: Any) -> Any:
    dtype = (draw(st.sampled_from(FLOATING)),)
    return (tensor(draw, full_shape(draw, 0, 2), dtype), tensor(draw, full_shape(draw, 0, 3), dtype)), {}


STRATEGIES: dict[Any, Any] = {
    join.cat: joined,
    join.stack: stacked,
    **dict.fromkeys(("hstack", "vstack", "row_stack", "dstack", "column_stack"), piled),
    join.repeat: repeated,
    join.tile: tiled,
    join.repeat_interleave: interleaved,
    join.roll: rolled,
    join.flip: flipped,
    join.flip_one: lambda draw: ((tensor(draw, shape(draw, 2)),), {}),
    join.reversed_: lambda draw: ((tensor(draw),), {}),
    join.rot90: turned,
    join.triangular: triangle,
    join.diag: diag,
    join.diagflat: lambda draw: ((tensor(draw),), maybe(draw, offset=st.integers(-2, 2))),
    join.diag_embed: diag_embed,
    join.meshgrid: meshgrid,
    join.cartesian_prod: vectors,
    join.combinations: lambda draw: (
        (tensor(draw, (draw(st.integers(0, 4)),)),),
        maybe(draw, r=st.integers(0, 4), with_replacement=st.booleans()),
    ),
    join.block_diag: matrices,
    join.unravel_index: indices,
    join.kron: pair,
}


@pytest.mark.parametrize(("function", "strategy"), cases(join.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


def test_joined_images_stay_channels_last() -> None:
    image = torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last)
    check(torch.cat, [image, image], 1, on="cpu")
    check(torch.cat, [image, torch.ones(2, 3, 4, 4)], 1, on="cpu")


def test_counts_in_a_tensor_ask_for_values_unless_their_sum_is_given() -> None:
    x, counts = torch.ones(3, 2), torch.tensor([1, 2, 0])
    with pytest.raises(ValuesNeeded):
        RULES[torch.repeat_interleave](x, twin(counts), 0)
    check(torch.repeat_interleave, x, counts, dim=0, output_size=3, on="cpu")
    check(Tensor.repeat_interleave, x, counts, dim=0, output_size=3, on="cpu")


def test_sizes_that_pytorch_refuses() -> None:
    assert "[2, 3] and [3, 3] differ at axis 0, 2 against 3" in refused(
        torch.cat, [torch.ones(2, 3), torch.ones(3, 3)], 1
    )
    assert "same number of axes" in refused(torch.cat, [torch.ones(2, 3), torch.ones(3)])
    assert "tensors of one shape, got [2] and [3]" in refused(torch.stack, [torch.ones(2), torch.ones(3)], on="cpu")
    assert "a number for each axis" in refused(Tensor.repeat, torch.ones(2, 3), 2)
    assert "at least one tensor" in refused(torch.cat, [])
