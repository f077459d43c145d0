"""Advice on the batch size of one's own model, loss and data; every figure is measured on copies of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inspector.errors import InspectionError
from inspector.experiments.advice_measures import batch_norm_need, memory_limit, noise_scale, trained, update_times
from inspector.experiments.environment import described, halving, seed_of, seeded, usable
from inspector.experiments.layer_needs import TOLERANCE, batch_norms, layer_needs
from inspector.experiments.optimal_batch import CRITICAL_FACTOR, optimal_batch
from inspector.experiments.recommendation import Advice, Finding, doubts_about, recommend
from inspector.experiments.remedies import remedies
from inspector.experiments.training import batch_explained
from inspector.preserve import preserved
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from inspector.bench.knee import Law
    from inspector.experiments.recommendation import LayerNeed, Remedy

#: Samples at most on which layers are looked at and remedies tried.
_LOOKED, _TRIED = 256, 32


@dataclass(frozen=True, slots=True)
class Samples:
    """What the model learns from.

    Attributes:
        x: (N, ...) inputs.
        y: (N, ...) labels.
        real: whether they are the user's; of random ones only times and memory mean anything.
        said: what they are, in words.
    """

    x: Tensor
    y: Tensor
    real: bool
    said: str


def advise(
    model: nn.Module,
    samples: Samples,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    loss_name: str = "loss",
    device: str = "cpu",
    seed: int = 0,
    tolerance: float = TOLERANCE,
    most: int = 8192,
    updates: int = 100,
    progress: Callable[[str], None] = lambda _said: None,
) -> Advice:
    """Measure what limits and what favours a batch size, and recommend one.

    Args:
        model: any module that takes a batch of samples; it stays as it is.
        samples: what it learns from.
        loss: from the model's output and the labels, a mean over the batch.
        loss_name: in words.
        device: where everything runs.
        seed: of all draws.
        tolerance: share of σ by which a batch's mean may scatter in batch normalization.
        most: largest batch size that is timed.
        updates: of Adam, on a copy, after which noise and layers are looked at; 0 for the weights as they are.
        progress: is told what is measured next.

    Raises:
        InspectionError: forward, loss or data do not fit together, or memory does not suffice.
    """
    place = usable(device)
    with seeded(seed, place), preserved(model):
        work = deep_copy(model).to(place).train()
        x, y = samples.x, samples.y
        # In random order: a file often holds one class after the other, and the first ones then know of one alone.
        some = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed_of(seed, "some")))
        _check(work, loss, x[:2].to(place), y[:2].to(place), loss_name)
        findings: list[Finding] = []
        notes: list[str] = []
        later: nn.Module = work
        layers: tuple[LayerNeed, ...] = ()
        if samples.real:
            progress("gradient noise")
            findings.append(noise_scale(work, loss, x, y, "gradient noise scale, as given", seed))
            if updates:
                progress(f"{updates} updates")
                later, said = trained(work, loss, x, y, updates, seed)
                notes += said
                findings.append(noise_scale(later, loss, x, y, f"gradient noise scale, after {updates} updates", seed))
            if batch_norms(later):
                progress("batch normalization")

                def needs(count: int) -> tuple[LayerNeed, ...]:
                    return layer_needs(deep_copy(later), x[some[:count]].to(place), tolerance, seed)

                layers, _, said = halving(needs, min(_LOOKED, len(x)), least=2)
                notes += said
                findings.append(batch_norm_need(layers))
        else:
            findings.append(Finding("gradient noise scale", None, None, None, "needs real samples: give --data"))
        noise = findings[-2 if layers else -1]
        progress("times of updates")
        law, knee, flat, ended = update_times(deep_copy(work), loss, x, y, place, most)
        progress("memory")
        memory = ended or memory_limit(work, x, place)
        best = _best(law, knee, noise)
        findings += [knee, flat, memory, best]
        progress("remedies")
        tried = _remedies(later, loss, x[some[:_TRIED]], y[some[:_TRIED]])
        return Advice(
            model=type(model).__name__,
            device=str(place),
            loss=loss_name,
            data=samples.said,
            environment=described(place),
            findings=tuple(findings),
            layers=layers,
            remedies=tried,
            recommendation=recommend(
                best.value,
                _largest([layer.smallest for layer in layers]) if samples.real else 2,
                has_batch_norm=bool(batch_norms(work)),
                limit=None if memory.value is None else int(memory.value),
                samples=len(x) if samples.real else None,
                flat=flat.value,
                noise=noise.value,
                gamma=1.0 if law is None else law.gamma,
                doubts=doubts_about(best, knee, noise),
            ),
            notes=tuple(notes),
        )


def _remedies(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[Remedy, ...]:
    place = next(model.parameters()).device

    def tried(count: int) -> tuple[Remedy, ...]:
        return remedies(model, loss, x[:count].to(place), y[:count].to(place))

    count = len(x) // 2 * 2
    return halving(tried, count, least=4)[0] if count >= 4 else ()


def _largest(needed: list[int | None]) -> int | None:
    """The largest need; None where a layer bears no batch at all, 2 where no layer was reached."""
    known = [each for each in needed if each is not None]
    return None if len(known) < len(needed) else max(known, default=2)


def _best(law: Law | None, knee: Finding, noise: Finding) -> Finding:
    name = "best batch for time"
    missing = [each.name for each in (knee, noise) if each.value is None]
    if law is None or knee.value is None or noise.value is None:
        return Finding(name, None, None, None, f"needs {' and '.join(missing)}")
    # An end that is not known is open: the interval of the noise scale has no upper one where |G|² may be zero.
    low, high = (
        optimal_batch(b, c, law.gamma) if b and c else None for b, c in ((knee.low, noise.low), (knee.high, noise.high))
    )
    power = 1 / (1 + law.gamma)
    slack = CRITICAL_FACTOR**power
    formula = f"√({knee.figure} · {noise.figure})"
    if law.gamma != 1:
        formula = f"(({knee.figure})^γ · {noise.figure})^(1/(1 + γ)), γ = {law.gamma:.3g}"
    return Finding(
        name,
        optimal_batch(knee.value, noise.value, law.gamma),
        low and low / slack,
        high and high * slack,
        f"{formula}; the interval holds that the noise scale is the critical batch size to "
        "within an order of magnitude alone (McCandlish et al. 2018)",
    )


def _check(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, name: str) -> None:
    """One small batch through forward, loss and backward, so that what does not fit is said at once."""
    copy = deep_copy(model)
    try:
        with batch_explained():
            output = copy(x)
            value = loss(output, y)
    except InspectionError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise InspectionError(
            f"{type(model).__name__} with {name} does not take samples of {list(x.shape[1:])} {x.dtype} and labels of "
            f"{list(y.shape[1:])} {y.dtype}: {type(error).__name__}: {said}"
        ) from error
    if not (isinstance(value, torch.Tensor) and value.dim() == 0 and value.requires_grad):
        raise InspectionError(f"{name} must give one number that depends on a parameter, got {_described(value)}")
    if not bool(torch.isfinite(value)):
        raise InspectionError(f"{name} is {value.item()} before any update: look at the data and the model's output")


def _described(value: object) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return f"a tensor of {list(value.shape)} {'with' if value.requires_grad else 'without'} a gradient"
