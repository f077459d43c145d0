"""The ways in which a model is run while it is timed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import InspectionError
from inspector.structure import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

MODES = ("eager", "compile", "graph", "channels_last", "autocast", "transfer")
#: Those in which PyTorch calls each module from Python, so that hooks can time it.
WATCHED = frozenset({"eager", "channels_last", "autocast"})
#: Those in which no kernel waits for Python to start it.
UNSTARTED = frozenset({"compile", "graph"})
#: The dtype of products under autocast.
AUTOCAST = torch.bfloat16
_WARM_UPS = 3


def prepared(
    mode: str, model: nn.Module, args: Any, kwargs: dict[str, Any], device: torch.device
) -> tuple[Any, Any, dict[str, Any], Callable[[], AbstractContextManager[Any]]]:
    """(what to call, its arguments, what surrounds the call) of a mode; ``model`` is the caller's to change.

    Raises:
        InspectionError: there is no such mode, or not on this device.
    """
    if mode not in MODES:
        raise InspectionError(f"there is no mode {mode!r}; there are {', '.join(MODES)}")
    if mode == "graph" and device.type != "cuda":
        raise InspectionError(f"mode graph captures CUDA graphs, and the device is {device.type}")
    if mode == "transfer":
        if device.type == "cpu":
            raise InspectionError("mode transfer copies the input to the device first, and on the cpu it is there")
        return transferring(model, args, kwargs, device), args, kwargs, nullcontext
    if mode == "compile":
        return torch.compile(model), args, kwargs, nullcontext
    if mode == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        args, kwargs = map_tensors(args, _channels_last), {k: map_tensors(v, _channels_last) for k, v in kwargs.items()}
    if mode == "autocast":
        return model, args, kwargs, lambda: torch.autocast(device.type, dtype=AUTOCAST)
    return model, args, kwargs, nullcontext


def transferring(model: nn.Module, args: Any, kwargs: dict[str, Any], device: torch.device) -> Callable[..., Any]:
    """Calls the model on copies of the input that come from the host's memory each time, pinned where there is CUDA."""

    def at_home(tensor: Tensor) -> Tensor:
        copy = tensor.detach().cpu()
        return copy.pin_memory() if torch.cuda.is_available() else copy

    host_args, host_kwargs = map_tensors(args, at_home), {k: map_tensors(v, at_home) for k, v in kwargs.items()}

    def moved(tensor: Tensor) -> Tensor:
        return tensor.to(device, non_blocking=True)

    def call(*_: Any, **__: Any) -> Any:
        return model(*map_tensors(host_args, moved), **{k: map_tensors(v, moved) for k, v in host_kwargs.items()})

    return call


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def stepping(
    model: Any,
    args: Any,
    kwargs: dict[str, Any],
    around: Callable[[], AbstractContextManager[Any]],
    parameters: list[nn.Parameter],
    backward: bool,
) -> Callable[[], object]:
    """One forward without gradients, or with ``backward`` one forward and the backward of the sum of its outputs."""

    def forward() -> object:
        with torch.no_grad(), around():
            return model(*args, **kwargs)

    def training() -> object:
        for parameter in parameters:
            parameter.grad = None
        with torch.enable_grad(), around():
            roots = [tensor for tensor in tensors(model(*args, **kwargs)) if tensor.requires_grad]
        if not roots:
            raise InspectionError("no output depends on a trainable parameter: there is no backward to time")
        torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
        return None

    return training if backward else forward


def captured(step: Callable[[], object]) -> Callable[[], object]:
    """The step as a CUDA graph, after warm-up on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
