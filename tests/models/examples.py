"""Builds the example models and inputs for them, the same each time."""

import importlib

import torch
from torch import nn

from models import EXAMPLES


def build(target: str) -> nn.Module:
    """The model that the command line calls ``target``, with weights of seed 0."""
    module, _, name = target.partition(":")
    torch.manual_seed(0)
    return getattr(importlib.import_module(module), name)()


def example_input(target: str) -> torch.Tensor:
    """A tensor of the example's size and dtype; whole numbers are tokens below 64."""
    size, dtype = EXAMPLES[target]
    generator = torch.Generator().manual_seed(0)
    if dtype == "int64":
        return torch.randint(0, 64, size, generator=generator)
    return torch.randn(size, generator=generator, dtype=getattr(torch, dtype))
