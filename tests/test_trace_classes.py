"""Tensors of classes of their own: what their class makes of each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right

import inspector
from tests.held import held, kinds


class Fn(nn.Module):
    """A forward that is the given function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def test_tensor_subclasses_go_through() -> None:
    class Tagged(torch.Tensor):
        pass

    p = inspector.predict(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), input_data=torch.rand(2, 4).as_subclass(Tagged))
    assert p.total_macs == 2 * 16
    assert {row.source for row in p.rows} == {"formula"}


class Halving(torch.Tensor):
    """A class with a method of its own: what PyTorch computes from it is of the class too."""

    def halved(self) -> torch.Tensor:
        return self / 2


class Scaled(torch.Tensor):
    """A class that handles calls itself: each product of it is a sum."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.matmul:
            return args[0].sum(-1) + args[1].sum()
        return super().__torch_function__(func, types, args, kwargs)


def test_results_of_a_tensor_class_are_of_the_class() -> None:
    model = Fn(lambda x: torch.relu(x.as_subclass(Halving)).halved())
    p = held(model, (2, 4))
    assert kinds(p) == ["relu", "div"]


def test_a_tensor_class_handles_its_calls() -> None:
    model = Fn(lambda x: torch.matmul(x.as_subclass(Scaled), x.mT))
    p = held(model, (2, 4))
    assert kinds(p)[-3:] == ["sum", "sum", "add"]
    assert p.modules[0].output_shapes == ((2,),)
    assert p.total_macs == 0


def test_a_causal_bias_is_a_mask_of_its_own_class() -> None:
    model = Fn(lambda q: F.scaled_dot_product_attention(q, q, q, attn_mask=causal_lower_right(5, 5)))
    p = held(model, (2, 4, 5, 8))
    assert p.total_macs == 2 * 4 * (5 * 5 * 8) * 2  # q·kᵀ and the weights by v
    assert p.modules[0].output_shapes == ((2, 4, 5, 8),)
