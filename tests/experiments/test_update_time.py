"""``update-time``: its claims from a line, and its verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from matplotlib.figure import Figure

from inspector.bench.knee import Law
from inspector.experiments import Config, Result, run, update_time
from inspector.experiments.judge import judge
from inspector.experiments.update_time import UpdateTime, _of_net, flat_seen
from inspector.experiments.update_times import compiled_apart


def test_claims_follow_from_the_line() -> None:
    growth, epoch, flat = _of_net("small", Law(9.0, 1.0), 10)
    assert growth.predicted.value == pytest.approx(19 / 10)  # (9 + 10)/(9 + 1)
    assert epoch.predicted.value == pytest.approx(10)  # 1 + B*
    assert epoch.relation == "at most"
    assert flat.predicted.value == pytest.approx(math.log2(3.5))  # 9 + B = 1.25·10
    assert flat.predicted.high == pytest.approx(math.log2(6.625))  # 9 + B = 1.25·1.25·10
    assert _of_net("small", Law(9.0, 1.0), 2)[2].predicted.value == 1  # no further than what is measured


def test_claims_follow_from_the_bent_law() -> None:
    growth, epoch, flat = _of_net("small", Law(4.0, 1.0, gamma=2.0), 3)
    assert growth.predicted.value == pytest.approx(math.sqrt(25 / 17))  # √(16 + 9)/√(16 + 1)
    assert epoch.predicted.value == pytest.approx(math.sqrt(17))  # T(1)/β
    assert flat.predicted.value == pytest.approx(math.log2(3))  # T(3) = 5 < 1.25·√17
    assert "γ = 2" in growth.predicted.formula


def test_the_law_is_chosen_by_akaikes_criterion(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the times of a bent law, the bent law is measured; the straight one lies 15 % off at its knee."""
    bent = Law(8e-3, 1e-3, gamma=4.0)
    monkeypatch.setattr(update_time, "_times", lambda _config, _net, sizes, *_: {b: bent.at(b) for b in sizes})
    values = UpdateTime().measure(Config(), UpdateTime().cells(Config())[0])
    assert values["gamma"] == pytest.approx(4.0, rel=1e-2)
    assert values["alpha"] == pytest.approx(8e-3, rel=1e-2)
    assert "γ = 4" in UpdateTime().notes(Config(), {cell.key: values for cell in UpdateTime().cells(Config())})[0]


def test_flatness_ends_between_two_sizes() -> None:
    assert flat_seen({1: 9.0 + 1, 2: 9.0 + 2, 4: 9.0 + 4}) == pytest.approx(3.5)
    assert flat_seen({1: 1.0, 2: 1.0, 4: 1.2}) == 4


def test_memory_that_does_not_suffice_moves_the_claims(monkeypatch: pytest.MonkeyPatch, steady: None) -> None:
    """From 12 samples on the large net's memory is at its end: 8 is then the largest size of all claims."""
    updating = update_time._updating

    def limited(config: Config, net: str, most: int, mode: str = "eager") -> Callable[[int], Callable[[], object]]:
        make = updating(config, net, most, mode)

        def made(size: int) -> Callable[[], object]:
            if net == "large" and size > 12:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
            return make(size)

        return made

    monkeypatch.setattr(update_time, "_updating", limited)
    found = run("update-time", quick=True)
    assert found.verdict == "pass"
    assert "an update of the large net with 8 samples" in found.claim("large-growth").claim.statement
    assert "memory suffices for batches of 8, not for 16: the claims are put at 8" in found.notes
    assert found.figure().axes


def test_every_size_is_compiled() -> None:
    """Dynamo's own limit of eight variants would leave the others to eager execution, whose times look compiled."""
    compiled = []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        compiled.append(graph)
        return graph.forward

    net = torch.nn.Linear(2, 1)
    for _ in range(2):  # what another cell compiled before does not count
        with compiled_apart(12):
            forward = torch.compile(net, dynamic=False, backend=backend)
            for size in range(1, 13):
                forward(torch.zeros(size, 2))
    assert len(compiled) == 24


@pytest.mark.slow
def test_the_real_clock_measures_every_claim() -> None:
    """What a loaded machine makes of the verdict is not asked."""
    found = run("update-time", quick=True)
    assert all(each.measured is not None and each.measured.value > 0 for each in found.claims)


def test_what_is_gathered_is_what_is_claimed() -> None:
    config = Config(quick=True)
    line = {f"T{size}": 1e-3 * (9 + size) for size in (1, 2, 4, 8, 16)}
    line |= {"alpha": 9e-3, "beta": 1e-3, "gamma": 1.0, "flat": 3.5}
    values = {cell.key: line for cell in UpdateTime().cells(config)}
    found = UpdateTime().gather(config, values)
    assert found["small-growth"] == pytest.approx([2.5] * 4)  # 25/10
    assert found["large-epoch"] == pytest.approx([16 / 2.5] * 4)
    assert found["difference"] == pytest.approx([1] * 4)
    assert found["small-flat-until"] == pytest.approx([math.log2(3.5)] * 4)
    small, large, cpu = UpdateTime().notes(config, values)
    assert "knee B* = 9; flat (T(B) ≤ 1.25·T(1)) up to B = 3.5 by the law, 3.5 measured" in small
    assert large.startswith("large net")
    assert "CPU" in cpu


def test_a_gpu_is_asked_for_graphs_and_flatness(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the device: what is claimed of a GPU is what is gathered of its cells."""
    monkeypatch.setattr(update_time, "usable", lambda _device: torch.device("cuda"))
    monkeypatch.setattr(update_time, "_times", lambda _config, _net, sizes, *_: {b: 1e-3 * (9 + b) for b in sizes})
    monkeypatch.setattr(update_time, "_once", lambda *_: None)
    config = Config(device="cuda", quick=True)
    cells = UpdateTime().cells(config)
    assert {cell.arguments["mode"] for cell in cells} == {"eager", "compile", "graph"}
    values = {cell.key: UpdateTime().measure(config, cell) for cell in cells}
    found = UpdateTime().gather(config, values)
    claims = UpdateTime().predict(config)
    assert set(found) == {claim.name for claim in claims}
    assert [note.partition(":")[0] for note in UpdateTime().notes(config, values)] == [
        "small net",
        "large net",
        "small net, compile",
        "small net, graph",
    ]
    drawn = Figure()
    UpdateTime().draw(drawn, Result("update-time", "", "", config, "", "", judge(claims, found), values, {}))
    assert {"small-compile: measured", "small-graph: measured"} <= set(drawn.axes[0].get_legend_handles_labels()[1])
    assert found["graph-fixed"] == pytest.approx([1] * 4)
    assert found["small-flat"] == pytest.approx([7.3] * 4)  # (9 + 64)/(9 + 1)


@pytest.mark.cuda
@pytest.mark.slow
def test_on_a_gpu_the_small_net_is_flat_and_the_large_one_is_not() -> None:
    found = run("update-time", device="cuda", quick=True)
    assert {found.claim(name).verdict for name in ("small-flat", "large-not-flat")} == {"pass"}
