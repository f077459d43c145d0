"""Batch renormalization between batch normalization and inference."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from inspector.experiments.batch_renorm import BatchRenorm2d


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double() * 2 + 1


def test_without_correction_it_is_batch_normalization(x: torch.Tensor) -> None:
    ours, plain = BatchRenorm2d(3, r_max=1, d_max=0).double(), nn.BatchNorm2d(3).double()
    torch.testing.assert_close(ours(x), plain(x))
    torch.testing.assert_close(dict(ours.named_buffers()), dict(plain.named_buffers()))


def test_without_limits_it_is_inference(x: torch.Tensor) -> None:
    layer = BatchRenorm2d(3, math.inf, math.inf).double()
    layer(x)
    expected = (x - layer.running_mean[:, None, None]) / (layer.running_var[:, None, None] + layer.eps).sqrt()
    torch.testing.assert_close(layer(x), expected)


def test_the_gradient_takes_the_correction_for_constant(x: torch.Tensor) -> None:
    """y = x̂_B·r + d, so that the gradient is batch normalization's times r."""
    layer, plain = BatchRenorm2d(3, r_max=1.5, d_max=0).double(), nn.BatchNorm2d(3, affine=False).double()
    weights = torch.randn_like(x)
    found, expected = (
        torch.autograd.grad((net(inputs) * weights).sum(), inputs)[0]
        for net, inputs in ((layer, x.clone().requires_grad_()), (plain, x.clone().requires_grad_()))
    )
    torch.testing.assert_close(found, expected * 1.5)  # the data's deviation is 2, so that r is at its limit


def test_in_evaluation_mode_it_is_batch_normalization(x: torch.Tensor) -> None:
    torch.testing.assert_close(BatchRenorm2d(3).double().eval()(x), nn.BatchNorm2d(3).double().eval()(x))
