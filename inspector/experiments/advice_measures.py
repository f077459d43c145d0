"""The single figures of an advice: noise scale, need of batch norm, knee, memory limit."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import torch

from inspector.errors import InspectionError
from inspector.experiments.batch_noise import gradients, noise
from inspector.experiments.environment import halving, seed_of
from inspector.experiments.recommendation import Finding
from inspector.experiments.records import CONFIDENCE
from inspector.experiments.student import quantile
from inspector.experiments.training import Diverged, train
from inspector.experiments.update_times import line, timed
from inspector.memory import memory
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from inspector.experiments.recommendation import LayerNeed

    Loss = Callable[[Tensor, Tensor], Tensor]

#: Batches for one noise scale, and the most samples of each.
_BATCHES, _BATCH = 32, 32
#: No batch is timed that would take longer than this, in seconds, for one update.
_LONGEST = 1.0


def noise_scale(model: nn.Module, loss: Loss, x: Tensor, y: Tensor, name: str, seed: int) -> Finding:
    """Simple noise scale of a copy, in training mode as the model is."""
    place = next(model.parameters()).device

    def measured(batch: int) -> Finding:
        generator = torch.Generator().manual_seed(seed_of(seed, name))
        drawn = (torch.randint(len(x), (batch,), generator=generator) for _ in range(_BATCHES))
        pairs = ((x[chosen].to(place), y[chosen].to(place)) for chosen in drawn)
        found = noise(gradients(deep_copy(model), loss, pairs, _BATCHES), batch)
        said = f"tr Σ/|G|² from the gradients of {_BATCHES} batches of {batch} samples"
        if not math.isfinite(found.scale):
            return Finding(name, None, None, None, f"{said}: |G|² cannot be told from zero")
        high = found.high if math.isfinite(found.high) else None
        return Finding(name, found.scale, found.low, high, said)

    found, _, _ = halving(measured, min(_BATCH, max(2, len(x) // 4)), least=2)
    return found


def trained(model: nn.Module, loss: Loss, x: Tensor, y: Tensor, updates: int, seed: int) -> tuple[nn.Module, list[str]]:
    """A copy after some updates of Adam, and what must be said of it; the model itself where its loss left all "
    "bounds.
    """
    place = next(model.parameters()).device
    copy = deep_copy(model)
    optimizer = torch.optim.Adam([each for each in copy.parameters() if each.requires_grad], 1e-3)
    generator = torch.Generator().manual_seed(seed_of(seed, "updates"))
    batch = min(_BATCH, len(x))
    try:
        train(copy, loss, optimizer, x.to(place), y.to(place), batch=batch, steps=updates, generator=generator)
    except Diverged as error:
        return model, [f"{error}; figures after updates are those of the weights as given"]
    return copy, []


def batch_norm_need(layers: Sequence[LayerNeed]) -> Finding:
    """The largest need of all layers."""
    if not layers or any(layer.smallest is None for layer in layers):
        none = ", ".join(layer.path for layer in layers if layer.smallest is None) or "no layer was reached"
        return Finding("batch norm bears", None, None, None, f"no need could be measured: {none}")
    most = max(layers, key=lambda layer: layer.smallest or 0)
    smallest = most.smallest or 0
    ends = [math.ceil(smallest * most.independent / end) for end in (most.high, most.low)]
    said = f"layer {most.path}, where a sample is worth {most.independent:.3g} values of {most.values}"
    return Finding("batch norm bears", smallest, max(2, ends[0]), max(2, ends[1]), said)


def update_times(
    model: nn.Module, loss: Loss, x: Tensor, y: Tensor, place: torch.device, most: int
) -> tuple[Finding, int | None, list[int]]:
    """Knee, the largest batch that fitted where a larger did not, and the sizes that were timed."""
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], 1e-9)

    def update(size: int) -> Callable[[], None]:
        rows = torch.arange(size) % len(x)
        inputs, labels = x[rows].to(place), y[rows].to(place)

        def one() -> None:
            optimizer.zero_grad()
            loss(model(inputs), labels).backward()
            optimizer.step()

        return one

    times: dict[int, float] = {}
    limit = None
    for size in (2**power for power in range(1, 1 + int(math.log2(max(2, most))))):
        found, fitted, _ = halving(lambda tried: timed({tried: update(tried)}, place), size)
        if fitted < size or not found:
            limit = size // 2
            break
        times |= found
        if 2 * times[size] > _LONGEST:
            break
    if len(times) < 3:
        return (
            Finding("knee", None, None, None, f"needs times at three batch sizes, got {len(times)}"),
            limit,
            [*times] or [1],
        )
    law = line(times)
    logs = [math.log(max(line({b: t for b, t in times.items() if b != left}).knee, 1e-3)) for left in times]
    mean = sum(logs) / len(logs)
    error = math.sqrt((len(logs) - 1) / len(logs) * sum((each - mean) ** 2 for each in logs))
    reach = math.exp(min(50.0, quantile(CONFIDENCE, len(logs) - 1) * error))
    knee = max(law.knee, 1e-3)
    said = (
        f"T(B) = {1e3 * law.fixed:.3g} ms + {1e3 * law.slope:.3g} ms·B, forward, backward and update, at {len(times)} "
        f"sizes from {min(times)} to {max(times)}"
    )
    return Finding("knee", knee, knee / reach, knee * reach, said), limit, [*times]


def memory_limit(model: nn.Module, x: Tensor, place: torch.device, seen: int | None, timed_until: int) -> Finding:
    """The largest batch that fits: where memory ended, or where the predicted bytes of a training step reach what is "
    "free.
    """
    name = "memory limit"
    if seen is not None:
        return Finding(
            name, seen, seen, seen, f"an update of {2 * seen} samples ran out of memory, one of {seen} did not"
        )
    try:
        small, large = (memory(model, input_data=x[:n].to(place), device=place).training("Adam, AdamW") for n in (2, 4))
    except InspectionError as error:
        return Finding(name, None, None, None, f"{timed_until} samples fit; more cannot be said: {error}")
    free = _free(place)
    if small is None or large is None or large <= small or free is None:
        return Finding(name, None, None, None, f"{timed_until} samples fit; what is free on {place} is not known")
    each = (large - small) / 2
    fixed = small - 2 * each
    fits = max(timed_until, int((free - fixed) / each))
    said = (
        f"predicted for Adam: {fixed / 2**20:.1f} MiB + {each / 2**20:.3g} MiB a sample, "
        f"{free / 2**30:.1f} GiB are free"
    )
    return Finding(name, fits, fits, fits, said)


def _free(place: torch.device) -> int | None:
    """Bytes that can still be taken on the device."""
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not on this system
        return None
