"""Other dtypes, devices and memory layouts; copies and fills. None of it counts as work.

A device is ignored: every result is a shape and a dtype. A tensor that would not change comes back itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import META, Rule, broadcast, like, spread
from inspector.rules.layout import memory_format as suggested

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

_PRESERVE = torch.preserve_format


def copied(input: Tensor, dtype: torch.dtype, memory_format: torch.memory_format | None = _PRESERVE) -> Tensor:
    """A copy in another dtype or memory format."""
    if memory_format is _PRESERVE or memory_format is None:
        return like(input, dtype)
    return torch.empty(input.shape, dtype=dtype, device=META, memory_format=memory_format)


def converted(input: Tensor, dtype: torch.dtype, copy: bool, memory_format: torch.memory_format | None) -> Tensor:
    """``input`` itself where nothing changes, else a copy."""
    same = dtype is input.dtype and not copy
    if same and (memory_format in (None, _PRESERVE) or memory_format is suggested(input)):
        return input
    return copied(input, dtype, memory_format)


def to(
    input: Tensor,
    *args: Any,
    dtype: torch.dtype | None = None,
    device: Any = None,
    other: Tensor | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: torch.memory_format | None = _PRESERVE,
) -> Outcome:
    """Tensor.to: a dtype, a device and a dtype, or another tensor; then the flags non_blocking and copy."""
    flags = 0
    for argument in args:
        if isinstance(argument, torch.dtype):
            dtype = argument
        elif isinstance(argument, Tensor):
            dtype = argument.dtype
        elif isinstance(argument, bool):
            flags += 1
            copy = argument if flags == 2 else copy
        elif isinstance(argument, torch.memory_format):
            memory_format = argument
    if other is not None:
        dtype = other.dtype
    return converted(input, dtype or input.dtype, copy, memory_format), None


def caster(dtype: torch.dtype) -> Rule:
    """The rule of Tensor.float, half, int and their like."""

    def cast(input: Tensor, memory_format: torch.memory_format = _PRESERVE) -> Outcome:
        return converted(input, dtype, False, memory_format), None

    cast.__doc__ = f"To {dtype}; the tensor itself where it is so already."
    return cast


def moved(input: Tensor, *args: Any, **named: Any) -> Outcome:
    """The tensor itself: on another device, which a prediction ignores, or changed by a Python function."""
    return input, None


#: The tensor types of old: "torch.FloatTensor" and, for another device, "torch.cuda.FloatTensor".
_TYPES = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}


def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Outcome:
    """Tensor.type: a conversion, or without argument the type's name."""
    if dtype is None:
        return torch.empty(0, dtype=input.dtype).type(), None
    if not isinstance(dtype, torch.dtype):
        name = dtype if isinstance(dtype, str) else f"torch.{dtype.__name__}"
        dtype = _TYPES[name.rpartition(".")[2].removesuffix("Tensor")]
    return converted(input, dtype, False, _PRESERVE), None


def type_as(input: Tensor, other: Tensor) -> Outcome:
    """Tensor.type_as: the dtype of another tensor."""
    return converted(input, other.dtype, False, _PRESERVE), None


def clone(input: Tensor, *, memory_format: torch.memory_format | None = _PRESERVE) -> Outcome:
    """torch.clone: a copy."""
    return copied(input, input.dtype, memory_format), None


def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Outcome:
    """Tensor.contiguous: the tensor itself where it is so already, else a copy that is."""
    if input.is_contiguous(memory_format=memory_format):
        return input, None
    return copied(input, input.dtype, memory_format), None


def copy_(input: Tensor, src: Tensor | None = None, non_blocking: bool = False, *, other: Any = None) -> Outcome:
    """Tensor.copy_: another tensor, broadcast into this one."""
    source = other if src is None else src
    if isinstance(source, Tensor) and broadcast(input.shape, source.shape) != tuple(input.shape):
        raise ShapeError(f"{list(source.shape)} does not broadcast into {list(input.shape)}, which it is copied to")
    return input, None


def filled(input: Tensor, value: Any) -> Outcome:
    """torch.fill: one value everywhere."""
    return like(input), None


def fill_(input: Tensor, value: Any = None) -> Outcome:
    """Tensor.fill_: one value everywhere, a number or a tensor without axes."""
    if isinstance(value, Tensor) and value.dim():
        raise ShapeError(f"fill_ takes a number or a tensor without axes, got {list(value.shape)}")
    return input, None


def zero_(input: Tensor) -> Outcome:
    """Tensor.zero_: zeros in place."""
    return input, None


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Outcome:
    """Tensor.fill_diagonal_: one value on the diagonal."""
    if input.dim() < 2:
        raise ShapeError(f"fill_diagonal_ takes at least two axes, got {list(input.shape)}")
    return input, None


_CASTS = {
    "float": torch.float32,
    "double": torch.float64,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "byte": torch.uint8,
    "char": torch.int8,
    "short": torch.int16,
    "int": torch.int32,
    "long": torch.int64,
    "bool": torch.bool,
    "cfloat": torch.complex64,
    "cdouble": torch.complex128,
    "chalf": torch.complex32,
}

RULES: dict[Any, Rule] = {
    Tensor.to: to,
    **{getattr(Tensor, name): caster(dtype) for name, dtype in _CASTS.items()},
    **spread("cpu cuda xpu ipu mtia pin_memory share_memory_", moved, (Tensor,)),
    Tensor.type: type_,
    Tensor.type_as: type_as,
    **spread("clone", clone),
    Tensor.contiguous: contiguous,
    Tensor.copy_: copy_,
    torch.fill: filled,
    **spread("fill_", fill_, (torch, Tensor)),
    **spread("zero_", zero_, (torch, Tensor)),
    Tensor.fill_diagonal_: fill_diagonal_,
    **spread("apply_ map_ map2_", moved, (Tensor,)),
}
