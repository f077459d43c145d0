"""``inspector.bench``: what a benchmark says, and that the model stays as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.bench import run
from inspector.bench.baseline import compare_records, counterpart, read_records, write_records
from inspector.bench.environment import environment
from inspector.bench.measuring import summarize
from inspector.bench.records import Ceilings, Record
from inspector.bench.run import Benchmark, roof
from inspector.errors import InspectionError
from inspector.references.running import full_precision
from models.lenet import LeNet5
from tests.bench.devices import CEILINGS

INPUT = (2, 1, 32, 32)


@pytest.fixture(scope="module")
def limits() -> Ceilings:
    return CEILINGS


@pytest.fixture(scope="module")
def found(limits: Ceilings) -> Benchmark:
    return inspector.bench(LeNet5(), INPUT, samples=6, seconds=0.2, ceilings=limits)


def test_what_a_benchmark_holds(found: Benchmark) -> None:
    assert found.interval[0] <= found.p50 <= found.interval[1]
    assert found.efficiency == pytest.approx(found.floor / found.p50)
    assert {row.path for row in found.rows} == {f"features.{n}" for n in range(8)} | {
        f"classifier.{n}" for n in range(5)
    }
    assert [row.lost for row in found.rows] == sorted((row.lost for row in found.rows), reverse=True)
    assert sum(row.macs for row in found.rows) == inspector.predict(LeNet5(), INPUT).total_macs
    assert all(row.lost == row.measured - row.floor for row in found.rows)
    assert sum(row.floor for row in found.rows) == pytest.approx(found.floor)
    assert found.record.memory["predicted"] == inspector.memory(LeNet5(), INPUT).inference
    assert "features.0 (Conv2d)" in str(found)


def test_the_model_stays_as_it_was_also_where_forward_raises(limits: Ceilings) -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inspector.bench(model, (4, 3), backward=True, dtype="float64", samples=6, seconds=0.1, ceilings=limits)
    with pytest.raises(InspectionError):
        inspector.bench(model, (4, 5), samples=6, seconds=0.1, ceilings=limits)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_training_step_has_a_higher_floor(found: Benchmark, limits: Ceilings) -> None:
    step = inspector.bench(LeNet5(), INPUT, backward=True, layers=False, samples=6, seconds=0.1, ceilings=limits)
    assert step.floor > found.floor
    assert step.record.backward
    assert step.rows == ()


@pytest.mark.parametrize("mode", ["channels_last", "autocast"])
def test_other_modes(mode: str, limits: Ceilings) -> None:
    one = inspector.bench(LeNet5(), INPUT, mode=mode, samples=6, seconds=0.1, ceilings=limits)
    assert one.record.mode == mode
    assert len(one.rows) == 13


@pytest.mark.slow
def test_cold_caches_are_another_question(limits: Ceilings) -> None:
    one = inspector.bench(LeNet5(), INPUT, cold=True, layers=False, samples=6, seconds=0.1, ceilings=limits)
    warm = inspector.bench(LeNet5(), INPUT, layers=False, samples=6, seconds=0.1, ceilings=limits)
    assert one.record.mode == "eager, cold"
    with pytest.raises(InspectionError, match="different questions: mode"):
        compare_records(warm.record, one.record)


@pytest.mark.slow
def test_compiled(limits: Ceilings) -> None:
    try:
        torch.compile(torch.sin)(torch.ones(3))
    except Exception as error:
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    one = inspector.bench(nn.Linear(3, 3), (2, 3), mode="compile", samples=6, seconds=0.1, ceilings=limits)
    assert one.rows == ()
    assert one.p50 > 0


def test_a_fused_path_enters_no_submodule(limits: Ceilings) -> None:
    """In inference ``TransformerEncoderLayer`` calls one kernel: its row holds the floors of all that it replaces."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    one = inspector.bench(layer, (2, 4, 8), samples=6, seconds=0.1, ceilings=limits)
    assert sum(row.macs for row in one.rows) == inspector.predict(layer, (2, 4, 8)).total_macs
    assert sum(row.floor for row in one.rows) == pytest.approx(one.floor)


class Sines(nn.Module):
    """What a compiler makes one kernel of."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = x.sin() + 1
        return x


def test_a_compiled_model_is_held_to_the_floor_of_a_single_kernel(
    limits: Ceilings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda model: model)  # the figures are not the compiler's
    eager = inspector.bench(Sines(), (1000,), layers=False, samples=6, seconds=0.1, ceilings=limits)
    one = inspector.bench(Sines(), (1000,), mode="compile", samples=6, seconds=0.1, ceilings=limits)
    assert one.floor == pytest.approx(8000 / 1e13)  # read once, written once; nothing starts from Python
    assert eager.floor == pytest.approx(8 * (8000 / 1e13 + 1e-7))
    assert "as a single kernel" in str(one)
    assert "call by call" in str(eager)


def test_no_kernel_of_a_graph_waits_for_python(limits: Ceilings) -> None:
    gpu = dataclasses.replace(limits, device="cuda")
    assert roof(gpu).start == limits.launch
    assert roof(gpu, "graph").start == 0.0


def test_layers_of_a_training_step_run_as_in_training(limits: Ceilings) -> None:
    """Dropout has work to do there, and is charged for it."""
    seen: list[bool] = []
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    model[1].register_forward_hook(lambda module, *_: seen.append(module.training))
    one = inspector.bench(model, (2, 4), backward=True, samples=6, seconds=0.1, ceilings=limits)
    assert seen[-1], "the last that ran is the layers' forward"
    assert next(row for row in one.rows if row.path == "1").bytes > 0


def test_memory_is_predicted_of_what_runs(limits: Ceilings) -> None:
    wide, narrow = (
        inspector.bench(nn.Linear(64, 64), (8, 64), dtype=dtype, samples=6, seconds=0.1, ceilings=limits).record
        for dtype in ("float64", "bfloat16")
    )
    assert wide.memory["predicted"] == 4 * narrow.memory["predicted"]


def test_a_gpus_peak_is_that_of_a_warm_step_without_what_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(run, "memory", lambda *_, **__: inspector.memory(nn.ReLU(), (2, 3)))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: order.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 1500)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 2048)
    cuda = torch.device("cuda")
    found = run._memory(nn.ReLU(), (torch.ones(2, 3),), {}, cuda, lambda: order.append("step"), False, held=500)
    assert found == {"predicted": inspector.memory(nn.ReLU(), (2, 3)).inference, "peak": 1000, "reserved": 2048}
    assert order == ["step", "reset", "step"]


def test_a_transfer_takes_as_long_as_the_quickest_way_to_the_device() -> None:
    ways = {"pinned to device": 50.0, "pageable to device": 10.0, "device to pinned": 99.0}
    gpu = Ceilings("cuda", "X", "1", "today", (), {}, 1e-6, transfer=ways)
    assert run._transferred(gpu, ((torch.ones(25),), {})) == 100 / 50
    assert run._transferred(dataclasses.replace(gpu, transfer={}), (torch.ones(25),)) == 0.0


class Fails(nn.Module):
    """Fails where it runs for real, and nowhere before."""

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is Tensor and not x.is_meta and torch.overrides._get_current_function_mode() is None:
            raise ValueError("only now")
        return x.relu()


def test_what_fails_when_it_runs_is_the_models_own(limits: Ceilings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InspectionError, match=r"runs for real: ValueError: only now\n  at .*test_run.py:\d+: raise"):
        inspector.bench(Fails(), (2, 3), samples=6, ceilings=limits)

    def broken(model: nn.Module) -> object:
        def call(*_: object) -> object:
            raise RuntimeError("no C++ compiler\nand much more")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(InspectionError, match=r"torch.compile does not manage.*--mode eager.*no C\+\+ compiler\n"):
        inspector.bench(nn.ReLU(), (2, 3), mode="compile", samples=6, ceilings=limits)


def test_what_is_quicker_than_its_floor_is_said(limits: Ceilings) -> None:
    slow = dataclasses.replace(limits, launch=10.0)
    one = inspector.bench(nn.Sequential(nn.ReLU()), (2, 3), samples=6, seconds=0.1, ceilings=slow)
    (said,) = (note for note in one.record.notes if "quicker than the floor: 0." in note)
    assert "inspector device --fresh" in said
    fine = inspector.bench(nn.Sequential(nn.ReLU()), (2, 3), samples=6, seconds=0.1, ceilings=limits)
    assert not fine.record.notes


def test_ctrl_c_while_layers_are_timed_keeps_the_whole(limits: Ceilings, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "time_layers", interrupted)
    one = inspector.bench(nn.ReLU(), (2, 3), samples=6, seconds=0.1, ceilings=limits)
    assert one.p50 > 0
    assert one.rows == ()
    assert one.record.timing.stopped


class Wanders(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.turns = nn.Linear(3, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.turns += 1
        for _ in range(1 + self.turns % 2):
            x = self.layer(x)
        return x


def test_a_forward_that_differs_each_time_is_timed_as_a_whole_alone(limits: Ceilings) -> None:
    with pytest.raises(InspectionError, match="same modules"):
        inspector.bench(Wanders(), (2, 3), samples=6, seconds=0.1, ceilings=limits)
    assert inspector.bench(Wanders(), (2, 3), layers=False, samples=6, seconds=0.1, ceilings=limits).p50 > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mode": "fast"}, "there are eager"),
        ({"mode": "graph"}, "CUDA graphs"),
        ({"device": "meta"}, "cpu and cuda"),
        ({"device": "gpu"}, "cannot be used"),
        ({"dtype": "float33"}, "float33"),
        ({"dtype": "int8"}, "floating-point dtype alone"),
        ({"input_size": ("N", 1, 32, 32)}, "N"),
    ],
)
def test_bad_questions(options: dict, told: str, limits: Ceilings) -> None:
    with pytest.raises(InspectionError, match=told):
        inspector.bench(LeNet5(), **{"input_size": INPUT, "samples": 6, "ceilings": limits, **options})


def test_too_little_memory_is_said(limits: Ceilings) -> None:
    class Greedy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_meta and type(x) is Tensor and self.real:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return x.relu()

    model = Greedy()
    model.real = False
    predicted = inspector.predict(model, (2, 3))
    assert predicted.rows
    model.real = True
    with pytest.raises(InspectionError, match="memory"):
        inspector.bench(model, (2, 3), samples=6, ceilings=limits)


def test_too_little_memory_for_the_model_itself_is_said(limits: Ceilings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(run, "placed", full)
    with pytest.raises(InspectionError, match="too little memory for this input: CUDA out of memory"):
        inspector.bench(nn.ReLU(), (2, 3), samples=6, ceilings=limits)


def test_a_gpu_may_multiply_in_tf32_where_it_is_allowed() -> None:
    gpu = Ceilings("cuda", "X", "1", "today", ((100, 1.0),), {"float32": 1.0, "tf32": 8.0}, 1e-6, cache=50)
    with full_precision():
        assert roof(gpu).peaks["float32"] == 1.0
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        assert roof(gpu).peaks["float32"] == 8.0
    assert roof(gpu).queued
    assert roof(gpu).transforms
    assert roof(gpu).cache == 50


@pytest.mark.parametrize(("setting", "reached"), [("ieee", 1.0), ("bf16", 4.0)])
def test_a_cpu_may_multiply_float32_in_bfloat16_where_it_is_allowed(setting: str, reached: float) -> None:
    cpu = Ceilings("cpu", "X", "1", "today", ((100, 1.0),), {"float32": 1.0, "bfloat16": 4.0}, 1e-6)
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = setting
        assert roof(cpu).peaks["float32"] == reached
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before


def test_a_gpus_record_tells_how_it_multiplies_float32() -> None:
    gpu = Ceilings("cuda", "X", "1", "today", (), {}, 1e-6)
    with full_precision():
        assert environment(gpu)["float32"] == "products ieee, convolutions ieee"
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        assert environment(gpu)["float32"] == "products tf32, convolutions ieee"


def test_under_autocast_products_of_float32_are_held_to_the_narrow_peak() -> None:
    """Kernels that cast for themselves (LSTM) say float32 of their result."""
    cpu = Ceilings("cpu", "X", "1", "today", ((100, 1.0),), {"float32": 1.0, "bfloat16": 4.0}, 1e-6)
    assert roof(cpu, "autocast").peaks["float32"] == 4.0
    assert roof(cpu).peaks["float32"] == 1.0


@pytest.mark.parametrize(
    "broken",
    [
        {"timing": {"samples": ["a"] * 6}},
        {"timing": {"samples": [1.0]}},
        {"timing": {"samples": [-1.0] * 6}},
        {"timing": {"p50": 0}},
        {"timing": {"interval": [1.0]}},
        {"environment": None},
        {"environment": {"threads": 3}},
        {"floor": "x"},
        {"rows": 3},
    ],
)
def test_a_broken_record_is_refused_where_it_is_read(broken: dict, found: Benchmark, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    write_records(file, [found.record])
    document = json.loads(file.read_text("utf-8"))
    (record,) = document["records"]
    for name, value in broken.items():
        record[name] = record[name] | value if name == "timing" else value
    file.write_text(json.dumps(document))
    with pytest.raises(InspectionError, match=r"b\.json: "):
        read_records(file)


def test_a_model_without_values_is_refused(limits: Ceilings) -> None:
    with pytest.raises(InspectionError, match=r"cannot be brought to cpu.*holds values: cpu, cuda"):
        inspector.bench(nn.Linear(2, 2, device="meta"), (1, 2), samples=6, ceilings=limits)


def slower(record: Record, factor: float) -> Record:
    samples = [factor * (1 + step / 1000) for step in range(20)]
    return dataclasses.replace(record, timing=summarize(samples, samples))


def test_a_baseline_is_held_by_intervals_and_of_one_machine(found: Benchmark, tmp_path) -> None:
    base = slower(found.record, 1.0)
    write_records(tmp_path / "b.json", [base])
    (kept,) = read_records(tmp_path / "b.json")
    assert kept == base
    assert compare_records(kept, slower(base, 1.2)).decision == "slower"
    assert compare_records(kept, base).decision != "slower"
    elsewhere = dataclasses.replace(base, environment={**base.environment, "name": "another"})
    with pytest.raises(InspectionError, match="different machines: name"):
        compare_records(kept, elsewhere)
    assert compare_records(kept, elsewhere, across=True).ratio == pytest.approx(1.0)
    with pytest.raises(InspectionError, match="different questions: mode"):
        compare_records(kept, dataclasses.replace(base, mode="graph"))
    assert counterpart(base, [dataclasses.replace(base, mode="graph"), base]) is base
    with pytest.raises(InspectionError, match="no record of LeNet5, graph"):
        counterpart(dataclasses.replace(base, mode="graph"), [base])


@pytest.mark.cuda
def test_on_a_gpu() -> None:
    one = inspector.bench(LeNet5(), (64, 1, 32, 32), device="cuda", mode="graph", samples=10, seconds=1)
    eager = inspector.bench(LeNet5(), (64, 1, 32, 32), device="cuda", samples=10, seconds=1)
    assert one.p50 < eager.p50
    assert eager.record.memory["peak"] > 0
    assert all(row.lost >= 0 for row in eager.rows)
