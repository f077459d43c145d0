"""Advice on a model: what is measured, what is recommended, and that the model stays as it was."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from inspector.bench.knee import Law
from inspector.errors import InspectionError
from inspector.experiments import advice
from inspector.experiments.advice import Samples, advise
from inspector.experiments.documents import finite
from inspector.experiments.recommendation import Finding


def net(*norm: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), *norm, nn.ReLU(), nn.Linear(16, 3))


def samples(n: int = 64) -> Samples:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=generator)
    return Samples(x, x[:, :3].argmax(1), True, f"{n} samples")


def test_everything_is_found_and_the_model_stays(steady: None) -> None:
    model = net(nn.BatchNorm1d(16))
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    found = advise(model, samples(), cross_entropy, most=16, updates=5)
    figures = {each.name: each for each in found.findings}
    assert figures["batch norm bears"].value == 16  # one value a sample: 1/0.25²
    for name in ("gradient noise scale, as given", "gradient noise scale, after 5 updates", "knee", "memory limit"):
        value, low, high = figures[name].value, figures[name].low, figures[name].high
        assert value is not None
        assert low is not None
        assert high is not None
        assert 0 < low <= value <= high
    assert found.recommendation.norm in ("keep", "replace")
    assert len(found.remedies) == 3
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    json.dumps(finite(found.to_dict()), allow_nan=False)


def test_a_knee_that_nobody_saw_names_no_batch(steady: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = advice.update_times

    def unseen(*asked: Any) -> tuple[Any, ...]:
        law, knee, *others = real(*asked)
        return law, replace(knee, value=1600.0, low=1e-3, high=1600.0), *others

    monkeypatch.setattr(advice, "update_times", unseen)
    found = advise(net(nn.BatchNorm1d(16)), samples(), cross_entropy, most=16, updates=5)
    assert found.recommendation.batch is None
    assert "too uncertain" in found.recommendation.reasons[0]
    assert "--most, or less other load on the machine, for knee, 1 600 [0.001, 1 600]" in str(found)
    (best,) = (each for each in found.findings if each.name == "best batch for time")
    assert best.evidence.startswith("√(1 600 · ")


def test_a_noise_scale_without_an_upper_end_leaves_the_best_batch_open() -> None:
    noise = Finding("noise", 100.0, 50.0, None, "")
    best = advice._best(Law(3.0, 0.1), Finding("knee", 30.0, 20.0, 40.0, ""), noise)
    assert best.low is not None
    assert best.high is None
    assert best.interval.endswith("∞)")


@pytest.mark.slow
def test_without_batch_norm_any_batch_is_valid() -> None:
    found = advise(net(), samples(), cross_entropy, most=8, updates=0)
    assert found.recommendation.norm == "none"
    assert found.layers == ()
    assert found.remedies == ()


@pytest.mark.slow
def test_random_samples_give_times_alone(steady: None) -> None:
    real = samples()
    found = advise(net(nn.BatchNorm1d(16)), Samples(real.x, real.y, False, "random"), cross_entropy, most=8)
    figures = {each.name: each.value for each in found.findings}
    assert figures["gradient noise scale"] is None
    assert figures["best batch for time"] is None
    assert figures["knee"] is not None


def test_samples_in_the_order_of_their_classes_are_mixed(steady: None) -> None:
    """Classes 12 σ apart, pixels independent within: an image is worth little more than one value, not its 16."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(3).repeat_interleave(300)
    x = torch.randn(900, 1, 4, 4, generator=generator) + 12 * y[:, None, None, None]
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3))
    (layer,) = advise(model, Samples(x, y, True, "900"), cross_entropy, most=4, updates=0).layers
    assert layer.independent < 1.1
    assert layer.smallest is not None
    assert layer.smallest > 14  # 1/(0.25²·1.1)


def test_where_memory_ends_fewer_samples_are_looked_at(steady: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hungry(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 12:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
            return super().forward(x)

    torch.manual_seed(0)
    model = Hungry(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    found = advise(model, samples(), cross_entropy, most=64, updates=3)
    assert [each.name for each in found.remedies if each.helps is not None]
    assert any("batches of 8: memory sufficed for 8, not for 32" in note for note in found.notes)
    assert "memory sufficed for 8, not for 64" in found.notes
    figures = {each.name: each for each in found.findings}
    assert figures["memory limit"].value == 8
    assert found.recommendation.batch is not None
    assert found.recommendation.batch <= 8


@pytest.mark.slow
def test_a_loss_that_leaves_all_bounds_is_a_note() -> None:
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.w / (self.w == 0)).expand(len(x)) + 0 * self.w  # 0/1 at first, then w/0

    x = torch.randn(32, 2)
    found = advise(Explodes(), Samples(x, torch.ones(32), True, "32"), mse_loss, most=4, updates=5)
    assert any("loss is" in note and "as given" in note for note in found.notes)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda output, _: output, "must give one number"),
        (lambda output, _: output.detach().sum(), "without a gradient"),
        (lambda output, _: output.sum() * float("inf"), "before any update"),
        (lambda output, y: cross_entropy(output[:, :0], y), "does not take samples of"),
    ],
)
def test_losses_that_do_not_fit(loss: object, said: str) -> None:
    with pytest.raises(InspectionError, match=said):
        advise(net(), samples(), loss)  # type: ignore[arg-type]
