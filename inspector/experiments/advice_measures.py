"""The single figures of an advice: noise scale, need of batch norm, knee, memory limit."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import torch

from inspector.bench.knee import knee_of
from inspector.bench.sweep import doubling, sweep
from inspector.errors import InspectionError
from inspector.experiments.batch_noise import gradients, noise
from inspector.experiments.environment import halving, seed_of
from inspector.experiments.recommendation import Finding
from inspector.experiments.training import Diverged, train
from inspector.memory import memory
from inspector.report.text import figure
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from inspector.bench.knee import Law
    from inspector.experiments.recommendation import LayerNeed

    Loss = Callable[[Tensor, Tensor], Tensor]

#: Batches for one noise scale, and the most samples of each.
_BATCHES, _BATCH = 32, 32
_FLAT = "an update is flat until"


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
    """A copy after some updates of Adam, and what must be said of it; the model itself where its loss left all bounds.

    No more samples than these updates see are taken to the model's device.
    """
    place = next(model.parameters()).device

    def after(batch: int) -> nn.Module:
        copy = deep_copy(model)
        optimizer = torch.optim.Adam([each for each in copy.parameters() if each.requires_grad], 1e-3)
        generator = torch.Generator().manual_seed(seed_of(seed, "updates"))
        seen = torch.randperm(len(x), generator=generator)[: batch * updates]
        inputs, labels = x[seen].to(place), y[seen].to(place)
        train(copy, loss, optimizer, inputs, labels, batch=batch, steps=updates, generator=generator)
        return copy

    try:
        copy, batch, said = halving(after, min(_BATCH, len(x)), least=2)
    except Diverged as error:
        return model, [f"{error}; figures after updates are those of the weights as given"]
    return copy, [f"updates with batches of {batch}: {each}" for each in said]


def batch_norm_need(layers: Sequence[LayerNeed]) -> Finding:
    """The largest need of all layers."""
    if not layers or any(layer.smallest is None for layer in layers):
        none = ", ".join(layer.path for layer in layers if layer.smallest is None) or "no layer was reached"
        return Finding("batch norm bears", None, None, None, f"no need could be measured: {none}")
    most = max(layers, key=lambda layer: layer.smallest or 0)
    smallest = most.smallest or 0
    ends = [math.ceil(smallest * most.independent / end) for end in (most.high, most.low)]
    said = f"layer {most.path}, where a sample is worth {figure(most.independent)} values of {figure(most.values)}"
    return Finding("batch norm bears", smallest, max(2, ends[0]), max(2, ends[1]), said)


def update_times(
    model: nn.Module, loss: Loss, x: Tensor, y: Tensor, place: torch.device, most: int, seconds: float = 20.0
) -> tuple[Law | None, Finding, Finding, Finding | None]:
    """The law of an update's time, its knee, the end of its flatness, and the memory's end where it was met.

    The first size is 2: batch normalization may refuse single samples.
    """
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], 1e-9)

    def update(size: int) -> Callable[[], None]:
        rows = torch.arange(size) % len(x)
        inputs, labels = x[rows].to(place), y[rows].to(place)

        def one() -> None:
            optimizer.zero_grad()
            loss(model(inputs), labels).backward()
            optimizer.step()

        return one

    sizes = (size for size in doubling(most) if size > 1)
    found = sweep(update, sizes, device=place.type, samples=12, seconds=seconds)
    first, last = min(found.timings), max(found.timings)
    limit = None
    if found.limit.startswith("memory"):
        limit = Finding("memory limit", last, last, last, f"an update: {found.limit}")
    if len(found.timings) < 3:
        said = f"needs times at three batch sizes, got {len(found.timings)}: {found.limit or 'give a larger --most'}"
        return None, Finding("knee", None, None, None, said), Finding(_FLAT, None, None, None, said), limit
    law, (low, high) = knee_of(found.timings)
    curve = "" if law.gamma == 1 else f", γ = {law.gamma:.3g}"
    said = (
        f"t₀ = {figure(1e3 * law.fixed)} ms, β = {figure(1e3 * law.slope)} ms a sample{curve}: forward, backward and "
        f"update at {len(found.timings)} sizes from {first} to {figure(last)}; "
        f"{found.limit or 'all that were asked for'}"
    )
    noisy = [str(size) for size, timing in found.timings.items() if timing.noisy]
    said += f"; noisy at {', '.join(noisy)}" if noisy else ""
    below, above = found.flat()
    flat = Finding(
        _FLAT,
        below,
        below,
        above,
        f"T(B) ≤ 1.25·T({first}) by intervals, T({first}) in place of T(1), which batch norm may refuse",
    )
    # A knee of 0 has no logarithm: below a thousandth of a sample there is none.
    value, low, high = (max(each, 1e-3) for each in (law.knee, low, high))
    return law, Finding("knee", value, low, high, said), flat, limit


def memory_limit(model: nn.Module, x: Tensor, place: torch.device) -> Finding:
    """The batch at which the predicted bytes of a training step reach what is free."""
    name = "memory limit"
    try:
        small, large = (memory(model, input_data=x[:n].to(place), device=place).training("Adam, AdamW") for n in (2, 4))
    except InspectionError as error:
        return Finding(name, None, None, None, f"cannot be predicted: {error}")
    free = _free(place)
    if small is None or large is None or large <= small or free is None:
        return Finding(name, None, None, None, f"what is free on {place} is not known")
    each = (large - small) / 2
    fixed = small - 2 * each
    fits = max(0, int((free - fixed) / each))
    said = (
        f"predicted for Adam: {figure(max(0.0, fixed) / 2**20)} MiB + {figure(each / 2**20)} MiB a sample, "
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
