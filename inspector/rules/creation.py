"""Tensors made from sizes, numbers and data of Python. Making one counts as no work.

Source: PyTorch documentation, "Creation Ops".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import META, Rule, ValuesNeeded, empty, shape_argument, spread
from inspector.rules.conversion import copied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.rules.common import Outcome


def scalar_dtype(value: Any) -> torch.dtype:
    """The dtype that PyTorch gives a number of Python."""
    if isinstance(value, (bool, torch.SymBool)):
        return torch.bool
    if isinstance(value, (int, torch.SymInt)):
        return torch.int64
    if isinstance(value, Tensor):
        return value.dtype
    if isinstance(value, complex):
        return torch.get_default_dtype().to_complex()
    return torch.get_default_dtype()


def _made(shape: Sequence[Any], dtype: torch.dtype | None, memory_format: Any = None) -> Outcome:
    for size in shape:
        if isinstance(size, Tensor):
            raise ValuesNeeded
        if isinstance(size, int) and size < 0:
            raise ShapeError(f"sizes {list(shape)}: a size is not negative")
    dtype = dtype or torch.get_default_dtype()
    if memory_format is None:
        return empty(shape, dtype), None
    return torch.empty(shape, dtype=dtype, device=META, memory_format=memory_format), None


def made(
    *size: Any,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    generator: Any = None,
    names: Any = None,
    memory_format: Any = None,
    **named: Any,
) -> Outcome:
    """torch.zeros, ones, empty, rand, randn: sizes one by one or as one sequence."""
    if named:
        size = (named.pop("size"),)
        if named:
            raise TypeError(f"unknown arguments {sorted(named)}")
    return _made(shape_argument(size), dtype, memory_format)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    names: Any = None,
) -> Outcome:
    """torch.full: the dtype of the value where none is given."""
    return _made(size, dtype or scalar_dtype(fill_value))


def made_like(
    input: Tensor,
    *,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = torch.preserve_format,
    generator: Any = None,
) -> Outcome:
    """torch.zeros_like, ones_like, empty_like, rand_like, randn_like: strides too, where dense."""
    return copied(input, dtype or input.dtype, memory_format), None


def full_like(input: Tensor, fill_value: Any, **named: Any) -> Outcome:
    """torch.full_like: the dtype of the input whatever the value."""
    return made_like(input, **named)


def made_new(
    input: Tensor,
    *size: Any,
    dtype: torch.dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    **named: Any,
) -> Outcome:
    """Tensor.new_zeros, new_ones, new_empty: another size, the same dtype."""
    return _made(named["size"] if named else shape_argument(size), dtype or input.dtype)


def new(input: Tensor, *data: Any, **named: Any) -> Outcome:
    """Tensor.new: the old constructor; sizes, or a tensor or nested lists to copy, and nothing gives an empty one."""
    if len(data) != 1 or isinstance(data[0], (int, torch.SymInt)):
        return _made(data or (0,), input.dtype)
    size, level = [], data[0]
    if isinstance(level, (torch.Size, Tensor)):
        return _made(level if isinstance(level, torch.Size) else level.shape, input.dtype)
    while isinstance(level, (list, tuple)):
        size.append(len(level))
        level = level[0] if level else None
    return _made(size, input.dtype)


def new_full(input: Tensor, size: Any, fill_value: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """Tensor.new_full: another size, the same dtype whatever the value."""
    return _made(size, dtype or input.dtype)


def strided(size: Any, stride: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.empty_strided: sizes and strides as given."""
    return torch.empty_strided(size, stride, dtype=dtype or torch.get_default_dtype(), device=META), None


def new_strided(input: Tensor, size: Any, stride: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """Tensor.new_empty_strided: sizes and strides as given, the same dtype."""
    return strided(size, stride, dtype=dtype or input.dtype)


def permuted(size: Any, physical_layout: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.empty_permuted: dense, the axes in memory in the given order."""
    return torch.empty_permuted(size, physical_layout, dtype=dtype or torch.get_default_dtype(), device=META), None


#: Whether this PyTorch cuts bounds down to integers before it counts what lies between them; newer versions do not.
_CUT = torch.arange(2.5, dtype=torch.int64, device="cpu").numel() == 2


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Outcome:
    """torch.arange: ⌈(end − start)/step⌉ numbers, integers where all three are."""
    if end is None:
        start, end = 0, start
    bounds = (start, end, step)
    whole = True
    for bound in bounds:
        if isinstance(bound, Tensor):
            raise ValuesNeeded
        whole = whole and isinstance(bound, (int, torch.SymInt))
    if dtype is None:
        dtype = torch.int64 if whole else torch.get_default_dtype()
    if not whole and _CUT and dtype is torch.int64:
        start, end, step, whole = int(start), int(end), int(step), True
    if isinstance(step, (int, float)) and step == 0:
        raise ShapeError(f"arange from {start} to {end} by nothing has no end")
    size = -((start - end) // step) if whole else math.ceil((end - start) / step)
    if isinstance(size, int) and size < 0:
        raise ShapeError(f"arange from {start} to {end} by {step} goes the wrong way")
    return empty((size,), dtype), None


def range_(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: torch.dtype | None = None, **named: Any
) -> Outcome:
    """torch.range: as arange with its end included."""
    if end is None:
        start, end = 0, start
    return empty((int((end - start) / step) + 1,), dtype or torch.get_default_dtype()), None


def linspace(start: Any, end: Any, steps: Any, *args: Any, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.linspace, logspace: ``steps`` numbers."""
    if dtype is None:
        dtype = torch.get_default_dtype()
        if any(
            isinstance(bound, complex) or (isinstance(bound, Tensor) and bound.is_complex()) for bound in (start, end)
        ):
            dtype = dtype.to_complex()
    return empty((steps,), dtype), None


def eye(n: Any, m: Any = None, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.eye: (n, m), square where m is not given."""
    return _made((n, n if m is None else m), dtype)


def triangle(row: int, col: int, offset: int = 0, *, dtype: torch.dtype = torch.int64, **named: Any) -> Outcome:
    """torch.tril_indices: row and column of each element on and below a diagonal."""
    size = sum(min(max(r + offset + 1, 0), col) for r in range(row))
    return empty((2, size), dtype or torch.int64), None


def upper_triangle(row: int, col: int, offset: int = 0, *, dtype: torch.dtype = torch.int64, **named: Any) -> Outcome:
    """torch.triu_indices: row and column of each element on and above a diagonal."""
    size = sum(min(max(col - r - offset, 0), col) for r in range(row))
    return empty((2, size), dtype or torch.int64), None


def window(window_length: Any, *options: Any, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.hann_window, hamming_window, kaiser_window, ...: one number for each sample."""
    return _made((window_length,), dtype)


def scalar_tensor(s: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.scalar_tensor: no axes, the default dtype."""
    return _made((), dtype)


def described(data: Any) -> tuple[tuple[Any, ...], torch.dtype]:
    """Shape and dtype that torch.tensor gives Python's own data: numbers, nested sequences, arrays, tensors."""
    if isinstance(data, Tensor):
        return tuple(data.shape), data.dtype
    if isinstance(data, (list, tuple, range)):
        if not data:
            return (0,), torch.get_default_dtype()
        if type(data[0]) in (int, float, bool) and len({type(item) for item in data}) == 1:
            return (len(data),), scalar_dtype(data[0])
        shape, dtype = _item(data[0])
        for item in data[1:]:
            other, its_dtype = _item(item)
            if other != shape:
                raise ShapeError(f"rows of different sizes, {list(shape)} and {list(other)}, make no tensor")
            dtype = torch.promote_types(dtype, its_dtype)
        return (len(data), *shape), dtype
    numbers = (bool, int, float, complex, torch.SymInt, torch.SymFloat, torch.SymBool)
    if isinstance(data, numbers) and type(data).__module__ != "numpy":  # some numbers of NumPy's are Python's too
        return (), scalar_dtype(data)
    array = torch.as_tensor(data, device="cpu")  # a NumPy array or another that PyTorch reads
    return tuple(array.shape), array.dtype


def _item(item: Any) -> tuple[tuple[Any, ...], torch.dtype]:
    """The same of an item of a list, where a tensor of one element counts as a number."""
    shape, dtype = described(item)
    return (() if isinstance(item, Tensor) and all(size == 1 for size in shape) else shape), dtype


def tensor(
    data: Any,
    *,
    dtype: torch.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Outcome:
    """torch.tensor: a copy of data of Python."""
    shape, found = described(data)
    return empty(shape, dtype or found), None


def as_tensor(data: Any, dtype: torch.dtype | None = None, device: Any = None) -> Outcome:
    """torch.as_tensor: a tensor of that dtype is itself."""
    if isinstance(data, Tensor) and (dtype is None or dtype is data.dtype):
        return data, None
    return tensor(data, dtype=dtype)


def asarray(
    obj: Any,
    *,
    dtype: torch.dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Outcome:
    """torch.asarray: a tensor of that dtype is itself unless a copy is asked for."""
    return tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype)


def new_tensor(input: Tensor, data: Any, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """Tensor.new_tensor: data of Python in the tensor's dtype, or, of other kinds, in that of the data."""
    return tensor(data, dtype=dtype or input.dtype)


def vander(x: Tensor, N: Any = None, increasing: bool = False) -> Outcome:
    """torch.vander: (n,) gives (n, N), the powers of each element."""
    if x.dim() != 1:
        raise ShapeError(f"vander takes a vector, got {list(x.shape)}")
    dtype = x.dtype if x.dtype.is_floating_point or x.dtype.is_complex else torch.int64
    return empty((x.shape[0], x.shape[0] if N is None else N), dtype), None


_WINDOWS = "hann_window hamming_window blackman_window bartlett_window kaiser_window"
_HERE = (torch,)

RULES: dict[Any, Rule] = {
    **spread("zeros ones empty", made, _HERE),
    torch.full: full,
    **spread("zeros_like ones_like empty_like", made_like, _HERE),
    torch.full_like: full_like,
    **spread("new_zeros new_ones new_empty", made_new, (Tensor,)),
    Tensor.new_full: new_full,
    torch.empty_strided: strided,
    Tensor.new_empty_strided: new_strided,
    Tensor.new: new,
    torch.empty_permuted: permuted,
    torch.arange: arange,
    torch.range: range_,
    **spread("linspace logspace", linspace, _HERE),
    torch.eye: eye,
    torch.tril_indices: triangle,
    torch.triu_indices: upper_triangle,
    **spread(_WINDOWS, window, _HERE),
    torch.scalar_tensor: scalar_tensor,
    torch.tensor: tensor,
    torch.as_tensor: as_tensor,
    torch.asarray: asarray,
    Tensor.new_tensor: new_tensor,
    torch.vander: vander,
}
