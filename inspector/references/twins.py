"""A copy of a model whose tensors take no memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.parameter import Buffer, UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode

from inspector.inputs import meta_twin


def on_meta(model: nn.Module) -> bool:
    """Whether every registered tensor lives on the meta device already; a model without tensors does not."""
    devices = {tensor.device.type for tensor in (*model.parameters(), *model.buffers())}
    return devices == {"meta"}


def meta_copy(model: nn.Module) -> nn.Module:
    """A deep copy in which every tensor is a meta twin: parameters, buffers, and tensors anywhere in attributes.

    Raises:
        Exception: what copying an attribute raised; locks, open files and process groups cannot be copied.
    """
    twin = copy_with(model, _twin)
    for module in twin.modules():
        if isinstance(module, ScriptModule):  # copied by TorchScript, which asks nobody
            module.to("meta")
    return twin


def copy_with(model: nn.Module, twin: Callable[[Tensor], Tensor]) -> nn.Module:
    """A deep copy in which every tensor is replaced by its ``twin``, one tensor by one twin wherever it is held."""
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if id(tensor) not in memo:
            memo[id(tensor)] = twin(tensor)
    with _TwinsForCopies(twin):
        return copy.deepcopy(model, memo)


def exchange(model: nn.Module) -> None:
    """Put meta twins in the place of the model's registered tensors, in the model itself."""
    twins: dict[int, Tensor] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is not None:
                    table[name] = twins.setdefault(id(tensor), _twin(tensor))  # type: ignore[assignment]  # a twin is of its kind


def _twin(tensor: Tensor) -> Tensor:
    if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
        options: dict[str, Any] = {"device": "meta", "dtype": tensor.data.dtype, "requires_grad": tensor.requires_grad}
        return cast("Tensor", type(tensor)(**options))
    if tensor.is_meta and not hasattr(tensor, "fake_mode"):
        return tensor
    twin = meta_twin(tensor.detach())
    if isinstance(tensor, nn.Parameter):
        parameter = nn.Parameter(twin, requires_grad=tensor.requires_grad)
        parameter.__dict__.update(tensor.__dict__)
        return parameter
    return Buffer(twin) if type(tensor) is Buffer else twin


class _TwinsForCopies(TorchFunctionMode):
    """While active, a deep copy of a tensor is its twin."""

    def __init__(self, twin: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._twin = twin

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__:
            tensor, memo = args
            twin = memo.get(id(tensor))
            if twin is None:
                memo[id(tensor)] = twin = self._twin(tensor.detach())
            return twin
        with torch._C.DisableTorchFunction():
            return func(*args, **(kwargs or {}))
