"""Time of every module call inside a running forward, by hooks that read a clock."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.jit import ScriptModule

from inspector.errors import InspectionError
from inspector.structure import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn


_NO_TIME = "Time of a layer has no meaning then; time the whole alone (layers=False, --no-layers)"


class Marker(Protocol):
    """Marks moments of a stream of work, and says afterwards how far apart they lie."""

    def mark(self) -> Any:
        """Now, in the order of the work that was given to the device."""

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """Each mark's seconds after the first; waits for the device, once."""


class WallMarker:
    """The clock of the wall, for devices that finish each call before they return."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, marks: Sequence[float]) -> list[float]:
        return [mark - marks[0] for mark in marks]


class EventMarker:
    """CUDA events on the current stream: the device itself notes when it passes them.

    Args:
        event: makes an event that takes times.
        synchronize: waits until the device has passed all of them.
    """

    def __init__(
        self, event: Callable[[], Any] | None = None, synchronize: Callable[[], object] = torch.cuda.synchronize
    ) -> None:
        self._event = event or (lambda: torch.cuda.Event(enable_timing=True))
        self._synchronize = synchronize

    def mark(self) -> Any:
        event = self._event()
        event.record()
        return event

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        self._synchronize()
        return [marks[0].elapsed_time(mark) / 1e3 for mark in marks]


def marker_for(device: str) -> Marker:
    """The marker for a kind of device."""
    return EventMarker() if device == "cuda" else WallMarker()


@dataclass(frozen=True, slots=True)
class LayerTime:
    """One module call.

    Attributes:
        path: registered path, ``""`` for the root.
        kind: class name.
        call: 1 for this module's first call.
        parent: place of the calling module call among all of them, -1 for the root.
        own: median seconds without the module calls inside it.
    """

    path: str
    kind: str
    call: int
    parent: int
    own: float


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """All module calls of one forward.

    Attributes:
        layers: in order of entry; in each round their own times add up to the whole with its hooks, their medians to
            less where now one and now another is interrupted.
        hooked: median seconds of the forward while it is watched.
        rounds: how many forwards were watched.
    """

    layers: tuple[LayerTime, ...]
    hooked: float
    rounds: int


def time_layers(model: nn.Module, forward: Callable[[], object], marker: Marker, rounds: int = 10) -> LayerTimes:
    """Watch ``rounds`` forwards, between two whose shapes are compared; the hooks are gone afterwards.

    What a hook takes falls on the module that calls the watched one. Compare ``hooked`` with the time of the forward
    alone to see how much that is.

    Raises:
        InspectionError: the forwards do not call the same modules in the same order, or not with the same shapes, so
            that there is no time of one call.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    >>> found = time_layers(model, lambda: model(torch.ones(2, 4)), WallMarker(), rounds=3)
    >>> [(layer.path, layer.kind, layer.parent) for layer in found.layers]
    [('', 'Sequential', -1), ('0', 'Linear', 0), ('1', 'ReLU', 0)]
    """
    if rounds < 1:
        raise InspectionError(f"layers are timed over at least one round, got {rounds}")
    before = _made(model, forward)
    own: list[list[float]] = []
    wholes: list[float] = []
    first: list[_Watched] = []
    for number in range(rounds):
        with _watching(model, marker) as watched:
            forward()
        if not number:
            first = watched
        _same(first, watched, number)
        times = _own(watched, marker)
        own.append(times)
        wholes.append(sum(times))
    _alike(before, _made(model, forward))
    layers = []
    calls: dict[str, int] = {}
    for place, call in enumerate(first):
        number = calls[call.path] = calls.get(call.path, 0) + 1
        layers.append(LayerTime(call.path, call.kind, number, call.parent, median(times[place] for times in own)))
    return LayerTimes(tuple(layers), median(wholes), rounds)


def _made(model: nn.Module, forward: Callable[[], object]) -> list[tuple[str, str]]:
    """The shapes that each module call of one forward returns."""
    found: list[tuple[str, str]] = []
    paths = {id(module): path for path, module in model.named_modules()}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        found.append((paths[id(module)], ", ".join(str([*tensor.shape]) for tensor in tensors(output))))

    handles = [module.register_forward_hook(note) for module in _hookable(model)]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return found


def _alike(before: Sequence[tuple[str, str]], now: Sequence[tuple[str, str]]) -> None:
    for (path, shapes), (_, others) in zip(before, now, strict=False):  # the rounds between have called the same
        if shapes != others:
            raise InspectionError(
                f"the forward does not make the same shapes each time: {path or 'the model'!r} returns {shapes} first "
                f"and {others} later. {_NO_TIME}"
            )


def _hookable(model: nn.Module) -> Iterator[nn.Module]:
    """Modules that take hooks; the time of scripted ones is their caller's."""
    return (module for module in model.modules() if not isinstance(module, ScriptModule))


@dataclass(slots=True)
class _Watched:
    path: str
    kind: str
    parent: int
    entered: Any = None
    left: Any = None


@contextmanager
def _watching(model: nn.Module, marker: Marker) -> Iterator[list[_Watched]]:
    calls: list[_Watched] = []
    open_calls: list[int] = []
    paths = {id(module): (path, type(module).__name__) for path, module in model.named_modules()}

    def enter(module: nn.Module, _: Any) -> None:
        calls.append(_Watched(*paths[id(module)], open_calls[-1] if open_calls else -1))
        open_calls.append(len(calls) - 1)
        calls[-1].entered = marker.mark()

    def leave(_: nn.Module, __: Any, ___: Any) -> None:
        left = marker.mark()
        calls[open_calls.pop()].left = left

    handles = []
    for module in _hookable(model):
        # Inside of the user's own hooks, whose work is the caller's.
        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave, prepend=True, always_call=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _same(first: Sequence[_Watched], now: Sequence[_Watched], number: int) -> None:
    ours, theirs = ([(call.path, call.parent) for call in calls] for calls in (first, now))
    if ours == theirs:
        return
    at = next((place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        said = f"{len(ours)} module calls in the first forward, {len(theirs)} in forward {number + 1}"
    else:
        said = f"module call {at + 1} is of {ours[at][0]!r} in the first forward and of {theirs[at][0]!r} in forward "
        said += str(number + 1)
    raise InspectionError(f"the forward does not call the same modules each time: {said}. {_NO_TIME}")


def _own(watched: Sequence[_Watched], marker: Marker) -> list[float]:
    """Seconds of each call without those inside it."""
    if not watched:
        return []
    at = marker.seconds([mark for call in watched for mark in (call.entered, call.left)])
    whole = [at[2 * place + 1] - at[2 * place] for place in range(len(watched))]
    own = list(whole)
    for place, call in enumerate(watched):
        if call.parent >= 0:
            own[call.parent] -= whole[place]
    return own
