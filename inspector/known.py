"""Values that follow from constants alone, computed only when somebody asks for them.

A forward may ask for the value of a tensor that no input reaches: a mask it built itself, a count in a buffer. Each
call whose tensors are all known is noted, not run; ``item()`` and the like then run the calls they need, on the CPU,
in the
order in which they happened, so that what was written through a view is seen by all who share its memory.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import swap_tensors

from inspector.structure import PLAIN, SEQUENCES, map_tensors, memory_of, tensors

#: Functions that take the shape, dtype or device of their first argument and none of its values.
FRESH: frozenset[Any] = frozenset(
    [
        *(torch.ones_like, torch.zeros_like, torch.full_like),
        *(Tensor.new_ones, Tensor.new_zeros, Tensor.new_full, Tensor.new_tensor),
    ]
)


class Unknown(Exception):
    """The tensor's value depends on input that holds no data."""


#: Caches of more bytes than this stay without values.
_SETTLED_BYTES = 2**28


class _Call:
    """One noted call: its arguments with sources in place of known tensors without data."""

    __slots__ = ("args", "function", "kwargs", "number", "results")

    def __init__(self, number: int, function: Any, args: Any, kwargs: Any) -> None:
        self.number, self.function, self.args, self.kwargs = number, function, args, kwargs
        self.results: list[Tensor] | None = None


class _Source(NamedTuple):
    """Which result of which call a tensor is."""

    call: _Call
    which: int
    memory: int


class KnownValues:
    """Which tensors of one trace are known, and how."""

    def __init__(self) -> None:
        # The tensor is held beside its source, so that its id stays its own.
        self.steps: dict[int, tuple[Tensor, _Source]] = {}
        self._writes: dict[int, list[_Call]] = {}  # memory -> calls that wrote into it
        self._lost: set[int] = set()  # memory into which something unknown was written
        self._count = 0

    def __contains__(self, tensor: Tensor) -> bool:
        return not self._is_lost(tensor) and (id(tensor) in self.steps or not tensor.is_meta)

    def _is_lost(self, tensor: Tensor) -> bool:
        return bool(self._lost) and memory_of(tensor) in self._lost

    def covers(self, args: Any, kwargs: Any) -> bool:
        """Every tensor among the arguments is known; true where there is none."""
        for value in (*args, *kwargs.values()):
            if type(value) is Tensor:
                if value not in self:
                    return False
            elif type(value) not in PLAIN:
                if type(value) in SEQUENCES and PLAIN.issuperset(map(type, value)):
                    continue
                if not all(tensor in self for tensor in tensors(value)):
                    return False
        return True

    def remember(self, function: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Note that ``output`` is what ``function`` gives for known arguments, or writes into one of them."""
        self._count += 1
        call = _Call(self._count, function, map_arguments(args, self._source), map_arguments(kwargs, self._source))
        target = args[0] if args and isinstance(args[0], Tensor) else None
        if type(output) is Tensor and output is not target and "out" not in kwargs:  # as nearly always
            self.steps[id(output)] = (output, _Source(call, 0, memory_of(output)))
            return
        results = tensors(output)
        written = tensors(kwargs["out"]) if kwargs.get("out") is not None else []
        if target is not None and (output is None or any(result is target for result in results)):
            written.append(target)
        for tensor in written:
            self._writes.setdefault(memory_of(tensor), []).append(call)
        places = [*map(id, written)]
        for index, result in enumerate(results):
            if id(result) not in places:
                self.steps[id(result)] = (result, _Source(call, index, memory_of(result)))

    def forget(self, target: Tensor) -> None:
        """Something unknown was written into this tensor, and so into all that share its memory."""
        if id(target) in self.steps or not target.is_meta:
            self._lost.add(memory_of(target))

    def value(self, tensor: Tensor) -> Tensor:
        """The tensor with its values, on the CPU.

        Raises:
            Unknown: it depends on input without data.
        """
        if tensor not in self:
            raise Unknown
        memory = memory_of(tensor)
        if id(tensor) not in self.steps and memory not in self._writes:
            return tensor
        with torch.no_grad():
            entry = self.steps.get(id(tensor))
            return _Replay(self._writes).value(tensor if entry is None else entry[1], memory)

    def settle(self, home: torch.device) -> None:
        """Give values to the tensors that somebody else still holds, such as a cache of masks outside the model.

        Without them a later run of the model would meet tensors that hold no data.
        """
        if home.type == "meta" or not self.steps:
            return
        watched = [(weakref.ref(tensor), source) for tensor, source in self.steps.values()]
        self.steps.clear()  # all that lives on is held by others
        alive = [(watch(), source) for watch, source in watched]
        kept = [(tensor, source) for tensor, source in alive if tensor is not None and not self._is_lost(tensor)]
        del watched, alive
        if sum(tensor.numel() * tensor.element_size() for tensor, _ in kept) > _SETTLED_BYTES:
            return
        with torch.no_grad():
            for tensor, source in reversed(kept):  # a view before its base, which cannot be exchanged under it
                with suppress(Exception):  # what cannot be computed stays without values
                    swap_tensors(tensor, _Replay(self._writes).value(source, source.memory).clone().to(home))

    def value_or_itself(self, tensor: Tensor) -> Tensor:
        """The tensor with its values where these are known."""
        try:
            return self.value(tensor)
        except Unknown:
            return tensor

    def _source(self, tensor: Tensor) -> Any:
        entry = self.steps.get(id(tensor))
        return entry[1] if entry is not None else tensor


class _Replay:
    """Runs the calls that one value needs, each once, in their order."""

    def __init__(self, writes: dict[int, list[_Call]]) -> None:
        self._writes = writes
        self._needed: dict[int, _Call] = {}
        self._results: dict[int, list[Tensor]] = {}
        self._copies: dict[int, Tensor] = {}
        self._written_over = False  # something in this replay is, at some time, so that no result can be kept

    def value(self, source: _Source | Tensor, memory: int) -> Tensor:
        """The source's value as it is after all writes so far."""
        if isinstance(source, _Source):
            self._need([source.call])
        self._need(self._earlier(memory, None))
        for number in sorted(self._needed):
            call = self._needed[number]
            results = None if self._written_over else call.results
            if results is None:
                results = tensors(call.function(*self._resolved(call.args), **self._resolved(call.kwargs)))
                if not self._written_over:
                    call.results = results
            self._results[number] = results
        return self._resolved(source)  # type: ignore[no-any-return]

    def _need(self, pending: list[_Call]) -> None:
        while pending:
            call = pending.pop()
            if call.number in self._needed:
                continue
            self._needed[call.number] = call
            for held in _sources_in((call.args, call.kwargs)):
                if isinstance(held, _Source):
                    pending.append(held.call)
                    pending += self._earlier(held.memory, call.number)
                else:
                    pending += self._earlier(memory_of(held), call.number)

    def _earlier(self, memory: int, before: int | None) -> list[_Call]:
        """Writes into a piece of memory, itself or through a view, before a call."""
        writes = self._writes.get(memory, [])
        self._written_over = self._written_over or bool(writes)
        return [call for call in writes if before is None or call.number < before]

    def _resolved(self, value: Any) -> Any:
        """Arguments with values; what the model holds and a call writes into is copied first."""
        if isinstance(value, _Source):
            return self._results[value.call.number][value.which]
        if isinstance(value, Tensor):
            if memory_of(value) not in self._writes:
                return value.detach().cpu()
            if id(value) not in self._copies:
                self._copies[id(value)] = value.detach().cpu().clone()
            return self._copies[id(value)]
        if isinstance(value, torch.device):
            return torch.device("cpu")
        if isinstance(value, dict):
            return {key: "cpu" if key == "device" else self._resolved(item) for key, item in value.items()}
        if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
            items = [self._resolved(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, slice):
            return slice(*map(self._resolved, (value.start, value.stop, value.step)))
        return value


def _sources_in(value: Any) -> list[_Source | Tensor]:
    """Every source, and every tensor with values of its own, among the arguments of a call."""
    if isinstance(value, (_Source, Tensor)):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    if isinstance(value, (tuple, list)):
        return [source for item in value for source in _sources_in(item)]
    return []


def stand_in(tensor: Tensor) -> Tensor:
    """A tensor of this size and dtype with values, which takes no memory."""
    return torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)


def map_arguments(value: Any, function: Any) -> Any:
    """Arguments with ``function`` applied to every tensor, those inside slices too."""
    if type(value) in PLAIN:
        return value
    if type(value) is slice:
        parts = (value.start, value.stop, value.step)
        if PLAIN.issuperset(map(type, parts)):
            return value
        return slice(*[map_arguments(part, function) for part in parts])
    if type(value) in SEQUENCES:
        if PLAIN.issuperset(map(type, value)):
            return type(value)(value)
        return type(value)([map_arguments(item, function) for item in value])
    if type(value) is dict:
        if PLAIN.issuperset(map(type, value.values())):
            return value.copy()
        return {key: map_arguments(item, function) for key, item in value.items()}
    return map_tensors(value, function)
