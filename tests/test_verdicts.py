"""Models of which a witness sees a part: what it gives is weighed against what is known, and nothing is accused."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.held import held


class Fn(nn.Module):
    """A forward that is the given function of the input and a linear layer."""

    def __init__(self, function: Callable[..., Any], bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4, bias)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.linear, x)


def test_parameters_that_vmap_maps() -> None:
    """torchinfo sees one example of the layer's work, a batch of (2, 3); vmap maps two weights."""

    def ensemble(linear: nn.Linear, x: Tensor) -> Tensor:
        weights = {name: torch.stack((value, value)) for name, value in linear.named_parameters()}
        return torch.vmap(lambda w: torch.func.functional_call(linear, w, (x,)))(weights)

    p = held(Fn(ensemble), (2, 3))
    assert p.total_macs == 2 * (2 * 3 * 4)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by which jvp makes its rules
@pytest.mark.parametrize(
    "function",
    [
        lambda linear, x: torch.func.grad(lambda y: linear(y).sum())(x),
        lambda linear, x: torch.func.jvp(linear, (x,), (x,))[1],
    ],
    ids=["grad", "jvp"],
)
def test_derivatives_whose_products_nobody_states(function: Callable[..., Any]) -> None:
    p = held(Fn(function), (2, 3), by_formula=False)
    assert p.unknown_macs > 0
    assert p.total_macs == 2 * 3 * 4  # the layer's own; the derivative's are not known


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
@pytest.mark.parametrize("layer", [nn.Conv1d(2, 3, 3), nn.ConvTranspose1d(2, 3, 3)])
def test_a_layer_over_complex_numbers(layer: nn.Module) -> None:
    places = 6 if isinstance(layer, nn.Conv1d) else 8
    p = held(layer.to(torch.complex64), (1, 2, 8), input_dtypes="complex64")
    assert p.total_macs == 3 * (3 * 2 * 3 * places)  # three real convolutions


def test_weights_that_are_packed_and_quantized() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls the whole package deprecated
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), {nn.Linear})
        p = held(model, input_data=torch.rand(3, 4))
    assert p.total_macs == 3 * (4 * 8 + 8 * 2)


def test_attention_on_the_cpu_for_whose_kernel_the_counter_has_no_formula() -> None:
    """Values are needed, so that the counter cannot run on the meta device."""

    def attend(_: nn.Linear, x: Tensor) -> Tensor:
        positions = int((x.sum() != 0).item()) * 5
        return torch.nn.functional.scaled_dot_product_attention(x, x[:, :, :positions], x[:, :, :positions, :3])

    p = held(Fn(attend), input_data=torch.rand(2, 4, 6, 8))
    assert p.total_macs == 2 * 4 * 6 * 5 * (8 + 3)  # Q·Kᵀ, and the weights by V


def test_a_copy_that_the_forward_makes() -> None:
    p = held(Fn(lambda linear, x: copy.deepcopy(linear)(x), bias=False), (2, 3))
    assert [call.path for call in p.modules] == [""]  # a copy is registered nowhere
    assert p.total_macs == 2 * 3 * 4
