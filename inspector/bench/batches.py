"""A model's time over batch sizes: every input is repeated or cut along its first axis."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inspector.bench.ceilings import usable
from inspector.bench.guard import current, placed, running
from inspector.bench.modes import captured, prepared, stepping
from inspector.bench.sweep import Sweep, doubling, sweep
from inspector.errors import InspectionError
from inspector.inputs import make_inputs
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.structure import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def sweep_batches(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    sizes: Iterable[int] | None = None,
    device: str = "cpu",
    mode: str = "eager",
    backward: bool = False,
    samples: int = 30,
    seconds: float = 60.0,
) -> Sweep:
    """Time ``model`` at each batch size; a copy of it runs, in eval mode, or in train mode with ``backward``.

    Args:
        model: any module whose tensors of input have the batch as their first axis.
        input_size: as in ``predict``, with numbers alone.
        input_data: likewise.
        input_dtypes: likewise.
        input_kwargs: likewise.
        sizes: None goes 1, 2, 4, … as far as memory and time allow.
        device: ``cpu`` or ``cuda``.
        mode: one of ``inspector.bench.modes.MODES``.
        backward: time forward and backward.
        samples: for each size.
        seconds: all of it takes about so long at most.

    Raises:
        InspectionError: the question cannot be put, or the inputs have no batch in common.

    >>> found = sweep_batches(torch.nn.Linear(4, 4), (1, 4), sizes=[1, 2], samples=6, seconds=1)
    >>> list(found.timings)
    [1, 2]
    """
    home = usable(device)
    inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs)
    _check_batch(inputs.on("meta"))
    with ONE_AT_A_TIME, preserved(model), warnings.catch_warnings(), current(home), running(mode, home):
        runs = placed(model, home)
        runs.train(backward)
        given_args, given_kwargs = inputs.on(home)
        parameters = [parameter for parameter in runs.parameters() if parameter.requires_grad]

        def make(size: int) -> Callable[[], object]:
            def sized(tensor: Tensor) -> Tensor:
                return tensor.detach()[torch.arange(size, device=tensor.device) % tensor.shape[0]]

            args, kwargs = (map_tensors(part, sized) for part in (given_args, given_kwargs))
            called, args, kwargs, around = prepared(mode, runs, args, kwargs, home)
            step = stepping(called, args, kwargs, around, parameters, backward)
            return captured(step) if mode == "graph" else step

        return sweep(make, doubling() if sizes is None else sizes, device=home.type, samples=samples, seconds=seconds)


def _check_batch(inputs: Any) -> None:
    found = {tuple(tensor.shape[:1]) for tensor in tensors(inputs)}
    if len(found) != 1 or () in found or (0,) in found:
        told = ", ".join(str(first[0]) if first else "no axis" for first in sorted(found)) or "no tensor"
        raise InspectionError(f"a sweep over batch sizes needs inputs whose first axis is the batch; they have {told}")
