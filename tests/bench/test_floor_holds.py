"""A floor that is passed is a wrong formula: real models, layer by layer, on this machine's own ceilings."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torchvision import models

from inspector.bench.ceilings import ceilings
from inspector.bench.records import Ceilings
from inspector.bench.run import bench

pytestmark = pytest.mark.slow

CONVOLUTIONAL = """
    alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 mnasnet1_0 mobilenet_v2
    mobilenet_v3_small regnet_y_400mf resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 vgg11
"""
MODELS = [*CONVOLUTIONAL.split(), "maxvit_t", "swin_t", "vit_b_32"]


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def limits(request: pytest.FixtureRequest) -> Ceilings:
    return ceilings(request.param, fresh=True)


@pytest.mark.parametrize("name", MODELS)
def test_no_layer_is_faster_than_its_floor(name: str, limits: Ceilings) -> None:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    model = models.get_model(name, **options).eval()
    size = 299 if name == "inception_v3" else 224
    found = bench(model, (1, 3, size, size), device=limits.device, samples=6, seconds=1.0, ceilings=limits)
    assert len(found.rows) > 5
    passed = [(row.path, row.kind, row.measured, row.floor, row.bound) for row in found.rows if row.lost < 0]
    assert not passed
    assert 0 < found.record.fused <= found.floor <= found.p50


def test_a_planted_ceiling_that_is_too_low_is_found(limits: Ceilings) -> None:
    """The law above can fail: with a thousandth of the peak that was measured, layers pass their floors."""
    slow = dataclasses.replace(limits, peaks={name: peak / 1000 for name, peak in limits.peaks.items()})
    found = bench(models.resnet18(), (1, 3, 224, 224), device=limits.device, samples=6, seconds=1.0, ceilings=slow)
    assert any(row.lost < 0 for row in found.rows)
