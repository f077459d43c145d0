"""Architectures of transformers of every sort, built from small configurations, without a download."""

from __future__ import annotations

import inspect
import warnings

import pytest
import torch

from tests.zoo.architectures import ARCHITECTURES
from tests.zoo.holding import hold

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture(name: str) -> None:
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers' own, at import and in constructors
        import transformers

        model_class = getattr(transformers, architecture.model)
        model = model_class(model_class.config_class(**architecture.config)).eval()
        caches = "use_cache" in inspect.signature(model.forward).parameters
        model.config.use_cache = False
        # A cache is an object of its own, which no plain hook looks into.
        hold(model, (), architecture.inputs | ({"use_cache": False} if caches else {}))
