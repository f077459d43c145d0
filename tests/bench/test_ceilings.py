"""Ceilings: kept, measured again, never mistaken for another's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from inspector.bench import ceilings as room
from inspector.bench.ceilings import ceilings, measure, usable
from inspector.bench.clocks import WallClock
from inspector.bench.records import Ceilings
from inspector.bench.watching import Seen
from inspector.errors import InspectionError
from inspector.report.benchmark import render_ceilings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's, and a measurement that takes no time."""
    quick = measure("cpu", quick=True)
    counted = iter(range(100))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "measure", lambda *_, **__: dataclasses.replace(quick, launch=float(next(counted))))
    return tmp_path


def test_what_was_measured_is_kept_with_its_date(kept: Path) -> None:
    first, second = ceilings("cpu"), ceilings("cpu")
    assert first == second
    assert first.launch == 0.0
    (file,) = kept.rglob("*.json")
    assert json.loads(file.read_text())["date"] == first.date
    assert ceilings("cpu", fresh=True).launch == 1.0
    assert ceilings("cpu").launch == 1.0  # what was measured last is kept


def test_quick_figures_are_not_kept(kept: Path) -> None:
    ceilings("cpu", quick=True)
    assert list(kept.rglob("*.json")) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": "9.0"}', '{"schema_version": "1.0"}'])
def test_a_broken_file_is_measured_anew(kept: Path, content: str) -> None:
    ceilings("cpu")
    (file,) = kept.rglob("*.json")
    file.write_text(content)
    assert ceilings("cpu").launch == 1.0
    assert Ceilings.from_json(json.loads(file.read_text())).launch == 1.0


def test_a_folder_that_cannot_be_written_keeps_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept / "file"))
    assert ceilings("cpu").device == "cpu"


def test_a_measurement_says_all_of_a_cpu() -> None:
    precision = torch.backends.cuda.matmul.fp32_precision
    found = measure("cpu", quick=True)
    assert torch.backends.cuda.matmul.fp32_precision == precision
    assert [size for size, _ in found.streams] == sorted({size for size, _ in found.streams})
    assert all(speed > 0 for _, speed in found.streams)
    assert {"float32", "bfloat16", "float16"} <= found.peaks.keys()
    assert all(peak > 0 for peak in found.peaks.values())
    assert found.launch > 0
    assert found.transfer == {}
    assert Ceilings.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_every_shape_of_a_product_stands_beside_the_best() -> None:
    found = measure("cpu", quick=True)
    assert {dtype for dtype, _, _ in found.products} == found.peaks.keys()
    for dtype, peak in found.peaks.items():
        speeds = {shape: speed for other, shape, speed in found.products if other == dtype}
        assert speeds.keys() == {"32×32×32", "8→8 3×3 on 28×28", "8→8 3×3 on 56×56"}
        assert max(speeds.values()) == peak


def test_where_memory_ends_the_smaller_sets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(kind: str, size: int, *_: object) -> float:
        if size > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    monkeypatch.setattr(room, "_stream", stream)
    assert room._streams("cpu", (10, 100, 1000, 10000), WallClock(), 0.1) == ((10, 1.0), (100, 1.0))
    with pytest.raises(torch.OutOfMemoryError):
        room._streams("cpu", (1000,), WallClock(), 0.1)


def test_a_product_that_would_take_a_second_is_left_out() -> None:
    """The clock says how long each takes: 1 and 2 operations at one a second, and 3 would take 3 s."""
    made = []

    def works() -> Iterator[tuple[str, int, Callable[[], Callable[[], object]]]]:
        for work in (1, 2, 3):
            yield str(work), work, lambda work=work: made.append(work) or (lambda: None)

    class Slow:
        def seconds(self, call: object, steps: int) -> float:
            return float(made[-1]) * 0.45 * steps

    assert dict(room._speeds(works(), Slow(), 0.1)) == pytest.approx({"1": 1 / 0.45, "2": 1 / 0.45})
    assert made == [1, 2]


class Second:
    """A clock on which every call takes a second."""

    def seconds(self, call: Callable[[], object], steps: int) -> float:
        call()
        return float(steps)


def test_products_of_a_gpu_are_taken_without_and_with_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[tuple[torch.dtype, str], int] = {}

    def works(kind: str, dtype: torch.dtype, edges: tuple[int, ...]) -> Iterator[tuple[str, int, Callable]]:
        def call() -> None:
            setting = torch.backends.cuda.matmul.fp32_precision
            settings[dtype, setting] = settings.get((dtype, setting), 0) + 1

        yield "1×1×1", 2, lambda: call

    monkeypatch.setattr(room, "_works", works)
    monkeypatch.setattr(room, "float8_product", lambda edge, kind: None if edge > 16 else lambda: None)
    before = torch.backends.cuda.matmul.fp32_precision
    found = room._products("cuda", (16, 32), Second(), 0.1)
    assert torch.backends.cuda.matmul.fp32_precision == before
    assert [dtype for dtype, _, _ in found] == ["float32", "bfloat16", "float16", "float64", "tf32", "float8_e4m3fn"]
    assert found[-1] == ("float8_e4m3fn", "16×16×16", 2 * 16**3)
    assert {dtype for dtype, setting in settings if setting == "tf32"} == {torch.float32}
    assert (torch.float32, "ieee") in settings


def test_transfers_go_both_ways_from_plain_and_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    empty, pinned = torch.empty, []

    def made(*sizes: int, dtype: torch.dtype, device: str = "cpu", pin_memory: bool = False) -> torch.Tensor:
        pinned.append(pin_memory)
        return empty(*sizes, dtype=dtype)

    monkeypatch.setattr(torch, "empty", made)
    found = room._transfers(Second(), 0.1)
    ways = [
        f"{one} to {other}" for kind in ("pageable", "pinned") for one, other in ((kind, "device"), ("device", kind))
    ]
    assert found == dict.fromkeys(ways, float(2**26))
    assert pinned == [False, False, True]


def test_the_second_gpu_is_the_one_that_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name and figures are those of the device that is current meanwhile."""
    now = [0]

    @contextmanager
    def current(device: torch.device) -> Iterator[None]:
        now[0] = device.index
        yield
        now[0] = 0

    quick = measure("cpu", quick=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "usable", torch.device)
    monkeypatch.setattr(torch.cuda, "device", current)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: f"GPU {now[0]}")
    monkeypatch.setattr(room, "measure", lambda _: dataclasses.replace(quick, name=torch.cuda.get_device_name()))
    assert ceilings("cuda:1").name == "GPU 1"
    assert ceilings("cuda:0").name == "GPU 0"
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_other_load_while_ceilings_are_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def busy(_: str) -> Iterator[Seen]:
        yield Seen(remarks=["other processes took 40% of the processors' time"])

    monkeypatch.setattr(room, "watching", busy)
    found = measure("cpu", quick=True)
    assert found.remarks == ("other processes took 40% of the processors' time",)
    assert "other processes took 40%" in render_ceilings(found)


def test_figures_of_the_former_version_are_read() -> None:
    former = measure("cpu", quick=True).to_json() | {"schema_version": "1.0"}
    del former["products"], former["remarks"]
    assert Ceilings.from_json(former).products == ()


@pytest.mark.parametrize(
    ("name", "bandwidth"),
    [("NVIDIA A100-SXM4-40GB", 1.555e12), ("NVIDIA A100-SXM4-80GB", 2.039e12), ("NVIDIA H200", 4.8e12)],
)
def test_a_vendors_figure_is_that_of_its_own_memory(name: str, bandwidth: float) -> None:
    (found,) = (figures for part, figures in room._NOMINAL.items() if part in name)
    assert found["bandwidth"] == bandwidth


@pytest.mark.parametrize("name", ["abacus", "meta", "cuda:99"])
def test_a_device_that_is_none(name: str) -> None:
    with pytest.raises(InspectionError, match=name):
        usable(name)


@pytest.mark.cuda
def test_on_a_gpu_no_ceiling_passes_the_vendors_by_much() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    found = measure("cuda", quick=True)
    assert {"pinned to device", "device to pinned", "pageable to device"} <= found.transfer.keys()
    assert found.peaks["tf32"] > 0
    for name, peak in found.peaks.items():
        assert peak <= 1.1 * found.nominal.get(name, float("inf"))  # boost clocks may lie above the sheet's
