"""``gradient-noise``: how far the gradient of a batch lies from that of all samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from inspector.experiments.batch_noise import gradients, noise
from inspector.experiments.data import images
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points, size_axis
from inspector.experiments.judge import interval
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.training import lenet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Result

_SIZES = (2, 8, 32)
#: Batches of a cell, drawn with replacement: the samples are all there is, so that the law for them is exact.
_DRAWN = 40
_IMAGES = 300
_NETS = ("plain", "bn")
#: How far train-mode BN, whose E G_B itself depends on B, may be from the law with one G.
_NORM_SLACK = 0.15


@dataclass(frozen=True, slots=True)
class Law:
    """E|G_B|² = |G|² + tr Σ/B, of independent draws.

    Attributes:
        square: |G|².
        trace: tr Σ, the summed variance of one sample's gradient.
    """

    square: float
    trace: float

    def length(self, batch: int) -> float:
        """E|G_B|².

        >>> Law(square=1.0, trace=8.0).length(4)
        3.0
        """
        return self.square + self.trace / batch

    def cosine(self, batch: int) -> float:
        """E[G_B·G'_B]/E|G_B|² of two independent batches: B/(B + B_simple).

        >>> Law(square=1.0, trace=8.0).cosine(8)
        0.5
        """
        return batch / (batch + self.scale)

    @property
    def scale(self) -> float:
        """B_simple = tr Σ/|G|² (McCandlish et al. 2018, arXiv 1812.06162), in samples."""
        return self.trace / self.square


class GradientNoise(Experiment):
    """See ``about``."""

    name = "gradient-noise"
    title = "Gradient of a batch against gradient of all"
    about = (
        "The gradient of a batch is that of all samples plus noise: E|G_B|² = |G|² + tr Σ/B. Below the noise scale "
        "tr Σ/|G|² two steps point in unrelated directions, their cosine being B/(B + B_simple). Both parts are "
        "computed from every sample's own gradient, then held against batches. Under batch normalisation samples have "
        "no gradient of their own, and the law is held with what other batches gave."
    )
    faults: ClassVar = {
        "summed-loss": "the loss is summed over the batch instead of averaged",
        "repeated-sample": "a batch is one sample many times",
        "same-batch": "the two batches said to be independent are one",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            said = "two streams of batches from the same samples: logarithm of the ratio of their mean |G_B|²"
            return [Claim(f"{net}-streams", said, Predicted.exactly(0.0, "ln 1"), decides=0.3) for net in _NETS]
        return [claim for net in _NETS for claim in _claims(net, _law(net, config))]

    def cells(self, config: Config) -> Sequence[Cell]:
        groups = range(8 if config.quick else 30)
        return [Cell(f"{net},group={group}", {"net": net}) for net in _NETS for group in groups]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        net = str(cell.arguments["net"])
        model, x, y = _model(net, config), *_samples(config)
        generator = torch.Generator().manual_seed(seed_of(config.seed, cell.key))
        found: dict[str, JSON] = {}
        for size in _SIZES:
            chosen = torch.randint(len(x), (_DRAWN, size), generator=generator)
            if config.fault == "repeated-sample":
                chosen = chosen[:, :1].expand_as(chosen)
            rows = _gradients(model, x, y, chosen, "sum" if config.fault == "summed-loss" else "mean")
            lengths = rows.square().sum(1)
            found |= {
                f"length-{size}": float(lengths.mean()),
                f"product-{size}": float(lengths.mean() if config.fault == "same-batch" else _products(rows)),
                f"streams-{size}": float((lengths[::2].mean() / lengths[1::2].mean()).log()),
            }
        return found

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        if config.control:
            return {f"{net}-streams": column(values, f"streams-{_SIZES[-1]}", f"{net},") for net in _NETS}
        found: dict[str, Sequence[float] | Measured] = {}
        for net in _NETS:
            for size in _SIZES:
                found[f"{net}-length-{size}"] = column(values, f"length-{size}", f"{net},")
            largest = _SIZES[-1]
            found[f"{net}-cosine"] = _cosine(values, net, largest)
            logs = _jackknife(partial(_log_scale, largest), *_sums(values, net, largest))
            found[f"{net}-scale"] = Measured(_exp(logs.value), _exp(logs.low), _exp(logs.high), logs.n)
        return found

    def draw(self, figure: Figure, result: Result) -> None:
        known = {judged.claim.name: judged for judged in result.claims}
        *lengths, cosines = figure.subplots(1, 3)
        grid = [_SIZES[0] * (_SIZES[-1] / _SIZES[0]) ** (step / 50) for step in range(51)]
        for axes, net, title, color in zip(lengths, _NETS, ("plain", "with batch normalisation"), COLORS, strict=False):
            rows = [known[f"{net}-length-{size}"] for size in _SIZES]
            axes.plot(_SIZES, [row.claim.predicted.value for row in rows], color=color, label="|G|² + tr Σ/B")
            points(axes, _SIZES, [row.measured for row in rows], "measured", color)
            axes.set(yscale="log", ylabel="E|G_B|²", title=title)
            scale = known[f"{net}-scale"].claim.predicted.value
            law = [100 * b / (b + scale) for b in grid]
            cosines.plot(grid, law, color=color, label=f"{title}: B/(B + {scale:.3g})")
            found = [_cosine(result.values, net, size) for size in _SIZES]
            percent = [Measured(100 * each.value, 100 * each.low, 100 * each.high, each.n) for each in found]
            points(cosines, _SIZES, percent, "measured", color)
        cosines.set(ylabel="E[G_B·G'_B]/E|G_B|² [%]", title="cosine of two steps")
        for axes in (*lengths, cosines):
            size_axis(axes, _SIZES)
            axes.legend(fontsize="small")


def _claims(net: str, law: Law) -> list[Claim]:
    slack = _NORM_SLACK if net == "bn" else 0.0
    why = f" (tolerance: E G_B depends on B under batch normalisation, {slack:.0%})" if slack else ""
    said = "with batch normalisation" if net == "bn" else "plain network"
    lengths = [
        Claim(
            f"{net}-length-{size}",
            f"{said}: mean |G_B|² at B = {size}{why}",
            Predicted.exactly(law.length(size), f"|G|² + tr Σ/B = {law.square:.4g} + {law.trace:.4g}/{size}"),
            tolerance=slack,
        )
        for size in _SIZES
    ]
    largest = _SIZES[-1]
    cosine = Claim(
        f"{net}-cosine",
        f"{said}: E[G_B·G'_B]/E|G_B|² of independent batches at B = {largest}{why}",
        Predicted.exactly(law.cosine(largest), f"B/(B + B_simple), B_simple = {law.scale:.4g}"),
        tolerance=slack,
    )
    scale = Claim(
        f"{net}-scale",
        f"{said}: simple noise scale tr Σ/|G|² in samples, from batches of {largest}{why.replace('15%', '15% each')}",
        Predicted.exactly(law.scale, f"{law.trace:.4g}/{law.square:.4g}"),
        tolerance=2 * slack,
        decides=law.scale,
    )
    return [*lengths, cosine, scale]


def _law(net: str, config: Config) -> Law:
    """Of all samples, from each one's gradient; under batch normalisation from batches of its own."""
    model, x, y = _model(net, config), *_samples(config)
    if net == "bn":
        generator = torch.Generator().manual_seed(seed_of(config.seed, "law"))
        chosen = torch.randint(len(x), (10 * _DRAWN, _SIZES[1]), generator=generator)
        found = noise(_gradients(model, x, y, chosen, "mean"), _SIZES[1])
        return Law(found.square, found.trace)
    alone = _gradients(model, x, y, torch.arange(len(x))[:, None], "mean").double()
    mean = alone.mean(0)
    return Law(float(mean.square().sum()), float((alone - mean).square().sum(1).mean()))


def _model(net: str, config: Config) -> nn.Sequential:
    """A network from weights of its own, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "network"))
        found = lenet(int(_samples(config)[1].max()) + 1, nn.BatchNorm2d if net == "bn" else None)
    return found.to(config.device).train()


def _samples(config: Config) -> tuple[Tensor, Tensor]:
    x, y = images(config.data, _IMAGES, config.seed)
    return x.to(config.device), y.to(config.device)


def _gradients(model: nn.Module, x: Tensor, y: Tensor, chosen: Tensor, reduction: str) -> Tensor:
    batches = ((x[each], y[each]) for each in chosen.to(x.device))
    return gradients(model, lambda out, labels: cross_entropy(out, labels, reduction=reduction), batches, len(chosen))


def _products(rows: Tensor) -> Tensor:
    """Mean of g_i·g_j over all pairs of different rows: |Σg|² holds each of them twice, and every |g_i|² once."""
    m = len(rows)
    return (rows.sum(0).square().sum() - rows.square().sum()) / (m * (m - 1))


def _sums(values: Mapping[str, Mapping[str, JSON]], net: str, size: int) -> tuple[list[float], list[float]]:
    """Products and squares of the cells' gradients."""
    products, lengths = (column(values, f"{name}-{size}", f"{net},") for name in ("product", "length"))
    return products, lengths


def _cosine(values: Mapping[str, Mapping[str, JSON]], net: str, size: int) -> Measured:
    return _jackknife(lambda product, length: product / length, *_sums(values, net, size))


def _log_scale(batch: int, product: float, length: float) -> float:
    """ln(tr Σ/|G|²) with |G|² = E[G·G'] and tr Σ = B·(E|G_B|² − |G|²); NaN where |G|² cannot be told from zero."""
    return math.log(batch * (length / product - 1)) if 0 < product < length else math.nan


def _exp(log: float) -> float:
    return math.exp(log) if math.isfinite(log) else math.nan


def _jackknife(of: Callable[[float, float], float], above: Sequence[float], below: Sequence[float]) -> Measured:
    """A function of two sums over cells, with the interval of its pseudo-values: a mean over cells would be biased."""
    n = len(above)
    whole = of(sum(above), sum(below))
    without = [of(sum(above) - a, sum(below) - b) for a, b in zip(above, below, strict=True)]
    return interval([n * whole - (n - 1) * each for each in without])
