"""One operation for each element of several operands: arithmetic, comparisons, where. They broadcast and promote.

Source: PyTorch documentation, "Broadcasting semantics" and "Type promotion".
"""

from __future__ import annotations

from functools import cache
from numbers import Number
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import (
    ELEMENTWISE,
    META,
    Rule,
    ValuesNeeded,
    broadcast,
    empty,
    floating,
    in_place,
    laid_out,
    like,
    refuse_mask,
    result,
    spread,
)

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

_NUMBERS = (int, float, complex, torch.SymInt, torch.SymFloat, torch.SymBool)


def combine(input: Any, other: Any, dtype: torch.dtype | None = None) -> Outcome:
    """The broadcast result of two operands, of their promoted dtype unless another is given; numbers alone give a
    tensor of no axis.
    """
    tensor: Any
    number: Any
    if isinstance(other, Tensor):
        if isinstance(input, Tensor):
            if dtype is None:
                dtype = input.dtype if input.dtype is other.dtype else promoted(input, other)
            shape, its = input.shape, other.shape
            if not (input.is_contiguous() and other.is_contiguous()):
                sizes, strides = laid_out(None, shape, input.stride(), its, other.stride())
                return torch.empty_strided(sizes, strides, dtype=dtype, device=META), ELEMENTWISE
            sizes = (*shape,) if shape == its else broadcast(shape, its)
            return empty(sizes, dtype), ELEMENTWISE
        tensor, number = other, input
    else:
        tensor, number = input, other
    if not isinstance(number, _NUMBERS) and not isinstance(number, Number):
        raise TypeError(f"neither a number nor a tensor: {number!r}")
    if dtype is None:
        dtype = promoted(input, other)
    if isinstance(tensor, Tensor):
        return like(tensor, dtype), ELEMENTWISE
    return empty((), dtype), ELEMENTWISE  # torch.div(7, 2) is a tensor too


def promoted(input: Any, other: Any) -> torch.dtype:
    """The dtype of a result of both; a floating tensor keeps its own beside a Python number that is real."""
    if isinstance(input, Tensor):
        dtype = input.dtype
        if isinstance(other, Tensor):
            if other.dtype is dtype:
                return dtype
        elif dtype.is_floating_point and not isinstance(other, complex):
            return dtype
    if isinstance(other, torch.SymInt):  # result_type would ask for its value
        other = 1
    elif isinstance(other, torch.SymFloat):
        other = 1.0
    return torch.result_type(input, other)


def binary(input: Any, other: Any) -> Outcome:
    """Arithmetic of two operands: mul, maximum, fmod."""
    return combine(input, other)


def reflected(input: Any, other: Any) -> Outcome:
    """``other op input``: Python's reflected operators."""
    return combine(other, input, promoted(input, other))


def bitwise(input: Any, other: Any) -> Outcome:
    """Functions of two whole numbers or truth values: bitwise_and, gcd."""
    return combine(input, other, _of_bits(promoted(input, other)))


def reflected_bitwise(input: Any, other: Any) -> Outcome:
    """``other << input`` and ``other >> input``."""
    return combine(other, input, _of_bits(promoted(input, other)))


def _of_bits(dtype: torch.dtype) -> torch.dtype:
    if dtype.is_floating_point or dtype.is_complex:
        raise ShapeError(f"PyTorch takes whole numbers or truth values here, got {dtype}")
    return dtype


def addition(input: Any, other: Any, *, alpha: Any = 1) -> Outcome:
    """torch.add: input + α·other."""
    return combine(input, other)


def difference(input: Any, other: Any, *, alpha: Any = 1) -> Outcome:
    """torch.sub: input − α·other; PyTorch subtracts no truth values."""
    for operand in (input, other):
        if operand.dtype is torch.bool if isinstance(operand, Tensor) else type(operand) is bool:
            raise ShapeError("PyTorch subtracts no truth values (torch.bool); ~mask inverts a mask")
    return combine(input, other)


def reflected_difference(input: Any, other: Any, *, alpha: Any = 1) -> Outcome:
    """torch.rsub: other − α·input."""
    return difference(other, input)


def power(input: Any, exponent: Any) -> Outcome:
    """torch.pow: either operand may be a number; the powers of a number are contiguous."""
    dtype = promoted(input, exponent)
    if not isinstance(input, Tensor):
        return empty(exponent.shape, dtype), ELEMENTWISE
    return combine(input, exponent, dtype)


def reflected_power(input: Any, other: Any) -> Outcome:
    """``other ** input``."""
    return power(other, input)


def float_power(input: Any, exponent: Any) -> Outcome:
    """torch.float_power: always in double precision."""
    dtype = torch.result_type(input, exponent)
    return combine(input, exponent, torch.complex128 if dtype.is_complex else torch.float64)


def division(input: Any, other: Any, *, rounding_mode: str | None = None) -> Outcome:
    """torch.div: integers give a floating result unless it is rounded."""
    dtype = promoted(input, other)
    return combine(input, other, floating(dtype) if rounding_mode is None else dtype)


def floating_binary(input: Any, other: Any) -> Outcome:
    """Functions of two operands whose result is floating: atan2, copysign, xlogy, hypot."""
    return combine(input, other, floating(promoted(input, other)))


def polynomial(x: Any, n: Any) -> Outcome:
    """torch.special.chebyshev_polynomial_t(x, n) and its kin."""
    return floating_binary(x, n)


def heaviside(input: Tensor, values: Tensor) -> Outcome:
    """torch.heaviside: ``values`` where the input is zero."""
    return binary(input, values)


@cache
def _ldexp_dtype(input: torch.dtype, other: torch.dtype) -> torch.dtype:
    """As this PyTorch has it, for versions differ in whether integer exponents widen half precision."""
    return torch.ldexp(torch.empty(0, dtype=input), torch.empty(0, dtype=other)).dtype


def ldexp(input: Tensor, other: Tensor) -> Outcome:
    """torch.ldexp: input·2^other."""
    return combine(input, other, _ldexp_dtype(input.dtype, other.dtype))


def comparison(input: Any, other: Any) -> Outcome:
    """eq, lt, logical_and: a truth value for each pair."""
    return combine(input, other, torch.bool)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Outcome:
    """torch.isclose: a truth value for each pair."""
    return combine(input, other, torch.bool)


def complex_parts(real: Tensor, imag: Tensor) -> Outcome:
    """torch.complex, polar: two real tensors make a complex one."""
    return combine(real, imag, real.dtype.to_complex())


def polar(abs: Tensor, angle: Tensor) -> Outcome:
    """torch.polar: magnitude and angle make a complex number."""
    return complex_parts(abs, angle)


def _several(dtype: torch.dtype, *operands: Any) -> Outcome:
    held = [operand for operand in operands if isinstance(operand, Tensor)]
    output = result(broadcast(*[operand.shape for operand in held]), dtype, *held)
    return output, ELEMENTWISE


def where(condition: Tensor, input: Any = None, other: Any = None) -> Outcome:
    """torch.where(condition, input, other): all three broadcast; the condition alone asks for its non-zero elements."""
    if input is None:
        raise ValuesNeeded
    refuse_mask("where", condition, torch.uint8)
    return _several(
        promoted(input, other) if isinstance(input, Tensor) else torch.result_type(input, other),
        condition,
        input,
        other,
    )


def where_method(self: Any, condition: Tensor, other: Any) -> Outcome:
    """input.where(condition, other)."""
    return where(condition, self, other)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Outcome:
    """torch.clamp: bounds are numbers, or tensors that broadcast."""
    dtype = input.dtype
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        if not dtype.is_floating_point:
            for bound in (min, max):
                if bound is not None:
                    dtype = torch.promote_types(dtype, promoted(input, bound))
        return like(input, dtype), ELEMENTWISE
    bounds = [bound for bound in (min, max) if bound is not None]
    dtype = promoted(input, bounds[0])
    if len(bounds) == 2:
        dtype = torch.promote_types(dtype, promoted(input, bounds[1]))
    return _several(dtype, input, *bounds)


def clamp_one(input: Tensor, bound: Any = None, *, min: Any = None, max: Any = None) -> Outcome:
    """torch.clamp_min, clamp_max."""
    given = [value for value in (bound, min, max) if value is not None]
    return clamp(input, given[0])


def promoted_all(*operands: Tensor) -> torch.dtype:
    """The dtype of a result of several tensors; those without axes widen it only to another kind of number."""
    with_axes: torch.dtype | None = None
    without: torch.dtype | None = None
    for operand in operands:
        if operand.dim():
            with_axes = operand.dtype if with_axes is None else torch.promote_types(with_axes, operand.dtype)
        else:
            without = operand.dtype if without is None else torch.promote_types(without, operand.dtype)
    if with_axes is None or without is None or with_axes is without:
        return with_axes or without or torch.get_default_dtype()
    dtype: torch.dtype = torch.result_type(empty((1,), with_axes), empty((), without))
    return dtype


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Outcome:
    """torch.addcmul, addcdiv: input + value·tensor1·tensor2, all broadcast."""
    return _several(promoted_all(input, tensor1, tensor2), input, tensor1, tensor2)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Outcome:
    """torch.lerp: input + weight·(end − input), all broadcast."""
    return _several(input.dtype, input, end, weight)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Outcome:
    """torch.masked_fill: input and mask broadcast; the result is contiguous."""
    refuse_mask("masked_fill", mask)
    output = empty(broadcast(input.shape, mask.shape), input.dtype)
    return output, ELEMENTWISE


def masked_fill_in_place(input: Tensor, mask: Tensor, value: Any) -> Outcome:
    """Tensor.masked_fill_: the mask broadcasts to the input."""
    refuse_mask("masked_fill", mask)
    if broadcast(input.shape, mask.shape) != tuple(input.shape):
        raise ShapeError(f"the mask {list(mask.shape)} does not broadcast to {list(input.shape)}")
    return input, ELEMENTWISE


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Outcome:
    """torch.addr: input + vec1 ⊗ vec2; (M,) and (P,) give (M, P). PyTorch's counter knows no MACs of it."""
    shape = (vec1.shape[0], vec2.shape[0])
    if broadcast(input.shape, shape) != shape:
        raise ShapeError(f"addr: {list(input.shape)} does not broadcast to {list(shape)}")
    rows, columns = vec1.unsqueeze(1), vec2.unsqueeze(0)
    output = result(
        shape, torch.promote_types(input.dtype, torch.promote_types(vec1.dtype, vec2.dtype)), input, rows, columns
    )
    return output, ELEMENTWISE


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Outcome:
    """torch.cross: products of vectors of three along one axis; both broadcast, the result is contiguous."""
    output = empty(broadcast(input.shape, other.shape), promoted(input, other))
    if 3 not in output.shape or (dim is not None and output.shape[dim] != 3):
        raise ShapeError(f"cross needs an axis of three, got {list(input.shape)} and {list(other.shape)}")
    return output, ELEMENTWISE


_POLYNOMIALS = " ".join(
    [f"chebyshev_polynomial_{kind} shifted_chebyshev_polynomial_{kind}" for kind in "tuvw"]
    + ["hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p"]
)
_COMPARISONS = """
    eq ne lt le gt ge greater greater_equal less less_equal not_equal logical_and logical_or logical_xor
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__
"""
#: Operators with another operand on their left or right; those of ``_IN_PLACE`` write into their first.
_OPERATORS = "__mul__ __rmul__ __mod__ __floordiv__"
_BITWISE = "__and__ __rand__ __or__ __ror__ __xor__ __rxor__ __lshift__ __rshift__"
_IN_PLACE = {
    "__iadd__": addition,
    "__isub__": difference,
    "__imul__ __imod__ __ifloordiv__": binary,
    "__iand__ __ior__ __ixor__ __ilshift__ __irshift__": bitwise,
    "__ipow__": power,
    "__itruediv__ __idiv__": division,
}

RULES: dict[Any, Rule] = {
    **spread("mul multiply maximum minimum fmax fmin fmod remainder floor_divide nextafter", binary),
    **spread("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift gcd lcm", bitwise),
    **spread(_OPERATORS, binary),
    **spread(_BITWISE, bitwise),
    **spread("__rmod__ __rfloordiv__", reflected),
    **spread("__rlshift__ __rrshift__", reflected_bitwise),
    **spread("__rpow__", reflected_power),
    **spread("rsub __rsub__", reflected_difference),
    **{function: rule for names, work in _IN_PLACE.items() for function, rule in spread(names, in_place(work)).items()},
    **spread("add __add__ __radd__", addition),
    **spread("sub subtract __sub__", difference),
    **spread("pow __pow__", power),
    **spread("float_power", float_power),
    **spread("div divide true_divide __div__ __rdiv__ __truediv__ __rtruediv__", division),
    **spread("atan2 arctan2 copysign xlogy xlog1py hypot logaddexp logaddexp2", floating_binary),
    **spread("igamma igammac gammainc gammaincc zeta", floating_binary),
    **spread(_POLYNOMIALS, polynomial),
    **spread("heaviside", heaviside),
    **spread("ldexp", ldexp),
    **spread(_COMPARISONS, comparison),
    **spread("isclose", isclose),
    **spread("complex", complex_parts),
    **spread("polar", polar),
    torch.where: where,
    Tensor.where: where_method,
    **spread("clamp clip", clamp),
    **spread("clamp_min clamp_max", clamp_one),
    **spread("addcmul addcdiv", addcmul),
    **spread("lerp", lerp),
    **spread("masked_fill", masked_fill),
    Tensor.masked_fill_: masked_fill_in_place,
    **spread("addr", addr),
    **spread("cross", cross, (torch, Tensor)),
}
