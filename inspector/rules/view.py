"""Views: another reading of the same memory. PyTorch's own view of the tensor answers, so that strides stay real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.rules.common import Rule, empty, like, shape_argument, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def view(function: Any) -> Rule:
    """The rule of a function that computes nothing: it is called as it is, on a tensor that holds no data."""

    def rule(*args: Any, **kwargs: Any) -> Outcome:
        return function(*args, **kwargs), None

    rule.__name__ = getattr(function, "__name__", "view")
    rule.__doc__ = f"{rule.__name__}: a view, of the shape that PyTorch's own view has."
    return rule


def views(names: str) -> dict[Any, Rule]:
    """A view rule for every spelling of each name."""
    return {function: view(function) for name in names.split() for function in spread(name, view)}


def _reshaped(input: Tensor, shape: Any) -> Tensor:
    """A view where strides allow one, else a new contiguous tensor: reshape copies then."""
    try:
        return input.view(shape)
    except RuntimeError:
        contiguous = empty(input.shape, input.dtype)
        return contiguous.view(shape)  # raises PyTorch's own error where the shape is impossible


def reshape(input: Tensor, *shape: Any, **kwargs: Any) -> Outcome:
    """reshape: the same elements in another shape, one of whose sizes may be −1."""
    return _reshaped(input, kwargs["shape"] if "shape" in kwargs else shape_argument(shape)), None


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Outcome:
    """flatten: axes start_dim to end_dim become one."""
    shape = input.shape
    rank = len(shape)
    if rank == 0:
        return _reshaped(input, (1,)), None
    first, last = start_dim % rank, end_dim % rank
    merged: Any = 1
    for size in shape[first : last + 1]:
        merged = merged * size
    return _reshaped(input, (*shape[:first], merged, *shape[last + 1 :])), None


def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Outcome:
    """contiguous: the tensor itself where it is so already, else a copy that is."""
    if input.is_contiguous(memory_format=memory_format):
        return input, None
    return torch.empty(input.shape, dtype=input.dtype, device="meta", memory_format=memory_format), None


RULES: dict[Any, Rule] = {
    **views("view transpose permute expand squeeze unsqueeze narrow select unbind chunk split t movedim swapaxes"),
    **spread("reshape", reshape),
    **spread("flatten", flatten),
    **spread("contiguous", contiguous),
    **{getattr(Tensor, name).__get__: view(getattr(Tensor, name).__get__) for name in ("T", "mT", "data", "H", "mH", "real", "imag")},
}
