"""The device an experiment computes on: whether it is there, what a reader must know of it, and its memory's end."""

from __future__ import annotations

import os
import platform
import zlib
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from inspector.bench.exhaustion import out_of_memory
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inspector.experiments.records import JSON

_T = TypeVar("_T")


def usable(device: str) -> torch.device:
    """The device, after a tensor was made there.

    Raises:
        InspectionError: there is no such device here.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # as each kind of device says it
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise InspectionError(
            f"--device {device} cannot be used here: {said}\n  every experiment also runs with --device cpu"
        ) from None
    return found


def described(device: torch.device) -> dict[str, JSON]:
    """Device, versions, TF32, dtype and threads: what a reader needs to judge a number."""
    found: dict[str, JSON] = {
        "device": str(device),
        "device_name": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        cudnn: Any = torch.backends.cudnn  # whose parts the annotations do not know
        found |= {
            "device_name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
            "tf32_matmul": torch.backends.cuda.matmul.fp32_precision == "tf32",
            "tf32_convolution": cudnn.conv.fp32_precision == "tf32",
        }
    return found


def seed_of(seed: int, *parts: object) -> int:
    """A seed for this part of a run: the same in every process and version of Python, and another for every part.

    >>> seed_of(0, "data") == seed_of(0, "data"), seed_of(0, "data") == seed_of(1, "data")
    (True, False)
    """
    return zlib.crc32("/".join(map(str, (seed, *parts))).encode())


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """PyTorch's generators start from this seed, and a GPU is the current one; both are as they were afterwards.

    Streams, events and ``synchronize`` belong to the current GPU: without it nothing would be timed on ``cuda:1``.
    """
    on_gpu = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if on_gpu else []),
        torch.cuda.device(device) if on_gpu else nullcontext(),
    ):
        torch.manual_seed(seed)
        yield


def halving(call: Callable[[int], _T], size: int, least: int = 1) -> tuple[_T, int, list[str]]:
    """Call with a size; where memory does not suffice, with half of it, down to the least.

    Returns:
        What the call gave, the size with which it did, and a sentence for the reader where that is another.

    Raises:
        InspectionError: the memory does not suffice for the least size either.

    >>> halving(lambda size: size * 2, 8)
    (16, 8, [])
    """
    tried = size
    while True:
        try:
            found = call(tried)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        else:
            return found, tried, [f"memory sufficed for {tried}, not for {size}"] if tried != size else []
        # Outside of the handler: there the traceback would still hold the tensors of the failed call.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried // 2 < least:
            raise InspectionError(f"memory suffices for no size from {size} down to {least}")
        tried //= 2


def rank() -> int:
    """Which of several processes under torchrun this is; 0 where there is one."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))
