"""What a model registers: its modules, parameters and buffers, each once, in one quick walk."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from inspector.structure import memory_of

if TYPE_CHECKING:
    from collections.abc import Iterator

UNINITIALIZED = frozenset((UninitializedParameter, UninitializedBuffer))


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
        counts: elements of each piece of memory, in the order of ``named_parameters`` with buffers among them.
        buffers: whether it holds a buffer.
        aliases: number of a piece -> the further names it has.
        numbers: id of a parameter -> number of its piece.
        lazy: some parameter or buffer has no shape yet.
    """

    def __init__(self, modules: list[tuple[str, nn.Module]]) -> None:
        # Column by column, for a model has thousands of tensors and one loop over all columns takes twice the time.
        names, found, buffers = _registrations(modules)
        self.aliases: dict[int, list[str]] = {}
        lazy = {name for name, tensor in zip(names, found, strict=True) if type(tensor) in UNINITIALIZED}
        self.lazy = bool(lazy)
        parameters = [(id(tensor), place) for place, tensor in enumerate(found) if not buffers[place]]
        if self.lazy:
            found = [*map(_sized, found)]
        try:
            memories = [tensor.untyped_storage()._cdata for tensor in found]
        except (RuntimeError, NotImplementedError):
            memories = [*map(memory_of, found)]
        if len(set(memories)) < len(memories):
            firsts, numbers = self._shared(names, found, memories)
            self.numbers = {key: numbers[place] for key, place in parameters}
            names = [names[place] for place in firsts]
            found = [found[place] for place in firsts]
            buffers = [buffers[place] for place in firsts]
        else:
            self.numbers = dict(parameters)
        self.counts = [*map(Tensor.numel, found)]
        self.buffers = buffers
        self._names = names
        self._shapes = [None if name in lazy else tensor.shape for name, tensor in zip(names, found, strict=True)]
        self._dtypes = [tensor.dtype for tensor in found]
        self._trainable = [t.requires_grad and not buffer for t, buffer in zip(found, buffers, strict=True)]

    @cached_property
    def entries(self) -> list[Registered]:
        """One for each piece of memory."""
        return [*map(Registered, self._names, self._shapes, self._dtypes, self.counts, self._trainable, self.buffers)]

    def names(self, number: int) -> tuple[str, ...]:
        """Every name of one piece."""
        return (self._names[number], *self.aliases.get(number, ()))

    def _shared(self, names: list[str], found: list[Tensor], memories: list[int]) -> tuple[list[int], list[int]]:
        """(the places where a piece comes first, the number of the piece at each place); notes the further names."""
        pieces: dict[tuple[int, Any, int], int] = {}
        firsts: list[int] = []
        numbers: list[int] = []
        for place, (tensor, memory) in enumerate(zip(found, memories, strict=True)):
            offset = tensor.storage_offset() if tensor.layout is torch.strided else 0
            number = pieces.setdefault((memory, offset, tensor.numel()), len(firsts))
            if number == len(firsts):
                firsts.append(place)
            else:
                self.aliases.setdefault(number, []).append(names[place])
            numbers.append(number)
        return firsts, numbers


def _registrations(modules: list[tuple[str, nn.Module]]) -> tuple[list[str], list[Tensor], list[bool]]:
    """Name, tensor and whether it is a buffer, of all that is registered, as often as it is registered."""
    names: list[str] = []
    found: list[Tensor] = []
    buffers: list[bool] = []
    for path, module in modules:
        for table, buffer in ((module._parameters, False), (module._buffers, True)):
            if table:
                prefix = path + "." if path else ""
                for name, tensor in table.items():
                    if tensor is not None:
                        names.append(prefix + name)
                        found.append(tensor)
                        buffers.append(buffer)
    return names, found, buffers


def _sized(tensor: Tensor) -> Tensor:
    """In place of a lazy tensor one without elements."""
    if type(tensor) not in UNINITIALIZED:
        return tensor
    return torch.empty(0, dtype=tensor.dtype, device="meta").requires_grad_(tensor.requires_grad)


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
