"""What surrounds a model that runs for real: the right device, and errors that say what the reader can do."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from inspector.bench.exhaustion import out_of_memory
from inspector.errors import InspectionError
from inspector.places import place_of
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch import nn

_RUNS = {
    "compile": "torch.compile does not manage this forward (--mode eager times it as it is)",
    "graph": "a CUDA graph cannot hold this forward (--mode eager times it as it is)",
}


def current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a CUDA device the current one: events, streams and kernels' memory belong to that."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def placed(model: nn.Module, device: torch.device, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy on the device, in the dtype where one is given.

    Raises:
        InspectionError: the model has no values that could be copied.

    >>> placed(torch.nn.Linear(2, 2), torch.device("cpu"), torch.float64).weight.dtype
    torch.float64
    """
    copy = deep_copy(model)
    try:
        return copy.to(device, dtype) if dtype is not None else copy.to(device)
    except NotImplementedError as error:
        said = str(error).partition(";")[0]
        raise InspectionError(
            f"the model cannot be brought to {device}: {said}. Build it on a device that holds values: cpu, cuda"
        ) from error


@contextmanager
def running(mode: str, device: torch.device) -> Iterator[None]:
    """While the model runs in a mode.

    Raises:
        InspectionError: whatever it raises, with its place in the user's source and, where memory ran out, what to do.

    >>> with running("eager", torch.device("cpu")):
    ...     {}["key"]
    Traceback (most recent call last):
    inspector.errors.InspectionError: the forward fails when it runs for real: KeyError: 'key'...
    """
    try:
        yield
    except InspectionError:
        raise
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        if out_of_memory(error):
            raise InspectionError(
                f"{device} has too little memory for this input: {said or type(error).__name__}\n  Give a smaller "
                "batch; inspector memory tells what fits"
            ) from error
        where = place_of(error)
        raise InspectionError(
            f"{_RUNS.get(mode, 'the forward fails when it runs for real')}: {type(error).__name__}: {said}".rstrip(": ")
            + (f"\n  at {where}" if where else "")
        ) from error
