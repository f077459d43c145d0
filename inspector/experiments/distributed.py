"""Executors for independent cells: processes of one machine, one process for each GPU, machines under Dask.

What a cell gives must not depend on where it ran. Two things of a process reach into it: the global random generators,
which two cells in threads of one process would share, and the number of threads, which decides in what order sums are
added. So every cell runs alone in its process, with as many threads as the process that asks for it has.

Past one machine: start ``dask scheduler`` on one, ``dask worker tcp://host:8786 --nthreads 1`` on each (one for each
GPU, with its number in ``CUDA_VISIBLE_DEVICES``), and pass ``--scheduler tcp://host:8786``. Workers need the same
versions of inspector and PyTorch and, where cells read the user's data, the file under the same path. A worker that
dies loses nothing: Dask gives its cells to another.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from multiprocessing.queues import Queue

    from distributed import Client

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d+")
#: Seconds in which a scheduler has to answer, and a first worker to be there.
_ANSWERS, _WORKS = 10, 30
_ONE_CELL = RLock()


@contextmanager
def opened(jobs: int = 1, scheduler: str | None = None, device: str = "cpu") -> Iterator[Executor | None]:
    """The executor that ``--jobs`` and ``--scheduler`` ask for; None where cells shall run one after the other, here.

    Args:
        jobs: processes of this machine; on CUDA at most one for each GPU that is visible here.
        scheduler: address of a Dask scheduler, such as ``tcp://host:8786``; its workers then run the cells.
        device: where cells compute, as in ``Config``.

    Raises:
        InspectionError: more jobs than GPUs, no Dask, no scheduler or worker that answers, workers of other versions;
            or, on leaving, that processes were killed. What was measured before stays.

    >>> with opened(jobs=1) as executor:
    ...     executor is None
    True
    """
    if jobs < 1:
        raise InspectionError(f"--jobs must be at least 1, got {jobs}")
    if scheduler is not None:
        if jobs > 1:
            raise InspectionError(
                "--jobs is for processes of this machine and --scheduler for others; give one of them"
            )
        with _dask(scheduler) as executor:
            yield executor
    elif jobs == 1:
        yield None
    else:
        with _processes(jobs, device) as executor:
            yield executor


class Cells(Executor):
    """Any executor, so that what it runs runs alone in its process and with this process's number of threads.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with Cells(ThreadPoolExecutor(2)) as executor:
    ...     list(executor.map(abs, [-1, 2]))
    [1, 2]
    """

    def __init__(self, inner: Executor) -> None:
        import torch

        self.inner = inner
        self.threads = torch.get_num_threads()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.inner.submit(_Alone(fn, self.threads), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.inner.shutdown(wait, cancel_futures=cancel_futures)


class _DaskCells(Cells):
    """Dask's own executor, whose shutdown knows one question alone: to wait, or to cancel."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.inner.shutdown(wait and not cancel_futures)


@dataclass(frozen=True, slots=True)
class _Alone:
    """A function that waits until no other cell runs in this process."""

    function: Callable[..., Any]
    threads: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch

        with _ONE_CELL:
            before = torch.get_num_threads()
            torch.set_num_threads(self.threads)
            try:
                return self.function(*args, **kwargs)
            finally:
                torch.set_num_threads(before)


@contextmanager
def _processes(jobs: int, device: str) -> Iterator[Executor]:
    """Fresh processes (a fork would share CUDA's state and locks); each takes one GPU where the device is CUDA."""
    context = multiprocessing.get_context("spawn")
    setup: dict[str, Any] = {}
    if device.startswith("cuda"):
        devices = visible_devices()
        if ":" in device:
            raise InspectionError(f"--device {device} names one GPU, on which cells run one after the other: --jobs 1")
        if jobs > len(devices):
            raise InspectionError(f"--jobs {jobs}: {len(devices)} GPUs are visible here; at most one job for each")
        queue: Queue[str] = context.Queue()
        for name in devices[:jobs]:
            queue.put(name)
        setup = {"initializer": _take_device, "initargs": (queue,)}
    pool = ProcessPoolExecutor(jobs, mp_context=context, **setup)
    try:
        yield Cells(pool)
    except BrokenExecutor as error:
        raise InspectionError(
            "a process that measured a cell was killed, perhaps for want of memory; with --out measured cells are "
            f"kept: run the same again, with less than --jobs {jobs}"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def visible_devices() -> Sequence[str]:
    """Names of the GPUs that this process sees, as ``CUDA_VISIBLE_DEVICES`` takes them (MIG's too)."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _take_device(queue: Queue[str]) -> None:
    """In a fresh process, before CUDA starts there: this GPU alone, which is then ``cuda:0``."""
    os.environ["CUDA_VISIBLE_DEVICES"] = queue.get()


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    """Cells on the workers of a Dask scheduler."""
    if not _ADDRESS.fullmatch(address):
        raise InspectionError(f"--scheduler {address!r} is no address; write it as tcp://host:8786")
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise InspectionError("--scheduler needs Dask: pip install 'inspector[dask]'") from None
    try:
        client = Client(address, timeout=_ANSWERS, set_as_default=False)
    except OSError as error:
        raise InspectionError(
            f"--scheduler {address}: no scheduler answers there within {_ANSWERS} s; start one with `dask scheduler`"
        ) from error
    with client:
        _ready(client, address)
        # Not pure: Dask must not take two cells for one because their arguments look the same.
        executor = _DaskCells(client.get_executor(pure=False))
        try:
            yield executor
        except KilledWorker as error:
            raise InspectionError(
                f"--scheduler {address}: several workers died one after the other on one cell, perhaps for want "
                "of memory; with --out measured cells are kept: run the same again"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _ready(client: Client, address: str) -> None:
    """There are workers, and they run what runs here."""
    try:
        client.wait_for_workers(1, timeout=_WORKS)
    except TimeoutError as error:
        raise InspectionError(
            f"--scheduler {address} has no worker; start some with `dask worker {address} --nthreads 1`"
        ) from error
    try:
        found = client.run(versions)
    except ImportError as error:
        raise InspectionError(
            f"--scheduler {address}: a worker cannot import inspector ({error}); install it there"
        ) from error
    here = versions()
    for worker, there in found.items():
        if there != here:
            theirs, ours = (", ".join(f"{name} {version}" for name, version in each.items()) for each in (there, here))
            raise InspectionError(
                f"--scheduler {address}: worker {worker} has {theirs}, and here is {ours}; numbers of different "
                "versions need not be equal: install the same on all"
            )


def versions() -> dict[str, str]:
    """What must be the same on every worker for its numbers to be those of a serial run."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    try:
        own = version("inspector")
    except PackageNotFoundError:  # runs from its source tree
        own = "of a source tree"
    return {"inspector": own, "PyTorch": torch.__version__, "Python": platform.python_version()}
