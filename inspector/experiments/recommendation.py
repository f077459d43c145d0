"""What was found about batch sizes, and what to do then. No torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from inspector.experiments.optimal_batch import cost_of_missing

#: A batch larger than the best one is accepted for batch norm's sake while training takes at most this much longer.
ACCEPTED_COST = 1.25

Norm = Literal["keep", "replace", "none"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure about batch sizes, with its interval and how it was found.

    Attributes:
        name: what it is, such as ``gradient noise scale``.
        value: the figure in samples; None where it could not be had, for the reason in ``evidence``.
        low, high: ends of its 95 % interval; equal to ``value`` where it is exact.
        evidence: what was measured and how often, or why nothing was.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    evidence: str


@dataclass(frozen=True, slots=True)
class LayerNeed:
    """The smallest batch that one batch-normalization layer bears.

    Attributes:
        path: the layer's name in the model.
        values: H·W, values of one channel in one sample.
        independent: how many independent values one sample is worth, n_eff/N; its interval is (low, high).
        smallest: smallest batch size within the tolerance; None where none is.
        evidence: the tolerance and what was measured.
    """

    path: str
    values: int
    independent: float
    low: float
    high: float
    smallest: int | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something tried on a copy of the model against small batches.

    Attributes:
        name: ``freeze batch norm``, ``group norm`` or ``accumulate gradients``.
        helps: whether it frees the model from the batch size; None where it could not be tried.
        evidence: what was done and seen.
    """

    name: str
    helps: bool | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do.

    Attributes:
        batch: the batch size to take; None where too little is known to name one.
        norm: ``keep`` the batch normalization, ``replace`` (or freeze) it, or ``none``: no layer uses the batch.
        reasons: one sentence for each step that led here.
    """

    batch: int | None
    norm: Norm
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """All of it, for one model on one device.

    Attributes:
        model, device, loss, data: what was asked about, in words.
        environment: versions, precision and threads.
        findings: batch norm's smallest batch, noise scale, knee, end of flatness, memory limit, best batch.
        layers: the need of each batch-normalization layer.
        remedies: what was tried.
        recommendation: what to do.
        notes: what a reader must know of the whole.
    """

    model: str
    device: str
    loss: str
    data: str
    environment: dict[str, Any]
    findings: tuple[Finding, ...]
    layers: tuple[LayerNeed, ...]
    remedies: tuple[Remedy, ...]
    recommendation: Recommendation
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON's kinds."""
        return {"schema_version": "1.0", **asdict(self)}

    def __str__(self) -> str:
        from inspector.experiments.advice_text import text

        return text(self)


def recommend(
    best: float | None,
    needed: int | None,
    *,
    has_batch_norm: bool,
    limit: int | None = None,
    samples: int | None = None,
    flat: float | None = None,
    noise: float | None = None,
) -> Recommendation:
    """The batch size to take, and whether batch normalization may stay.

    Args:
        best: √(B*·B_crit), where both are known.
        needed: smallest batch that every batch-normalization layer bears; None where no batch is enough.
        has_batch_norm: whether a layer uses the batch's statistics in training.
        limit: largest batch that fits in memory.
        samples: how many samples there are.
        flat: up to which batch size an update takes hardly longer than one of a single sample.
        noise: gradient noise scale.

    >>> recommend(90.5, 16, has_batch_norm=True).batch, recommend(4, 64, has_batch_norm=True).norm
    (64, 'replace')
    """
    wish, reasons = _wish(best, flat, noise)
    ends = [(limit, "fits in memory"), (samples, "is all the data")]
    ceiling, why = min(((size, said) for size, said in ends if size is not None), default=(None, ""))
    batch = None if wish is None else power_of_two(wish)
    if batch is not None and ceiling is not None and batch > ceiling:
        batch = 2 ** int(math.log2(ceiling)) if ceiling >= 1 else None
        reasons.append(
            f"{ceiling} {why}, so {batch} it is; accumulating gradients gives the noise of a larger batch, "
            "and no other normalization"
        )
    if not has_batch_norm:
        said = "no layer uses the batch's statistics: any batch size is valid"
        return Recommendation(batch, "none", (*reasons, said))
    norm, batch, said = _with_batch_norm(batch, wish, needed, ceiling)
    return Recommendation(batch, norm, (*reasons, said))


def power_of_two(size: float) -> int:
    """The power of two nearest by ratio, at least 1: never further than a factor √2, which costs 3 % at most.

    >>> power_of_two(90), power_of_two(91), power_of_two(0.3)
    (64, 128, 1)
    """
    return 1 if size < 1 else int(2 ** round(math.log2(size)))


def _wish(best: float | None, flat: float | None, noise: float | None) -> tuple[float | None, list[str]]:
    """The batch size for time alone, and why."""
    if best is not None:
        away = 100 * (cost_of_missing(math.sqrt(2)) - 1)
        return best, [
            f"{best:.3g}, from knee and noise scale, reaches a loss soonest; the nearest power of two costs "
            f"{away:.0f} % at most"
        ]
    if noise is not None:
        return noise, [
            f"the time of an update has no knee here: at the noise scale {noise:.3g} training takes twice the fewest "
            "updates"
        ]
    if flat is not None:
        return flat, [f"without a noise scale: up to {flat:.3g} samples an update takes hardly longer than with one"]
    return None, ["neither the time of an update nor the gradient's noise is known: no batch size can be named"]


def _with_batch_norm(
    batch: int | None, wish: float | None, needed: int | None, ceiling: int | None
) -> tuple[Norm, int | None, str]:
    if needed is None:
        return "replace", batch, "no batch size is enough for its batch norm: replace it with group norm, or freeze it"
    if batch is None or wish is None:
        return "keep", batch, f"batch norm bears {needed} samples and more"
    if needed <= batch:
        return "keep", batch, f"batch norm bears {needed} samples and more, so it may stay"
    if ceiling is not None and needed > ceiling:
        said = f"batch norm needs {needed} samples, more than the {ceiling} there can be: replace or freeze it"
        return "replace", batch, said
    raised = 2 ** math.ceil(math.log2(needed))
    if ceiling is not None and raised > ceiling:
        raised = needed
    cost = cost_of_missing(raised / wish)
    if cost <= ACCEPTED_COST:
        said = f"batch norm needs {needed} samples: {raised} lengthens training by {100 * (cost - 1):.0f} % at most"
        return "keep", raised, said
    return (
        "replace",
        batch,
        f"batch norm needs {needed} samples, with which training may take {100 * (cost - 1):.0f} % longer: "
        "replace or freeze it",
    )
