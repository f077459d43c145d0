"""``update-time``: its claims from a line, and its verdicts."""

from __future__ import annotations

import pytest
import torch

from inspector.bench.knee import Law
from inspector.experiments import Config, run, update_time
from inspector.experiments.update_time import UpdateTime, _of_net


def test_claims_follow_from_the_line() -> None:
    growth, epoch = _of_net("small", Law(9.0, 1.0), 10)
    assert growth.predicted.value == pytest.approx(19 / 10)  # (9 + 10)/(9 + 1)
    assert epoch.predicted.value == pytest.approx(10)  # 1 + B*
    assert epoch.relation == "at most"


def test_what_is_gathered_is_what_is_claimed() -> None:
    config = Config(quick=True)
    line = {f"T{size}": 1e-3 * (9 + size) for size in (1, 2, 4, 8, 16)} | {"alpha": 9e-3, "beta": 1e-3}
    values = {cell.key: line for cell in UpdateTime().cells(config)}
    found = UpdateTime().gather(config, values)
    assert found["small-growth"] == pytest.approx([2.5] * 4)  # 25/10
    assert found["large-epoch"] == pytest.approx([16 / 2.5] * 4)
    assert found["difference"] == pytest.approx([1] * 4)
    small, large, cpu = UpdateTime().notes(config, values)
    assert "knee B* = 9, flat (T(B) ≤ 1.25·T(1)) up to B = 3.5" in small
    assert large.startswith("large net")
    assert "CPU" in cpu


def test_a_gpu_is_asked_for_graphs_and_flatness(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the device: what is claimed of a GPU is what is gathered of its cells."""
    monkeypatch.setattr(update_time, "usable", lambda _device: torch.device("cuda"))
    monkeypatch.setattr(update_time, "_times", lambda _config, _net, sizes, *_: {b: 1e-3 * (9 + b) for b in sizes})
    config = Config(device="cuda", quick=True)
    cells = UpdateTime().cells(config)
    assert {cell.arguments["mode"] for cell in cells} == {"eager", "compile", "graph"}
    found = UpdateTime().gather(config, {cell.key: UpdateTime().measure(config, cell) for cell in cells})
    assert set(found) == {claim.name for claim in UpdateTime().predict(config)}
    assert found["graph-fixed"] == pytest.approx([1] * 4)
    assert found["small-flat"] == pytest.approx([7.3] * 4)  # (9 + 64)/(9 + 1)


@pytest.mark.cuda
@pytest.mark.slow
def test_on_a_gpu_the_small_net_is_flat_and_the_large_one_is_not() -> None:
    found = run("update-time", device="cuda", quick=True)
    assert {found.claim(name).verdict for name in ("small-flat", "large-not-flat")} == {"pass"}
