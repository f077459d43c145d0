"""Values that follow from constants alone, computed only when somebody asks for them.

A forward may ask for the value of a tensor that no input reaches: a mask it built itself, a count in a buffer. Each
call
whose tensors are all known is remembered, not run; ``item()`` and the like then run just the chain they need, on the
CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inspector.structure import map_tensors, tensors


class Unknown(Exception):
    """The tensor's value depends on input that holds no data."""


class _Step:
    """One remembered call: its function, its arguments with steps in place of known tensors, and which output is
    meant.
    """

    __slots__ = ("args", "function", "index", "kwargs", "replaces", "result")

    def __init__(self, function: Any, args: Any, kwargs: Any, index: int, replaces: bool) -> None:
        self.function, self.args, self.kwargs, self.index, self.replaces = function, args, kwargs, index, replaces
        self.result: Tensor | None = None

    def compute(self) -> Tensor:
        if self.result is None:
            args, kwargs = _resolved(self.args, self.replaces), _resolved(self.kwargs, False)
            output = self.function(*args, **kwargs)
            self.result = args[0] if self.replaces else tensors(output)[self.index]
            self.args = self.kwargs = ()
        return self.result


def _resolved(value: Any, copy_first: bool) -> Any:
    """Arguments with values; where the call works in place its target is a copy, so that older readers keep theirs."""
    if isinstance(value, _Step):
        return value.compute()
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, torch.device):
        return torch.device("cpu")
    if isinstance(value, dict):
        return {key: _resolved(item, False) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_resolved(item, False) for item in value]
        if copy_first:
            items[0] = items[0].clone()
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, slice):
        return slice(*(_resolved(part, False) for part in (value.start, value.stop, value.step)))
    return value


class KnownValues:
    """Which tensors of one trace are known, and how."""

    def __init__(self) -> None:
        # The tensor is held beside its step, so that its id stays its own.
        self.steps: dict[int, tuple[Tensor, _Step]] = {}
        self._storages: dict[int, list[int]] = {}
        self._lost: set[int] = set()

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self.steps or not (tensor.is_meta or self._is_lost(tensor))

    def _is_lost(self, tensor: Tensor) -> bool:
        return bool(self._lost) and _storage(tensor) in self._lost

    def covers(self, args: Any, kwargs: Any) -> bool:
        """Every tensor among the arguments is known; true where there is none."""
        return all(tensor in self for tensor in tensors((args, kwargs)))

    def remember(self, function: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Note that ``output`` is what ``function`` gives for known arguments; for one that works in place, on its
        target.
        """
        target = args[0] if args and isinstance(args[0], Tensor) else None
        results = tensors(output)
        replaces = target is not None and (output is None or any(result is target for result in results))
        stored = (self._stored(args), self._stored(kwargs))
        if replaces:
            assert target is not None
            self._forget_aliases(target)
            self._add(target, _Step(function, *stored, 0, replaces=True))
        else:
            for index, result in enumerate(results):
                self._add(result, _Step(function, *stored, index, replaces=False))

    def forget(self, target: Tensor) -> None:
        """Something unknown was written into this tensor."""
        if id(target) in self.steps or not target.is_meta:
            self._forget_aliases(target)
            self.steps.pop(id(target), None)

    def value(self, tensor: Tensor) -> Tensor:
        """The tensor with its values, on the CPU.

        Raises:
            Unknown: it depends on input without data.
        """
        entry = self.steps.get(id(tensor))
        if entry is not None:
            with torch.no_grad():
                return entry[1].compute()
        if tensor.is_meta or self._is_lost(tensor):
            raise Unknown
        return tensor

    def value_or_itself(self, tensor: Tensor) -> Tensor:
        """The tensor with its values where these are known."""
        try:
            return self.value(tensor)
        except Unknown:
            return tensor

    def _add(self, tensor: Tensor, step: _Step) -> None:
        self.steps[id(tensor)] = (tensor, step)
        self._storages.setdefault(_storage(tensor), []).append(id(tensor))

    def _stored(self, value: Any) -> Any:
        def step(tensor: Tensor) -> Any:
            entry = self.steps.get(id(tensor))
            return entry[1] if entry is not None else tensor

        return map_arguments(value, step)

    def _forget_aliases(self, target: Tensor) -> None:
        """Other tensors on the same memory change with the target, in ways that are not followed."""
        storage = _storage(target)
        for other in self._storages.get(storage, ()):
            if other != id(target):
                self.steps.pop(other, None)
        if not target.is_meta:
            self._lost.add(storage)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def map_arguments(value: Any, function: Any) -> Any:
    """Arguments with ``function`` applied to every tensor, those inside slices too."""
    if isinstance(value, slice):
        return slice(*(map_arguments(part, function) for part in (value.start, value.stop, value.step)))
    if type(value) in (tuple, list):
        return type(value)(map_arguments(item, function) for item in value)
    if type(value) is dict:
        return {key: map_arguments(item, function) for key, item in value.items()}
    return map_tensors(value, function)
