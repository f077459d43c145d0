"""Elements chosen by integers, slices, masks and tensors of indices. Memory moves, and nothing is computed.

Source: PyTorch documentation, "Tensor indexing API"; NumPy's "Advanced indexing".
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import AxisError, ShapeError
from inspector.rules.common import (
    META,
    Rule,
    ValuesNeeded,
    axis_of,
    broadcast,
    dense_strides,
    empty,
    refuse_index,
    spread,
    strides_in,
)
from inspector.rules.creation import described

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

_BASIC = frozenset((int, slice, type(None), type(Ellipsis), torch.SymInt))
_BASIC_KINDS = tuple(_BASIC)
_MASKS = (torch.bool, torch.uint8)
_LONG = 32  # a list of so many items is one index, whatever they are


def chosen(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for integers and slices, a new tensor where tensors of indices are among them."""
    parts = index if type(index) is tuple else _parts(index)
    if _BASIC.issuperset(map(type, parts)):
        try:
            return input[parts]
        except (IndexError, ValueError) as error:
            raise AxisError(f"index {_told(index)} of {list(input.shape)}: {error}") from error
        except (RuntimeError, TypeError):
            if any(map(_hidden, parts)):
                raise ValuesNeeded from None
            raise
    if any(map(_hidden, parts)):
        raise ValuesNeeded
    seen, indices = _split(input, _indices(parts))
    if not any(index is not None for index in indices):
        return seen
    return gathered(seen, indices)


def _parts(index: Any) -> tuple[Any, ...]:
    """One part for each axis that is named; a list names several where PyTorch reads it as a tuple."""
    if isinstance(index, tuple):
        return index
    several = (Tensor, Sequence, slice, type(None), type(Ellipsis))
    if isinstance(index, list) and len(index) < _LONG and any(isinstance(item, several) for item in index):
        return tuple(index) if _lists_name_axes() else (index,)
    return (index,)


@cache
def _lists_name_axes() -> bool:
    """Does PyTorch read a list of sequences as a tuple? It warns that it will cease, as NumPy has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.empty((1, 1), device=META)[[[0], [0]]].dim() == 1


def _hidden(part: Any) -> bool:
    """A slice between tensors that hold no values."""
    ends = (part.start, part.stop, part.step) if isinstance(part, slice) else ()
    return any(isinstance(end, Tensor) and end.is_meta for end in ends)


def _told(index: Any) -> str:
    return str(index) if len(str(index)) < 60 else "given"


def _indices(parts: Sequence[Any]) -> list[Any]:
    """The parts of an index with each sequence and array a tensor."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, Tensor):
            if part.dtype not in _MASKS:
                if part.dtype.is_floating_point or part.dtype.is_complex:
                    raise AxisError(f"an index is of whole numbers or truth values, got {part.dtype}")
                found.append(part)
            elif part.is_meta:
                raise ValuesNeeded
            elif part.dim() == 0:
                found.append(bool(part))
            else:
                found.extend(part.nonzero(as_tuple=True))
        elif isinstance(part, _BASIC_KINDS):
            found.append(part)
        elif isinstance(part, str):
            raise AxisError(f"a tensor has no entry {part!r}: does the forward expect a mapping here?")
        else:
            shape, dtype = described(part)
            if dtype in _MASKS:
                raise ValuesNeeded
            if dtype.is_floating_point and 0 not in shape:
                raise TypeError(f"no index: {part!r}")
            found.append(empty(shape, torch.int64))
    return found


def _split(input: Tensor, parts: list[Any]) -> tuple[Tensor, list[Tensor | None]]:
    """The view that integers and slices choose, and for each of its axes the tensor that indexes it, or None."""
    named = sum([part is not None and part is not Ellipsis and not isinstance(part, bool) for part in parts])
    if named > input.dim():
        raise AxisError(f"{named} indices for {list(input.shape)}, which has {input.dim()} axes")
    if Ellipsis not in [part for part in parts if not isinstance(part, Tensor)]:
        parts = [*parts, Ellipsis]
    basic: list[Any] = []
    indices: list[Tensor | None] = []
    for part in parts:
        if isinstance(part, Tensor):
            if part.dim() == 0 and not part.dtype.is_floating_point:
                basic.append(0)  # a lone number: which one changes nothing here
            else:
                basic.append(slice(None))
                indices.append(part)
            continue
        if isinstance(part, bool):  # adds an axis, of one element or none
            basic.append(None)
            indices.append(empty((int(part),), torch.int64))
            continue
        basic.append(part)
        if part is Ellipsis:
            indices.extend([None] * (input.dim() - named))
        elif part is None or isinstance(part, slice):
            indices.append(None)
    try:
        return input[tuple(basic)], indices
    except (IndexError, ValueError) as error:
        raise AxisError(f"index {_told(basic)} of {list(input.shape)}: {error}") from error


def gathered(input: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """What tensors of indices choose: they broadcast, and their axes take the first one's place, or lead if apart."""
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    tensors = [index for index in indices if index is not None]
    try:
        common = broadcast(*[tensor.shape for tensor in tensors])
    except ShapeError as error:
        raise ShapeError(f"the indices do not fit together: {error}") from error
    shape, stride = input.shape, input.stride()
    first = axes[0] if axes == list(range(axes[0], axes[-1] + 1)) else 0
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    before, after = kept[:first], kept[first:]
    sizes = (*[shape[axis] for axis in before], *common, *[shape[axis] for axis in after])
    if input.is_contiguous() and all(tensor.is_contiguous() for tensor in tensors):
        return empty(sizes, input.dtype)
    rows = [strides_in(sizes, sizes, [*[stride[a] for a in before], *[0] * len(common), *[stride[a] for a in after]])]
    for tensor in tensors:
        spread_out = tensor.shape + (1,) * len(after)
        rows.append(strides_in(sizes, spread_out, [*tensor.stride(), *[0] * len(after)]))
    return torch.empty_strided(sizes, dense_strides(sizes, rows), dtype=input.dtype, device=META)


def getitem(input: Tensor, index: Any) -> Outcome:
    """``x[index]``: every form; a mask asks for values, for it chooses as many elements as it has true ones."""
    return chosen(input, index), None


def setitem(input: Tensor, index: Any, value: Any) -> Outcome:
    """``x[index] = value``: the value broadcasts into what the index chooses; a mask may choose any number."""
    try:
        place = chosen(input, index)
    except ValuesNeeded:
        return None, None
    if isinstance(value, Tensor):
        sizes = list(value.shape)
        while len(sizes) > place.dim() and sizes[0] == 1:
            sizes.pop(0)  # leading axes of one element are dropped
        if broadcast(place.shape, sizes) != tuple(place.shape):
            raise ShapeError(f"{list(value.shape)} does not broadcast into {list(place.shape)}, where it is assigned")
    return None, None


def index_select(input: Tensor, dim: int, index: Tensor) -> Outcome:
    """torch.index_select: (*, n, *) by indices (k,) gives (*, k, *)."""
    shape = list(input.shape)
    axis = axis_of(dim, len(shape))
    refuse_index("index_select", index)
    if index.dim() > 1:
        raise ShapeError(f"index_select takes a vector of indices, got {list(index.shape)}")
    if shape:
        shape[axis] = index.numel()
    return empty(shape, input.dtype), None


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Outcome:
    """torch.gather: one element for each index, whose other axes may be shorter than the input's."""
    axis = axis_of(dim, input.dim())
    if index.numel() != 0:
        refuse_index("gather", index)
        fits_inside(index, input, axis, "gather")
    return empty(index.shape, input.dtype), None


def fits_inside(index: Tensor, input: Tensor, axis: int | None, name: str) -> None:
    """ShapeError unless ``index`` has as many axes as ``input``, none but ``axis`` longer."""
    sizes, limits = index.shape or (1,), input.shape or (1,)
    if len(sizes) != len(limits):
        raise ShapeError(f"{name}: the index {list(index.shape)} has other axes than the tensor {list(input.shape)}")
    for place, (size, limit) in enumerate(zip(sizes, limits, strict=True)):
        if place != axis and size > limit:
            raise ShapeError(
                f"{name}: the index {list(index.shape)} is longer than {list(input.shape)} at axis {place}"
            )


def take(input: Tensor, index: Tensor) -> Outcome:
    """torch.take: the shape of the index."""
    refuse_index("take", index)
    return empty(index.shape, input.dtype), None


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Outcome:
    """torch.take_along_dim: all axes but one broadcast."""
    refuse_index("take_along_dim", indices)
    if dim is None:
        return empty((indices.numel(),), input.dtype), None
    axis = axis_of(dim, input.dim())
    if indices.dim() != input.dim():
        raise ShapeError(f"take_along_dim: indices {list(indices.shape)} have other axes than {list(input.shape)}")
    left, right = list(input.shape), list(indices.shape)
    left[axis] = 1
    size, right[axis] = right[axis], 1
    shape = list(broadcast(left, right))
    shape[axis] = size
    return empty(shape, input.dtype), None


RULES: dict[Any, Rule] = {
    Tensor.__getitem__: getitem,
    Tensor.__setitem__: setitem,
    **spread("index_select", index_select),
    **spread("gather", gather),
    **spread("take", take),
    **spread("take_along_dim", take_along_dim),
}
