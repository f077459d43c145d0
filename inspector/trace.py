"""Follows a model's forward: which call happened in which module.

Calls come from the answerer's function mode, modules from watching ``nn.Module``'s own call; neither leaves anything on
the model.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from inspector.answering import GIVE_DATA, Answerer
from inspector.calls import described, name_of
from inspector.errors import NeedsData
from inspector.fallback import asks_for_values, count_inside
from inspector.internals import (
    CALL_IMPL,
    GLOBAL_HOOKS,
    DisableTorchFunction,
    any_autocast_enabled,
    functorch_level,
    has_hooks,
    run_module,
    watcher_here,
    watching,
)
from inspector.rules import RULES
from inspector.rules.common import META
from inspector.shortcuts import SHORTCUTS, is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspector.shortcuts import Shortcut
    from inspector.symbolic import Symbols


class _Way(NamedTuple):
    """How the modules of a class are called: by the one call they make, one after the other, or in PyTorch's way."""

    shortcut: Shortcut | None
    sequence: bool
    ends_in_forward: bool


class _Ways(dict[type, _Way]):
    """The way of each class, asked once in a prediction: somebody may change it between two."""

    def __missing__(self, kind: Any) -> _Way:
        way = self[kind] = _way(kind, kind.__call__, getattr(kind, "_call_impl", None))  # None is no module's class
        return way


class Tracer(Answerer):
    """Records every call of one forward with the module that makes it.

    Args:
        paths: id of a module -> its registered path.
        parameters: id of a registered parameter -> its number.
        home: the device that tensors made here claim to live on.
        symbols: the names among the input's sizes.
        real: let PyTorch execute each call on real data, beside its prediction.
    """

    def __init__(
        self, paths: dict[int, str], parameters: dict[int, int], home: torch.device, symbols: Symbols, real: bool
    ) -> None:
        super().__init__(parameters, home, symbols, real)
        #: (path, class, number of the calling module call or -1, calls before it) of each module call as it began ...
        self.modules: list[tuple[str, type[nn.Module], int, int]] = []
        #: ... and (calls until then, shapes, dtypes) as it ended.
        self.returns: list[tuple[int, tuple[Any, ...], tuple[torch.dtype, ...]]] = []
        #: Path, class and arguments of the innermost module that an exception passed, unless it was caught.
        self.stopped_in: tuple[str, type[nn.Module], Any] | None = None
        self._stopped_by: BaseException | None = None
        self._paths = paths
        self._ways = _Ways()

    @contextmanager
    def following(self) -> Iterator[None]:
        """While open, calls of modules and functions on this thread are recorded."""
        try:
            with watching(self._call_module), self:
                yield
        finally:
            for setter, tensor, value in reversed(self._taken_back):
                setter(tensor, value)

    def settle(self) -> None:
        """Leave no tensor without data behind in caches that forward filled."""
        self._last = self._stopped_by = self.stopped_in = None
        self._known.settle(self._home)

    def _call_module(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        path = self._paths.get(id(module))
        if path is None:  # made during forward, or held where PyTorch does not register it: part of who calls it
            return run_module(module, *args, **kwargs)
        opened, calls, number = self._open, self.calls, len(self.modules)
        kind: type = module.__class__
        self.modules.append((path, kind, opened[-1], len(calls)))
        alone = len(args) == 1 and not kwargs
        way = self._ways[kind]
        if alone and way.shortcut is not None:
            output = self._at_once(way.shortcut, module, args[0], number)
            if output is not None:
                return output
        self.returns.append(_NOTHING_RETURNED)
        opened.append(number)
        try:
            if not way.ends_in_forward or has_hooks(module):
                output = run_module(module, *args, **kwargs)
            elif alone and way.sequence and "forward" not in module.__dict__:
                output = args[0]
                for child in module._modules.values():  # a layer is met at once, without PyTorch's way to it
                    known = self._ways[child.__class__].shortcut is not None
                    output = self._call_module(child, (output,), {}) if known else child(output)  # type: ignore[arg-type, misc]
            else:
                output = module.forward(*args, **kwargs)
        except BaseException as error:
            if error is not self._stopped_by:  # else it came from a module further in
                self._stopped_by, self.stopped_in = error, (path, module.__class__, args)
            opened.pop()
            self.returns[number] = (len(calls), (), ())
            raise
        opened.pop()
        if output is self._last and output is not None:  # what the last call returned: described already
            call = calls[-1]
            self.returns[number] = (len(calls), call[1], (call[2],))
        else:
            with DisableTorchFunction():  # reading a shape is a call like any other
                self.returns[number] = (len(calls), *described(output))
        return output

    def _at_once(self, shortcut: Shortcut, module: nn.Module, x: Any, number: int) -> Tensor | None:
        """What a module returns whose forward makes one call, and that call's row, without a walk through its forward.

        None where anything is out of the ordinary: what is wrong with the input, for one, the forward tells better.
        """
        state = module.__dict__
        if (  # ``has_hooks`` written out, but for hooks of a backward: every layer passes here
            type(x) is not Tensor
            or "forward" in state
            or "_call_impl" in state
            or state["_forward_hooks"]
            or state["_forward_pre_hooks"]
            or any(GLOBAL_HOOKS)
            or self._careful
            or any_autocast_enabled()
            or functorch_level() is not None
        ):
            return None
        calls = self.calls
        with DisableTorchFunction():
            if not x.is_meta or id(x) in self._known.steps:
                return None
            try:
                call = shortcut(module, x)
                if call is None:
                    return None
                function, args, options = call
                rule = RULES[function]
                output, formula = rule(*args, **options) if options else rule(*args)
                if type(output) is not Tensor:
                    output = torch.empty(*output, dtype=x.dtype, device=META)  # a scalar, and what is no shape, raise
            except Exception:
                return None
            shapes, dtype = (output.shape,), output.dtype
            if not dtype.is_floating_point:  # PyTorch may refuse it
                return None
            own, pending = module._parameters, self._pending
            used = [pending.pop(key) for key in map(id, own.values()) if key in pending] if own else None
            if used:
                formula_of_params = self._parameters_formula(rule, args, options or {})
                calls.append((function, shapes, dtype, formula, number, tuple(used), formula_of_params))
            else:
                calls.append((function, shapes, dtype, formula, number))
        self.returns.append((len(calls), shapes, (dtype,)))
        self._last = output
        return output

    def script(self, original: Any, script: Any, args: Any, kwargs: Any) -> Any:
        """A call of TorchScript: the Python that it was made of, where it keeps that, as functions do; else one row,
        counted by PyTorch, with the parameters that it read.
        """
        if watcher_here() != self._call_module:
            return original(script, *args, **kwargs)
        python = getattr(script, "_torchdynamo_inline", None)
        if python is not None:
            return python(*args, **kwargs)
        with DisableTorchFunction():
            try:
                output, macs, read = count_inside(original, (script, *args), kwargs, self._real)
            except Exception as error:
                # The interpreter keeps to itself why a tensor without data could not be a condition.
                if asks_for_values(error) or (not self._real and str(error).rstrip().endswith("RuntimeError:")):
                    raise NeedsData(f"{name_of(script)} {self.lack(None)}. {GIVE_DATA}") from error
                raise
            return self._record(
                script,
                None,
                args,
                kwargs,
                output,
                None,
                output,
                macs=macs,
                by_pytorch=True,
                used=self._first_uses(read, None),
            )


@lru_cache(maxsize=4096)
def _way(kind: Any, call: Any, inner_call: Any) -> _Way:
    ends = inner_call is CALL_IMPL and not issubclass(kind, torch.jit.ScriptModule)
    shortcut = SHORTCUTS.get(kind) if ends and call is nn.Module.__call__ else None
    return _Way(shortcut, is_sequence(kind), ends)


_NOTHING_RETURNED: tuple[int, tuple[Any, ...], tuple[torch.dtype, ...]] = (0, (), ())
