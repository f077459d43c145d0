"""Values written to places that indices choose: the result has the shape of the tensor written into.

The work of what adds up or reduces is one operation for each value written; of what only writes, none.
Source: PyTorch documentation of each function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.common import (
    META,
    Rule,
    ValuesNeeded,
    axis_of,
    broadcast,
    empty,
    like,
    refuse_index,
    refuse_mask,
    spread,
)
from inspector.rules.indexing import chosen, fits_inside

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

EACH_VALUE = Formula("n", counts="elementwise", source="one operation for each value that is added or reduced")


def _written(input: Tensor, dim: int, index: Tensor, source: Any, name: str) -> None:
    axis = axis_of(dim, input.dim())
    if index.numel() == 0:
        return
    refuse_index(name, index)
    fits_inside(index, input, axis, name)
    if isinstance(source, Tensor) and source.dim():
        fits_inside(index, source, None, name)


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Outcome:
    """torch.scatter: each value goes where its index says, along one axis."""
    _written(input, dim, index, src, "scatter")
    return empty(input.shape, input.dtype), EACH_VALUE(n=index.numel()) if reduce else None


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Outcome:
    """torch.scatter_add: each value is added where its index says."""
    _written(input, dim, index, src, "scatter_add")
    return empty(input.shape, input.dtype), EACH_VALUE(n=index.numel())


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Outcome:
    """torch.scatter_reduce: values that meet are summed, averaged or compared."""
    _written(input, dim, index, src, "scatter_reduce")
    return empty(input.shape, input.dtype), EACH_VALUE(n=index.numel())


def _along(input: Tensor, dim: int, index: Tensor, source: Tensor, name: str) -> None:
    axis = axis_of(dim, input.dim())
    refuse_index(name, index)
    if index.dim() > 1:
        raise ShapeError(f"{name} takes a vector of indices, got {list(index.shape)}")
    if input.dim() and source.dim():
        expected = list(input.shape)
        expected[axis] = index.numel()
        if list(source.shape) != expected:
            raise ShapeError(f"{name} takes a source {expected}, got {list(source.shape)}")


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Outcome:
    """torch.index_add: slices of the source are added where the indices say."""
    _along(input, dim, index, source, "index_add")
    return empty(input.shape, input.dtype), EACH_VALUE(n=source.numel())


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Outcome:
    """torch.index_copy: slices of the source go where the indices say."""
    _along(input, dim, index, source, "index_copy")
    return empty(input.shape, input.dtype), None


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Outcome:
    """torch.index_reduce: slices of the source are combined where the indices say."""
    _along(input, dim, index, source, "index_reduce")
    return empty(input.shape, input.dtype), EACH_VALUE(n=source.numel())


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Outcome:
    """torch.index_fill: slices that the indices choose take one value."""
    axis_of(dim, input.dim())
    return like(input), None


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Outcome:
    """torch.index_put: as ``x[indices] = values``."""
    try:
        place = chosen(input, tuple([slice(None) if index is None else index for index in indices]))
    except ValuesNeeded:
        return like(input), None
    if broadcast(place.shape, values.shape) != tuple(place.shape):
        raise ShapeError(f"{list(values.shape)} does not broadcast into {list(place.shape)}, where it is put")
    return like(input), EACH_VALUE(n=place.numel()) if accumulate else None


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Outcome:
    """torch.put: values go to places counted over all elements."""
    if index.numel() != source.numel():
        raise ShapeError(f"put takes as many values as indices, got {list(source.shape)} and {list(index.shape)}")
    return like(input), EACH_VALUE(n=index.numel()) if accumulate else None


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Outcome:
    """torch.masked_scatter: values go where the mask is true; input and mask broadcast."""
    refuse_mask("masked_scatter", mask)
    return empty(broadcast(input.shape, mask.shape), input.dtype), None


def masked_scatter_in_place(input: Tensor, mask: Tensor, source: Tensor) -> Outcome:
    """Tensor.masked_scatter_: values go where the mask is true."""
    refuse_mask("masked_scatter", mask)
    if broadcast(input.shape, mask.shape) != tuple(input.shape):
        raise ShapeError(f"the mask {list(mask.shape)} does not broadcast to {list(input.shape)}")
    return input, None


def _replaced(input: Tensor, place: Tensor, src: Tensor, name: str) -> Outcome:
    if place.shape != src.shape:
        raise ShapeError(f"{name} takes a source {list(place.shape)}, got {list(src.shape)}")
    return _with_strides(input), None


def _with_strides(input: Tensor) -> Tensor:
    """A copy whose strides are the tensor's own even where not dense, unless elements share memory."""
    strides = input.stride()
    if any(step == 0 and size != 1 for step, size in zip(strides, input.shape, strict=True)):
        return like(input)
    return torch.empty_strided(input.shape, strides, dtype=input.dtype, device=META)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: Any) -> Outcome:
    """torch.select_scatter: a copy with one slice replaced."""
    return _replaced(input, input.select(dim, index), src, "select_scatter")


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Outcome:
    """torch.slice_scatter: a copy with a range of slices replaced."""
    axis = axis_of(dim, input.dim())
    return _replaced(input, input[(slice(None),) * axis + (slice(start, end, step),)], src, "slice_scatter")


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Outcome:
    """torch.diagonal_scatter: a copy with a diagonal replaced."""
    return _replaced(input, input.diagonal(offset, dim1, dim2), src, "diagonal_scatter")


def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Outcome:
    """torch.as_strided_scatter: a copy with a strided view replaced."""
    if tuple(src.shape) != tuple(size):
        raise ShapeError(f"as_strided_scatter takes a source {list(size)}, got {list(src.shape)}")
    return _with_strides(input), None


RULES: dict[Any, Rule] = {
    **spread("scatter", scatter),
    **spread("scatter_add", scatter_add),
    **spread("scatter_reduce", scatter_reduce),
    **spread("index_add", index_add),
    **spread("index_copy", index_copy),
    **spread("index_reduce", index_reduce),
    **spread("index_fill", index_fill),
    **spread("index_put", index_put),
    **spread("put", put),
    **spread("masked_scatter", masked_scatter),
    Tensor.masked_scatter_: masked_scatter_in_place,
    **spread("select_scatter", select_scatter),
    **spread("slice_scatter", slice_scatter),
    **spread("diagonal_scatter", diagonal_scatter),
    **spread("as_strided_scatter", as_strided_scatter),
}
