"""Gradient noise of batches: without bias, with an interval that covers, however large the model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.errors import InspectionError
from inspector.experiments import batch_noise
from inspector.experiments.batch_noise import gradients, noise


def _drawn(seed: int, m: int = 32, batch: int = 8) -> torch.Tensor:
    """Gradients with |G|² = 25 and tr Σ = 100·16 = 1600, hence a noise scale of 64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.zeros(100)
    mean[0], mean[1] = 3.0, 4.0
    return mean + 4 * torch.randn(m, 100, generator=generator) / batch**0.5


def test_both_parts_are_without_bias() -> None:
    found = [noise(_drawn(seed), batch=8) for seed in range(200)]
    traces, squares = (torch.tensor([getattr(each, name) for each in found]) for name in ("trace", "square"))
    for values, truth in ((traces, 1600.0), (squares, 25.0)):
        error = float(values.std()) / 200**0.5
        assert abs(float(values.mean()) - truth) < 3.5 * error


def test_the_interval_covers_the_truth_and_not_another() -> None:
    found = [noise(_drawn(seed), batch=8) for seed in range(200)]
    covered = sum(each.low <= 64 <= each.high for each in found)
    assert covered >= 180  # 95 % of 200 are 190; 180 or fewer happen once in ten thousand
    assert sum(each.low <= 128 <= each.high for each in found) < 20


def test_a_gradient_that_is_noise_alone_has_no_end() -> None:
    found = noise(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), batch=2)
    assert (found.scale, found.high) == (float("inf"), float("inf"))


def test_gradients_are_those_of_backward_and_leave_grad_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x, y = torch.randn(6, 3), torch.randn(6, 1)
    rows = gradients(model, nn.functional.mse_loss, [(x[:3], y[:3]), (x[3:], y[3:])], 2)
    assert all(parameter.grad is None for parameter in model.parameters())
    nn.functional.mse_loss(model(x[3:]), y[3:]).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
    torch.testing.assert_close(rows[1], expected)


def test_of_a_large_model_a_part_of_the_coordinates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_noise, "_KEPT", 40)
    model = nn.Linear(100, 1)
    pairs = [(torch.randn(2, 100), torch.randn(2, 1)) for _ in range(4)]
    assert gradients(model, nn.functional.mse_loss, pairs, 4).shape == (4, 10)


def test_bad_questions() -> None:
    with pytest.raises(InspectionError, match="3 batches"):
        noise(torch.ones(2, 3), 4)
    with pytest.raises(InspectionError, match="not finite"):
        noise(torch.full((4, 3), float("nan")), 4)
    with pytest.raises(InspectionError, match="nothing to train"):
        gradients(nn.ReLU(), nn.functional.mse_loss, [], 0)
    norm = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with pytest.raises(InspectionError, match="one value per channel"):
        gradients(norm, nn.functional.mse_loss, [(torch.ones(1, 2), torch.ones(1, 3))], 1)
