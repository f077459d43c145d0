"""What PyTorch does with a model, seen without a line of the product: forward hooks and FlopCounterMode."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection.image_list import ImageList


@dataclasses.dataclass
class Seen:
    """One forward as PyTorch ran it.

    Attributes:
        calls: (path, shapes and dtypes of the returned tensors) of every module call, in order of entry.
        macs: half of the counter's FLOPs.
        device: ``meta`` or ``cpu``.
    """

    calls: list[list[Any]] = dataclasses.field(default_factory=list)
    macs: int = 0
    device: str = "meta"


class Uncounted(TorchDispatchMode):
    """MACs of the products that FlopCounterMode has no formula for, from the operators' sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._overloadpacket._qualified_op_name
        if name in ("aten::mv", "aten::dot"):  # every element of the first once
            self.macs += args[0].numel()
        elif name == "aten::addmv":
            self.macs += args[1].numel()
        elif name == "aten::_grouped_mm":  # each row meets the one matrix of its group
            self.macs += args[0].shape[-2] * args[0].shape[-1] * args[1].shape[-1]
        elif name == "aten::_trilinear":  # F.bilinear: x₁·A·x₂ is A·x₂ for each output, then the product with x₁
            F_out, F_1, F_2 = args[1].shape
            self.macs += args[0].shape[0] * F_out * F_1 * (F_2 + 1)
        elif name == "aten::mkldnn_rnn_layer":  # an LSTM on the CPU
            self.macs += prod(args[0].shape[:-1]) * (args[1].numel() + args[2].numel())
        elif name == "torchvision::deform_conv2d":
            out = func(*args, **(kwargs or {}))
            self.macs += out.numel() * prod(args[1].shape[1:])
            return out
        return func(*args, **(kwargs or {}))


def see(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Seen:
    """Run on the meta device; where values are needed, on the CPU, in plain mathematics that the counter sees."""
    model = copy.deepcopy(model).requires_grad_(False)  # the counter's own hooks look for gradients
    if not any(tensor.device.type == "cpu" for tensor in (*model.parameters(), *_tensors((args, kwargs)))):
        return _watched(model, args, kwargs, contextlib.nullcontext, "meta")
    try:
        twin = copy.deepcopy(model).to("meta")
        meta_args, meta_kwargs = tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) else x, (args, kwargs))
        return _watched(twin, meta_args, meta_kwargs, lambda: torch.device("meta"), "meta")
    except (RuntimeError, NotImplementedError):  # item() on a meta tensor, nonzero without values
        return _watched(model, args, kwargs, lambda: sdpa_kernel(SDPBackend.MATH), "cpu")


def _watched(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    around: Callable[[], contextlib.AbstractContextManager[Any]],
    device: str,
) -> Seen:
    seen = Seen(device=device)
    with warnings.catch_warnings(), torch.no_grad(), around(), _hooked(model, seen):
        warnings.simplefilter("ignore")  # of the models' own
        with Uncounted() as more, FlopCounterMode(display=False) as counter:
            model(*args, **kwargs)
    seen.macs = counter.get_total_flops() // 2 + more.macs
    return seen


@contextlib.contextmanager
def _hooked(model: nn.Module, seen: Seen) -> Iterator[None]:
    handles = []
    running: list[list[Any]] = []

    def hook(path: str, module: nn.Module) -> None:
        def enter(*_: Any) -> None:
            running.append([path, None])
            seen.calls.append(running[-1])

        def leave(_: nn.Module, __: Any, output: Any) -> None:
            running.pop()[1] = [(tuple(t.shape), t.dtype) for t in _tensors(output)]

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))

    for path, module in model.named_modules():
        hook(path, module)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, ImageList):
        return [value.tensors]
    if dataclasses.is_dataclass(value):
        items = [getattr(value, entry.name) for entry in dataclasses.fields(value)]
    elif isinstance(value, Mapping):
        items = list(value.values())
    else:
        items = list(value) if isinstance(value, (tuple, list)) else []
    return [tensor for item in items for tensor in _tensors(item)]
