"""Batch normalization whose statistics are merged over workers is batch normalization."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.experiments.worker_norm import WorkerBatchNorm2d


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0)).double() * 2 + 1


@pytest.mark.parametrize("share", [1, 2, 8])
def test_outputs_gradients_and_statistics_are_those_of_the_whole_batch(x: torch.Tensor, share: int) -> None:
    ours, whole = WorkerBatchNorm2d(3, share).double(), nn.BatchNorm2d(3).double()
    weights = torch.arange(x.numel()).double().view_as(x)
    gradients = []
    for layer in (ours, whole):
        inputs = x.clone().requires_grad_()
        out = layer(inputs)
        (out * weights).sum().backward()
        gradients.append([inputs.grad, *(each.grad for each in layer.parameters())])
    torch.testing.assert_close(ours(x), whole(x))
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(ours.running_var, whole.running_var)
    torch.testing.assert_close(ours.running_mean, whole.running_mean)
    torch.testing.assert_close(ours.eval()(x), whole.eval()(x))


def test_without_what_lies_between_the_means_the_variance_is_too_small(x: torch.Tensor) -> None:
    layer = WorkerBatchNorm2d(3, 2).double()
    layer.between = False
    assert bool((layer(x).var((0, 2, 3)) > 1.05).all())
