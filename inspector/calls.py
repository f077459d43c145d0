"""One call of a forward: what is kept of it, what its rule says, and how it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inspector.errors import InspectionError
from inspector.formula import Formula
from inspector.inputs import meta_twin
from inspector.internals import batched, unbatched
from inspector.known import map_arguments
from inspector.rules.common import empty
from inspector.structure import tensors

if TYPE_CHECKING:
    from inspector.formula import BoundFormula
    from inspector.rules.common import ToBind


class Call(NamedTuple):
    """One call as it was seen; what a reader gets is :class:`inspector.records.Row`."""

    function: Any
    shapes: tuple[Any, ...]
    dtype: torch.dtype | None
    formula: BoundFormula | Formula | None  # unbound: of the elements of the first result
    module: int
    parameters: tuple[int, ...] = ()
    params_formula: BoundFormula | ToBind | None = None
    macs: Any = 0  # of a call without rule: what PyTorch counts, None where it knows no count
    by_pytorch: bool = False
    data_dependent: bool = False
    times: Any = 1  # mapped examples under vmap


def shaped(rule: Any, args: Any, kwargs: Any) -> Any:
    """(output, formula) of a rule, with a tensor where the rule gives a shape.

    NumPy's names for arguments, such as ``axis``, are taken too, as PyTorch's own parser takes them.
    """
    try:
        output, formula = rule(*args, **kwargs)
    except TypeError:
        if _OTHER_NAMES.keys().isdisjoint(kwargs):
            raise
        output, formula = rule(*args, **{_OTHER_NAMES.get(name, name): value for name, value in kwargs.items()})
    if type(output) is torch.Size or (type(output) is tuple and is_shape(output)):
        output = empty(output, first_tensor(args, kwargs).dtype)
    elif isinstance(formula, Formula) and not described(output)[0]:
        raise ValueError("a lazy tensor has no elements to count yet")
    return output, formula


_OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim", "x2": "other", **dict.fromkeys(("x", "a", "x1", "self"), "input")}


def told_by_numbers(rule: Any, args: Any, kwargs: Any, value: Any) -> Any:
    """(output, formula) of a rule that may read whole numbers: sizes, bounds and lengths that are tensors; None where
    these do not tell it.

    Args:
        rule: raised ValuesNeeded for twins without values, or knew no tensor in the place of a number.
        args: positional arguments.
        kwargs: keyword arguments.
        value: gives a tensor with its values, or itself.
    """

    def whole(tensor: Tensor) -> Tensor:
        tensor = value(tensor)
        return meta_twin(tensor) if tensor.is_floating_point() or tensor.is_complex() else tensor

    def number(tensor: Tensor) -> Any:
        tensor = whole(tensor)
        return tensor if tensor.is_meta or tensor.dim() or tensor.dtype is torch.bool else int(tensor.item())

    answer = None
    for reading in (number, whole):
        try:
            return shaped(rule, map_arguments(args, reading), map_arguments(kwargs, reading))
        except InspectionError:
            raise
        except Exception:
            answer = None  # perhaps the other reading
    return answer


def is_shape(output: tuple[Any, ...]) -> bool:
    """A tuple of sizes, and not of tensors."""
    return not output or not (output[0] is None or isinstance(output[0], (Tensor, tuple, list)))


def first_tensor(args: Any, kwargs: Any) -> Tensor:
    """The first tensor among the arguments, which gives a result its dtype."""
    if args and isinstance(args[0], Tensor):
        return args[0]
    return tensors((args, kwargs))[0]


def described(output: Any) -> tuple[tuple[Any, ...], tuple[torch.dtype, ...]]:
    """Shapes and dtypes of the tensors in what a call returned."""
    if type(output) is Tensor:
        return (output.shape,), (output.dtype,)
    found = [tensor for tensor in tensors(output) if not is_lazy(tensor)]
    return tuple(tensor.shape for tensor in found), tuple(tensor.dtype for tensor in found)


def levels_of(args: Any, kwargs: Any) -> dict[int, Any]:
    """Vmap level -> mapped size, over all arguments."""
    levels: dict[int, Any] = {}
    for tensor in tensors((args, kwargs)):
        found = unbatched(tensor)
        while found is not None:
            inner, size, level = found
            levels[level] = size
            found = unbatched(inner)
    return levels


def with_levels(tensor: Tensor, levels: dict[int, Any]) -> Tensor:
    """A result computed for one example as vmap expects it: mapped at every level of the arguments."""
    if unbatched(tensor) is not None:  # a view of a mapped tensor is mapped already
        return tensor
    order = sorted(levels)
    tensor = empty((*map(levels.__getitem__, order), *tensor.shape), tensor.dtype)
    for level in order:
        tensor = batched(tensor, level)
    return tensor


def name_of(function: Any) -> str:
    """The function as PyTorch names it: ``conv2d``, ``add``, ``T``, ``ns::op``."""
    name = getattr(function, "__name__", "") or type(function).__name__
    if name == "__get__":
        return str(function.__self__.__name__)
    if name == "fn" and "boolean_dispatch" in getattr(function, "__qualname__", ""):
        return _DISPATCHED.get(function, name)
    schema = getattr(function, "_qualified_op_name", None) or getattr(function, "_name", None)
    return str(schema) if schema and "::" in str(schema) else name


#: F.max_pool2d and its kin are closures that have no name of their own.
_DISPATCHED = {
    function: name
    for name, function in vars(nn.functional).items()
    if "boolean_dispatch" in getattr(function, "__qualname__", "") and not name.startswith("_")
}
