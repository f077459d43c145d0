"""The frame: stored before it is measured, each cell once, resumed after a kill, the same numbers wherever it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from inspector import experiments
from inspector.errors import InspectionError
from inspector.experiments.distributed import Cells
from inspector.experiments.environment import halving, out_of_memory, seeded, usable
from inspector.experiments.records import Cell, Config
from inspector.experiments.running import run

ROOT = Path(__file__).parents[2]
KEYS = [f"n=400,seed={seed}" for seed in range(5)]


def stored(out: Path, file: str = "") -> Path:
    return out / "toy" / "cpu,seed=0" / file


def test_a_run_passes_and_a_planted_fault_fails(toy: str) -> None:
    assert run(toy).verdict == "pass"
    assert run(toy, fault="shifted").verdict == "fail"
    assert run(toy, control=True).verdict != "fail"
    assert experiments.faults(toy) == {"shifted": "the numbers come from a normal distribution with another mean"}


def test_two_runs_are_identical_and_another_seed_is_not(toy: str) -> None:
    first, second, other = run(toy), run(toy), run(toy, seed=1)
    assert first.values == second.values
    assert first.values != other.values


def test_the_callers_generator_is_left_alone(toy: str) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    run(toy)
    assert torch.equal(torch.rand(2), expected)


def test_everything_is_kept(toy: str, tmp_path: Path) -> None:
    result = run(toy, out=tmp_path)
    folder = stored(tmp_path)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == sorted(
        [
            "prediction.json",
            "result.json",
            "result.md",
            "figure.svg",
            "figure.png",
            *(f"cells/{key}.json" for key in KEYS),
        ]
    )
    assert json.loads((folder / "result.json").read_text()) == json.loads(result.to_json())
    assert (folder / "result.md").read_text() == result.to_markdown()
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure.svg").read_text().startswith("<?xml")
    assert result.predicted_at <= result.finished_at


def test_the_prediction_is_stored_before_anything_is_measured(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.experiments.toy.Toy.measure", _sees_the_prediction(tmp_path))
    with pytest.raises(InspectionError, match="it was there"):
        run(toy, out=tmp_path)


def _sees_the_prediction(out: Path):
    def measure(self: object, config: Config, cell: Cell) -> dict[str, float]:
        assert json.loads(stored(out, "prediction.json").read_text())["claims"][0]["name"] == "mean"
        raise InspectionError("it was there")

    return measure


def test_killed_midway_and_resumed(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies in the fourth cell leaves three; the next run measures two; the numbers are a whole run's."""
    trail = tmp_path / "trail"
    script = (
        "from inspector.experiments.registry import EXPERIMENTS\n"
        "EXPERIMENTS['toy'] = 'tests.experiments.toy:Toy'\n"
        f"from inspector.experiments import run; run('toy', out={str(tmp_path)!r})"
    )
    environment = {**os.environ, "TOY_DIES": "killed", "TOY_TRAIL": str(trail)}
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=False)
    assert died.returncode == 9
    assert sorted(path.stem for path in stored(tmp_path, "cells").iterdir()) == KEYS[:3]
    predicted = stored(tmp_path, "prediction.json").read_bytes()

    monkeypatch.setenv("TOY_TRAIL", str(trail))
    threads = torch.get_num_threads()
    torch.set_num_threads(json.loads(predicted)["environment"]["threads"])
    try:
        resumed = run(toy, out=tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert Counter(trail.read_text().split()) == Counter({**dict.fromkeys(KEYS, 1), KEYS[3]: 2})
    assert stored(tmp_path, "prediction.json").read_bytes() == predicted
    monkeypatch.delenv("TOY_TRAIL")
    assert resumed.values == run(toy).values
    assert resumed.predicted_at == json.loads(predicted)["predicted_at"]


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("interrupted", KeyboardInterrupt, None),
        ("memory", InspectionError, "cell n=400,seed=3: memory does not suffice on cpu .*what was measured"),
        ("question", InspectionError, "toy, cell n=400,seed=3: the loss is NaN at step 7"),
        ("bug", RuntimeError, "a bug"),
    ],
)
def test_what_stops_a_run_keeps_what_was_measured(
    toy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    error: type[BaseException],
    said: str | None,
    parallel: bool,
) -> None:
    monkeypatch.setenv("TOY_DIES", how)
    if parallel and how == "interrupted":
        pytest.skip("a thread of a pool gets no Ctrl-C")
    executor = Cells(ThreadPoolExecutor(1)) if parallel else None
    with pytest.raises(error, match=said):
        run(toy, out=tmp_path, executor=executor)
    assert {path.stem for path in stored(tmp_path, "cells").iterdir()} >= set(KEYS[:3])
    assert not stored(tmp_path, f"cells/{KEYS[3]}.json").exists()
    assert not list(stored(tmp_path).rglob("*.part"))
    monkeypatch.delenv("TOY_DIES")
    assert run(toy, out=tmp_path).values == run(toy).values


def test_an_executor_gives_the_serial_numbers(toy: str) -> None:
    seen: list[tuple[int, int, str]] = []
    with Cells(ThreadPoolExecutor(3)) as executor:
        parallel = run(toy, executor=executor, progress=lambda *told: seen.append(told))
    serial = run(toy)
    assert parallel.values == serial.values
    assert list(parallel.values) == list(serial.values)  # also in order
    assert [told[:2] for told in seen] == [(done, 5) for done in range(6)]
    assert {told[2] for told in seen} == {"", *KEYS}


def test_a_folder_of_another_question_is_refused(toy: str, tmp_path: Path) -> None:
    run(toy, out=tmp_path)
    record = json.loads(stored(tmp_path, "prediction.json").read_text())
    record["environment"]["torch"] = "1.0"
    stored(tmp_path, "prediction.json").write_text(json.dumps(record))
    with pytest.raises(InspectionError, match=r"another environment \(torch '1\.0' there.*give another --out"):
        run(toy, out=tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("prediction.json", "{", "is no record of an experiment"),
        ("prediction.json", "[]", "it holds a list"),
        (f"cells/{KEYS[1]}.json", "3", "it holds a int"),
        (f"cells/{KEYS[1]}.json", "\x00", "is no record of an experiment"),
    ],
)
def test_a_spoiled_folder_is_said(toy: str, tmp_path: Path, file: str, content: str, said: str) -> None:
    run(toy, out=tmp_path)
    stored(tmp_path, file).write_text(content)
    with pytest.raises(InspectionError, match=said):
        run(toy, out=tmp_path)


@pytest.mark.parametrize("claims", [None, [3], [{"name": "mean"}]])
def test_spoiled_claims_are_said(toy: str, tmp_path: Path, claims: object) -> None:
    run(toy, out=tmp_path)
    record = json.loads(stored(tmp_path, "prediction.json").read_text())
    record["claims"] = claims
    stored(tmp_path, "prediction.json").write_text(json.dumps(record))
    with pytest.raises(InspectionError, match=r"prediction\.json is no record of an experiment"):
        run(toy, out=tmp_path)


def test_other_data_under_the_same_name_are_not_mixed(toy: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").write_text("1")
    run(toy, out=tmp_path, data=data)
    run(toy, out=tmp_path, data=data)
    (data / "a").write_text("2")
    with pytest.raises(InspectionError, match=r"another environment \(data '.{8}' there.*give another --out"):
        run(toy, out=tmp_path, data=data)


def test_a_folder_that_cannot_be_written(toy: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InspectionError, match=r"--out: a part of .* is a file; give a folder"):
        run(toy, out=tmp_path / "file")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "outlier"}, "did you mean outliers"),
        ({"name": "xyz"}, "there are bce-vs-mse"),
        ({"fault": "nothing"}, "no planted fault 'nothing'; it has shifted"),
        ({"fault": "shifted", "control": True}, "leave one out"),
        ({"device": "cdua"}, "--device cdua cannot be used here"),
        ({"data": "/no/such/file.npz"}, "no such file or folder"),
    ],
)
def test_questions_that_cannot_be_put(toy: str, asked: dict[str, object], said: str) -> None:
    with pytest.raises(InspectionError, match=said):
        run(**{"name": toy, **asked})  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_no_cuda_is_said() -> None:
    with pytest.raises(InspectionError, match="--device cuda cannot be used here"):
        usable("cuda")


def test_a_cell_runs_on_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and ``synchronize`` are those of the current GPU; on another one they would time nothing."""
    entered = []

    @contextmanager
    def noted(*asked: object, **keywords: object) -> Iterator[None]:
        entered.append(asked or keywords["devices"])
        yield

    monkeypatch.setattr(torch.cuda, "device", noted)
    monkeypatch.setattr(torch.random, "fork_rng", noted)
    state = torch.random.get_rng_state()
    with seeded(0, torch.device("cuda:1")):
        pass
    torch.random.set_rng_state(state)
    assert entered == [[torch.device("cuda:1")], (torch.device("cuda:1"),)]


@pytest.mark.cuda
def test_cuda_is_described(toy: str) -> None:
    result = run(toy, device="cuda")
    assert result.environment["device_name"] == torch.cuda.get_device_name()
    assert {"tf32_matmul", "tf32_convolution", "cudnn"} <= set(result.environment)
    assert any(note.startswith("On CUDA") for note in result.notes)


def test_without_matplotlib_a_note_says_so(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    result = run(toy, out=tmp_path)
    assert result.verdict == "pass"
    assert any("pip install 'inspector[experiments]'" in note for note in result.notes)
    assert not stored(tmp_path, "figure.svg").exists()
    with pytest.raises(InspectionError, match="figures need matplotlib"):
        result.figure()


def test_memory_is_halved_and_said() -> None:
    def call(size: int) -> int:
        if size > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return size

    assert halving(call, 64) == (8, 8, ["memory sufficed for 8, not for 64"])
    with pytest.raises(InspectionError, match="no size from 64 down to 32"):
        halving(call, 64, least=32)


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    def call(size: int) -> int:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        halving(call, 4)
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))


def test_under_torchrun_one_process_writes_and_none_resumes(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    run(toy, out=tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("RANK", "0")
    assert run(toy, out=tmp_path).environment["processes"] == 2
    monkeypatch.setenv("TOY_TRAIL", str(tmp_path / "trail"))
    run(toy, out=tmp_path)
    assert (tmp_path / "trail").read_text().split() == KEYS
