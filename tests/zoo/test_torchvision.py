"""Every model of torchvision."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from tests.zoo.holding import Bodiless, hold

pytestmark = pytest.mark.slow

CLASSIFIERS = models.list_models(module=models)
SEGMENTERS = models.list_models(module=models.segmentation)
VIDEO = models.list_models(module=models.video)
FLOW = models.list_models(module=models.optical_flow)
QUANTIZABLE = models.list_models(module=models.quantization)
DETECTORS = models.list_models(module=models.detection)


def bodiless(name: str) -> torch.nn.Module:
    options: dict[str, object] = {}
    if name in SEGMENTERS:
        options["weights_backbone"] = None
    if name in QUANTIZABLE:
        options["quantize"] = False
    if name.removeprefix("quantized_") in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # else minutes of drawing, and a warning
    with Bodiless():
        return models.get_model(name, **options).eval().to("meta")


def meta(*sizes: int) -> torch.Tensor:
    return torch.empty(sizes, device="meta")


def test_the_lists_are_all_of_torchvision():
    assert sorted(CLASSIFIERS + SEGMENTERS + VIDEO + FLOW + QUANTIZABLE + DETECTORS) == sorted(models.list_models())


@pytest.mark.parametrize("name", CLASSIFIERS + QUANTIZABLE)
def test_classification(name: str) -> None:
    size = 299 if name.endswith("inception_v3") else 224
    hold(bodiless(name), (meta(1, 3, size, size),))


@pytest.mark.parametrize("name", SEGMENTERS)
def test_segmentation(name: str) -> None:
    hold(bodiless(name), (meta(1, 3, 224, 224),))


@pytest.mark.parametrize("name", VIDEO)
def test_video(name: str) -> None:
    hold(bodiless(name), (meta(1, 3, 16, 224, 224),))


@pytest.mark.parametrize("name", FLOW)
def test_optical_flow(name: str) -> None:
    hold(bodiless(name), (meta(1, 3, 128, 128), meta(1, 3, 128, 128)), {"num_flow_updates": 2})


@pytest.mark.parametrize("name", DETECTORS)
def test_detection(name: str) -> None:
    """How many boxes stay hangs on values, so real weights see a real image."""
    options = {} if name.startswith("ssd") else {"min_size": 96, "max_size": 96}
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, weights_backbone=None, **options).eval()
    hold(model, ([torch.rand(3, 80, 96)],))
