"""What a model registers: its modules, parameters and buffers, each once, in one quick walk."""

from __future__ import annotations

from functools import cached_property
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from inspector.internals import LAZY
from inspector.structure import memory_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Registered(NamedTuple):
    """One registered tensor, without the tensor: who keeps this keeps no memory of the model."""

    name: str
    shape: tuple[int, ...] | None  # None for a lazy parameter that has no shape yet
    dtype: torch.dtype
    numel: int
    trainable: bool
    buffer: bool


class RegisteredTensors:
    """Every parameter and buffer, each piece of memory once: parameters first, as ``named_parameters`` has them.

    Attributes:
        counts: elements of each piece of memory.
        parameters: how many pieces hold a parameter; they are the first ones.
        numbers: id of a parameter -> number of its piece.
        lazy: some parameter or buffer has no shape yet.
        home: the device of the first one; None where there is none.
    """

    def __init__(self, modules: list[tuple[str, nn.Module]]) -> None:
        # Column by column, for a model has thousands of tensors and one loop over all columns takes twice the time.
        # Nothing kept here holds a tensor: who keeps this keeps no memory of the model.
        found, parameter_names = _registered([(path, m._parameters) for path, m in modules if m._parameters])
        buffers, buffer_names = _registered([(path, m._buffers) for path, m in modules if m._buffers])
        self._kept_names = (parameter_names, buffer_names)
        self.numbers = {key: place for place, key in enumerate(map(id, found))}
        self.parameters = len(found)
        found += buffers
        self.home = found[0].device if found else None
        self.lazy = not {*map(type, found)}.isdisjoint(LAZY)
        self._unsized: set[int] = set()
        if self.lazy:
            self._unsized = {place for place, tensor in enumerate(found) if type(tensor) in LAZY}
            found = [*map(_sized, found)]
        try:
            memories = [tensor.untyped_storage()._cdata for tensor in found]
        except (RuntimeError, NotImplementedError):
            memories = [*map(memory_of, found)]
        #: The piece of memory at each place, and the place where each piece comes first.
        self._pieces: Sequence[int] = range(len(found))
        self._firsts: Sequence[int] = self._pieces
        if len(set(memories)) < len(memories):
            self._pieces, self._firsts = _shared(found, memories)
            self.numbers = {key: self._pieces[place] for key, place in self.numbers.items()}
            self.parameters = sum(place < self.parameters for place in self._firsts)
            found = [found[place] for place in self._firsts]
        self.counts = [*map(Tensor.numel, found)]
        self._shapes = [tensor.shape for tensor in found]
        self._dtypes = [tensor.dtype for tensor in found]
        self._require_grad = [tensor.requires_grad for tensor in found]

    @cached_property
    def entries(self) -> list[Registered]:
        """One for each piece of memory."""
        shapes = [
            None if place in self._unsized else shape for place, shape in zip(self._firsts, self._shapes, strict=True)
        ]
        buffers = [number >= self.parameters for number in range(len(self.counts))]
        trainable = [flag and not buffer for flag, buffer in zip(self._require_grad, buffers, strict=True)]
        names = [self._names[place] for place in self._firsts]
        return [*map(Registered, names, shapes, self._dtypes, self.counts, trainable, buffers)]

    @cached_property
    def aliases(self) -> dict[int, list[str]]:
        """Number of a piece -> the further names it has."""
        found: dict[int, list[str]] = {}
        for place, number in enumerate(self._pieces):
            if place != self._firsts[number]:
                found.setdefault(number, []).append(self._names[place])
        return found

    def names(self, number: int) -> tuple[str, ...]:
        """Every name of one piece."""
        return (self._names[self._firsts[number]], *self.aliases.get(number, ()))

    @cached_property
    def _names(self) -> list[str]:
        """The name at each place."""
        return [*chain.from_iterable(map(_Names.made, self._kept_names))]


class _Names(NamedTuple):
    """What the names of registered tensors are made of, when somebody asks."""

    owners: list[tuple[str, int]]  # path of a module, and how many entries it has
    keys: list[str]
    present: list[bool]  # an entry may be None, such as the bias of a layer without one

    def made(self) -> list[str]:
        paths = chain.from_iterable([repeat(path, length) for path, length in self.owners])
        named = [f"{path}.{key}" if path else key for path, key in zip(paths, self.keys, strict=True)]
        return [*compress(named, self.present)]


def _registered(tables: Sequence[tuple[str, Mapping[str, Tensor | None]]]) -> tuple[list[Tensor], _Names]:
    """The tensors in these tables, as often as they are registered, and what their names are made of."""
    found: list[Any] = [*chain.from_iterable([table.values() for _, table in tables])]
    keys = [*chain.from_iterable([table.keys() for _, table in tables])]
    present = [tensor is not None for tensor in found]
    names = _Names([(path, len(table)) for path, table in tables], keys, present)
    return (found if all(present) else [*compress(found, present)]), names


def _shared(found: list[Tensor], memories: list[int]) -> tuple[list[int], list[int]]:
    """(the number of the piece at each place, the places where a piece comes first)."""
    pieces: dict[tuple[int, Any, int], int] = {}
    firsts: list[int] = []
    numbers: list[int] = []
    for place, (tensor, memory) in enumerate(zip(found, memories, strict=True)):
        offset = tensor.storage_offset() if tensor.layout is torch.strided else 0
        number = pieces.setdefault((memory, offset, tensor.numel()), len(firsts))
        if number == len(firsts):
            firsts.append(place)
        numbers.append(number)
    return numbers, firsts


def _sized(tensor: Tensor) -> Tensor:
    """In place of a lazy tensor one without elements."""
    if type(tensor) not in LAZY:
        return tensor
    return torch.empty(0, dtype=tensor.dtype, device="meta").requires_grad_(tensor.requires_grad)


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(path, module) of each module once, in the order of ``named_modules``."""
    found: list[tuple[str, nn.Module]] = [("", model)]
    seen = {id(model)}
    entered = [("", iter(model._modules.items()))]
    while entered:
        prefix, children = entered[-1]
        for name, child in children:
            if child is None or id(child) in seen:
                continue
            seen.add(id(child))
            path = prefix + name
            found.append((path, child))
            if child._modules:
                entered.append((path + ".", iter(child._modules.items())))
                break
        else:
            entered.pop()
    return found


def lazy_on_meta(model: nn.Module) -> None:
    """Let lazy parameters and buffers get their sizes on the meta device, where they take no memory."""
    for module in model.modules():
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in table.items():
                if type(tensor) in LAZY:
                    flag = {"requires_grad": tensor.requires_grad} if type(tensor) is UninitializedParameter else {}
                    table[name] = type(tensor)(device="meta", dtype=tensor.dtype, **flag)
