"""A floor that is passed is a wrong formula: real models and odd layers, on this machine's own ceilings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from inspector.bench import floor
from inspector.bench.ceilings import measure
from inspector.bench.demand import demands
from inspector.bench.floor import Roof, model_floor
from inspector.bench.layers import LayerTime, LayerTimes
from inspector.bench.records import Ceilings
from inspector.bench.rows import rows_of
from inspector.bench.run import Benchmark, bench

CONVOLUTIONAL = """
    alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 mnasnet1_0 mobilenet_v2
    mobilenet_v3_small regnet_y_400mf resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 vgg11
"""
MODELS = [*CONVOLUTIONAL.split(), "maxvit_t", "swin_t", "vit_b_32"]
_TRIES = 5


class Calls(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: Tensor) -> Any:
        return self.function(*x)


WIDE = (4, 64, 56, 56)
#: Kinds of calls whose bytes or products are easily charged too high.
ODD: dict[str, tuple[nn.Module, Any]] = {
    "depthwise": (nn.Conv2d(64, 64, 3, groups=64, padding=1), (1, 64, 56, 56)),
    "1x1, strided": (nn.Conv2d(64, 64, 1, stride=2), WIDE),
    "dilated": (nn.Conv2d(64, 64, 3, dilation=4), (1, 64, 56, 56)),
    "transposed": (nn.ConvTranspose2d(64, 32, 2, stride=2), (1, 64, 28, 28)),
    "one row": (nn.Linear(2048, 2048), (1, 2048)),
    "products": (nn.Linear(512, 512), (512, 512)),
    "lookup": (Calls(lambda x: F.embedding((x * 100).long().abs() % 1000, torch.ones(1000, 64))), (64, 64)),
    "in place": (nn.ReLU(inplace=True), WIDE),
    "within a cache": (nn.ReLU(), (64, 1024)),
    "dropout, not in training": (nn.Dropout(), WIDE),
    "sum": (Calls(torch.sum), WIDE),
    "trace": (Calls(torch.trace), (2000, 2000)),
    "softmax": (nn.Softmax(-1), (32, 64, 64)),
    "views": (Calls(lambda x: x.view(4, -1).t()[1:].unsqueeze(0)), WIDE),
    "windows": (Calls(lambda x: x.unfold(1, 16, 1).sum(-1)), (8, 10000)),
    "expanded": (Calls(lambda x: x + x[:1, :, :1, :1]), WIDE),
    "joined": (Calls(lambda x: torch.cat([x, x], 1)), WIDE),
    "steps over": (nn.AvgPool2d(2, 4), WIDE),
    "causal": (Calls(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)), (1, 4, 256, 64)),
    "first keys": (
        Calls(lambda x: F.scaled_dot_product_attention(x[:, :, :2], x, x, is_causal=True)),
        (1, 8, 4096, 64),
    ),
    "ignored summand": (Calls(lambda x: torch.baddbmm(torch.empty(8, 512, 512), x, x.mT, beta=0)), (8, 512, 8)),
    "recurrent": (nn.LSTM(128, 128, batch_first=True), (8, 32, 128)),
    "encoder": (nn.TransformerEncoderLayer(128, 4, 256, batch_first=True), (4, 64, 128)),
}


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def limits(request: pytest.FixtureRequest) -> Ceilings:
    return measure(request.param)


def _higher(one: Ceilings, other: Ceilings) -> Ceilings:
    """The best that was seen in either measurement."""
    return dataclasses.replace(
        one,
        peaks={name: max(peak, other.peaks[name]) for name, peak in one.peaks.items()},
        streams=tuple((size, max(speed, dict(other.streams)[size])) for size, speed in one.streams),
        launch=min(one.launch, other.launch),
    )


def _passed(
    model: nn.Module, size: Any, limits: Ceilings, fresh: Callable[[str], Ceilings] = measure, **options: Any
) -> tuple[Benchmark, set[str]]:
    """The last measurement, and what was quicker than its floor in every one of some tries.

    A wrong formula is passed every time. Ceilings that were measured while others were at work are not: they are
    measured again between two tries, from kernels of their own, and the best that was seen counts.
    """
    always: set[str] | None = None
    for again in range(_TRIES):
        if again:
            limits = _higher(limits, fresh(limits.device))
        asked = {"device": limits.device, "samples": 6, "seconds": 0.5, "ceilings": limits, **options}
        found = bench(model, size, **asked)
        passed = {f"{row.path} ({row.kind})" for row in found.rows if row.lost < 0}
        passed |= {"the whole"} if found.p50 < found.floor else set()
        always = passed if always is None else always & passed
        if not always:
            break
    assert always is not None
    return found, always


def _classifier(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    size = 299 if name == "inception_v3" else 224
    return models.get_model(name, **options).eval(), (1, 3, size, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_no_layer_is_faster_than_its_floor(name: str, limits: Ceilings) -> None:
    found, passed = _passed(*_classifier(name), limits)
    assert len(found.rows) > 5
    assert not passed, found.record.notes
    assert 0 < found.record.fused <= found.floor


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_no_odd_layer_is_faster_than_its_floor(kind: str, limits: Ceilings) -> None:
    model, size = ODD[kind]
    found, passed = _passed(nn.Sequential(model), size, limits, seconds=0.1)
    assert not passed, found.record.notes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_no_training_step_is_faster_than_its_floor(name: str, limits: Ceilings) -> None:
    model, size = _classifier(name)
    found, passed = _passed(model, (2, *size[1:]), limits, backward=True)
    assert not passed, found.record.notes


@pytest.mark.slow
def test_no_compiled_model_is_faster_than_a_single_kernel(limits: Ceilings) -> None:
    try:
        torch.compile(torch.sin)(torch.ones(3, device=limits.device))
    except Exception as error:
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")

    def chain(x: Tensor) -> Tensor:
        for _ in range(6):
            x = torch.relu(x + 1)
        return x.sum(-1)

    found, passed = _passed(Calls(chain), (1000, 1000), limits, mode="compile")
    assert not passed, found.record.notes


@pytest.mark.slow
def test_a_floor_that_is_much_too_high_is_passed(limits: Ceilings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws above can fail, in every one of their tries, also on a machine that others keep busy."""
    monkeypatch.setattr(floor, "_FLOPS_PER_MAC", 2 * 1000)
    model, size = _classifier("squeezenet1_1")
    assert len(_passed(model, size, limits, fresh=lambda _: limits)[1]) > 20


@pytest.mark.parametrize(("factor", "quicker"), [(1.0, []), (1.2, ["0", "1"])])
def test_a_floor_that_is_a_fifth_too_high_is_passed_near_the_peak(
    factor: float, quicker: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a simulated device, where each layer takes a tenth longer than it must; the ReLU is bound by memory."""
    roof = Roof(((10**9, 1e9),), {"float32": 1e6}, 0.0, queued=False, transforms=False)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU())
    prediction, taken = demands(model, (1, 3, 16, 16))
    true = model_floor(prediction.rows, taken, roof)
    layers = [LayerTime(str(n), "L", 1, 0, 1.1 * call.seconds) for n, call in enumerate(true.calls)]
    monkeypatch.setattr(floor, "_FLOPS_PER_MAC", 2 * factor)
    claimed = model_floor(prediction.rows, taken, roof)
    rows = rows_of(prediction, taken, claimed, LayerTimes((LayerTime("", "S", 1, -1, 0.0), *layers), 1.0, 1))
    assert sorted(_quicker(rows)) == quicker


def _quicker(rows: Iterable[Any]) -> list[str]:
    return [row.path for row in rows if row.lost < 0]
