"""What was found about batch sizes, and what to do then. No torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from inspector.experiments.optimal_batch import cost_of_missing
from inspector.formula import format_count
from inspector.report.text import figure, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A batch larger than the best one is accepted for batch norm's sake while training takes at most this much longer.
ACCEPTED_COST = 1.25
#: Fixed before any measurement: a figure whose 95 % interval reaches further than this factor from it, either way,
#: decides on no batch size.
DECISIVE = 10.0
#: What narrows the interval of the knee, and of the noise scale.
_KNEE_NEEDS, _NOISE_NEEDS = "a larger --most, or less other load on the machine", "more samples, or more --updates"

Norm = Literal["keep", "replace", "none"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure about batch sizes, with its interval and how it was found.

    Attributes:
        name: what it is, such as ``gradient noise scale``.
        value: the figure in samples; None where it could not be had, for the reason in ``evidence``.
        low, high: ends of its 95 % interval; equal to ``value`` where it is exact; ``high`` None where it is open.
        evidence: what was measured and how often, or why nothing was.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    evidence: str

    @property
    def reach(self) -> float:
        """By which factor its interval reaches away from it, either way; infinite where an end is open.

        >>> Finding("knee", 20.0, 5.0, 40.0, "").reach
        4.0
        """
        if not (self.value and self.low and self.high):
            return math.inf
        return max(self.value / self.low, self.high / self.value)

    @property
    def figure(self) -> str:
        """The value as it is printed."""
        return "—" if self.value is None else figure(self.value)

    @property
    def interval(self) -> str:
        """``[5, 40]``, ``[5, ∞)``; nothing where the value is exact or there is none."""
        return interval(self.low, self.high)


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
    gamma: float = 1.0,
    doubts: Sequence[str] = (),
) -> Recommendation:
    """The batch size to take, and whether batch normalization may stay.

    Args:
        best: √(B*·B_crit), where both are known.
        needed: smallest batch that every batch-normalization layer bears; None where no batch is enough.
        has_batch_norm: whether a layer uses the batch's statistics in training.
        limit: largest batch that fits in memory.
        samples: how many samples there are.
        flat: up to which batch size an update takes hardly longer than one of the fewest samples.
        noise: gradient noise scale.
        gamma: γ of an update's time, on which depends what it costs to miss the best batch.
        doubts: why the figures are too uncertain to name a batch size, as ``doubts_about`` says.

    >>> recommend(90.5, 16, has_batch_norm=True).batch, recommend(4, 64, has_batch_norm=True).norm
    (64, 'replace')
    """
    wish, reasons = (None, [*doubts]) if doubts else _wish(best, flat, noise)
    ends = [(limit, "fits in memory"), (samples, "is all the data")]
    ceiling, why = min(((size, said) for size, said in ends if size is not None), default=(None, ""))
    batch = None if wish is None else power_of_two(wish)
    if batch is not None and ceiling is not None and batch > ceiling:
        batch = 2 ** int(math.log2(ceiling)) if ceiling >= 1 else None
        taken = "nothing" if batch is None else format_count(batch)
        reasons.append(
            f"{format_count(ceiling)} {why}, so {taken} it is; accumulating gradients gives the noise of a larger "
            "batch, and no other normalization"
        )
    if batch is not None and best is not None:
        away = _longer(cost_of_missing(batch / best, gamma))
        reasons.append(f"{format_count(batch)} lengthens training by {away} at most against {figure(best)}")
    if not has_batch_norm:
        said = "no layer uses the batch's statistics: any batch size is valid"
        return Recommendation(batch, "none", (*reasons, said))
    norm, batch, said = _with_batch_norm(batch, wish, needed, ceiling, gamma)
    return Recommendation(batch, norm, (*reasons, said))


def power_of_two(size: float) -> int:
    """The power of two nearest by ratio, at least 1.

    >>> power_of_two(90), power_of_two(91), power_of_two(0.3)
    (64, 128, 1)
    """
    return 1 if size < 1 else int(2 ** round(math.log2(size)))


def _wish(best: float | None, flat: float | None, noise: float | None) -> tuple[float | None, list[str]]:
    """The batch size for time alone, and why."""
    if best is not None:
        return best, [f"{figure(best)}, from knee and noise scale, reaches a loss soonest; powers of two are taken"]
    if noise is not None:
        return noise, [
            f"the knee of an update's time is not known: at the noise scale {figure(noise)} training takes twice the "
            "fewest updates"
        ]
    if flat is not None:
        return flat, [f"without a noise scale: up to {figure(flat)} samples an update is flat"]
    return None, ["neither the time of an update nor the gradient's noise is known: no batch size can be named"]


def _with_batch_norm(
    batch: int | None, wish: float | None, needed: int | None, ceiling: int | None, gamma: float
) -> tuple[Norm, int | None, str]:
    if needed is None:
        return "replace", batch, "no batch size is enough for its batch norm: replace it with group norm, or freeze it"
    if ceiling is not None and needed > ceiling:
        least, most = map(format_count, (needed, ceiling))
        return (
            "replace",
            batch,
            f"batch norm needs {least} samples, more than the {most} there can be: replace or freeze it",
        )
    if batch is None or wish is None:
        return "keep", batch, f"batch norm bears {format_count(needed)} samples and more"
    if needed <= batch:
        return "keep", batch, f"batch norm bears {format_count(needed)} samples and more, so it may stay"
    raised = 2 ** math.ceil(math.log2(needed))
    if ceiling is not None and raised > ceiling:
        raised = needed
    cost = cost_of_missing(raised / wish, gamma)
    said = f"batch norm needs {format_count(needed)} samples"
    if cost <= ACCEPTED_COST:
        return "keep", raised, f"{said}: {format_count(raised)} lengthens training by {_longer(cost)} at most"
    return "replace", batch, f"{said}, with which training may take {_longer(cost)} longer: replace or freeze it"


def _longer(cost: float) -> str:
    """By how much: ``12.5 %``, ``4 949 %``."""
    return percent(cost - 1) if cost < 10 else f"{figure(100 * (cost - 1))} %"


def doubts_about(best: Finding, knee: Finding, noise: Finding) -> tuple[str, ...]:
    """Why these figures name no batch size, and what would decide; empty where they do.

    The best batch is judged; where there is none the noise scale is, which is then taken in its place.
    """
    judged = best if best.value is not None else noise
    if judged.value is None or judged.reach <= DECISIVE:
        return ()
    known = [(each, needs) for each, needs in ((knee, _KNEE_NEEDS), (noise, _NOISE_NEEDS)) if each.value is not None]
    least = min(DECISIVE, max(each.reach for each, _ in known))
    said = (
        f"{judged.name}, {judged.figure} {judged.interval}, may lie further than a factor of {DECISIVE:g} away: too "
        "uncertain to recommend a batch size"
    )
    return said, *(
        f"what decides: {needs}, for {each.name}, {each.figure} {each.interval}"
        for each, needs in known
        if each.reach >= least
    )


def interval(low: float | None, high: float | None) -> str:
    """``[5, 40]``, ``[5, ∞)``; nothing where both ends are one, or the lower is not known.

    >>> interval(0.128, 6082), interval(5, None), interval(5, 5)
    ('[0.128, 6 082]', '[5, ∞)', '')
    """
    if low is None or low == high:
        return ""
    return f"[{figure(low)}, ∞)" if high is None else f"[{figure(low)}, {figure(high)}]"
