"""The training loop, and what it says where a training cannot go on."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inspector.errors import InspectionError
from inspector.experiments.training import Diverged, batches, error_rate, lenet, train


def trained(model: nn.Module, rate: float = 0.1, steps: int = 30, batch: int = 8, n: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), rate)
    return train(
        model,
        lambda found, y: F.mse_loss(found, y),
        optimizer,
        x,
        x.sum(1, keepdim=True),
        batch=batch,
        steps=steps,
        generator=generator,
    )


def test_it_is_the_loop_one_would_write() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    weight = model.weight.detach().clone()
    bias = model.bias.detach().clone()
    losses = trained(model, steps=3)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 4, generator=generator)
    y = x.sum(1, keepdim=True)
    order = torch.randperm(32, generator=generator)
    for step in range(3):
        chosen = order[8 * step : 8 * step + 8]
        off = x[chosen] @ weight.T + bias - y[chosen]
        assert losses[step].item() == pytest.approx(off.square().mean().item(), rel=1e-5)
        weight = weight - 0.1 * 2 * off.T @ x[chosen] / 8
        bias = bias - 0.1 * 2 * off.mean(0)
    torch.testing.assert_close(model.weight.detach(), weight)


def test_each_pass_sees_every_sample_once() -> None:
    order = batches(10, 3, torch.Generator().manual_seed(0))
    for _ in range(3):
        seen = torch.cat([next(order) for _ in range(3)])
        assert len(seen.unique()) == 9


def test_a_loss_that_is_not_finite_is_said_with_its_step() -> None:
    with pytest.raises(Diverged, match=r"the loss is (inf|nan) at step \d+ of 300: the learning rate") as caught:
        trained(nn.Linear(4, 1), rate=1e3, steps=300)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.step) == (str(caught.value), caught.value.step)
    assert 0 < again.step < 300


def test_too_large_a_batch() -> None:
    with pytest.raises(InspectionError, match="a batch of 33 from 32 samples"):
        trained(nn.Linear(4, 1), batch=33)


def test_batch_norm_of_one_value_is_explained() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    with pytest.raises(InspectionError, match=r"one value per channel.*freeze_batch_norm.*to_group_norm"):
        trained(model, batch=1)


def test_other_errors_of_a_model_are_its_own() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        trained(nn.Linear(5, 1))


def test_lenet_takes_norms_and_classes() -> None:
    model = lenet(classes=3, norm=nn.BatchNorm2d, activation=nn.Tanh)
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    assert [module.num_features for module in model if isinstance(module, nn.BatchNorm2d)] == [6, 16]
    assert sum(parameter.numel() for parameter in lenet().parameters()) == 61_706  # the taught LeNet-5's


def test_errors_are_counted_in_evaluation_mode_and_the_modes_put_back() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(1.0))
    model[0].eval()
    x = torch.eye(2).repeat(5, 1)
    assert error_rate(model, x, torch.tensor([0, 1] * 5), batch=3) == 0.0
    assert [module.training for module in model.modules()] == [True, False, True]
