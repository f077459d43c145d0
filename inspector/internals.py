"""The one adapter of PyTorch's private interfaces that following a forward pass needs.

Each function says which public behaviour it stands in for. Checked on torch 2.9 to 2.15.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from threading import Lock, get_ident
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch._C._functorch import (
    TransformType,
    _add_batch_dim,
    get_interpreter_stack,
    get_unwrapped,
    is_batchedtensor,
    is_gradtrackingtensor,
    maybe_get_bdim,
    maybe_get_level,
    peek_interpreter_stack,
)
from torch._ops import _len_torch_dispatch_stack_pre_dispatch
from torch._tensor import _convert
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import _pop_mode, _push_mode, get_default_nowrap_functions
from torch.utils._python_dispatch import _disable_current_modes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor

#: A context in which no function mode is asked.
DisableTorchFunction = torch._C.DisableTorchFunction
#: False inside a class's own ``__torch_function__`` that has passed a call on to PyTorch.
handlers_enabled = torch._C._is_torch_function_enabled
_DEFAULT_HANDLER = torch.Tensor.__torch_function__.__func__  # type: ignore[attr-defined]  # a class method
#: Classes of tensors that have no shape yet.
LAZY = (UninitializedParameter, UninitializedBuffer)
#: True while any device's autocast is on; the public ``is_autocast_enabled`` needs a question for each device.
any_autocast_enabled = torch._C._is_any_autocast_enabled
#: The hooks of all modules there are.
GLOBAL_HOOKS = (
    torch.nn.modules.module._global_forward_hooks,
    torch.nn.modules.module._global_forward_pre_hooks,
    torch.nn.modules.module._global_backward_hooks,
    torch.nn.modules.module._global_backward_pre_hooks,
)
#: The innermost functorch transform, or None: not None means that tensors may be batched by ``vmap``.
functorch_level = peek_interpreter_stack


def handler_of(kind: type) -> Callable[..., Any] | None:
    """A tensor class's own ``__torch_function__``; None where it has PyTorch's, which only gives results their class.

    A lazy tensor's refuses what materialises it; a nested tensor's makes parts whose sizes nobody can read.
    """
    handler: Any = getattr(kind, "__torch_function__")  # noqa: B009  not every class has one
    default = getattr(handler, "__func__", None) is _DEFAULT_HANDLER or _as_any_other(kind)
    return None if default else handler


def in_class(output: Any, function: Any, kind: type) -> Any:
    """What PyTorch's ``__torch_function__`` of a class makes of a function's output."""
    if function in get_default_nowrap_functions() or _as_any_other(kind):
        return output
    return _convert(output, kind)


def _as_any_other(kind: type) -> bool:
    """A class of PyTorch's whose calls are recorded as those of plain tensors."""
    return issubclass(kind, LAZY) or kind.__module__.startswith("torch.nested.")


def without_outer_modes() -> AbstractContextManager[None]:
    """Inside, no function mode and no dispatch mode of the caller is active; afterwards the same stack stands again."""
    functions = torch._C._len_torch_function_stack()
    if functions or torch._C._len_torch_dispatch_stack() or _len_torch_dispatch_stack_pre_dispatch():
        return _without_modes(functions)
    return nullcontext()


@contextmanager
def _without_modes(functions: int) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(_disable_current_modes())
        modes = [_pop_mode() for _ in range(functions)]
        for mode in modes:  # callbacks run last in, first out: the outermost mode is pushed back first
            stack.callback(_push_mode, mode)
        yield


def fake_tensors(shape_env: Any = None) -> Any:
    """A mode whose tensors hold no data and say that they live on a device; it takes real ones beside them."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # a second to import, and seldom needed

    return FakeTensorMode(shape_env=shape_env, allow_non_fake_inputs=True)


def set_version(tensor: Tensor, version: int) -> None:
    """Set PyTorch's count of in-place writes, of a tensor whose contents are as they were at that count."""
    torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))


def derivative(outside: int) -> tuple[int, str] | None:
    """(depth, name) of a transform deeper than ``outside`` that differentiates, as ``torch.func.grad`` does."""
    for interpreter in get_interpreter_stack() or ():
        if interpreter.level() > outside and interpreter.key() in (TransformType.Grad, TransformType.Jvp):
            return interpreter.level(), interpreter.key().name.lower()
    return None


def unbatched(tensor: Tensor) -> tuple[Tensor, int, int] | None:
    """(tensor with the mapped axis first, its size, vmap level) of a tensor batched by ``vmap``, else None."""
    while is_gradtrackingtensor(tensor):  # of a derivative inside the map
        tensor = get_unwrapped(tensor)
    if not is_batchedtensor(tensor):
        return None
    inner = get_unwrapped(tensor).movedim(maybe_get_bdim(tensor), 0)
    return inner, inner.shape[0], maybe_get_level(tensor)


def batched(tensor: Tensor, level: int) -> Tensor:
    """The tensor as ``vmap`` sees it at this level, its first axis mapped."""
    return _add_batch_dim(tensor, 0, level)


_WATCHERS: dict[int, Any] = {}
_LOCK = Lock()
_module_call: Any = torch.nn.Module._wrapped_call_impl  # what ``module(x)`` runs
#: What a class's own ``_call_impl`` would replace.
CALL_IMPL: Any = torch.nn.Module._call_impl
#: The same before anybody watches.
run_module = FunctionType(_module_call.__code__, _module_call.__globals__)
_UNWATCHED = _module_call.__code__


def _watched(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
    watchers: Any = "watchers"
    thread: Any = "thread"
    run: Any = "run"
    watcher = watchers.get(thread())
    return run(self, *args, **kwargs) if watcher is None else watcher(self, args, kwargs)


def with_constants(code: CodeType, constants: dict[str, Any]) -> CodeType:
    """The code with objects in place of the texts that stand for them: it needs no names where it will run."""
    return code.replace(co_consts=tuple([constants.get(c, c) if type(c) is str else c for c in code.co_consts]))


_WATCHED = with_constants(_watched.__code__, {"watchers": _WATCHERS, "thread": get_ident, "run": run_module})


@contextmanager
def watching(watcher: Callable[..., Any]) -> Iterator[None]:
    """Inside, each ``module(...)`` on this thread becomes ``watcher(module, args, kwargs)``; other threads go on.

    In place of global hooks, which run between the user's own hooks and cost each call several frames more. The code
    of PyTorch's function is exchanged and not the function: every class of modules would lose what Python remembers
    of its attributes.
    """
    thread = get_ident()
    before = _WATCHERS.get(thread)
    with _LOCK:
        _WATCHERS[thread] = watcher
        _module_call.__code__ = _WATCHED  # the one patch, put back below
    try:
        yield
    finally:
        with _LOCK:
            if before is None:
                del _WATCHERS[thread]
            else:
                _WATCHERS[thread] = before
            if not _WATCHERS:
                _module_call.__code__ = _UNWATCHED


def has_hooks(module: torch.nn.Module) -> bool:
    """Something runs before or after the module's ``forward``, or in its place."""
    state = module.__dict__
    return bool(
        state["_forward_hooks"]
        or state["_forward_pre_hooks"]
        or state["_backward_hooks"]
        or state["_backward_pre_hooks"]
        or "_call_impl" in state
        or any(GLOBAL_HOOKS)
    )


def watcher_here() -> Callable[..., Any] | None:
    """Who watches the modules of this thread."""
    return _WATCHERS.get(get_ident())
