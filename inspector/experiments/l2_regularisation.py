"""``l2-regularisation``: what a penalty on the squared weights does, and PyTorch's ``weight_decay``."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional as F

from inspector.experiments import ridge
from inspector.experiments.data import images, split
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column, series
from inspector.experiments.figures import COLORS, points
from inspector.experiments.judge import interval
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.training import error_rate, lenet, train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from inspector.experiments.records import JSON, Config, Result

#: Penalties of the ridge regressions, and of LeNet's training as PyTorch's ``weight_decay``.
_RIDGE_DECAYS = (0.02, 0.2, 2.0)
_DECAYS = (0.0, 0.01, 0.03, 0.1)
#: Steps between two points of a weight's way in the figure.
_SHOWN = 20
_RATE, _BATCH, _ADAM_RATE, _ADAM_DECAY = 0.05, 50, 1e-3, 0.1


class L2Regularisation(Experiment):
    """See ``about``."""

    name = "l2-regularisation"
    title = "L2 regularisation shrinks the weights"
    about = (
        "With a penalty λ‖w‖², a least-squares fit keeps of each singular direction the share d²/(d² + λ): directions "
        "that the data determine weakly shrink most. PyTorch's weight_decay w stands for λ = n·w/2 under a mean "
        "squared error. Under Adam the penalty in the loss (Adam) still ends at that solution, while decay outside "
        "of it (AdamW) shrinks every weight at the same rate. A LeNet's weights are the smaller the larger λ is."
    )
    faults: ClassVar = {
        "half-lambda": "λ is taken for n·w, as if the loss were half of the mean squared error",
        "no-decay": "the optimiser is given no weight_decay",
        "coupled": "Adam stands where AdamW is claimed",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            return [_norm_claim("control", "twice the same decay: ratio of the norms", 1.0, "the same training twice")]
        claims = [
            Claim(
                f"shrinkage-{decay:g}",
                f"ridge by gradient descent, weight_decay {decay:g}: largest |share kept − d²/(d² + λ)|",
                Predicted.exactly(1e-6, f"λ = n·w/2 = {ridge.penalty(decay):g}; the optimiser stops within 10⁻⁶"),
                "at most",
            )
            for decay in _RIDGE_DECAYS
        ]
        claims += [
            Claim(
                f"lambda-{decay:g}",
                f"the λ that the shares kept imply, weight_decay {decay:g} (tolerance: where the optimiser stops)",
                Predicted.exactly(ridge.penalty(decay), f"n·w/2 = {ridge.SAMPLES}·{decay:g}/2"),
                tolerance=1e-4,
            )
            for decay in _RIDGE_DECAYS
        ]
        return [*claims, *_adam_claims(), *(_fall(*pair, config) for pair in pairwise(_DECAYS))]

    def cells(self, config: Config) -> Sequence[Cell]:
        seeds = range(4 if config.quick else 10)
        if config.control:
            return [
                Cell(f"decay={_DECAYS[-1]:g},run={run},seed={seed}", {"decay": _DECAYS[-1], "run": run, "seed": seed})
                for seed in seeds
                for run in (0, 1)
            ]
        fits = [Cell(f"ridge,decay={decay:g}", {"ridge": decay}) for decay in _RIDGE_DECAYS]
        trained = [
            Cell(f"decay={decay:g},seed={seed}", {"decay": decay, "seed": seed, "run": 0})
            for seed in seeds
            for decay in _DECAYS
        ]
        return [*fits, Cell("adam"), *trained]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        if cell.key == "adam":
            return _adam(config)
        if "ridge" in cell.arguments:
            decay = float(str(cell.arguments["ridge"]))
            given = 0.0 if config.fault == "no-decay" else decay * (2 if config.fault == "half-lambda" else 1)
            kept, gains = ridge.kept(given, seed_of(config.seed, "ridge"), config.device)
            return {"kept": [*kept], "gains": [*gains]}
        return _trained(config, cell)

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        norms = {key: value for key, value in values.items() if key.startswith("decay=")}
        if config.control:
            first, second = (column({k: v for k, v in norms.items() if f"run={run}" in k}, "norm") for run in (0, 1))
            return {"control": [b / a for a, b in zip(first, second, strict=True)]}
        found: dict[str, Sequence[float] | Measured] = {
            name: Measured.exactly(column(values, name, "adam")[0])
            for name in ("adamw-rate", "adam-step", "adam-ridge")
        }
        for decay in _RIDGE_DECAYS:
            key = f"ridge,decay={decay:g}"
            kept, gains = series(values, key, "kept"), series(values, key, "gains")
            wanted = [ridge.share(gain, ridge.penalty(decay)) for gain in gains]
            found[f"shrinkage-{decay:g}"] = Measured.exactly(max(abs(a - b) for a, b in zip(kept, wanted, strict=True)))
            implied = [gain**2 * (1 / share - 1) for gain, share in zip(gains, kept, strict=True)]
            found[f"lambda-{decay:g}"] = Measured.exactly(sum(implied) / len(implied))
        for low, high in pairwise(_DECAYS):
            pairs = zip(*(column(norms, "norm", f"decay={decay:g},") for decay in (low, high)), strict=True)
            found[f"norm-{high:g}"] = [b / a for a, b in pairs]
        return found

    def draw(self, figure: Figure, result: Result) -> None:
        left, right, idle = figure.subplots(1, 3)
        for decay, color in zip(_RIDGE_DECAYS, COLORS, strict=False):
            grid = torch.logspace(-1.2, 1.4, 200).tolist()
            left.plot(grid, [ridge.share(d, ridge.penalty(decay)) for d in grid], color=color)
            key = f"ridge,decay={decay:g}"
            left.plot(
                series(result.values, key, "gains"),
                series(result.values, key, "kept"),
                "o",
                color=color,
                label=f"weight_decay {decay:g}, λ = {ridge.penalty(decay):g}",
            )
        left.set(xscale="log", xlabel="singular value d", ylabel="share of the least-squares fit that is kept")
        left.set_title("lines: d²/(d² + λ), points: gradient descent")
        left.legend(fontsize="small")
        decays = [decay for decay in _DECAYS if column(result.values, "norm", f"decay={decay:g},")]
        found = [interval(column(result.values, "norm", f"decay={decay:g},")) for decay in decays]
        points(right, list(range(len(decays))), found, "trained", COLORS[1])
        right.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])
        right.set(xlabel="weight_decay", ylabel="norm of all weights after training", title="LeNet")
        right.legend()
        steps = range(ridge.STEPS + 1)
        at = range(_SHOWN, ridge.STEPS + 1, _SHOWN)
        for name, law, label, color in (
            ("adamw", [(1 - _ADAM_RATE * _ADAM_DECAY) ** step for step in steps], "AdamW: (1 − lr·w)^t", COLORS[0]),
            ("adam", [1 - _ADAM_RATE * step for step in steps], "Adam with the penalty: 1 − lr·t", COLORS[1]),
        ):
            idle.plot(steps, law, color=color, label=label)
            if way := series(result.values, "adam", name):
                idle.plot(at, way, "o", markersize=4, color=color)
        idle.set(xlabel="step t", ylabel="a weight that starts at 1", title="no gradient from the loss")
        idle.legend(fontsize="small")


def _adam_claims() -> list[Claim]:
    factor = (1 - _ADAM_RATE * _ADAM_DECAY) ** ridge.STEPS
    return [
        Claim(
            "adamw-rate",
            f"AdamW, no gradient from the loss: share of a weight left after {ridge.STEPS} steps (tolerance: rounding)",
            Predicted.exactly(factor, f"(1 − lr·w)^{ridge.STEPS}, lr {_ADAM_RATE:g}, w {_ADAM_DECAY:g}"),
            tolerance=1e-9,
        ),
        Claim(
            "adam-step",
            f"Adam, no gradient from the loss: way of a weight of 1 in {ridge.STEPS} steps over lr, whatever the "
            "penalty (tolerance: the running averages lag behind a gradient that shrinks with the weight)",
            Predicted.exactly(ridge.STEPS, "each step is lr·w·x/√(w·x)² = lr: a count of steps"),
            tolerance=0.15,
        ),
        Claim(
            "adam-ridge",
            "Adam with the penalty in the loss ends at the ridge solution: largest difference of the shares kept",
            Predicted.exactly(1e-3, "the gradient of loss and penalty is 0 there; lr falls to 0"),
            "at most",
        ),
    ]


def _norm_claim(name: str, statement: str, value: float, formula: str) -> Claim:
    return Claim(name, statement, Predicted.exactly(value, formula), "equal", tolerance=0.01)


def _fall(low: float, high: float, config: Config) -> Claim:
    """Weights that the loss leaves alone shrink by (1 − lr·w) each step; half of that is claimed for the whole norm."""
    steps = _steps(config)
    full = ((1 - _RATE * high) / (1 - _RATE * low)) ** steps
    return Claim(
        f"norm-{high:g}",
        f"LeNet: norm of the weights under weight_decay {high:g} over that under {low:g} (at least half of the "
        "shrinkage that acts on weights which the loss leaves alone)",
        Predicted.exactly((1 + full) / 2, f"(1 + ((1 − lr·{high:g})/(1 − lr·{low:g}))^{steps})/2"),
        "at most",
    )


def _steps(config: Config) -> int:
    return 120 if config.quick else 400


def _trained(config: Config, cell: Cell) -> dict[str, JSON]:
    """One LeNet on ten classes; runs of one seed differ by the penalty alone, those of a control by the order."""
    seed, decay = int(str(cell.arguments["seed"])), float(str(cell.arguments["decay"]))
    x, y = images(config.data, seed=config.seed)
    training, test = split(len(y), min(2000, len(y) * 3 // 5), min(1000, len(y) * 2 // 5), seed=seed)
    x, y = x.to(config.device), y.to(config.device)
    torch.manual_seed(seed_of(config.seed, "model", seed))
    model = lenet(int(y.max()) + 1).to(config.device)
    optimizer = torch.optim.SGD(model.parameters(), _RATE, weight_decay=0.0 if config.fault == "no-decay" else decay)
    order = torch.Generator().manual_seed(seed_of(config.seed, "order", seed, cell.arguments["run"]))
    x_train, y_train = x[training], y[training]
    train(model, F.cross_entropy, optimizer, x_train, y_train, batch=_BATCH, steps=_steps(config), generator=order)
    with torch.no_grad():
        norm = torch.cat([parameter.flatten() for parameter in model.parameters()]).norm()
    return {"norm": float(norm), "error": error_rate(model, x[test], y[test])}


def _adam(config: Config) -> dict[str, JSON]:
    """Adam and AdamW on a weight that the loss leaves alone, and Adam on the ridge problem."""
    decay = 0.0 if config.fault == "no-decay" else _ADAM_DECAY
    decoupled = torch.optim.Adam if config.fault == "coupled" else torch.optim.AdamW
    left = ridge.idle(decoupled, _ADAM_RATE, decay, config.device)
    penalised = ridge.idle(torch.optim.Adam, _ADAM_RATE, decay, config.device)
    given = _RIDGE_DECAYS[1] * (2 if config.fault == "half-lambda" else 1)
    kept, gains = ridge.kept(
        0.0 if config.fault == "no-decay" else given, seed_of(config.seed, "ridge"), config.device, adam=True
    )
    wanted = [ridge.share(gain, ridge.penalty(_RIDGE_DECAYS[1])) for gain in gains]
    return {
        "adamw-rate": left[-1],
        "adam-step": (1 - penalised[-1]) / _ADAM_RATE,
        "adamw": [*left[_SHOWN - 1 :: _SHOWN]],
        "adam": [*penalised[_SHOWN - 1 :: _SHOWN]],
        "adam-ridge": max(abs(a - b) for a, b in zip(kept, wanted, strict=True)),
    }
