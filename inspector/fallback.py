"""What is done with a call that no rule speaks for: follow its Python body, else ask PyTorch's meta kernel and
counter.
"""

from __future__ import annotations

import warnings
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from inspector.inputs import meta_twin
from inspector.structure import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspector.symbolic import Symbols

#: The questions by which a function of PyTorch asks whether a mode wants the call.
_QUESTIONS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def _no(*_: Any) -> bool:
    return False


class _Overrides:
    """``torch.overrides`` for a followed body, in which nobody wants the call."""

    has_torch_function = has_torch_function_unary = has_torch_function_variadic = staticmethod(_no)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.overrides, name)


class _Torch:
    """``torch`` for a followed body that spells the questions out: ``torch.overrides.has_torch_function``."""

    overrides = _Overrides()

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


#: Operators of these namespaces that the counter does not list multiply no matrices; of others nobody knows.
_PYTORCHS_OWN = {"aten", "prim", "prims", "profiler", "debugprims"}


@cache
def body_of(function: Any) -> Callable[..., Any] | None:
    """A twin of a Python function of PyTorch that runs its body at once, so that its parts arrive as calls; None if
    it has none.
    """
    if not isinstance(function, FunctionType) or not set(_QUESTIONS) & set(function.__code__.co_names):
        return None
    answers: dict[str, Any] = dict.fromkeys(_QUESTIONS, _no)
    if "overrides" in function.__code__.co_names:
        answers |= {"overrides": _Overrides(), "torch": _Torch()}
    twin = FunctionType(
        function.__code__,
        {**function.__globals__, **answers},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


class _Counter(TorchDispatchMode):
    """Adds the FLOPs of every operator that PyTorch's counter has a formula for; None once one is opaque."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.flops: Any = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if any(tensor.is_nested for tensor in tensors(args)):
            self.flops = None  # its sizes are values
        elif packet in flop_registry:
            if self.flops is not None:
                self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=output)
        elif func.namespace not in _PYTORCHS_OWN:
            self.flops = None
        return output


def ask_pytorch(function: Any, args: Any, kwargs: Any, symbols: Symbols) -> tuple[Any, Any]:
    """(output, MACs) of a call run on meta twins; MACs are None where PyTorch's counter knows no count.

    A tensor that the call returns as it was given comes back as the very tensor of the caller. Where sizes are
    symbols the
    twins are fake tensors of the same environment, because PyTorch's plain meta kernels take numbers only.
    """
    originals: dict[int, Tensor] = {}

    def twin(tensor: Tensor) -> Tensor:
        double = meta_twin(tensor.detach() if tensor.is_meta and tensor.requires_grad else tensor)
        if symbols:
            double = torch.empty_strided(double.shape, double.stride(), dtype=double.dtype, device="meta")
        originals[id(double)] = tensor
        doubles.append(double)
        return double

    def given_back(tensor: Tensor) -> Tensor:
        if id(tensor) in originals:
            return originals[id(tensor)]
        return plain(tensor) if symbols else tensor

    doubles: list[Tensor] = []  # keeps every id its own
    with symbols.fake_mode(), _Counter() as counter:
        twins, named = map_tensors(args, twin), map_tensors(kwargs, twin)
        if "device" in named:
            named = {**named, "device": torch.device("meta")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the line that it would name is ours
            output = function(*twins, **named)
    returned = map_tensors(output, given_back) if tensors(output) else output
    return returned, None if counter.flops is None else counter.flops // 2


class _CounterOnMeta(_Counter):
    """Runs what TorchScript asks for on twins without memory, and keeps the tensors that it asked with."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Tensor] = []
        self._twins: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = map_tensors(kwargs or {}, self._twin)
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("meta")
        return super().__torch_dispatch__(func, types, map_tensors(args, self._twin), kwargs)

    def _twin(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._twins:
            self.read.append(tensor)
            self._twins[id(tensor)] = meta_twin(tensor.detach())
        return self._twins[id(tensor)]


class _CounterOfReal(_Counter):
    """Counts what runs for real, and keeps the tensors it ran with."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.read += tensors(args)
        return super().__torch_dispatch__(func, types, args, kwargs)


def count_inside(function: Any, args: Any, kwargs: Any, real: bool) -> tuple[Any, Any, list[Tensor]]:
    """(output, MACs, tensors read) of a call of which the dispatcher alone sees the parts, such as TorchScript."""
    with _CounterOfReal() if real else _CounterOnMeta() as counter:
        output = function(*args, **kwargs)
    return output, None if counter.flops is None else counter.flops // 2, counter.read


def plain(tensor: Tensor) -> Tensor:
    """A meta tensor of the same size, stride and dtype as a fake one."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def lacks_kernel(error: Exception) -> bool:
    """PyTorch has no implementation of the operator that gives shapes alone."""
    return isinstance(error, NotImplementedError) or "no fake impl" in str(error)


def asks_for_values(error: Exception) -> bool:
    """PyTorch refused because a tensor on the meta device has no values, not because the call is wrong."""
    return lacks_kernel(error) or any(
        words in f"{type(error).__name__} {error}"
        for words in ("on meta tensors", "out of meta tensor", "DataDependent", "DynamicOutputShape", "data-dependent")
    )
