"""The models that are measured, on the meta device, where every tool can ask without running a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Subject(NamedTuple):
    """One model with its input.

    Attributes:
        name: in the tables.
        build: makes the model in eval mode on the device that is the default one then.
        input_size: of the one input.
        dtype: of the input.
        target: how many times faster than torchinfo the prediction shall be.
    """

    name: str
    build: Callable[[], nn.Module]
    input_size: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    target: float = 10.0

    def on(self, device: str) -> tuple[nn.Module, Tensor]:
        """A fresh model and its input, all zeros where the device holds values: no figure depends on them."""
        with _Bodiless():
            model = self.build().eval().to("meta")
        if device != "meta":
            model = model.to_empty(device=device)
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.detach().zero_()
        return model, torch.zeros(self.input_size, dtype=self.dtype, device=device)


class _Bodiless(torch.overrides.TorchFunctionMode):
    """Parameters are born on the meta device; what a constructor computes with (arange, linspace) keeps its values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # torch's own signature
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones, torch.randn) and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def vision(name: str, target: float = 10.0, size: int = 224) -> Subject:
    """A classifier of torchvision without weights, by its name."""

    def build() -> nn.Module:
        import torchvision

        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return torchvision.models.get_model(name, **options)  # type: ignore[no-any-return]  # untyped there

    return Subject(name, build, (1, 3, size, size), target=target)


def zoo() -> list[Subject]:
    """Every classifier of torchvision."""
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    return [vision(name, size=299 if name == "inception_v3" else 224) for name in names]


def _lenet() -> nn.Module:
    from models.lenet import LeNet5

    return LeNet5()


def _llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(num_hidden_layers=32))


SUBJECTS = (
    vision("resnet152", 20.0),
    vision("efficientnet_v2_l", 20.0),
    vision("densenet201", 20.0),
    vision("vit_l_16"),
    vision("swin_v2_b"),
    Subject("LeNet-5", _lenet, (1, 1, 32, 32)),
    Subject("Llama, 32 layers", _llama, (1, 128), torch.int64),
)


class Blocks(nn.Module):
    """So many residual blocks of convolution, normalization and ReLU, one after the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
            for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


def blocks(count: int) -> Subject:
    """For the growth of time with the number of calls."""
    return Subject(f"{count} blocks", lambda: Blocks(count), (1, 64, 32, 32))
