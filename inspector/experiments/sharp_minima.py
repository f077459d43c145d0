"""``sharp-minima``: do large batches end where the loss is sharper, and what does sharpness say?"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import vector_to_parameters

from inspector.experiments.data import images
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column, series
from inspector.experiments.figures import COLORS, beside
from inspector.experiments.hessian import flat, hessian_product, top_eigenvalue, trace_samples
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.sharpness import filter_direction, keskar, losses_along, rescale
from inspector.experiments.training import lenet, train
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Result

#: Both batches train with this rate, without momentum, until the loss over all images is this.
_RATE, _TARGET = 0.1, 0.1
_IMAGES, _TEST = 100, 1000
_SMALL, _LARGE = 5, 50
#: Steps of a small batch, at most, and halvings of the last one.
_STEPS, _HALVINGS = 20_000, 12
#: How near the target each net's loss must be, of itself.
_NEAR = 0.01
_FACTOR = 4.0
#: How the keys of the cells begin.
_SIDES = ("small,", "large,")
_ROUNDING = 1e-10
#: Places along the directions of the pictures, in lengths of the model's filters: on a line, and on a plane's sides.
_PLACES = [step / 8 for step in range(-8, 9)]
_SIDE = [step / 5 for step in range(-5, 6)]
#: What is compared between the two batches, and by which name.
_MEASURES = {
    "top": "the Hessian's top eigenvalue (Lanczos)",
    "trace": "the Hessian's trace (Hutchinson)",
    "keskar": "Keskar's sharpness φ at ε = 1e-3",
    "keskar-near": "Keskar's sharpness φ at ε = 5e-4",
}
#: By network, small batch's and large batch's φ at ε = 1e-3, and test accuracy in percent: Keskar et al. 2016, arXiv
#: 1609.04836, tables 2 and 3.
PUBLISHED_SHARPNESS = {"F1": (1.23, 205.14), "C1": (28.58, 707.23)}
PUBLISHED_ACCURACY = {
    "F1": (98.03, 97.81),
    "F2": (64.02, 59.45),
    "C1": (80.04, 77.26),
    "C2": (89.24, 87.26),
    "C3": (49.58, 46.45),
    "C4": (63.08, 57.81),
}


class SharpMinima(Experiment):
    """See ``about``."""

    name = "sharp-minima"
    title = "Sharp minima and batch size"
    about = (
        "From the same start, with the same rate and down to the same training loss, a large batch ends where the loss "
        "is sharper than a small one does (Keskar et al. 2016): by their measure, by the Hessian's top eigenvalue and "
        "by its trace. Sharpness is no property of the function, though: multiplying one layer and dividing the next "
        "changes every measure and not one output (Dinh et al. 2017). So a sharper minimum need not generalise worse; "
        "the test error is compared by itself, and few trainings may leave it open."
    )
    faults: ClassVar = {
        "one-layer": "the rescaling multiplies a layer and does not divide the next",
        "early-stop": "training with the large batch stops at ten times the loss",
        "swapped": "the small batch's sharpness is taken for the large one's",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            return [
                Claim(name, f"two small batches, {said}: logarithm of the ratio", _nothing("ln 1"), decides=math.log(2))
                for name, said in _MEASURES.items()
            ]
        sharper = [
            Claim(name, f"large batch against small, {said}: logarithm of the ratio", _nothing("ln 1"), "at least")
            for name, said in _MEASURES.items()
        ]
        scaled = [
            Claim(
                f"{name}-rescaled",
                f"the same function with rescaled layers, {_MEASURES[name]}: logarithm of the ratio",
                _nothing(f"ln 1; λ_max grows towards {_FACTOR:g}²λ_max of the divided layer's block"),
                "at least",
            )
            for name in ("top", "keskar")
        ]
        return [
            Claim(
                "loss",
                f"largest deviation of a net's training loss from {_TARGET:g}, as a logarithm",
                Predicted.exactly(_NEAR, "the last step of each is shortened until its loss is that"),
                "at most",
            ),
            *sharper,
            Claim(
                "same-function",
                "largest change of an output by rescaling, relative to the largest output",
                Predicted.exactly(_ROUNDING, "0, up to rounding in float64"),
                "at most",
            ),
            *scaled,
            Claim(
                "block-trace",
                "trace of the divided layer's block of the Hessian, after over before: logarithm",
                Predicted.exactly(2 * math.log(_FACTOR), f"ln a², a = {_FACTOR:g}: the block of w/a is a² that of w"),
                decides=1.0,
            ),
            Claim("error", "test error of the large batch less the small one's", _nothing("0"), "at least"),
        ]

    def cells(self, config: Config) -> Sequence[Cell]:
        runs = 1 if config.fault in ("one-layer", "early-stop") else 8 if config.quick else 16  # 1: found exactly
        return [
            Cell(f"{side},run={run}", {"side": side, "run": run}) for run in range(runs) for side in ("small", "large")
        ]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        side, run = str(cell.arguments["side"]), int(str(cell.arguments["run"]))
        x, y = (each.to(config.device) for each in images(config.data, n=_IMAGES + _TEST, seed=config.seed))
        batch = _SMALL if side == "small" or config.control else _LARGE
        target = 10 * _TARGET if config.fault == "early-stop" and side == "large" else _TARGET
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "start", str(run)))  # the same weights for both sides
            model = lenet(max(2, int(y.max()) + 1)).to(config.device)
        generator = torch.Generator().manual_seed(seed_of(config.seed, cell.key))
        inputs, labels = x[:_IMAGES], y[:_IMAGES]
        _until(model, inputs, labels, batch, target, generator)
        with torch.no_grad():
            wrong = model(x[_IMAGES:]).argmax(1) != y[_IMAGES:]

        def loss(net: nn.Module) -> Tensor:
            return cross_entropy(net(inputs), labels)

        line = filter_direction(model, generator)
        found = _sharpness(model, loss(model), loss, generator) | {
            "loss": float(loss(model).detach()),
            "error": float(wrong.double().mean()),
            "curve": [*losses_along(model, loss, [line], [[place] for place in _PLACES])],
        }
        if run == 0:
            across = filter_direction(model, generator)
            found["plane"] = [*losses_along(model, loss, [line, across], [(a, b) for b in _SIDE for a in _SIDE])]
        return found if side == "large" or config.control else found | _rescaled(config, model, loss, inputs, generator)

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        small, large = reversed(_SIDES) if config.fault == "swapped" else _SIDES
        ratios: dict[str, Sequence[float] | Measured] = {
            name: _logs(column(values, name, large), column(values, name, small)) for name in _MEASURES
        }
        if config.control:
            return ratios
        errors = (column(values, "error", side) for side in reversed(_SIDES))
        return ratios | {
            "loss": Measured.exactly(max(abs(math.log(loss / _TARGET)) for loss in column(values, "loss"))),
            "same-function": Measured.exactly(max(column(values, "same-function"))),
            "top-rescaled": _logs(column(values, "top-rescaled"), column(values, "top", "small,")),
            "keskar-rescaled": _logs(column(values, "keskar-rescaled"), column(values, "keskar", "small,")),
            "block-trace": column(values, "block-trace"),
            "error": [theirs - ours for theirs, ours in zip(*errors, strict=True)],
        }

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:
        said = [f"φ at ε = 1e-3: {_pair(*(statistics.fmean(column(values, 'keskar', side)) for side in _SIDES))}"]
        if not config.control:
            said += _trainings_needed(
                [b - a for a, b in zip(*(column(values, "error", side) for side in _SIDES), strict=True)]
            )
            sharpness, accuracy = (
                ", ".join(f"{net} {_pair(*both)}" for net, both in published.items())
                for published in (PUBLISHED_SHARPNESS, PUBLISHED_ACCURACY)
            )
            said.append(
                f"published by Keskar et al. 2016 for their networks, small/large batch: φ at ε = 1e-3 {sharpness}; "
                f"test accuracy in % {accuracy}; only the direction is compared"
            )
        return said

    def draw(self, figure: Figure, result: Result) -> None:
        parts = figure.subplot_mosaic(
            [["ratios", "line", "small"], ["ratios", "line", "large"]], width_ratios=[1.3, 1, 0.9]
        )
        known = {judged.claim.name: judged for judged in result.claims}
        ratios = (*_MEASURES, "top-rescaled", "keskar-rescaled", "block-trace")
        left, right = parts["ratios"], parts["line"]
        left.axhline(0, color="0.5", linestyle=":", label="as sharp")
        beside(left, [known[name] for name in ratios], [name.replace("-", "\n") for name in ratios])
        left.tick_params(axis="x", labelsize="x-small")
        left.set(ylabel="ln of a ratio", title="large over small batch; rescaled over as trained")
        sizes = (("small", _SMALL), ("large", _LARGE))
        planes = {side: series(result.values, f"{side},run=0", "plane") for side, _ in sizes}
        # Shades by ratio to the lowest loss, the same in both: the large batch's walls are beyond any linear scale.
        levels = [math.log10(_TARGET) + step / 4 for step in range(9)]
        for (side, batch), color in zip(sizes, COLORS, strict=False):
            curves = [series(result.values, key, "curve") for key in result.values if key.startswith(f"{side},")]
            means = [statistics.fmean(each) for each in zip(*curves, strict=True)]
            right.plot(_PLACES, means, color=color, label=f"batch {batch}")
            rows = [planes[side][at : at + len(_SIDE)] for at in range(0, len(planes[side]), len(_SIDE))]
            heights = [[math.log10(max(loss, 1e-12)) for loss in row] for row in rows]
            shades = parts[side].contourf(_SIDE, _SIDE, heights, levels, extend="both", cmap="cividis")
            parts[side].set(title=f"batch {batch}, two directions", aspect="equal", ylabel="second direction")
        parts["large"].set_xlabel("first direction [lengths of the filters]")
        figure.colorbar(shades, ax=[parts["small"], parts["large"]], label="log10 of the training loss")
        right.set(
            xlabel="step along a random direction\n[lengths of the filters]",
            ylabel="training loss, mean over runs",
            title="filter-normalised directions",
        )
        for axes in (left, right):
            axes.legend(fontsize="small")


def _pair(small: float, large: float) -> str:
    return f"{small:.4g}/{large:.4g}"


def _trainings_needed(differences: Sequence[float]) -> list[str]:
    """What would decide about the test errors."""
    if len(differences) < 2:
        return []
    mean, sd = statistics.fmean(differences), statistics.stdev(differences)
    if mean <= 0:
        return [f"test errors differ by {mean:+.2g} on average, not in the claimed direction"]
    runs = math.ceil((2.8 * sd / mean) ** 2)  # 1.96 + 0.84: 95 % intervals that exclude 0 four times in five
    return [f"to tell test errors that differ by {mean:.2g}, with sd {sd:.2g}, takes about {max(3, runs)} trainings"]


def _nothing(formula: str) -> Predicted:
    return Predicted.exactly(0.0, formula)


def _logs(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [math.log(a / b) for a, b in zip(above, below, strict=True)]


def _until(model: nn.Module, x: Tensor, y: Tensor, batch: int, target: float, generator: torch.Generator) -> None:
    """Train until the loss over all samples is the target: of the step that passes it, only the part that is needed.

    Curvature falls with the loss, so that going beyond the target would pass for flatness. The loss is looked at after
    every pass; one that went beyond is taken back and done in single steps.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=_RATE)
    parameters = [*model.parameters()]

    @torch.no_grad()
    def here() -> float:
        return float(cross_entropy(model(x), y))

    steps = len(x) // batch
    for _ in range(0, _STEPS, steps):
        before = flat(parameters).detach()
        train(model, cross_entropy, optimizer, x, y, batch=batch, steps=steps, generator=generator)
        if here() > target:
            continue
        if steps == 1:
            break
        vector_to_parameters(before, parameters)
        steps = 1
    after, low, high = flat(parameters).detach(), 0.0, 1.0
    for _ in range(_HALVINGS):
        part = (low + high) / 2
        vector_to_parameters(torch.lerp(before, after, part), parameters)
        low, high = (part, high) if here() > target else (low, part)


def _sharpness(
    model: nn.Module, here: Tensor, loss: Callable[[nn.Module], Tensor], generator: torch.Generator
) -> dict[str, JSON]:
    """The measures."""
    parameters = [*model.parameters()]
    product = hessian_product(here, parameters)
    count = sum(parameter.numel() for parameter in parameters)
    return {
        "top": top_eigenvalue(product, _normal(count, generator).to(here), tolerance=0.01)[0],
        "trace": float(trace_samples(product, _signs(6, count, generator).to(here)).mean()),
        "keskar": keskar(model, loss),
        "keskar-near": keskar(model, loss, epsilon=5e-4),
    }


def _rescaled(
    config: Config, model: nn.Module, loss: Callable[[nn.Module], Tensor], x: Tensor, generator: torch.Generator
) -> dict[str, JSON]:
    """What the rescaling of two layers keeps, and what it changes."""
    other = deep_copy(model)
    first, second = (module for module in other.modules() if isinstance(module, nn.Conv2d))
    rescale(first, second, _FACTOR)
    if config.fault == "one-layer":
        with torch.no_grad():
            second.weight.mul_(_FACTOR)
    with torch.no_grad():
        before, after = (deep_copy(net).double()(x.double()) for net in (model, other))
    traces = []
    for net in (model, other):
        weight = [module for module in net.modules() if isinstance(module, nn.Conv2d)][1].weight
        probes = _signs(10, weight.numel(), generator).to(x)  # others for each net, so that the law is not their doing
        traces.append(float(trace_samples(hessian_product(loss(net), [weight]), probes).mean()))
    product = hessian_product(loss(other), [*other.parameters()])
    start = _normal(sum(parameter.numel() for parameter in other.parameters()), generator)
    return {
        "same-function": float((after - before).abs().max() / before.abs().max()),
        "block-trace": math.log(traces[1] / traces[0]) if min(traces) > 0 else math.nan,
        "top-rescaled": top_eigenvalue(product, start.to(x), tolerance=0.01)[0],
        "keskar-rescaled": keskar(other, loss),
    }


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, generator=generator, dtype=torch.float64)


def _signs(rows: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(2, (rows, count), generator=generator).double() * 2 - 1
