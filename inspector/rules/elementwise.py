"""One operation for each element: arithmetic, comparisons, activations. Results broadcast and promote as in NumPy.

Source: PyTorch documentation, "Broadcasting semantics" and "Type promotion".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.rules.common import ELEMENTWISE, Rule, broadcast, empty, in_place, like, preserved_strides, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

META = torch.device("meta")


def unary(input: Tensor, *args: Any, **kwargs: Any) -> Outcome:
    """A function of each element that keeps the dtype: relu, neg, clamp, dropout, masked_fill."""
    return like(input), ELEMENTWISE(n=input.numel())


def activation(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Outcome:
    """The same for functions of torch.nn.functional that can work in place."""
    return (input if inplace else like(input)), ELEMENTWISE(n=input.numel())


def floating_unary(input: Tensor, *args: Any, **kwargs: Any) -> Outcome:
    """A function whose result is floating where the input is integer: exp, sqrt, sin, sigmoid."""
    dtype = input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return like(input, dtype), ELEMENTWISE(n=input.numel())


def predicate(input: Tensor, *args: Any, **kwargs: Any) -> Outcome:
    """A question put to each element: isnan, logical_not, isfinite."""
    return like(input, torch.bool), ELEMENTWISE(n=input.numel())


def _combine(input: Any, other: Any, dtype: torch.dtype) -> Outcome:
    """The broadcast result of two operands, at least one of them a tensor."""
    if not isinstance(other, Tensor):
        return like(input, dtype), ELEMENTWISE(n=input.numel())
    if not isinstance(input, Tensor):
        return like(other, dtype), ELEMENTWISE(n=other.numel())
    shape, second = input.shape, other.shape
    if shape == second:
        if input.is_contiguous() or other.is_contiguous():
            output = torch.empty(shape, dtype=dtype, device=META)
        else:
            output = like(input, dtype)
    else:
        shape = broadcast(shape, second)
        operand = input if len(input.shape) == len(shape) and input.numel() >= other.numel() else other
        if operand.is_contiguous() or tuple(operand.shape) != shape:
            output = empty(shape, dtype)
        else:
            output = torch.empty_strided(shape, preserved_strides(operand), dtype=dtype, device=META)
    return output, ELEMENTWISE(n=output.numel())


def promoted(input: Any, other: Any) -> torch.dtype:
    """The dtype of a result of both; a floating tensor keeps its own beside a Python number that is real."""
    if isinstance(input, Tensor):
        dtype = input.dtype
        if isinstance(other, Tensor):
            if other.dtype is dtype:
                return dtype
        elif dtype.is_floating_point and not isinstance(other, complex):
            return dtype
    return torch.result_type(input, other)


def binary(input: Any, other: Any, *args: Any, **kwargs: Any) -> Outcome:
    """Arithmetic of two operands: add, mul, maximum, pow."""
    return _combine(input, other, promoted(input, other))


def division(input: Any, other: Any, *, rounding_mode: str | None = None) -> Outcome:
    """True division: integers give a floating result unless it is rounded."""
    dtype = promoted(input, other)
    if rounding_mode is None and not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return _combine(input, other, dtype)


def comparison(input: Any, other: Any, *args: Any, **kwargs: Any) -> Outcome:
    """eq, lt, logical_and: a truth value for each pair."""
    return _combine(input, other, torch.bool)


RULES: dict[Any, Rule] = {
    **spread("neg abs sign clone", unary),
    **spread("relu relu6 elu selu celu silu mish leaky_relu hardswish hardsigmoid hardtanh threshold dropout", activation),
    **spread("gelu logsigmoid softplus", activation),
    **spread("exp log sqrt rsqrt sin cos tanh sigmoid erf log1p expm1", floating_unary),
    **spread("isnan isinf logical_not", predicate),
    **spread("add sub mul maximum minimum fmod remainder pow __radd__ __rmul__ __rsub__", binary),
    **spread("div true_divide __rdiv__ __rtruediv__", division),
    **spread("eq ne lt le gt ge logical_and logical_or __eq__ __ne__ __lt__ __le__ __gt__ __ge__", comparison),
    Tensor.__iadd__: in_place(binary),
}
