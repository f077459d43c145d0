"""A clock that counts work: no load of the machine moves it, and what it says follows from what a call does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from inspector.bench import measuring, sweep

#: Seconds of one operation, however small, and of one floating-point operation.
LAUNCH, FLOP = 1e-5, 1e-10


class _Launches(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += 1
        return func(*args, **(kwargs or {}))


class WorkClock:
    """T(B) = t₀ + βB to the digit: operations count for t₀, floating-point operations for βB."""

    def __init__(self, *_: object, **__: object) -> None:
        self._known: dict[Callable[[], object], float] = {}

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        if call not in self._known:
            with FlopCounterMode(display=False) as flops, _Launches() as launches:
                call()
            self._known[call] = LAUNCH * launches.seen + FLOP * flops.get_total_flops()
        return steps * self._known[call]


def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times follow from what is computed, and no size is left out because the machine is slow."""
    monkeypatch.setattr(measuring, "clock_for", WorkClock)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: 0.0))
