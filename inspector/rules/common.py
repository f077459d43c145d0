"""What every family of rules uses: meta tensors, dtypes, broadcasting, and how one name spreads over PyTorch's spellings."""

from __future__ import annotations

import math
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from inspector.formula import BoundFormula

#: What a rule returns: an output (a shape with the first tensor's dtype, or meta tensors) and its bound formula.
Outcome: TypeAlias = "tuple[Any, BoundFormula | None]"
Rule: TypeAlias = "Callable[..., Outcome]"

META = torch.device("meta")
ELEMENTWISE = Formula("n", counts="elementwise", source="one operation for each element of the result")


class ValuesNeeded(Exception):  # noqa: N818  a signal between rule and trace, no error that a person meets
    """Raised by a rule whose output's size depends on values; the trace answers with values where it has them."""


def empty(shape: Sequence[Any], dtype: torch.dtype) -> Tensor:
    """A contiguous meta tensor: a shape and a dtype, no memory."""
    return torch.empty(shape, dtype=dtype, device=META)


def like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """What an element-wise function of ``x`` returns: its shape, and its strides where these are dense."""
    dtype = dtype or x.dtype
    if x.is_contiguous():
        return torch.empty(x.shape, dtype=dtype, device=META)
    return torch.empty_strided(x.shape, preserved_strides(x), dtype=dtype, device=META)


def preserved_strides(x: Tensor) -> tuple[Any, ...]:
    """Strides of a dense tensor whose axes lie in memory in the order of x's (TensorIterator's rule for one operand)."""
    order = sorted(range(x.dim()), key=lambda axis: (x.stride(axis), -axis))
    strides: list[Any] = [1] * x.dim()
    step: Any = 1
    for axis in order:
        strides[axis] = step
        step = step * x.shape[axis]
    return tuple(strides)


def broadcast(*shapes: Sequence[Any]) -> tuple[Any, ...]:
    """The common shape; ShapeError names the axis that has none."""
    rank = max(map(len, shapes))
    result: list[Any] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            have = result[axis]
            if have is size or size == 1 or have == size:
                continue
            if have != 1:
                told = " and ".join(str(list(s)) for s in shapes)
                raise ShapeError(f"shapes {told} do not broadcast: {have} against {size} at axis {axis - rank}")
            result[axis] = size
    return tuple(result)


def axis_of(dim: int, rank: int) -> int:
    """A non-negative axis; a scalar has one axis to name."""
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise ShapeError(f"axis {dim} of a tensor with {rank} axes")
    return dim % max(rank, 1)


def product(sizes: Iterable[Any]) -> Any:
    """∏ of sizes that may be symbols."""
    return math.prod(sizes)


def shape_argument(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes given one by one or as one sequence: ``zeros(2, 3)`` and ``zeros((2, 3))``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes


def in_place(rule: Rule) -> Rule:
    """The rule of ``name_``: the same work, and the very tensor that was given comes back."""

    @wraps(rule)
    def rule_in_place(x: Tensor, *args: Any, **kwargs: Any) -> Outcome:
        output, formula = rule(x, *args, **kwargs)
        shape = output.shape if isinstance(output, Tensor) else output
        if tuple(shape) != tuple(x.shape):
            raise ShapeError(f"the result {list(shape)} does not fit into {list(x.shape)}, which it should replace")
        return x, formula

    return rule_in_place


_ROOMS = (torch, Tensor, F, torch.special, torch._C._nn, torch._VF)


def spread(names: str, rule: Rule, rooms: Sequence[Any] = _ROOMS) -> dict[Any, Rule]:
    """The rule for each name wherever PyTorch spells it: ``torch.x``, ``Tensor.x``, ``F.x``, and in place ``x_``."""
    table: dict[Any, Rule] = {}
    replacing = in_place(rule)
    for name in names.split():
        found = False
        for room in rooms:
            for spelling, use in ((name, rule), (name + "_", replacing)):
                function = getattr(room, spelling, None)
                if callable(function):
                    table[function] = use
                    found = True
        if not found and not hasattr(torch.ops.aten, name):
            raise LookupError(f"PyTorch {torch.__version__} has no function {name!r}")
    return table
