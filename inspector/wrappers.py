"""What stands between a caller and the user's own modules: compilers, parallel wrappers, TorchScript, quantizers."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inspector.structure import tensors, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_SCRIPTS = (torch._C.ScriptFunction, torch._C.ScriptMethod)


@contextmanager
def opened(modules: list[tuple[str, nn.Module]]) -> Iterator[bool]:
    """While open, what is wrapped inside a model stands in its wrapper's place, and ``module.compile()`` is undone.

    Yields:
        whether anything was wrapped, so that the modules are others now.
    """
    wrapped = any(map(_is_wrapper, kinds_of(modules)))
    compiled = "torch._dynamo.eval_frame" in sys.modules
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for _, module in modules if wrapped or compiled else ():
            if "_compiled_call_impl" in module.__dict__:  # set by ``module.compile()``
                replaced.append((module.__dict__, "_compiled_call_impl", module._compiled_call_impl))
                module._compiled_call_impl = None
            if wrapped and not _wraps(module):
                for name, child in module._modules.items():
                    if child is not None and _wraps(child):
                        replaced.append((module._modules, name, child))
                        module._modules[name] = unwrap(child)
        yield wrapped
    finally:
        for table, name, before in replaced:
            table[name] = before


def kinds_of(modules: list[tuple[str, nn.Module]]) -> set[type]:
    """The classes of these modules."""
    return {module.__class__ for _, module in modules}


def _wraps(module: nn.Module) -> bool:
    kind: type = type(module)
    return _is_wrapper(kind)


@lru_cache(maxsize=4096)
def _is_wrapper(kind: type) -> bool:
    compiler: Any = sys.modules.get("torch._dynamo.eval_frame")  # not loaded: nothing is compiled
    return issubclass(kind, _PARALLEL) or (compiler is not None and issubclass(kind, compiler.OptimizedModule))


@lru_cache(maxsize=4096)
def _is_script(kind: type) -> bool:
    return issubclass(kind, torch.jit.ScriptModule)


@lru_cache(maxsize=4096)
def _is_quantized(kind: type) -> bool:
    return kind.__module__.startswith("torch.ao.nn.")


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, compiled functions and modules run as the Python they were made of, and nothing is compiled."""
    compiler: Any = sys.modules.get("torch._dynamo.eval_frame")  # not loaded: nothing is compiled yet
    flex: Any = sys.modules.get("torch.nn.attention.flex_attention")  # compiles itself, and warns where it may not
    if flex is not None:
        debugged = flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG
        flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True
    # What torch.compiler.set_stance does, at a fiftieth of its price.
    before = None if compiler is None else compiler._set_stance(compiler.DynamoStance("force_eager"))
    loader = torch.compile
    if compiler is None:  # seconds to load, and ``torch.cond`` and its kin would load and use it
        torch.compile = _as_it_is(loader)
    try:
        yield
    finally:
        torch.compile = loader
        if compiler is not None:
            compiler._set_stance(before)
        if flex is not None:
            flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = debugged


def _as_it_is(compile_there: Callable[..., Any]) -> Any:
    """``torch.compile`` that, on this thread, gives back the function or module that it gets."""
    here = get_ident()

    def compile_here(model: Any = None, **options: Any) -> Any:
        if get_ident() != here:
            return compile_there(model, **options)
        return model if model is not None else lambda function: function

    return compile_here


def scripts_call(handler: Callable[..., Any], kinds: set[type]) -> AbstractContextManager[None]:
    """While open, each call of a TorchScript function or method becomes ``handler(original, script, args, kwargs)``.

    TorchScript runs its own interpreter, of which no mode of Python sees a call.
    """
    if torch.jit._state._jit_caching_layer or any(map(_is_script, kinds)):
        return _scripts_handled(handler)
    return nullcontext()  # nothing was ever written in it


@contextmanager
def _scripts_handled(handler: Callable[..., Any]) -> Iterator[None]:
    originals: list[tuple[Any, Any]] = [(kind, kind.__call__) for kind in _SCRIPTS]

    def through(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(script: Any, *args: Any, **kwargs: Any) -> Any:
            return handler(original, script, args, kwargs)

        return call

    for kind, original in originals:
        kind.__call__ = through(original)
    try:
        yield
    finally:
        for kind, original in originals:
            kind.__call__ = original


def remarks(modules: list[tuple[str, nn.Module]], kinds: set[type]) -> list[str]:
    """What a reader must know of modules that hide what they do; ``kinds`` are their classes."""
    told = []
    if any(map(_is_script, kinds)):
        places = [path for path, module in modules if isinstance(module, torch.jit.ScriptModule)]
        outer = [
            path for path in places if not any(path.startswith(f"{p}." if p else "") and p != path for p in places)
        ]
        told.append(
            f"{', '.join(path or 'the model' for path in outer)} is TorchScript: "
            "each of its calls is one row, counted by PyTorch"
        )
    if any(map(_is_quantized, kinds)):
        packed = {path: sum(tensor.numel() for tensor in found) for path, found in _packed(modules) if found}
        if packed:
            where = ", ".join(path or "the model" for path in packed)
            told.append(
                f"{sum(packed.values())} elements in packed weights, which are quantized and no parameters: {where}"
            )
    return told


def _packed(modules: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, list[Tensor]]]:
    """(path, weights and biases) of the modules of torch.ao that keep them packed."""
    for path, module in modules:
        unpack: Any = getattr(module, "_weight_bias", None)
        if unpack is not None and not path.endswith("_packed_params"):  # which a linear layer holds as a submodule
            yield path, tensors(unpack())
