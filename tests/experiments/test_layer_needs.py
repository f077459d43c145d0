"""What a sample is worth to a layer, on data where it is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.experiments.layer_needs import batch_norms, layer_needs


def test_independent_pixels_are_worth_their_number() -> None:
    torch.manual_seed(0)
    (need,) = layer_needs(nn.Sequential(nn.BatchNorm2d(4)), torch.randn(2000, 4, 4, 4))
    assert need.values == 16
    assert need.low <= 16 <= need.high
    assert need.smallest == 2  # 1/(0.25²·16) = 1, and a variance needs two


def test_equal_pixels_are_worth_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 3, 1, 1).expand(50, 3, 7, 7)
    (need,) = layer_needs(nn.Sequential(nn.BatchNorm2d(3)), x, tolerance=0.25)
    assert need.independent == pytest.approx(1, abs=1e-6)
    assert need.smallest == 16  # 1/0.25²
    (strict,) = layer_needs(nn.Sequential(nn.BatchNorm2d(3)), x, 0.1)
    assert strict.smallest == 100  # 1/0.1², however it is rounded


def test_the_worth_predicts_how_batch_means_scatter() -> None:
    """Var μ_B = σ²/(b·w), measured over many batches of one half image-wide, one half pixel-wide noise."""
    torch.manual_seed(0)
    x = torch.randn(8000, 1, 1, 1) + torch.randn(8000, 1, 6, 6)  # w = 2/(1 + 1/36)
    (need,) = layer_needs(nn.Sequential(nn.BatchNorm2d(1)), x)
    assert need.low <= 2 / (1 + 1 / 36) <= need.high
    means = x.view(1000, 8, 36).mean((1, 2))
    assert float(means.var()) == pytest.approx(float(x.var()) / (8 * need.independent), rel=0.15)  # 3.5 sd of 1000


def test_a_layer_without_variance_has_no_need() -> None:
    (need,) = layer_needs(nn.Sequential(nn.BatchNorm1d(2)), torch.ones(8, 2))
    assert need.smallest is None


def test_only_layers_that_use_the_batch() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.GroupNorm(1, 2))
    model[1].eval()
    assert list(batch_norms(model)) == ["0"]
    assert [need.path for need in layer_needs(model, torch.randn(8, 2))] == ["0"]
    assert not model[0]._forward_pre_hooks
