"""What a model registers: its modules, parameters and buffers, each once, in one quick walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from collections.abc import Iterator

UNINITIALIZED = (UninitializedParameter, UninitializedBuffer)


class Registered(NamedTuple):
    """One registered tensor, without the tensor: who keeps this keeps no memory of the model."""

    name: str
    shape: tuple[int, ...] | None  # None for a lazy parameter that has no shape yet
    dtype: torch.dtype
    numel: int
    trainable: bool
    buffer: bool


class RegisteredTensors:
    """Every parameter and buffer, each piece of memory once.

    Attributes:
        entries: one for each piece of memory, in the order of ``named_parameters`` with buffers among them.
        aliases: number of an entry -> the further names it has.
        numbers: id of a parameter -> number of its entry.
    """

    def __init__(self, modules: list[tuple[str, nn.Module]]) -> None:
        self.entries: list[Registered] = []
        self.aliases: dict[int, list[str]] = {}
        self.numbers: dict[int, int] = {}
        entries, numbers = self.entries, self.numbers
        places: dict[tuple[int, Any, int], int] = {}
        for path, module in modules:
            prefix = path + "." if path else ""
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    numbers[id(parameter)] = len(entries)
                    self._add(prefix + name, parameter, False, places)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    self._add(prefix + name, buffer, True, places)

    def _add(self, name: str, tensor: Tensor, buffer: bool, places: dict[tuple[int, Any, int], int]) -> None:
        entries = self.entries
        if type(tensor) in UNINITIALIZED:
            entries.append(Registered(name, None, tensor.dtype, 0, not buffer, buffer))
            return
        count = tensor.numel()
        number = places.setdefault((_memory(tensor), tensor.storage_offset(), count), len(entries))
        if number == len(entries):
            trainable = not buffer and tensor.requires_grad
            entries.append(Registered(name, tensor.shape, tensor.dtype, count, trainable, buffer))
        else:
            self.aliases.setdefault(number, []).append(name)
            if not buffer:
                self.numbers[id(tensor)] = number

    def names(self, number: int) -> tuple[str, ...]:
        """Every name of one entry."""
        return (self.entries[number].name, *self.aliases.get(number, ()))


def _memory(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # sparse and opaque layouts have no single storage
        return id(tensor)


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(path, module) of each module once, in the order of ``named_modules``."""
    found: list[tuple[str, nn.Module]] = []
    seen: set[int] = set()
    pending: list[tuple[str, nn.Module]] = [("", model)]
    while pending:
        path, module = pending.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        found.append((path, module))
        children = module._modules
        if children:
            prefix = path + "." if path else ""
            pending.extend((prefix + name, child) for name, child in reversed(children.items()) if child is not None)
    return found


def tensors_of(modules: list[tuple[str, nn.Module]]) -> Iterator[Tensor]:
    """The registered tensors of these modules, shared ones as often as they are registered."""
    for _, module in modules:
        for table in (module._parameters, module._buffers):
            for tensor in table.values():
                if tensor is not None:
                    yield tensor
