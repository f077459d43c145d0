"""Tensors joined, repeated, turned and laid out anew. Memory moves, and nothing is computed.

Source: PyTorch documentation of each function.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.arithmetic import promoted_all
from inspector.rules.common import (
    META,
    Rule,
    ValuesNeeded,
    axes_of,
    axis_of,
    empty,
    like,
    product,
    remembered,
    result,
    shape_argument,
    spread,
)
from inspector.rules.layout import memory_format
from inspector.rules.view import reshaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.rules.common import Outcome


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Outcome:
    """torch.cat: sizes add up along one axis; all others are equal."""
    if not tensors:
        raise ShapeError("cat takes at least one tensor")
    dtype = _common_dtype(tensors)
    shapes = [tensor.shape for tensor in tensors]
    shape = _joined_again(dim, *shapes) if len(shapes) <= _FEW else _joined(shapes, dim)
    stored = memory_format(tensors[0])
    if stored is not torch.contiguous_format and len(shape) in (4, 5) and {*map(memory_format, tensors)} == {stored}:
        return torch.empty(shape, dtype=dtype, device=META, memory_format=stored), None
    return empty(shape, dtype), None


def _common_dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    dtypes = [tensor.dtype for tensor in tensors]
    return dtypes[0] if dtypes.count(dtypes[0]) == len(dtypes) else reduce(torch.promote_types, dtypes)


def _joined(shapes: Sequence[Sequence[Any]], dim: int) -> tuple[Any, ...]:
    ranks = {*map(len, shapes)}
    if 1 in ranks:  # an empty vector joins anything
        shapes = [size for size in shapes if len(size) != 1 or size[0] != 0]
        if not shapes:
            return (0,)
        ranks = {*map(len, shapes)}
    first = shapes[0]
    rank = len(first)
    if not rank:
        raise ShapeError("cat takes tensors with at least one axis")
    axis = axis_of(dim, rank)
    sizes = [*zip(*shapes, strict=False)]  # along each axis; a dense block joins dozens of tensors
    for place, along in enumerate(sizes):
        if place != axis and along.count(along[0]) != len(along):
            raise ShapeError(_misfit(shapes, axis, dim))
    if len(ranks) > 1:
        raise ShapeError(_misfit(shapes, axis, dim))
    return (*first[:axis], sum(sizes[axis]), *first[axis + 1 :])


_FEW = 4


@remembered
def _joined_again(dim: int, *shapes: Sequence[Any]) -> tuple[Any, ...]:
    """The same of few tensors, as rotary embeddings and caches join them in every layer."""
    return _joined(shapes, dim)


def _misfit(shapes: Sequence[Sequence[Any]], axis: int, dim: int) -> str:
    first = shapes[0]
    other = next(
        s for s in shapes if len(s) != len(first) or any(p != axis and s[p] != first[p] for p in range(len(s)))
    )
    if len(first) != len(other):
        return f"cat takes tensors with the same number of axes, got {list(first)} and {list(other)}"
    place = next(p for p in range(len(first)) if p != axis and other[p] != first[p])
    told = f"{list(first)} and {list(other)} differ at axis {place}, {first[place]} against {other[place]}"
    return f"cat along axis {dim}: {told}"


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Outcome:
    """torch.stack: equal shapes along a new axis."""
    if not tensors:
        raise ShapeError("stack takes at least one tensor")
    shape = tensors[0].shape
    for tensor in tensors:
        if tensor.shape != shape:
            raise ShapeError(f"stack takes tensors of one shape, got {list(shape)} and {list(tensor.shape)}")
    dtype = _common_dtype(tensors)
    axis = axis_of(dim, len(shape) + 1)
    return empty((*shape[:axis], len(tensors), *shape[axis:]), dtype), None


def stacker(name: str, function: Any, dim: int | None) -> Rule:
    """The rule of hstack, vstack, dstack: the tensors get the axes they lack, then are joined along one."""

    def rule(tensors: Sequence[Tensor]) -> Outcome:
        raised = [function(tensor) for tensor in tensors]
        axis = dim if dim is not None else (0 if raised and raised[0].dim() == 1 else 1)
        return cat(raised, axis)

    rule.__name__ = name
    rule.__doc__ = f"torch.{name}: tensors with the axes they lack, joined along one."
    return rule


def _column(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() > 1 else tensor.reshape(-1, 1)


def repeat(input: Tensor, *repeats: Any, **named: Any) -> Outcome:
    """Tensor.repeat: each axis so many times; further axes come first."""
    times = tuple(named["repeats"]) if named else shape_argument(repeats)
    absent = len(times) - input.dim()
    if absent < 0:
        raise ShapeError(f"repeat takes a number for each axis of {list(input.shape)}, got {list(times)}")
    sizes = (1,) * absent + tuple(input.shape)
    return empty([size * n for size, n in zip(sizes, times, strict=True)], input.dtype), None


def tile(input: Tensor, *dims: Any, **named: Any) -> Outcome:
    """torch.tile: as repeat, with axes that nothing names kept."""
    times = tuple(named["dims"]) if named else shape_argument(dims)
    return repeat(input, (1,) * (input.dim() - len(times)) + times)


def repeat_interleave(
    input: Tensor | None = None, repeats: Any = None, dim: int | None = None, *, output_size: Any = None
) -> Outcome:
    """torch.repeat_interleave: each element so many times; counts in a tensor decide the size unless it is given."""
    if input is None or repeats is None:  # counts alone: their indices come back
        counts = repeats if input is None else input
        if output_size is None:
            if counts.is_meta:
                raise ValuesNeeded
            output_size = int(counts.sum())
        return empty((output_size,), torch.int64), None
    shape = list(input.shape) if dim is not None else [input.numel()]
    axis = axis_of(dim, len(shape)) if dim is not None else 0
    if not shape:
        shape = [1]
    if output_size is not None:
        shape[axis] = output_size
    elif isinstance(repeats, Tensor):
        if repeats.is_meta:
            raise ValuesNeeded
        count = int(repeats.sum())
        shape[axis] = shape[axis] * count if repeats.numel() == 1 else count
    else:
        shape[axis] = shape[axis] * repeats
    return empty(shape, input.dtype), None


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Outcome:
    """torch.roll: the same shape."""
    if isinstance(dims, int) or dims:
        axes_of(dims, input.dim())
    return empty(input.shape, input.dtype), None


def flip(input: Tensor, *dims: Any, **named: Any) -> Outcome:
    """torch.flip: the same shape."""
    given = named.get("dims", named.get("dim")) if named else shape_argument(dims)
    if given:
        axes_of(given, input.dim())
    return like(input), None


def flip_one(input: Tensor) -> Outcome:
    """torch.fliplr, flipud: the same shape."""
    return like(input), None


def reversed_(input: Tensor) -> Outcome:
    """``reversed(x)``: turned round along the first axis."""
    return (like(input) if input.dim() else input), None


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Outcome:
    """torch.rot90: an odd number of quarter turns exchanges two axes."""
    first, second = axes_of(dims, input.dim())
    if k % 4 == 0:
        return empty(input.shape, input.dtype), None
    turned = like(input)  # what flip gives
    return turned.transpose(first, second) if k % 2 else turned, None


def triangular(input: Tensor, diagonal: int = 0) -> Outcome:
    """torch.tril, triu: the same shape, zeros on one side of a diagonal."""
    if input.dim() < 2:
        raise ShapeError(f"a triangle needs two axes, got {list(input.shape)}")
    return empty(input.shape, input.dtype), None


def diag(input: Tensor, diagonal: int = 0) -> Outcome:
    """torch.diag: (n,) gives a matrix with it on a diagonal, a matrix gives a copy of its diagonal."""
    if input.dim() == 2:
        return empty(input.diagonal(diagonal).shape, input.dtype), None
    if input.dim() != 1:
        raise ShapeError(f"diag takes a vector or a matrix, got {list(input.shape)}")
    size = input.shape[0] + abs(diagonal)
    return empty((size, size), input.dtype), None


def diagflat(input: Tensor, offset: int = 0) -> Outcome:
    """torch.diagflat: all elements on the diagonal of a matrix."""
    size = input.numel() + abs(offset)
    return empty((size, size), input.dtype), None


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Outcome:
    """torch.diag_embed: the last axis becomes the diagonal of two."""
    rank = input.dim() + 1
    first, second = axis_of(dim1, rank), axis_of(dim2, rank)
    if first == second:
        raise ShapeError(f"diag_embed: axes {dim1} and {dim2} are the same")
    shape = list(input.shape[:-1])
    size = input.shape[-1] + abs(offset)
    for axis in sorted((first, second)):
        shape.insert(axis, size)
    return empty(shape, input.dtype), None


def meshgrid(*tensors: Any, indexing: str | None = None) -> Outcome:
    """torch.meshgrid: each vector spread over the axes of all."""
    given = shape_argument(tensors)
    return torch.functional.meshgrid(*given, indexing=indexing or "ij"), None


def cartesian_prod(*tensors: Tensor) -> Outcome:
    """torch.cartesian_prod: every choice of one element from each vector."""
    dtype = tensors[0].dtype
    if len(tensors) == 1:
        return tensors[0], None
    return empty((product([tensor.shape[0] for tensor in tensors]), len(tensors)), dtype), None


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Outcome:
    """torch.combinations: every choice of r elements of a vector."""
    n = input.shape[0]
    if with_replacement:
        n = n + r - 1 if n else 0
    return empty((math.comb(n, r), r) if r else (0,), input.dtype), None


def block_diag(*tensors: Tensor) -> Outcome:
    """torch.block_diag: matrices along the diagonal of one."""
    rows: Any = 0
    columns: Any = 0
    dtype = promoted_all(*tensors) if tensors else torch.get_default_dtype()
    for tensor in tensors:
        if tensor.dim() > 2:
            raise ShapeError(f"block_diag takes at most two axes, got {list(tensor.shape)}")
        height, width = (1,) * (2 - tensor.dim()) + tuple(tensor.shape)
        rows, columns = rows + height, columns + width
    return empty((rows, columns) if tensors else (1, 0), dtype), None


def unravel_index(indices: Tensor, shape: Any) -> Outcome:
    """torch.unravel_index: an index for each axis of a shape."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes:
        raise TypeError("no axes: the empty tuple is PyTorch's to give")
    table = result((*indices.shape, len(sizes)), torch.int64, indices.unsqueeze(-1))
    return table.unbind(-1), None


def kron(input: Tensor, other: Tensor) -> Outcome:
    """torch.kron: sizes multiply axis by axis."""
    rank = max(input.dim(), other.dim())
    left = (1,) * (rank - input.dim()) + tuple(input.shape)
    right = (1,) * (rank - other.dim()) + tuple(other.shape)
    # PyTorch multiplies with an axis of one element beside each axis; that product's layout decides.
    spaced = [
        input.reshape([n for size in left for n in (size, 1)]),
        other.reshape([n for size in right for n in (1, size)]),
    ]
    shape = [size for pair in zip(left, right, strict=True) for size in pair]
    product = result(shape, torch.promote_types(input.dtype, other.dtype), *spaced)
    return reshaped(product, [a * b for a, b in zip(left, right, strict=True)]), None


RULES: dict[Any, Rule] = {
    **spread("cat concat concatenate", cat, (torch,)),
    torch.stack: stack,
    torch.hstack: stacker("hstack", torch.atleast_1d, None),
    torch.vstack: stacker("vstack", torch.atleast_2d, 0),
    torch.row_stack: stacker("row_stack", torch.atleast_2d, 0),
    torch.dstack: stacker("dstack", torch.atleast_3d, 2),
    torch.column_stack: stacker("column_stack", _column, 1),
    Tensor.repeat: repeat,
    **spread("tile", tile),
    **spread("repeat_interleave", repeat_interleave),
    **spread("roll", roll),
    **spread("flip", flip),
    **spread("fliplr flipud", flip_one),
    Tensor.__reversed__: reversed_,
    **spread("rot90", rot90),
    **spread("tril triu", triangular),
    **spread("diag", diag),
    **spread("diagflat", diagflat),
    **spread("diag_embed", diag_embed),
    torch.functional.meshgrid: meshgrid,
    torch.functional.cartesian_prod: cartesian_prod,
    torch.combinations: combinations,
    torch.functional.block_diag: block_diag,
    torch.functional.unravel_index: unravel_index,
    **spread("kron", kron),
}
