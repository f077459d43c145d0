"""Tensors inside nested values: found in a stable order, or mapped with everything around them kept.

A forward may take and return tensors, tuples, named tuples, lists, mappings, dataclasses, packed sequences and objects
that hold tensors as attributes, such as distributions and key-value caches, nested in any way.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, is_lazy
from torch.nn.utils.rnn import PackedSequence

#: Values that hold no tensors and are not looked into.
_OPAQUE = (
    *(str, bytes, int, float, complex, type, torch.dtype, torch.device, torch.Size),
    *(nn.Module, FunctionType, BuiltinFunctionType, MethodType, ModuleType, torch.Generator),
)
#: The same by exact class, which is told in a tenth of the time; most of what a call is given beside its tensors.
PLAIN: frozenset[type] = frozenset(
    [
        *(str, bytes, int, float, complex, bool, type(None)),
        *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, torch.Generator),
    ]
)
#: Those and the parts of an index, which a search passes by.
_PASSED = PLAIN | {slice, type(Ellipsis)}
#: Plain sequences by exact class, which tensors and parameters are passed in.
SEQUENCES: frozenset[type] = frozenset((tuple, list))
#: How many containers deep a search goes.
_DEPTH = 12


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in ``value``, in the order of its structure; a tensor held twice by a sequence counts twice.

    Attributes of other objects, such as a distribution's, are followed where there is no tensor beside them: a
    key-value
    cache beside logits is the model's own affair. Modules, functions and generators are not entered.

    >>> [tuple(t.shape) for t in tensors({"a": torch.zeros(1), "b": [torch.zeros(2), None, 3]})]
    [(1,), (2,)]
    """
    if isinstance(value, Tensor):
        return [value]
    found: list[Tensor] = []
    if value is not None:
        _collect(value, found, (), False)
        if not found:
            _collect(value, found, (), True)
    return found


def _collect(value: Any, found: list[Tensor], above: tuple[int, ...], objects: bool) -> None:
    if type(value) in _PASSED:
        return
    if isinstance(value, Tensor):
        found.append(value)
        return
    if id(value) in above or len(above) >= _DEPTH:
        return
    above = (*above, id(value))
    if isinstance(value, (tuple, list)):
        if _PASSED.issuperset(map(type, value)):
            return
        for item in value:
            _collect(item, found, above, objects)
    elif isinstance(value, _OPAQUE):
        return
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found, above, objects)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _collect(getattr(value, field.name, None), found, above, objects)
    elif objects:
        start = len(found)
        for item in list(getattr(value, "__dict__", {}).values()):
            _collect(item, found, above, objects)
        # A property's cache beside its source is one tensor, not two.
        found[start:] = {id(tensor): tensor for tensor in found[start:]}.values()


def map_tensors(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """``value`` with ``function`` applied to each tensor; containers are copied, never changed.

    The step sizes of a packed sequence stay as they are: they are numbers that live on the CPU by definition.

    >>> map_tensors((torch.zeros(2), {"n": 1}), lambda tensor: tuple(tensor.shape))
    ((2,), {'n': 1})
    """
    return _map(value, function, {}, 0)


def _map(value: Any, function: Callable[[Tensor], Any], done: dict[int, Any], depth: int) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, _OPAQUE) or depth >= _DEPTH:
        return value
    if id(value) in done:
        return done[id(value)]

    def inner(item: Any) -> Any:
        return _map(item, function, done, depth + 1)

    if isinstance(value, PackedSequence):
        return PackedSequence(
            inner(value.data), value.batch_sizes, inner(value.sorted_indices), inner(value.unsorted_indices)
        )
    if isinstance(value, tuple):
        items = [inner(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        if hasattr(value, "_make"):
            return value._make(items)
        return type(value)(items)
    if isinstance(value, list):
        done[id(value)] = twin = copy.copy(value)
        twin[:] = [inner(item) for item in value]
        return twin
    if isinstance(value, Mapping):
        if not tensors(value):
            return value
        done[id(value)] = twins = copy.copy(value)
        for key, item in value.items():
            twins[key] = inner(item)  # type: ignore[index]  # a mapping that holds tensors can be written to
        return twins
    if not tensors(value):
        return value
    done[id(value)] = twin = copy.copy(value)
    names = (
        [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else list(vars(value))
    )
    for name in names:
        # object.__setattr__ because a frozen dataclass refuses the ordinary one.
        object.__setattr__(twin, name, inner(getattr(value, name)))
    return twin


def memory_of(tensor: Tensor) -> int:
    """What identifies a tensor's memory: its storage; itself where it has none to name.

    Sparse and opaque layouts have none, nor tensors inside a derivative.

    >>> x = torch.zeros(2, 3)
    >>> memory_of(x.T) == memory_of(x), memory_of(x.clone()) == memory_of(x)
    (True, False)
    """
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return id(tensor)


def deep_copy(model: nn.Module) -> nn.Module:
    """A deep copy, also of lazy buffers, which PyTorch cannot copy."""
    lazy = [buffer for buffer in model.buffers() if is_lazy(buffer)]
    options: list[dict[str, Any]] = [{"device": buffer.device, "dtype": buffer.dtype} for buffer in lazy]
    memo = {id(buffer): UninitializedBuffer(**option) for buffer, option in zip(lazy, options, strict=True)}
    return copy.deepcopy(model, memo)


def unwrap(model: nn.Module) -> nn.Module:
    """The user's own module under ``torch.compile`` and the data-parallel wrappers, which run it elsewhere."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        # What torch.compile wraps is registered under this name; asking for an attribute that is absent takes long.
        inner = model._modules["_orig_mod"] if "_orig_mod" in model._modules else None  # noqa: SIM401  a scripted table has no get
        if inner is None and isinstance(model, wrappers):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner
