"""The toy experiment among the registered ones, and a clock that no other load disturbs."""

from __future__ import annotations

import pytest

from inspector.experiments.registry import EXPERIMENTS

from . import toy as toys
from .clock import undisturbed


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(EXPERIMENTS, "toy", toys.PLACE)
    for name in ("TOY_DIES", "TOY_TRAIL"):
        monkeypatch.delenv(name, raising=False)
    return "toy"


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times follow from what is computed."""
    undisturbed(monkeypatch)
