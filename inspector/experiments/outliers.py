"""``outliers``: the squared error follows them, the absolute error does not; and what that costs without any."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional as F

from inspector.experiments import robust
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column, series
from inspector.experiments.figures import COLORS, beside, points
from inspector.experiments.judge import interval
from inspector.experiments.records import Cell, Claim, Measured, Predicted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Result

#: The worked example: so many regular points at distance 1 and one outlier.
REGULAR, OUTLIER = 100, 10.0
_COUNT = 101
_BIASED = (0.05, 0.1, 0.2)
_MIXED = (0.0, 0.05, 0.1, 0.15, 0.25)
_AT, _SHARE, _DELTA = 100.0, 0.1, 1.345
_LINE = (1.0, 2.0)  # intercept and slope
_LOSSES = ("l2", "lad", "huber")


class Outliers(Experiment):
    """See ``about``."""

    name = "outliers"
    title = "L1 against L2 under outliers"
    about = (
        "A squared error weighs a point by its distance, so that one far point outweighs many near ones: the mean "
        "breaks down at the first, the median at half of all. The median pays with π/2 times the mean's variance "
        "where there are no outliers; from a share of 0.1006 of numbers three times as wide on, it varies less. "
        "Regression lines by least squares, by absolute error and by Huber's loss show the same."
    )
    faults: ClassVar = {
        "mean-for-median": "the mean stands where the median is claimed",
        "no-outliers": "outliers are left out before anything is estimated",
        "mean-reduction": "losses are averaged where sums are claimed",
        "squared-huber": "Huber's loss is left as the squared error, without its linear part",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            return [
                Claim(
                    "bias",
                    "two halves of the same sample: difference of means",
                    Predicted.exactly(0.0, "0"),
                    decides=0.1,
                ),
                Claim(
                    "ratio",
                    "variance of the mean over that of the mean of other numbers",
                    Predicted.exactly(1.0, "1"),
                    decides=0.2,
                ),
            ]
        return [*_worked_claims(), *_bias_claims(), *_variance_claims(), *_line_claims()]

    def cells(self, config: Config) -> Sequence[Cell]:
        groups = range(10 if config.quick else 40)
        shares = (0.0,) if config.control else (*_MIXED, robust.crossing())
        mixed = [
            Cell(f"mixed,share={share:.6f},group={group}", {"mixed": share, "group": group})
            for share in shares
            for group in groups
        ]
        if config.control:
            return mixed
        far = [
            Cell(f"far,share={share:g},group={group}", {"far": share, "group": group})
            for share in _BIASED
            for group in groups
        ]
        lines = [Cell(f"line,loss={loss}", {"loss": loss}) for loss in _LOSSES]
        return [Cell("worked"), *far, *mixed, *lines]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        if cell.key == "worked":
            return _worked(config)
        generator = torch.Generator().manual_seed(seed_of(config.seed, cell.key))
        if "far" in cell.arguments:
            return _far(config, float(str(cell.arguments["far"])), generator)
        if "loss" in cell.arguments:
            return _line(config, str(cell.arguments["loss"]), generator)
        return _mixed(config, float(str(cell.arguments["mixed"])), generator)

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        if config.control:
            return {"bias": column(values, "difference"), "ratio": _ratio(values, "mixed", "other", "mean")}
        found: dict[str, Sequence[float] | Measured] = {
            name: Measured.exactly(column(values, name, "worked")[0]) for name in _WORKED
        }
        for share in _BIASED:
            for name in ("mean", "median"):
                found[f"{name}-bias-{share:g}"] = column(values, name, f"far,share={share:g},")
        for share in _MIXED:
            found[f"ratio-{share:g}"] = _ratio(values, f"mixed,share={share:.6f},", "median", "mean")
        found["crossing"] = _ratio(values, f"mixed,share={robust.crossing():.6f},", "median", "mean")
        for loss in _LOSSES:
            found[f"{loss}-line"] = series(values, f"line,loss={loss}", "intercepts")
        return found

    def draw(self, figure: Figure, result: Result) -> None:
        left, middle, right = figure.subplots(1, 3)
        shares = [step / 200 for step in range(1, 61)]
        left.plot(shares, [robust.mean_bias(share, _AT) for share in shares], color=COLORS[1], label="mean: εc")
        left.plot(
            shares, [robust.median_bias(share) for share in shares], color=COLORS[0], label="median: Φ⁻¹(1/(2(1 − ε)))"
        )
        for name, color in (("mean", COLORS[1]), ("median", COLORS[0])):
            found = [interval(column(result.values, name, f"far,share={share:g},")) for share in _BIASED]
            points(left, _BIASED, [each if each.n else None for each in found], f"{name}, measured", color)
        left.set(yscale="log", xlabel=f"share ε of outliers at c = {_AT:g}σ", ylabel="bias [σ]", title="far outliers")
        from_none = [0.0, *shares]
        ratios = [robust.variance_ratio(share) for share in from_none]
        middle.plot(from_none, ratios, color=COLORS[0], label="predicted")
        middle.axhline(1, color="0.5", linestyle=":")
        middle.axvline(robust.crossing(), color="0.5", linestyle=":", label=f"ε = {robust.crossing():.4f}")
        known = {judged.claim.name: judged.measured for judged in result.claims}
        points(middle, _MIXED, [known.get(f"ratio-{share:g}") for share in _MIXED], "measured", COLORS[1])
        middle.set(xlabel="share ε of N(0, 9σ²)", ylabel="variance of the median over the mean's", title="efficiency")
        lines = [judged for judged in result.claims if judged.claim.name.endswith("-line")]
        beside(right, lines, ["least\nsquares", "least\nabsolute", "Huber"])
        right.set(yscale="log", ylabel="bias of the intercept [σ]", title=f"lines, {100 * _SHARE:g} % outliers")
        for axes in (left, middle, right):
            axes.legend(fontsize="small")


_WORKED = ("l1", "l2", "l1-pull", "l2-pull", "mean-breakdown", "median-breakdown")


def _worked_claims() -> list[Claim]:
    middle = (_COUNT + 1) // 2
    said = f"{REGULAR} points at distance 1 and one at {OUTLIER:g}"
    rows = (
        ("l1", f"{said}: L1 loss", REGULAR + OUTLIER, f"{REGULAR}·1 + {OUTLIER:g}"),
        ("l2", f"{said}: L2 loss", REGULAR + OUTLIER**2, f"{REGULAR}·1² + {OUTLIER:g}²"),
        ("l1-pull", "share of the outlier in the L1 gradient's magnitudes", 1 / (REGULAR + 1), f"1/({REGULAR} + 1)"),
        (
            "l2-pull",
            "share of the outlier in the L2 gradient's magnitudes",
            OUTLIER / (REGULAR + OUTLIER),
            f"2·{OUTLIER:g}/(2·{REGULAR} + 2·{OUTLIER:g})",
        ),
        ("mean-breakdown", f"share of {_COUNT} numbers that carries off their mean", 1 / _COUNT, f"1/{_COUNT}"),
        (
            "median-breakdown",
            f"share of {_COUNT} numbers that carries off their median",
            middle / _COUNT,
            f"⌈n/2⌉/n = {middle}/{_COUNT}",
        ),
    )
    return [
        Claim(name, f"{statement} (tolerance: rounding)", Predicted.exactly(value, formula), tolerance=1e-9)
        for name, statement, value, formula in rows
    ]


def _bias_claims() -> list[Claim]:
    found = []
    for share in _BIASED:
        found += [
            Claim(
                f"mean-bias-{share:g}",
                f"bias of the mean with a share of {share:g} at {_AT:g}σ",
                Predicted.exactly(robust.mean_bias(share, _AT), f"εc = {share:g}·{_AT:g}"),
            ),
            Claim(
                f"median-bias-{share:g}",
                f"bias of the median with a share of {share:g} at {_AT:g}σ (tolerance: the next order in 1/n)",
                Predicted.exactly(robust.median_bias(share), f"Φ⁻¹(1/(2(1 − {share:g})))"),
                tolerance=0.01,
            ),
        ]
    return found


def _variance_claims() -> list[Claim]:
    claims = [
        Claim(
            f"ratio-{share:g}",
            f"variance of median over mean with a share of {share:g} of N(0, 9) (tolerance: the next order in 1/n)",
            Predicted.exactly(robust.variance_ratio(share), f"(π/2)/((1 − 2ε/3)²(1 + 8ε)), ε = {share:g}"),
            tolerance=0.02,
        )
        for share in _MIXED
    ]
    at = robust.crossing()
    crossed = Claim(
        "crossing",
        f"both vary alike at a share of {at:.4f} (tolerance: the next order in 1/n)",
        Predicted.exactly(1.0, f"(1 − 2ε/3)²(1 + 8ε) = π/2 at ε = {at:.4f}"),
        tolerance=0.02,
        decides=0.2,
    )
    return [*claims, crossed]


def _line_claims() -> list[Claim]:
    biases = {
        "l2": (robust.mean_bias(_SHARE, _AT), "εc"),
        "lad": (robust.median_bias(_SHARE), "Φ⁻¹(1/(2(1 − ε)))"),
        "huber": (robust.huber_bias(_SHARE, _DELTA), f"(1 − ε)·E ψ(Z − b) + ε·δ = 0, δ = {_DELTA:g}"),
    }
    names = {"l2": "least squares", "lad": "least absolute error", "huber": "Huber's loss"}
    return [
        Claim(
            f"{loss}-line",
            f"a line by {names[loss]} with a share of {_SHARE:g} at {_AT:g}σ above: bias of its intercept (tolerance: "
            "the next order in 1/n)",
            Predicted.exactly(value, formula),
            tolerance=0.03,
        )
        for loss, (value, formula) in biases.items()
    ]


def _worked(config: Config) -> dict[str, JSON]:
    distances = torch.tensor(
        [1.0] * REGULAR + ([] if config.fault == "no-outliers" else [OUTLIER]), dtype=torch.float64
    )
    distances = distances.to(config.device)
    reduction = "mean" if config.fault == "mean-reduction" else "sum"
    found: dict[str, JSON] = {}
    for name, loss in (("l1", F.l1_loss), ("l2", F.mse_loss)):
        x = distances.clone().requires_grad_()
        value = loss(x, torch.zeros_like(x), reduction=reduction)
        (gradient,) = torch.autograd.grad(value, x)
        found |= {name: value.item(), f"{name}-pull": float(gradient[-1].abs() / gradient.abs().sum())}
    return found | {
        "mean-breakdown": robust.breakdown(torch.mean, _COUNT),
        "median-breakdown": robust.breakdown(_middle(config), _COUNT),
    }


def _middle(config: Config) -> Callable[[Tensor], Tensor]:
    """Over the last axis."""
    if config.fault == "mean-for-median":
        return lambda x: x.mean(-1)
    return lambda x: x.quantile(0.5, dim=-1)  # midway between the two middle numbers, where n is even


def _drawn(rows: int, n: int, generator: torch.Generator, config: Config) -> Tensor:
    return torch.randn(rows, n, generator=generator, dtype=torch.float64).to(config.device)


def _far(config: Config, share: float, generator: torch.Generator) -> dict[str, JSON]:
    """Mean over data sets of the estimates; exactly this share of each lies at the outliers' place."""
    x = _drawn(100, 2000, generator, config)
    if config.fault != "no-outliers":
        x[:, : round(share * x.shape[1])] = _AT
    return {"mean": float(x.mean(1).mean()), "median": float(_middle(config)(x).mean())}


def _mixed(config: Config, share: float, generator: torch.Generator) -> dict[str, JSON]:
    """Variances of mean and median over data sets from the symmetric mixture."""
    x = _drawn(1000, 201, generator, config)
    wide = torch.rand(x.shape, generator=generator, dtype=torch.float64).to(config.device) < share
    if config.fault != "no-outliers":
        x = torch.where(wide, robust.WIDE * x, x)
    mean = x.mean(1)
    found: dict[str, JSON] = {"mean": float(mean.var()), "median": float(_middle(config)(x).var())}
    if config.control:
        found["other"] = float(_drawn(len(x), x.shape[1], generator, config).mean(1).var())
        found["difference"] = float(mean[::2].mean() - mean[1::2].mean())
    return found


def _ratio(values: Mapping[str, Mapping[str, JSON]], starts: str, above: str, below: str) -> Measured:
    """Of two estimated variances; through logarithms, since the mean of ratios lies above the ratio."""
    pairs = zip(column(values, above, starts), column(values, below, starts), strict=True)
    logs = interval([math.log(a / b) for a, b in pairs])
    return Measured(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)


def _line(config: Config, loss: str, generator: torch.Generator) -> dict[str, JSON]:
    """Bias of the intercept in each of several data sets, where the outliers are spread evenly over x."""
    n = 1000
    x = _drawn(40, n, generator, config)
    y = _LINE[0] + _LINE[1] * x + _drawn(40, n, generator, config)
    if config.fault != "no-outliers":
        far = round(_SHARE * n)
        y[:, :far] = _LINE[0] + _LINE[1] * x[:, :far] + _AT
    delta = 1e6 if config.fault == "squared-huber" else _DELTA
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "l2": lambda found, y: F.mse_loss(found, y, reduction="sum"),
        "lad": lambda found, y: F.l1_loss(found, y, reduction="sum"),
        "huber": lambda found, y: F.huber_loss(found, y, reduction="sum", delta=delta),
    }
    lines = robust.fit_lines(x, y, losses[loss])
    return {"intercepts": (lines[:, 0] - _LINE[0]).tolist(), "slopes": (lines[:, 1] - _LINE[1]).tolist()}
