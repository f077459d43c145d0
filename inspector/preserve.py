"""Leaves a model as it was found, also where a forward raises."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain, compress, islice
from operator import itemgetter
from threading import RLock
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inspector.errors import InspectionError
from inspector.generators import generators
from inspector.internals import set_version

#: Held while a model is predicted or run: two threads on one model would each put back what the other changed, and
#: what a prediction switches (global hooks, random states, the compiler) belongs to the whole process.
ONE_AT_A_TIME = RLock()
#: Containers whose contents are put back; a module's parameters, buffers, submodules and hooks live in such.
_CONTAINERS = {dict, OrderedDict, list, set}
#: Every module's registries that a forward may reach: what it holds, and hooks.
_REGISTRIES = (
    *("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"),
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
)
_registries = itemgetter(*_REGISTRIES)
#: How many entries of a module's ``__dict__`` are PyTorch's; the class's own attributes follow them.
_OWN = len(nn.Module().__dict__)
#: Where the layers of ``torch.nn`` come from: their forward keeps nothing in lists of its own.
_PYTORCHS = "torch.nn.modules."
#: Parameters together larger than this are not copied beforehand.
_COPIED_BYTES = 2 * 2**30


@contextmanager
def preserved(model: nn.Module, values: bool = True, modules: Iterable[nn.Module] | None = None) -> Iterator[None]:
    """Put back, on leaving, what a forward of ``model`` may change; ``modules`` are all of its, where they are known.

    Always: attributes of every module (mode, hooks, registered tensors and modules, plain attributes and the contents
    of lists and dicts among them), the states of the random generators and the grad mode. With ``values`` also the
    contents of buffers, parameters and tensors held as attributes, ``grad`` and ``requires_grad``; twins without
    memory need none.

    What plain objects hold that a module holds, such as a cache, is put back too, some levels deep.

    Raises:
        InspectionError: the forward wrote into parameters that were too large to copy beforehand.
    """
    modules = list(model.modules() if modules is None else modules)
    states = [*map(vars, modules)]
    try:
        registries = [*chain.from_iterable(map(_registries, states))]
    except KeyError:  # those of a scripted module are objects of TorchScript, or absent
        registries = [state[name] for state in states for name in _REGISTRIES if name in state]
    kinds = [*map(type, modules)]
    others = {kind for kind in {*kinds} if not kind.__module__.startswith(_PYTORCHS)}
    own: list[Any] = []
    for state in compress(states, map(others.__contains__, kinds)):
        own += islice(state.values(), _OWN, None)
    held = _held(own)
    states += held.states
    attributes = [*map(dict.copy, states)]
    containers = [*registries, *held.containers]
    full = [*filter(None, containers)]
    filled = len(full)
    kinds_held = {*map(type, full)}
    if not kinds_held <= _CONTAINERS:
        full = [item for item in full if type(item) in _CONTAINERS]
    contents = [item.copy() for item in full]
    ordered = full if set not in kinds_held else [item for item in full if type(item) is not set]
    order = [*chain.from_iterable(ordered)]
    restore_values = _values(model, modules, held.tensors) if values else None
    restore_generators = generators()
    grad_mode = torch.is_grad_enabled()
    try:
        yield
    finally:
        # All at once: a model has thousands, and hardly a forward changes one.
        if not (_same(full, contents) and _same([*chain.from_iterable(ordered)], order)):
            for container, before in zip(full, contents, strict=True):
                if not _same(container, before) or not (type(before) is set or _same([*container], [*before])):
                    container.clear()
                    container.extend(before) if type(container) is list else container.update(before)
        if len([*filter(None, containers)]) != filled:
            known = {*map(id, full)}
            for container in filter(None, containers):
                if id(container) not in known and type(container) in _CONTAINERS:
                    container.clear()
        # Updated in place, never emptied: another thread may be reading this module.
        deque(map(dict.update, states, attributes), maxlen=0)
        if [*map(len, states)] != [*map(len, attributes)]:
            for state, before in zip(states, attributes, strict=True):
                for name in state.keys() - before.keys():
                    del state[name]
        restore_generators()
        torch.set_grad_enabled(grad_mode)
        if restore_values is not None:
            restore_values()


def _same(now: Any, before: Any) -> bool:
    """Both hold the same."""
    try:  # elements that are the same object are not compared further
        return bool(now == before)
    except Exception:  # elements such as tensors refuse to be compared once they are other objects
        return False


class _Held(NamedTuple):
    """What attributes hold: lists and the like, the attributes of plain objects, and tensors."""

    containers: list[Any]
    states: list[dict[str, Any]]
    tensors: list[Tensor]


def _held(items: list[Any]) -> _Held:
    """What these values hold, each object once, down to ``_LEVELS``; long lists and tables are not looked through."""
    found = _Held([], [], [])
    seen: set[int] = set()
    for _ in range(_LEVELS):
        deeper: list[Any] = []
        for item in items:
            kind = type(item)
            if kind in _LEAVES or id(item) in seen:
                continue
            seen.add(id(item))
            if kind in _CONTAINERS:
                found.containers.append(item)
            elif isinstance(item, Tensor):
                found.tensors.append(item)
                continue
            elif _is_plain(kind):  # type: ignore[arg-type]  # a class is hashable, whatever its instances' __hash__ is
                found.states.append(item.__dict__)
                deeper += item.__dict__.values()
                continue
            elif kind is not tuple:
                continue
            if 0 < len(item) <= _SHORT and kind is not set:
                deeper += item.values() if isinstance(item, dict) else item
        if not deeper:
            break
        items = deeper
    return found


_LEAVES = {int, float, bool, str, type(None), torch.dtype, torch.device, torch.Size}
_LEVELS, _SHORT = 4, 100


@cache
def _is_plain(kind: type) -> bool:
    """A class of somebody's own whose objects keep attributes.

    A module has its own turn, and what a class holds (the object of a metaclass) is no state of the model.
    """
    room = kind.__module__.partition(".")[0]
    return (
        bool(kind.__dictoffset__)
        and room not in ("torch", "builtins", "functools")
        and not issubclass(kind, (nn.Module, type))
    )


def _values(model: nn.Module, modules: list[nn.Module], held: list[Tensor]) -> Callable[[], None]:
    """A function that puts back contents, ``grad`` and ``requires_grad`` of the model's tensors."""
    parameters = list(model.parameters())
    uninitialized = [p for p in parameters if is_lazy(p)]
    lazy = {id(parameter) for parameter in uninitialized}
    kept = [p for p in parameters if id(p) not in lazy and not p.is_meta]
    copied = sum(p.numel() * p.element_size() for p in kept) <= _COPIED_BYTES
    others = [*model.buffers(), *held, *(v for m in modules for v in vars(m).values() if isinstance(v, Tensor))]
    others = [t for t in others if not is_lazy(t) and not t.is_meta]
    watched = {id(t): t for t in (*kept, *others)}
    with torch.no_grad():
        before = [
            (t, t.detach(), t.detach().clone() if copied or not isinstance(t, nn.Parameter) else None, _version(t))
            for t in watched.values()
        ]
        gradients = [(p, p.grad, None if p.grad is None else p.grad.detach().clone()) for p in kept]
    flags = [(t, t.requires_grad) for t in watched.values() if t.is_leaf]

    def restore() -> None:
        lost = False
        with torch.no_grad():
            for tensor, memory, copy, version in before:
                if _place(tensor) != _place(memory):  # put elsewhere through ``.data``
                    tensor.data = memory
                # A write through ``.data`` leaves the version as it is, so that values themselves are compared.
                if copy is None:
                    lost = lost or version is None or _version(tensor) != version
                elif not _equal(tensor, copy):
                    tensor.copy_(copy)
                if copy is not None and version is not None:  # with its contents back, a pending backward may go on
                    set_version(tensor, version)
            for parameter, gradient, copy in gradients:
                parameter.grad = gradient
                if gradient is not None and copy is not None:
                    gradient.copy_(copy)
        for tensor, flag in flags:
            if tensor.requires_grad != flag:
                tensor.requires_grad_(flag)
        if lost:
            raise InspectionError("forward wrote into parameters too large to be copied beforehand; they stay changed")

    return restore


def _version(tensor: Tensor) -> int | None:
    """PyTorch's count of in-place writes; None where it keeps none, under inference mode."""
    return None if tensor.is_inference() else tensor._version


def _place(tensor: Tensor) -> tuple[int, torch.Size]:
    """Where the elements lie; sparse tensors have no such place."""
    return tensor.data_ptr() if tensor.layout is torch.strided else 0, tensor.shape


def _equal(tensor: Tensor, copy: Tensor) -> bool:
    try:
        return torch.equal(tensor, copy)
    except (RuntimeError, NotImplementedError):  # a dtype or layout that cannot be compared, such as float8
        return False
