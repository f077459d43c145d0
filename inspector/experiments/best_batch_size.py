"""``best-batch-size``: time and noise predict the batch size that reaches a loss soonest; then it is trained.

The laws are in :mod:`inspector.experiments.optimal_batch`. B_crit is predicted by the simple noise scale, measured on
the way of one training of its own, and B* by times of its own.
"""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import TYPE_CHECKING, ClassVar

from inspector.bench.knee import Law, line
from inspector.errors import InspectionError
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points, size_axis
from inspector.experiments.judge import interval
from inspector.experiments.optimal_batch import (
    CRITICAL_FACTOR,
    optimal_batch,
    steps_to_target,
    time_to_target,
)
from inspector.experiments.reaching import (
    RATES,
    Task,
    hyperbola,
    middle,
    noise_on_the_way,
    steps_needed,
    times_of_updates,
)
from inspector.experiments.records import Cell, Claim, Measured, Predicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from inspector.experiments.records import JSON, Config, Result

#: The rates that are tried differ by a factor 2. On a quadratic a step at ρ times the best rate gains 2ρ − ρ² of what
#: is possible; of two rates ρ and 2ρ the better one misses most where both gain the same, at ρ = 2/3: 8/9. So steps may
#: be 9/8 of the fewest, at either end of a ratio, and a ratio may be off by 9/8 twice.
_RATE_SLACK = (9 / 8) ** 2 - 1
#: Trained sizes lie a factor 4 apart when quick, so that the best of them is within 2 of the best there is.
_GRID = 2.0
_ONE = Predicted.exactly(1.0, "1")
#: Turns of an A/A run's timings; each measures both sides.
_TURNS = 4


class BestBatchSize(Experiment):
    """See the module."""

    name: ClassVar[str] = "best-batch-size"
    title: ClassVar[str] = "Time to a target loss against the batch size"
    about: ClassVar[str] = (
        "The knee of an update's time and the noise scale of its gradient predict, before any comparison is trained, "
        "which batch size reaches a loss soonest: √(B*·B_crit). A small network then learns real images at many batch "
        "sizes, each with the best of several learning rates, until its loss is there; steps times seconds a step are "
        "compared."
    )
    faults: ClassVar[Mapping[str, str]] = {
        "fixed-rate": "the learning rate of single samples for every batch size, so that a larger batch gains nothing",
        "repeated-sample": "a batch is one sample many times, so that its gradient is as noisy as a single one's",
        "no-fixed-time": "an update's time is taken as βB alone, so that the smallest batch seems best",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            names = ("same-steps", "same-time")
            said = "the same batch size with other seeds"
            return [
                Claim(name, f"{said}: the {name.partition('-')[2]} in the ratio 1", _ONE, tolerance=_RATE_SLACK)
                for name in names
            ]
        task = Task.of(config)
        sizes = _sizes(config)
        law = line(times_of_updates(task, {size: size for size in sizes}))
        seed = seed_of(config.seed, "pilot")
        steps, rate = steps_needed(task, sizes[-1], RATES, seed)
        if math.isnan(rate):
            raise InspectionError(
                f"no learning rate brought the loss to {task.target} within {task.most} updates of {sizes[-1]} "
                "samples: are the labels those of the images?"
            )
        critical = noise_on_the_way(task, sizes[-1], rate, seed)
        return _claims(law, critical, steps, sizes)

    def cells(self, config: Config) -> Sequence[Cell]:
        seeds = range(4 if config.quick else 8)
        if config.control:
            sides = [
                Cell(f"{side},seed={seed}", {"batch": 32, "seed": f"{side}{seed}"}) for side in "ab" for seed in seeds
            ]
            return [*sides, *(Cell(f"time,{turn}", {"batch": None, "seed": turn}) for turn in range(_TURNS))]
        steps = [Cell(f"b={b},seed={seed}", {"batch": b, "seed": seed}) for b in _sizes(config) for seed in seeds]
        return [*steps, *(Cell(f"time,{turn}", {"batch": None, "seed": turn}) for turn in range(3))]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        task = Task.of(config)
        batch = cell.arguments["batch"]
        if not isinstance(batch, int):
            sizes = {1: 32, 2: 32} if config.control else {size: size for size in _sizes(config)}
            return {f"T{key}": seconds for key, seconds in times_of_updates(task, sizes).items()}
        rates = RATES[:1] if config.fault == "fixed-rate" else RATES
        steps, rate = steps_needed(
            task, batch, rates, seed_of(config.seed, cell.arguments["seed"]), repeated=config.fault == "repeated-sample"
        )
        notes: list[JSON] = [] if steps < task.most else [f"no rate reached the loss within {task.most} steps"]
        return {"steps": steps, "rate": rate, "notes": notes}

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        if config.control:
            pairs = zip(column(values, "steps", "a,"), column(values, "steps", "b,"), strict=True)
            times = zip(column(values, "T1", "time,"), column(values, "T2", "time,"), strict=True)
            return {"same-steps": [a / b for a, b in pairs], "same-time": [a / b for a, b in times]}
        sizes = _sizes(config)
        seconds = _seconds(config, values)
        runs = [dict(zip(sizes, each, strict=True)) for each in zip(*(_steps(values, b) for b in sizes), strict=True)]
        totals = [{b: run[b] * seconds[b] for b in sizes} for run in runs]
        best = min(sizes, key=lambda b: fmean(total[b] for total in totals))
        return {
            "critical-batch": [hyperbola(run)[1] for run in runs],
            "steps-law": [middle(run) for run in runs],
            "best-batch": [math.log2(min(total, key=total.__getitem__)) for total in totals],
            "least-time": [total[best] for total in totals],
            "too-small": [total[sizes[0]] / total[best] for total in totals],
        }

    def draw(self, figure: Figure, result: Result) -> None:
        left, right = figure.subplots(1, 2)
        sizes, values = _sizes(result.config), result.values
        steps = [interval(_steps(values, b)) for b in sizes]
        fewest, critical = hyperbola({b: each.value for b, each in zip(sizes, steps, strict=True)})
        left.plot(
            sizes, [steps_to_target(b, critical, fewest) for b in sizes], color=COLORS[1], label="S(1 + B_crit/B)"
        )
        points(left, sizes, steps, "trained", COLORS[0])
        left.set(yscale="log", ylabel="updates to the target loss")
        seconds = _seconds(result.config, values)
        law = line(seconds)
        curve = [fewest * time_to_target(b, law.fixed, law.slope, critical) for b in sizes]
        right.plot(sizes, curve, color=COLORS[1], label="(t₀ + βB)·S(1 + B_crit/B)")
        points(
            right, sizes, [interval([n * seconds[b] for n in _steps(values, b)]) for b in sizes], "trained", COLORS[0]
        )
        right.axvline(2 ** _best(result, "value"), color=COLORS[2], label="predicted B_opt")
        ends = (2 ** _best(result, end) for end in ("low", "high"))
        right.axvspan(*ends, color=COLORS[2], alpha=0.15, label="its interval")
        right.set(yscale="log", ylabel="time to the target loss [s]")
        for axes in (left, right):
            size_axis(axes, sizes)
            axes.legend(fontsize="small")


def _best(result: Result, end: str) -> float:
    return float(getattr(result.claim("best-batch").claim.predicted, end))


def _sizes(config: Config) -> tuple[int, ...]:
    return (2, 8, 32, 128, 512) if config.quick else (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def _claims(law: Law, critical: float, pilot: float, sizes: Sequence[int]) -> list[Claim]:
    """What the pilot's noise scale, its updates at the largest batch and the line of times say of all sizes."""
    ends = (critical / CRITICAL_FACTOR, critical * CRITICAL_FACTOR)
    knee = max(law.knee, 1e-3)  # B* = 0 has no root; a knee below a thousandth of a sample is none
    best = optimal_batch(knee, critical)
    spread = math.log2(CRITICAL_FACTOR) / 2
    least = [pilot / steps_to_target(sizes[-1], c) * _least(law, c, sizes) for c in (critical, *ends)]
    small = [time_to_target(sizes[0], law.fixed, law.slope, c) / _least(law, c, sizes) for c in (critical, *ends)]
    limits = [
        min(max(math.log2(each), math.log2(sizes[0])), math.log2(sizes[-1]))
        for each in (best, best / 2**spread, best * 2**spread)
    ]
    near = "the simple noise scale and B_crit agree to within an order of magnitude (McCandlish et al. 2018)"
    return [
        Claim(
            "critical-batch",
            f"updates to the target follow S(1 + B_crit/B) with B_crit = tr Σ/|G|²; {near}",
            Predicted(critical, *ends, f"tr Σ/|G|² = {critical:.4g}"),
            decides=critical,
        ),
        Claim(
            "steps-law",
            "updates at the inner batch sizes over what the law gives through those at both ends; the best of rates a "
            f"factor 2 apart may miss 1/9 at either, so {_RATE_SLACK:.0%}",
            _ONE,
            tolerance=_RATE_SLACK,
        ),
        Claim(
            "best-batch",
            "log2 of the batch size that reaches the target soonest; B_opt moves with the root of B_crit, and the "
            f"trained sizes are a factor {_GRID**2:g} apart",
            Predicted(
                limits[0],
                limits[1] - math.log2(_GRID),
                limits[2] + math.log2(_GRID),
                f"log2 √({knee:.4g}·{critical:.4g})",
            ),
            decides=math.log2(CRITICAL_FACTOR),
        ),
        Claim(
            "least-time",
            f"seconds to the target at the best batch size, S_min from {pilot:.4g} updates at {sizes[-1]}; machines "
            f"scatter, and rates miss: {_RATE_SLACK:.0%}",
            Predicted(least[0], min(least), max(least), "S_min·(1 + B_crit/B)·(t₀ + βB)"),
            tolerance=_RATE_SLACK,
        ),
        Claim(
            "too-small",
            f"batches of {sizes[0]} take so many times as long as the best ones, for any B_crit of the interval",
            Predicted.exactly(max(1.0, min(small)), f"(1 + B_crit/{sizes[0]})(t₀ + {sizes[0]}β) over the least"),
            "at least",
        ),
    ]


def _least(law: Law, critical: float, sizes: Sequence[int]) -> float:
    return min(time_to_target(b, law.fixed, law.slope, critical) for b in sizes)


def _steps(values: Mapping[str, Mapping[str, JSON]], batch: int) -> list[float]:
    return column(values, "steps", f"b={batch},")


def _seconds(config: Config, values: Mapping[str, Mapping[str, JSON]]) -> dict[int, float]:
    """Median seconds of an update by batch size."""
    seconds = {b: median(column(values, f"T{b}", "time,")) for b in _sizes(config)}
    if config.fault == "no-fixed-time":
        slope = line(seconds).slope
        return {b: slope * b for b in seconds}
    return seconds
