"""Ceilings: kept, measured again, never mistaken for another's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from inspector.bench import ceilings as room
from inspector.bench.ceilings import ceilings, measure, usable
from inspector.bench.records import Ceilings
from inspector.errors import InspectionError


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
