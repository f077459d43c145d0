"""What every family of rules uses: meta tensors, dtypes, broadcasting, and how one name spreads over PyTorch."""

from __future__ import annotations

import math
from functools import lru_cache, partial, wraps
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import AxisError, ShapeError
from inspector.formula import Formula
from inspector.internals import any_autocast_enabled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from inspector.formula import BoundFormula

#: What a rule returns: an output (a shape with the first tensor's dtype, or meta tensors) and its bound formula. A
#: formula that counts the elements of the (first) result may stay unbound: its row binds it when somebody asks.
Outcome: TypeAlias = "tuple[Any, BoundFormula | Formula | None]"
#: A formula to be bound when somebody asks, by a call without arguments; it holds sizes and no tensors.
ToBind: TypeAlias = "Callable[[], BoundFormula]"
Rule: TypeAlias = "Callable[..., Outcome]"

_Answer = TypeVar("_Answer")
META = torch.device("meta")
ELEMENTWISE = Formula("n", counts="elementwise", source="one operation for each element of the result")
#: Of the input: what reductions, softmax, losses and pooling read, and norms, whose result has as many.
EACH_INPUT = Formula("n", counts="elementwise", source="one operation for each element of the input")


class ValuesNeeded(Exception):
    """Raised by a rule whose output's size depends on values; the trace answers with values where it has them."""


#: What :func:`remembered` keeps, by function; somebody who times a first prediction empties them.
MEMORIES: list[Any] = []


def remembered(function: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """A function of sizes that keeps its answers: models repeat their blocks. Symbols cannot be hashed and pass by."""
    kept = lru_cache(maxsize=4096)(function)
    MEMORIES.append(kept)

    @wraps(function)
    def answer(*args: Any) -> _Answer:
        try:
            return kept(*args)
        except TypeError:
            return function(*args)

    return answer


def empty(shape: Sequence[Any], dtype: torch.dtype) -> Tensor:
    """A contiguous meta tensor: a shape and a dtype, no memory."""
    if not shape:
        return torch.empty((), dtype=dtype, device=META)
    return torch.empty(*shape, dtype=dtype, device=META)  # size by size PyTorch reads them in two thirds of the time


def like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """What an element-wise function of ``x`` returns: its shape, and its strides where these are dense."""
    shape = x.shape
    if shape and x.is_contiguous():
        return torch.empty(*shape, dtype=dtype or x.dtype, device=META)
    if x.is_contiguous() or (len(shape) == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return torch.empty_strided(shape, x.stride(), dtype=dtype or x.dtype, device=META)
    return torch.empty_strided(*laid_out(None, shape, x.stride()), dtype=dtype or x.dtype, device=META)


def result(shape: Sequence[Any], dtype: torch.dtype, *operands: Tensor) -> Tensor:
    """What an element-wise function of ``operands``, which broadcast to ``shape``, returns."""
    for operand in operands:
        if not operand.is_contiguous():
            layouts = chain.from_iterable([(operand.shape, operand.stride()) for operand in operands])
            return torch.empty_strided(*laid_out((*shape,), *layouts), dtype=dtype, device=META)
    return empty(shape, dtype)


@remembered
def laid_out(shape: tuple[Any, ...] | None, *layouts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Shape and strides of a dense result whose axes lie in memory in the order of its operands' axes.

    Args:
        shape: of the result; None for what the operands broadcast to.
        layouts: shape and strides of the first operand, then of each further one.
    """
    shapes, strides = layouts[::2], layouts[1::2]
    if shape is None:
        shape = broadcast(*shapes)
    return shape, dense_strides(shape, [*map(partial(strides_in, shape), shapes, strides)])


def strides_in(shape: Sequence[Any], sizes: Sequence[Any], strides: Sequence[Any]) -> list[Any]:
    """Strides of an operand along the axes of a result it broadcasts to: 0 where it has one element for many."""
    absent = len(shape) - len(sizes)
    return [0] * absent + [
        0 if size == 1 and shape[absent + axis] != 1 else strides[axis] for axis, size in enumerate(sizes)
    ]


def dense_strides(shape: Sequence[Any], rows: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """Strides of a dense result, given those of each operand along its axes.

    As PyTorch's TensorIterator sorts them: the first operand with a stride for both of two axes decides their order.
    """
    rank = len(shape)

    def further_in(one: int, other: int) -> int:
        for row in rows:
            step, step_of_other = row[one], row[other]
            if step == 0 or step_of_other == 0:
                continue
            if step != step_of_other:
                return -1 if step < step_of_other else 1
            if shape[one] > shape[other]:
                return 1
        return 0

    order = list(range(rank - 1, -1, -1))  # the innermost axis first
    for start in range(1, rank):  # an insertion sort, because the order of some pairs is open
        here = start
        for earlier in range(start - 1, -1, -1):
            sign = further_in(order[earlier], order[here])
            if sign > 0:
                order[earlier], order[here] = order[here], order[earlier]
                here = earlier
            elif sign < 0:
                break
    strides: list[Any] = [1] * rank
    step: Any = 1
    for axis in order:
        strides[axis] = step
        step = step * shape[axis]
    return tuple(strides)


def floating(dtype: torch.dtype) -> torch.dtype:
    """The dtype itself where it is floating or complex, else PyTorch's default one."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.get_default_dtype()


def summed(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a sum or product: integers and truth values add up as int64."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.int64


def real(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a complex number's parts, or of a magnitude."""
    return dtype.to_real() if dtype.is_complex else dtype


@remembered
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


def refuse_dtypes(x: Tensor, weight: Tensor, name: str = "input") -> None:
    """ShapeError for two dtypes that a matrix product cannot take together; under autocast it takes all."""
    if not any_autocast_enabled():
        raise ShapeError(f"the {name} {list(x.shape)} is {x.dtype}, the weight {list(weight.shape)} is {weight.dtype}")


def refuse_bias(bias: Tensor, weight: Tensor, outputs: Any) -> None:
    """ShapeError for a bias that has no element for each output of the weight, or another dtype."""
    if bias.dtype is not weight.dtype:
        refuse_dtypes(bias, weight, "bias")
    if bias.numel() != outputs:
        raise ShapeError(f"the weight {list(weight.shape)} gives {outputs} outputs, the bias is {list(bias.shape)}")


def refuse_index(name: str, index: Tensor) -> None:
    """ShapeError for indices that are no whole numbers."""
    if index.dtype.is_floating_point or index.dtype.is_complex or index.dtype is torch.bool:
        raise ShapeError(f"{name} takes whole numbers for indices, got {index.dtype}")


def refuse_mask(name: str, mask: Tensor, *others: torch.dtype) -> None:
    """ShapeError for a mask that is of neither truth values nor one of the other dtypes."""
    if mask.dtype is not torch.bool and mask.dtype not in others:
        raise ShapeError(f"{name} takes truth values (torch.bool) for its mask, got {mask.dtype}")


def axis_of(dim: int, rank: int) -> int:
    """A non-negative axis; a scalar has one axis to name."""
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise AxisError(f"axis {dim} of a tensor with {rank} axes")
    return dim % max(rank, 1)


def axes_of(dims: Any, rank: int) -> list[int]:
    """Non-negative axes of one dim, several, or None or nothing for all of them."""
    if dims is None:
        return list(range(rank))
    if not isinstance(dims, (tuple, list)):
        return [axis_of(dims, rank)]
    if not dims:
        return list(range(rank))
    axes = [axis_of(dim, rank) for dim in dims]
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axes {list(dims)} name one axis twice")
    return axes


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
        if isinstance(output, Tensor) and not torch.can_cast(output.dtype, x.dtype):
            raise ShapeError(f"the result is {output.dtype} and does not fit into {x.dtype}, which it should replace")
        if shape != x.shape:
            raise ShapeError(f"the result {list(shape)} does not fit into {list(x.shape)}, which it should replace")
        return x, formula

    return rule_in_place


_ROOMS = (torch, Tensor, F, torch.special, torch._C._nn, torch._VF)


def spread(names: str, rule: Rule, rooms: Sequence[Any] = _ROOMS, known: bool = True) -> dict[Any, Rule]:
    """The rule for each name wherever PyTorch spells it: ``torch.x``, ``Tensor.x``, ``F.x``, and in place ``x_``.

    Args:
        names: names with spaces between.
        rule: what they all do.
        rooms: where names are looked up.
        known: False for names that only some versions of PyTorch have.

    Raises:
        LookupError: PyTorch has no such function.
    """
    table: dict[Any, Rule] = {}
    replacing = in_place(rule)
    for name in names.split():
        found = False
        for room in rooms if not name.startswith("__") else (Tensor,):  # modules have operators of their own
            for spelling, use in ((name, rule), (name + "_", replacing)):
                function = getattr(room, spelling, None)
                if callable(function):
                    table[function] = use
                    found = True
        if known and not found and not hasattr(torch.ops.aten, name):
            raise LookupError(f"PyTorch {torch.__version__} has no function {name!r}")
    return table
