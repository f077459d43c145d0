"""Views: another reading of the same memory. PyTorch's own view of the tensor answers, so that strides stay real.

Source: PyTorch documentation, "Tensor Views".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import AxisError, ShapeError
from inspector.inputs import meta_twin
from inspector.rules.common import Rule, ValuesNeeded, axis_of, empty, like, shape_argument
from inspector.structure import map_tensors, tensors

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def view(function: Any) -> Rule:
    """The rule of a function that computes nothing: it is called as it is, on a tensor that holds no data."""

    def rule(*args: Any, **kwargs: Any) -> Outcome:
        try:
            return function(*args, **kwargs), None
        except (RuntimeError, IndexError, ValueError) as error:
            # Tensors that hold data take no symbols for sizes, as the class token of a transformer for N images.
            if "SymIntArrayRef" in str(error) and not all(tensor.is_meta for tensor in tensors((args, kwargs))):
                return rule(*map_tensors(args, meta_twin), **map_tensors(kwargs, meta_twin))
            # A size may be a tensor.
            if any(tensor.is_meta and tensor.dim() == 0 for tensor in tensors((args[1:], kwargs))):
                raise ValuesNeeded from error
            refused = AxisError if isinstance(error, IndexError) else ShapeError
            raise refused(str(error).partition("\n")[0]) from error

    rule.__name__ = getattr(function, "__name__", "view")
    rule.__doc__ = f"{rule.__name__}: a view, of the shape that PyTorch's own view has."
    return rule


def changing(function: Any) -> Rule:
    """The rule of a view in place, such as ``transpose_``: a tensor that holds data is never touched."""

    def rule(input: Tensor, *args: Any, **kwargs: Any) -> Outcome:
        if not input.is_meta:
            raise TypeError("the shape of a tensor with data is not the trace's to change")
        return function(input, *args, **kwargs), None

    rule.__name__ = getattr(function, "__name__", "view")
    rule.__doc__ = f"{rule.__name__}: the tensor itself, with the sizes and strides that PyTorch gives it."
    return rule


_ROOMS = (torch, Tensor, torch.linalg, torch.special)


def views(names: str) -> dict[Any, Rule]:
    """A view rule for every spelling of each name."""
    table: dict[Any, Rule] = {}
    for name in names.split():
        for room in _ROOMS:
            for spelling, rule in ((name, view), (name + "_", changing)):
                function = getattr(room, spelling, None)
                if callable(function):
                    table[function] = rule(function)
    return table


def may_view(input: Tensor, shape: Any) -> bool:
    """False where strides surely forbid a view of this shape, which is quicker to see than to be told by an exception.

    Axes that lie in memory as one make a run; a view's axes divide the runs one by one.
    """
    sizes, strides = input.shape, input.stride()
    asked = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    for size in (*sizes, *asked):
        if type(size) is not int or size == 0:
            return True  # symbols, and tensors without elements, are left to PyTorch
    if -1 in asked:
        known = -math.prod(asked)
        asked[asked.index(-1)] = math.prod(sizes) // known if known > 0 else -1
    place = len(asked) - 1
    run = covered = 1
    step = strides[-1] if strides else 1
    for axis in range(len(sizes) - 1, -1, -1):
        run *= sizes[axis]
        if axis == 0 or (sizes[axis - 1] != 1 and strides[axis - 1] != run * step):
            while place >= 0 and (covered < run or asked[place] == 1):
                covered *= asked[place]
                place -= 1
            if covered != run:
                return False
            if axis:
                step, run, covered = strides[axis - 1], 1, 1
    return place == -1


def reshaped(input: Tensor, shape: Any) -> Tensor:
    """A view where strides allow one, else a new contiguous tensor: reshape copies then."""
    if input.is_contiguous() or may_view(input, shape):
        try:
            # Size by size PyTorch reads a shape in two thirds of the time.
            return input.view(*shape) if type(shape) is tuple and shape else input.view(shape)
        except RuntimeError:
            pass
    try:
        return empty(input.shape, input.dtype).view(shape)
    except RuntimeError as error:
        if any(tensor.is_meta for tensor in tensors(shape)):
            raise ValuesNeeded from error
        asked = list(shape) if isinstance(shape, (tuple, list)) else [shape]
        told = f"{list(input.shape)} has {input.numel()} elements and takes no shape {asked}"
        raise ShapeError(told) from error


def reshape(input: Tensor, *shape: Any, **named: Any) -> Outcome:
    """torch.reshape: the same elements in another shape, one of whose sizes may be −1."""
    return reshaped(input, named["shape"] if named else shape_argument(shape)), None


def reshape_as(input: Tensor, other: Tensor) -> Outcome:
    """Tensor.reshape_as: the shape of another tensor."""
    return reshaped(input, other.shape), None


def ravel(input: Tensor) -> Outcome:
    """torch.ravel: one axis; a tensor that is contiguous is read in place."""
    return (input if input.is_contiguous() else empty(input.shape, input.dtype)).view(-1), None


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Outcome:
    """torch.flatten: axes start_dim to end_dim become one; where these are one already, the tensor itself."""
    shape = input.shape
    rank = len(shape)
    if rank == 0:
        return input.view(1), None
    first, last = axis_of(start_dim, rank), axis_of(end_dim, rank)
    if first == last:
        return input, None
    if first > last:
        raise ShapeError(f"flatten: axis {start_dim} comes after axis {end_dim} of {list(shape)}")
    return reshaped(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])), None


def narrow(input: Tensor, dim: int, start: Any, length: Any) -> Outcome:
    """torch.narrow: ``length`` elements of an axis; where they start may be a tensor, and changes no size."""
    shape = input.shape
    axis = axis_of(dim, len(shape))
    if isinstance(start, Tensor):
        start = 0
    if not shape or not 0 <= length <= shape[axis] or not -shape[axis] <= start <= shape[axis]:
        raise ShapeError(f"narrow takes {length} elements from {start} on axis {dim} of {list(shape)}")
    return input.narrow(axis, start, length), None


def tensor_split(input: Tensor, indices_or_sections: Any = None, dim: int = 0, **named: Any) -> Outcome:
    """torch.tensor_split: views; a tensor of indices tells only how many."""
    if isinstance(indices_or_sections, Tensor):
        raise ValuesNeeded
    if indices_or_sections is None:
        return Tensor.tensor_split(input, dim=dim, **named), None
    return Tensor.tensor_split(input, indices_or_sections, dim), None


def resolved(input: Tensor) -> Outcome:
    """torch.resolve_conj, resolve_neg: a copy of a tensor that is read conjugated or negated, else itself."""
    return (like(input) if input.is_conj() or input.is_neg() else input), None


def copies(name: str) -> dict[Any, Rule]:
    """Rules of ``name_copy``: what the view ``name`` reads, in memory of its own."""
    function = getattr(torch, name, None) or getattr(Tensor, name)

    def rule(*args: Any, **kwargs: Any) -> Outcome:
        seen = function(*args, **kwargs)
        if isinstance(seen, Tensor):
            return empty(seen.shape, seen.dtype), None
        return type(seen)([empty(item.shape, item.dtype) for item in seen]), None

    rule.__name__ = f"{name}_copy"
    rule.__doc__ = f"{name}_copy: a contiguous copy of what {name} sees."
    copying = getattr(torch, f"{name}_copy", None)
    return {copying: rule} if copying else {}


def narrow_copy(input: Tensor, dim: int, start: Any, length: Any) -> Outcome:
    """torch.narrow_copy: a contiguous copy of what narrow sees."""
    seen, _ = narrow(input, dim, start, length)
    return empty(seen.shape, seen.dtype), None


_VIEWS = """
    view transpose permute expand squeeze unsqueeze select unbind chunk split t movedim moveaxis swapaxes swapdims
    expand_as view_as unsafe_chunk unsafe_split split_with_sizes unsafe_split_with_sizes hsplit vsplit dsplit
    diagonal unfold as_strided adjoint broadcast_to detach real imag view_as_real view_as_complex conj unflatten
    atleast_1d atleast_2d atleast_3d broadcast_tensors
"""
_COPIES = """
    as_strided detach diagonal expand permute select split split_with_sizes squeeze t
    transpose unbind unfold unsqueeze view_as_complex view_as_real
"""
_GETTERS = ("T", "mT", "H", "mH", "data", "real", "imag")

RULES: dict[Any, Rule] = {
    **views(_VIEWS),
    **dict.fromkeys((torch.reshape, Tensor.reshape), reshape),
    Tensor.reshape_as: reshape_as,
    **dict.fromkeys((torch.ravel, Tensor.ravel), ravel),
    **dict.fromkeys((torch.flatten, Tensor.flatten), flatten),
    **dict.fromkeys((torch.narrow, Tensor.narrow), narrow),
    **dict.fromkeys((torch.narrow_copy, Tensor.narrow_copy), narrow_copy),
    **dict.fromkeys((torch.tensor_split, Tensor.tensor_split), tensor_split),
    **dict.fromkeys((torch.resolve_conj, torch.resolve_neg, Tensor.resolve_conj, Tensor.resolve_neg), resolved),
    **{function: rule for name in _COPIES.split() for function, rule in copies(name).items()},
    **{getattr(Tensor, name).__get__: view(getattr(Tensor, name).__get__) for name in _GETTERS},
    **{function: changing(function) for function in (Tensor.resize_, Tensor.resize_as_, Tensor.set_, torch.resize_as_)},
}
