"""What surrounds a model that runs for real: the right device, and errors that say what the reader can do."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from inspector.bench.exhaustion import out_of_memory
from inspector.errors import InspectionError
from inspector.places import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_RUNS = {
    "compile": "torch.compile does not manage this forward (--mode eager times it as it is)",
    "graph": "a CUDA graph cannot hold this forward (--mode eager times it as it is)",
}


def current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a CUDA device the current one: events, streams and kernels' memory belong to that."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def running(mode: str, device: torch.device) -> Iterator[None]:
    """While the model runs in a mode.

    Raises:
        InspectionError: whatever it raises, with its place in the user's source and, where memory ran out, what to do.
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
