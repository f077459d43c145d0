"""A training step on several devices under torchrun: what the others and the exchange of gradients cost.

Each process computes on its own batch (weak scaling). Three times are taken in turn: rank 0 alone while the others
wait; all at once without exchange, whose excess is what they take from each other (host, memory, power); all at once
with ``DistributedDataParallel``, whose further excess is the exchange that computing does not hide. A step of several
lasts as long as that of the slowest.
"""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from inspector.bench.ceilings import usable
from inspector.bench.clocks import clock_for
from inspector.bench.guard import placed, running
from inspector.bench.intervals import paired
from inspector.bench.measuring import summarize
from inspector.bench.modes import prepared, stepping
from inspector.errors import InspectionError
from inspector.inputs import make_inputs
from inspector.preserve import ONE_AT_A_TIME, preserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from inspector.bench.records import Interval, Timing

#: A sample lasts about so long: a barrier beside it must not be seen.
_SAMPLE_SECONDS = 0.02
_WARM_UPS = 3
_PHASES = ("alone", "together", "exchanging")


@dataclass(frozen=True, slots=True)
class Scaling:
    """Times of one training step.

    Attributes:
        processes: how many there are.
        alone: rank 0 while the others wait.
        together: all at once without exchange.
        exchanging: all at once with it.
    """

    processes: int
    alone: Timing
    together: Timing
    exchanging: Timing

    @property
    def efficiency(self) -> tuple[float, Interval]:
        """Time alone over time of all with exchange, 1 where nothing is lost, and its interval at 95 %."""
        return paired(self.exchanging.samples, self.alone.samples)


def scaling(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    device: str = "cpu",
    rounds: int = 15,
) -> Scaling:
    """Time a training step (forward and backward) of a copy of ``model``, in every process of the default group alike.

    Args:
        model: the same in every process.
        input_size: as in ``predict``, with numbers alone: the batch of each process.
        input_data: likewise.
        input_dtypes: likewise.
        input_kwargs: likewise.
        device: ``cpu``, or ``cuda`` for the GPU of torchrun's local rank.
        rounds: each takes two samples of each time.

    Raises:
        InspectionError: there are not several processes, or the question cannot be put.
    """
    if not dist.is_initialized() or dist.get_world_size() < 2:
        raise InspectionError(
            "scaling needs several processes: torchrun --nproc-per-node=2 -m inspector bench scaling TARGET ..."
        )
    home = usable(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device)
    if home.type == "cuda":
        torch.cuda.set_device(home)
    inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs)
    with ONE_AT_A_TIME, preserved(model), running("eager", home):
        runs = placed(model, home).train()
        parameters = [parameter for parameter in runs.parameters() if parameter.requires_grad]
        if not parameters:
            raise InspectionError("no trainable parameter: there are no gradients to exchange")
        args, kwargs = inputs.on(home)
        called, args, kwargs, around = prepared("eager", runs, args, kwargs, home)
        step = stepping(called, args, kwargs, around, parameters, backward=True)
        shared = DistributedDataParallel(runs, device_ids=[home] if home.type == "cuda" else None)
        exchange = stepping(shared, args, kwargs, around, parameters, backward=True)
        return _measured({"alone": step, "together": step, "exchanging": exchange}, home, rounds)


def _measured(steps: Mapping[str, Callable[[], object]], home: torch.device, rounds: int) -> Scaling:
    clock = clock_for(home.type)
    for _ in range(_WARM_UPS):
        for step in steps.values():
            step()
    count = int(_agreed(math.ceil(_SAMPLE_SECONDS / max(clock.seconds(steps["exchanging"], 1), 1e-6)), home))
    found: dict[tuple[str, int], list[float]] = {(name, copy): [] for name in _PHASES for copy in (0, 1)}
    for name, copy in _order(rounds):
        dist.barrier()
        waits = name == "alone" and dist.get_rank() > 0
        seconds = 0.0 if waits else clock.seconds(steps[name], count) / count
        found[name, copy].append(_agreed(seconds, home))
    return Scaling(dist.get_world_size(), *(summarize(found[name, 0], found[name, 1]) for name in _PHASES))


def _order(rounds: int) -> Iterator[tuple[str, int]]:
    """The same random order in every process."""
    shuffle = random.Random(0)  # noqa: S311  an order, no secret
    entries = [(name, copy) for name in _PHASES for copy in (0, 1)]
    for _ in range(rounds):
        shuffle.shuffle(entries)
        yield from entries


def _agreed(value: float, home: torch.device) -> float:
    """The largest that any process has."""
    shared = torch.tensor(value, dtype=torch.float64, device=home)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return float(shared)
