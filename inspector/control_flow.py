"""PyTorch's control flow as operators (``torch.cond``, ``while_loop``, ``scan``, ``map``), followed as Python.

Each takes functions among its arguments, as does the call of a ``torch.autograd.Function`` under ``vmap``. Followed as
ordinary Python, the calls inside these are rows like any other, a condition that hangs on constants is answered from
them, and one that hangs on the input asks for real data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils._pytree import tree_map

if TYPE_CHECKING:
    from collections.abc import Callable


def meaning_of(function: Any) -> Callable[..., Any] | None:
    """The Python that an operator on functions stands for; None where it is none, or one that nobody knows here."""
    return _MEANINGS.get(function.name()) if isinstance(function, HigherOrderOperator) else None


def _cond(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
    return true_fn(*operands) if pred else false_fn(*operands)


def _while_loop(cond_fn: Any, body_fn: Any, carried: Any, additional: Any = (), **_: Any) -> Any:
    while cond_fn(*carried, *additional):
        carried = body_fn(*carried, *additional)
    return tuple(carried)


def _scan(combine_fn: Any, init: Any, xs: Any, additional: Any = (), **_: Any) -> Any:
    """(last carry ..., all outputs stacked ...), over the first axis of each of ``xs``."""
    carry, steps = tuple(init), []
    for slices in zip(*xs, strict=True):
        result = tuple(combine_fn(*carry, *slices, *additional))
        carry = result[: len(carry)]
        steps.append(result[len(carry) :])
    return (*carry, *_stacked(steps))


def _map(function: Any, xs: Any, additional: Any = (), **_: Any) -> Any:
    return _stacked([function(*slices, *additional) for slices in zip(*xs, strict=True)])


def _stacked(steps: list[Any]) -> Any:
    """The outputs of all steps, each leaf of their common structure along a new first axis."""
    return tree_map(lambda *of_one: torch.stack(of_one) if isinstance(of_one[0], Tensor) else None, *steps)


def _custom_function(function: Any, *operands: Any) -> Any:
    """A ``torch.autograd.Function`` under ``vmap``, which takes those alone whose context is set up apart."""
    return function.forward(*operands)


_MEANINGS: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "scan": _scan,
    "map_impl": _map,
    "custom_function_call": _custom_function,
}
