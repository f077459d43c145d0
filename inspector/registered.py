"""What a model registers: its modules, parameters and buffers, each once, in one quick walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from collections.abc import Iterator

UNINITIALIZED = (UninitializedParameter, UninitializedBuffer)
_new = tuple.__new__


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
        lazy: some parameter or buffer has no shape yet.
    """

    def __init__(self, modules: list[tuple[str, nn.Module]]) -> None:
        self.entries: list[Registered] = []
        self.aliases: dict[int, list[str]] = {}
        self.numbers: dict[int, int] = {}
        self.lazy = False
        entries, numbers = self.entries, self.numbers
        places: dict[tuple[int, Any, int], int] = {}
        for path, module in modules:
            tables: tuple[tuple[dict[str, Any], bool], ...] = ((module._parameters, False), (module._buffers, True))
            for table, buffer in tables:
                if not table:
                    continue
                prefix = path + "." if path else ""
                for name, tensor in table.items():
                    if tensor is None:
                        continue
                    number = len(entries)
                    if type(tensor) in UNINITIALIZED:
                        self.lazy = True
                        entries.append(Registered(prefix + name, None, tensor.dtype, 0, not buffer, buffer))
                        continue
                    count = tensor.numel()
                    try:
                        memory = tensor.untyped_storage()._cdata
                    except (RuntimeError, NotImplementedError):  # sparse and opaque layouts have no single storage
                        memory = id(tensor)
                    first = places.setdefault((memory, tensor.storage_offset(), count), number)
                    if first == number:
                        trainable = not buffer and tensor.requires_grad
                        # A NamedTuple without its Python-level constructor, which takes as long as all the rest.
                        entries.append(
                            _new(Registered, (prefix + name, tensor.shape, tensor.dtype, count, trainable, buffer))
                        )
                    else:
                        self.aliases.setdefault(first, []).append(prefix + name)
                    if not buffer:
                        numbers[id(tensor)] = first

    def names(self, number: int) -> tuple[str, ...]:
        """Every name of one entry."""
        return (self.entries[number].name, *self.aliases.get(number, ()))


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(path, module) of each module once, in the order of ``named_modules``."""
    found: list[tuple[str, nn.Module]] = []
    seen: set[int] = set()
    pending: list[tuple[str, nn.Module]] = [("", model)]
    while pending:
        entry = pending.pop()
        path, module = entry
        if id(module) in seen:
            continue
        seen.add(id(module))
        found.append(entry)
        children = module._modules
        if children:
            prefix = path + "." if path else ""
            pending += [(prefix + name, child) for name, child in reversed(children.items()) if child is not None]
    return found


def tensors_of(modules: list[tuple[str, nn.Module]]) -> Iterator[Tensor]:
    """The registered tensors of these modules, shared ones as often as they are registered."""
    for _, module in modules:
        for table in (module._parameters, module._buffers):
            for tensor in table.values():
                if tensor is not None:
                    yield tensor


def lazy_on_meta(model: nn.Module) -> None:
    """Let lazy parameters and buffers get their sizes on the meta device, where they take no memory."""
    for module in model.modules():
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in table.items():
                if type(tensor) in UNINITIALIZED:
                    flag = {"requires_grad": tensor.requires_grad} if type(tensor) is UninitializedParameter else {}
                    table[name] = type(tensor)(device="meta", dtype=tensor.dtype, **flag)
