"""Cells on other executors: every cell there, once, equal to the serial run's; also where a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch

from inspector.errors import InspectionError
from inspector.experiments import distributed, run
from inspector.experiments.distributed import Cells, opened, visible_devices

from .cells import dies, shared, train, whereabouts

ROOT = Path(__file__).parents[2]
SEEDS = range(6)
#: Seconds after which a process that should have answered is given up: far more than a loaded machine takes.
PATIENCE = 300


def test_one_job_is_the_serial_run() -> None:
    with opened(jobs=1) as executor:
        assert executor is None


def test_threads_of_one_process_do_not_share_the_generator() -> None:
    serial = [train(seed) for seed in SEEDS]
    with Cells(ThreadPoolExecutor(4)) as executor:
        assert list(executor.map(train, SEEDS, [0.001] * len(SEEDS))) == serial


def test_threads_that_do_share_it_give_other_numbers() -> None:
    """The fault that ``Cells`` keeps away, so that the test above can fail."""
    serial = [shared(seed, threading.Barrier(1)) for seed in (0, 1)]
    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as executor:
        assert list(executor.map(shared, (0, 1), (both, both))) != serial


def test_a_cell_computes_with_the_threads_of_its_asker() -> None:
    here = torch.get_num_threads()
    with Cells(ThreadPoolExecutor(1)) as executor:
        executor.submit(torch.set_num_threads, here + 1).result()
        assert executor.submit(torch.get_num_threads).result() == here


@pytest.mark.slow
def test_an_experiment_runs_on_any_executor() -> None:
    serial = run("outliers", quick=True)
    with ThreadPoolExecutor(3) as executor:
        assert run("outliers", quick=True, executor=executor).values == serial.values


@pytest.mark.slow
def test_processes_give_the_serial_numbers(tmp_path: Path) -> None:
    serial = [train(seed) for seed in SEEDS]
    with opened(jobs=2) as executor:
        assert executor is not None
        assert list(executor.map(train, SEEDS)) == serial
        assert os.getpid() not in {pid for pid, _ in executor.map(whereabouts, [str(tmp_path)] * 4, [1] * 4)}


@pytest.mark.slow
def test_a_killed_process_is_said() -> None:
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(InspectionError, match=r"was killed.*less than --jobs 2"))
        executor = stack.enter_context(opened(jobs=2))
        assert executor is not None
        executor.submit(dies).result()


@pytest.mark.slow
def test_each_process_takes_one_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, MIG-7")
    with opened(jobs=2, device="cuda") as executor:
        assert executor is not None
        seen = dict(executor.map(whereabouts, [str(tmp_path)] * 2, [2] * 2))
    assert sorted(map(str, seen.values())) == ["3", "MIG-7"]


def test_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_devices() == ["0", "1"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"jobs": 0}, "--jobs must be at least 1"),
        ({"jobs": 2, "scheduler": "tcp://a:1"}, "give one of them"),
        ({"jobs": 2, "device": "cuda:0"}, "names one GPU"),
        ({"jobs": 3, "device": "cuda"}, "2 GPUs are visible"),
        ({"scheduler": "localhost"}, "tcp://host:8786"),
    ],
)
def test_questions_that_cannot_be_put(asked: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InspectionError, match=said), opened(**asked):  # type: ignore[arg-type]
        pass


def test_without_dask_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InspectionError, match=r"pip install 'inspector\[dask\]'"), opened(scheduler="tcp://a:1"):
        pass


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_ANSWERS", PATIENCE)
    monkeypatch.setattr(distributed, "_WORKS", PATIENCE)


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _scheduler(tmp_path: Path) -> Iterator[str]:
    from json import loads

    file = tmp_path / "scheduler.json"
    options = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    with _running("distributed.cli.dask_scheduler", *options):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if file.is_file() and (text := file.read_text()):
                yield loads(text)["address"]
                return
            time.sleep(0.1)
        pytest.fail(f"the scheduler did not start within {PATIENCE} s")


def _worker(address: str) -> tuple[str, ...]:
    return ("distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard")


@pytest.mark.slow
def test_dask_gives_the_serial_numbers_though_a_worker_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    serial = [train(seed) for seed in SEEDS]
    with ExitStack() as stack:
        address = stack.enter_context(_scheduler(tmp_path))
        workers = [stack.enter_context(_running(*_worker(address))) for _ in range(2)]
        executor = stack.enter_context(opened(scheduler=address))
        assert isinstance(executor, Cells)
        executor.inner._client.wait_for_workers(2, timeout=PATIENCE)  # type: ignore[attr-defined]
        futures = [executor.submit(train, seed, 0.1) for seed in SEEDS]  # 1 s each, two at a time
        futures[0].result(timeout=PATIENCE)
        workers[0].kill()
        assert [future.result(timeout=PATIENCE) for future in futures] == serial
        assert workers[0].wait(PATIENCE) == -signal.SIGKILL


@pytest.mark.slow
def test_an_experiment_on_dask_is_the_serial_one_though_a_worker_is_killed(tmp_path: Path) -> None:
    """Every cell is stored once, by the process that asked; a killed worker's are measured by the other."""
    pytest.importorskip("distributed")
    serial = run("outliers", quick=True)
    with ExitStack() as stack:
        address = stack.enter_context(_scheduler(tmp_path))
        workers = [stack.enter_context(_running(*_worker(address))) for _ in range(2)]
        executor = stack.enter_context(opened(scheduler=address))
        assert isinstance(executor, Cells)
        executor.inner._client.wait_for_workers(2, timeout=PATIENCE)  # type: ignore[attr-defined]
        told = []

        def progress(done: int, of: int, key: str) -> None:
            told.append(key)
            if done == 1:
                workers[0].kill()

        found = run("outliers", quick=True, executor=executor, out=tmp_path / "runs", progress=progress)
    assert found.values == serial.values
    assert [each.measured for each in found.claims] == [each.measured for each in serial.claims]
    files = sorted(path.stem for path in (tmp_path / "runs").rglob("cells/*.json"))
    assert files == sorted(serial.values)
    assert sorted(filter(None, told)) == files


@pytest.mark.slow
def test_dask_without_worker_or_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "_WORKS", 1)
    with (
        _scheduler(tmp_path) as address,
        pytest.raises(InspectionError, match="has no worker"),
        opened(scheduler=address),
    ):
        pass
    monkeypatch.setattr(distributed, "_ANSWERS", 1)
    with pytest.raises(InspectionError, match="no scheduler answers"), opened(scheduler=address):
        pass


@pytest.mark.slow
def test_workers_of_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    with _scheduler(tmp_path) as address, _running(*_worker(address)):
        monkeypatch.setattr(torch, "__version__", "1.0")
        with pytest.raises(InspectionError, match=r"PyTorch 1\.0.*install the same"), opened(scheduler=address):
            pass
