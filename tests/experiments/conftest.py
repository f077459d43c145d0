"""The toy experiment among the registered ones."""

from __future__ import annotations

import pytest

from inspector.experiments.registry import EXPERIMENTS

from . import toy as toys


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(EXPERIMENTS, "toy", toys.PLACE)
    for name in ("TOY_DIES", "TOY_TRAIL"):
        monkeypatch.delenv(name, raising=False)
    return "toy"
