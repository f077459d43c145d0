"""``batch-statistics``: how far the mean and the variance of a batch lie from those of the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from inspector.errors import InspectionError
from inspector.experiments.batch_laws import (
    fresh_second_moment,
    kurtosis_of_normalised,
    running_var,
    running_variance,
    sd_of_variance,
    variance_over_images,
)
from inspector.experiments.data import SIDE, images, split
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points, size_axis
from inspector.experiments.judge import interval
from inspector.experiments.layer_needs import layer_needs
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.training import lenet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Result

#: Values of a batch in the exact laws; the second moment of a fresh sample needs more than 3, and its own variance 5.
_VALUES = 16
#: Batch sizes at which the network's layers are looked at.
_BATCHES = (2, 4, 8)
_MOMENTUM = 0.1
#: Of 200 images a standard deviation is known to about 5 %, half of what the claims allow for other images.
_FEWEST_IMAGES = 400
#: PyTorch takes no 0; this is lost in the rounding of a variance near 1.
_EPS = 1e-18
_CHANNELS = 512
#: What only a control looks at.
_CONTROL = ("halves", "pictures")


class BatchStatistics(Experiment):
    """See ``about``."""

    name = "batch-statistics"
    title = "What a batch knows of the data"
    about = (
        "Batch normalisation takes mean and variance of a batch for those of the data. For independent values all "
        "moments of that error are known exactly. Pixels of one image are not independent: a batch of b images is "
        "worth b·w values, w = σ²/Var(mean of an image), far fewer than b·H·W; it is w, measured layer by layer on "
        "images of its own, that says how far the batch means of a real network scatter; how far its batch variances "
        "do follows from the means and mean squares of single images."
    )
    faults: ClassVar = {
        "unbiased": "the layer normalises by the unbiased variance",
        "own-sample": "the sample said to be fresh is one of the batch",
        "momentum": "running statistics move with twice the momentum",
        "shuffled-pixels": "pixels are shuffled over all images, which makes them independent",
        "twins": "every second sample of a batch repeats the one before",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            return [
                Claim(
                    "halves", "two halves of the batches: difference of the means of σ_B²", _exact(0, "0"), decides=0.05
                ),
                Claim(
                    "pictures",
                    "two halves of the images' batches: log of the ratio of variances of their means",
                    _exact(0, "ln 1"),
                    decides=0.5,
                ),
            ]
        return [*_normal_claims(), *self._layers(config)]

    def _layers(self, config: Config) -> Iterator[Claim]:
        """Predictions for the network, from images that are not measured."""
        network, (known, _) = _network(config), _halves(config)
        needs = layer_needs(network, known)
        scatters = {path: _scatter(values, config) for path, values in _inputs(network, known).items()}
        for need in needs:
            low, high = 1 / math.sqrt(need.high), 1 / math.sqrt(need.low)
            for b in _BATCHES:
                scale = 1 / math.sqrt(b)
                predicted = Predicted(
                    scale / math.sqrt(need.independent),
                    scale * low,
                    scale * high,
                    f"1/√(b·w), b = {b}, w = {need.independent:.3g}",
                )
                yield Claim(
                    f"mean-{need.path}-{b}",
                    f"layer {need.path}, {b} images: sd(μ_B)/σ of the median channel (tolerance: other images are "
                    "measured than those that w is from)",
                    predicted,
                    tolerance=0.1,
                )
                yield Claim(
                    f"var-{need.path}-{b}",
                    f"layer {need.path}, {b} images: sd(σ_B²)/σ² of the median channel (tolerance: as above)",
                    scatters[need.path][b],
                    tolerance=0.1,
                )
            n, b = _BATCHES[0] * need.values, _BATCHES[0]
            value, low, high = (running_var(n, b * w) for w in (need.independent, need.low, need.high))
            yield Claim(
                f"running-var-{need.path}",
                f"layer {need.path}, {b} images: running variance over σ² of the median channel (tolerance: as above)",
                Predicted(value, low, high, f"n/(n − 1)·(1 − 1/(b·w)), n = {n}"),
                tolerance=0.005,
                decides=0.01,
            )
        first = needs[0]
        yield Claim(
            "pixels",
            f"layer {first.path}: one image is worth fewer values than half of its {first.values} pixels",
            _exact(first.values / 2, f"{first.values}/2"),
            "at most",
        )

    def cells(self, config: Config) -> Sequence[Cell]:
        groups = range(10 if config.quick else 40)
        found = [Cell(f"normal,group={group}", {"group": group}) for group in groups]
        return [*found, *(Cell(f"images,group={group}", {"group": group}) for group in groups)]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        generator = torch.Generator().manual_seed(seed_of(config.seed, cell.key))
        if cell.key.startswith("normal"):
            return _normal(config, generator)
        return _pictures(config, generator)

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        if config.control:
            return {name: column(values, name) for name in _CONTROL}
        found: dict[str, Sequence[float] | Measured] = {}
        for name in {name: None for value in values.values() for name in value if name not in _CONTROL}:
            mean = column(values, name)
            found[name.removesuffix("²")] = _root(interval(mean)) if name.endswith("²") else mean
        return found

    def draw(self, figure: Figure, result: Result) -> None:
        known = {judged.claim.name: judged for judged in result.claims}
        of_means, of_variances, laws = figure.subplots(1, 3)
        blank = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.float64, device=result.config.device)
        layers = {path: seen.shape[2] for path, seen in _inputs(_network(result.config), blank).items()}
        for color, (layer, pixels) in zip(COLORS, layers.items(), strict=False):
            for axes, start, independent in (
                (of_means, "mean", lambda n: 1 / math.sqrt(n)),
                (of_variances, "var", sd_of_variance),
            ):
                rows = [known[f"{start}-{layer}-{b}"] for b in _BATCHES]
                axes.plot(
                    _BATCHES,
                    [row.claim.predicted.value for row in rows],
                    color=color,
                    label=f"layer {layer}: of images",
                )
                points(axes, _BATCHES, [row.measured for row in rows], "measured", color)
                alone = [independent(b * pixels) for b in _BATCHES]
                axes.plot(_BATCHES, alone, ":", color=color, label=f"were its {pixels} pixels independent")
        for axes, name, title in (
            (of_means, "sd(μ_B)/σ", "mean of a batch"),
            (of_variances, "sd(σ_B²)/σ²", "variance of a batch"),
        ):
            axes.set(yscale="log", ylabel=name, title=title)
            size_axis(axes, _BATCHES, "images in the batch b")
        names = [name for name in known if not name.startswith(("mean-", "var-", "pixels", "running-var-"))]
        ratios = [_relative(known[name].measured, known[name].claim.predicted.value) for name in names]
        points(laws, range(len(names)), ratios, "measured", COLORS[1])
        laws.axhline(1, color=COLORS[0], label="predicted")
        laws.set_xticks(range(len(names)), names, rotation=30, ha="right")
        laws.set(ylabel="measured over predicted", title=f"independent normal values, n = {_VALUES}")
        of_means.set_ylim(bottom=of_means.get_ylim()[0] / 3)  # room for the legend, which stands for both
        for axes in (of_means, laws):
            axes.legend(fontsize="small")

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:  # noqa: ARG002
        needs = layer_needs(_network(config), _halves(config)[0])
        return [
            f"layer {need.path}: one image of {need.values} pixels is worth {need.independent:.3g} values; "
            f"batches of fewer than {need.smallest} images put it at risk"
            for need in needs
        ]


def _exact(value: float, formula: str) -> Predicted:
    return Predicted.exactly(value, formula)


def _normal_claims() -> list[Claim]:
    n = _VALUES
    sd = sd_of_variance(n)
    rows = (
        ("variance", f"E σ_B²/σ² of {n} values", (n - 1) / n, f"(n − 1)/n, n = {n}"),
        ("sd-of-variance", f"sd(σ_B²)/σ² of {n} values", sd, "((n − 1)/n)·√(2/(n − 1))"),
        ("amplitude", "mean |x̂| of two values, normalised: both are ±1", 1.0, "√(n − 1), n = 2"),
        ("kurtosis", f"E x̂⁴ of {n} values", kurtosis_of_normalised(n), "3(n − 1)/(n + 1)"),
        ("fresh", f"second moment of another value normalised by {n}", fresh_second_moment(n), "(n + 1)/(n − 3)"),
        (
            "running",
            f"sd of the running mean over that of a batch's, α = {_MOMENTUM:g}",
            math.sqrt(running_variance(_MOMENTUM)),
            "√(α/(2 − α))",
        ),
    )
    return [
        Claim(name, f"{statement} (tolerance: rounding in float64)", _exact(value, formula), tolerance=1e-9)
        for name, statement, value, formula in rows
    ]


def _batch_norm(channels: int, config: Config, momentum: float = 1.0) -> nn.BatchNorm1d:
    """PyTorch's own layer, in float64 and without its guard against division by 0."""
    made = nn.BatchNorm1d(channels, eps=_EPS, momentum=momentum, affine=False).double()
    return made.to(config.device)


def _normalised(x: Tensor, config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """(x̂, μ_B, biased σ_B²) of (n, channels) as PyTorch's layer has them."""
    n = len(x)
    layer = _batch_norm(x.shape[1], config)
    out = layer(x)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    unbiased = layer.running_var  # running statistics keep the unbiased variance, the output uses the biased
    if config.fault == "unbiased":
        return (x - layer.running_mean) / unbiased.sqrt(), layer.running_mean, unbiased
    return out, layer.running_mean, unbiased * ((n - 1) / n)


def _normal(config: Config, generator: torch.Generator) -> dict[str, JSON]:
    """The exact laws, on as many batches of normal values as there are channels."""

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(config.device)

    n = _VALUES
    batches = drawn(n, _CHANNELS * 8)
    if config.fault == "twins":
        batches[1::2] = batches[::2]
    out, mean, variance = _normalised(batches, config)
    fresh = batches[:1] if config.fault == "own-sample" else drawn(1, batches.shape[1])
    two, _, _ = _normalised(drawn(2, _CHANNELS), config)
    layer = _batch_norm(_CHANNELS, config, _MOMENTUM * (2 if config.fault == "momentum" else 1))
    for _ in range(150):  # what the first value still weighs is 0.9¹⁵⁰
        layer(drawn(4, _CHANNELS))
    assert layer.running_mean is not None
    half = batches.shape[1] // 2
    return {
        "variance": float(variance.mean()),
        "sd-of-variance²": float((variance - (n - 1) / n).square().mean()),
        "amplitude": float(two.abs().mean()),
        "kurtosis": float(out.pow(4).mean()),
        "fresh": float(((fresh - mean).square() / variance).mean()),
        "running²": float(layer.running_mean.square().mean()) * 4,  # Var μ_B = 1/4 of four values
        "halves": float(variance[:half].mean() - variance[half:].mean()),
    }


def _network(config: Config) -> nn.Sequential:
    """LeNet with batch normalisation, in training mode, from weights of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "network"))
        return lenet(norm=nn.BatchNorm2d).double().to(config.device).train()


def _halves(config: Config) -> tuple[Tensor, Tensor]:
    """Images for the prediction and others for the measurement."""
    n = 1000 if config.quick else 4000
    x, _ = images(config.data, None, config.seed)
    if len(x) < _FEWEST_IMAGES:
        raise InspectionError(
            f"the data set has {len(x)} images; {_FEWEST_IMAGES} are needed: one half to predict from, the other to "
            "measure, and fewer differ too much from each other"
        )
    x = x[:n].double()
    known, measured = split(len(x), len(x) // 2, len(x) - len(x) // 2, seed=config.seed)
    return x[known].to(config.device), x[measured].to(config.device)


def _pictures(config: Config, generator: torch.Generator) -> dict[str, JSON]:
    """Squares of sd(μ_B)/σ of each layer, over batches drawn from the measured half."""
    network, (_, x) = _network(config), _halves(config)
    if config.fault == "shuffled-pixels":
        order = torch.randperm(x.numel(), generator=generator).to(x.device)
        x = x.flatten()[order].view_as(x)
    found: dict[str, JSON] = {}
    for layer, values in _inputs(network, x).items():
        means, squares, variance = values.mean(2), values.square().mean(2), values.var((0, 2), correction=0)
        alive = variance > 0
        whole = means.mean(0)
        for b in _BATCHES:
            chosen = torch.randint(len(x), (400, b), generator=generator).to(x.device)
            if config.fault == "twins":
                chosen[:, 1::2] = chosen[:, ::2]
            spread = (means[chosen].mean(1) - whole).square()
            found[f"mean-{layer}-{b}²"] = float(1 / (variance / spread.mean(0))[alive].median())
            biased = squares[chosen].mean(1) - means[chosen].mean(1).square()
            found[f"var-{layer}-{b}²"] = float((biased.var(0) / variance.square())[alive].median())
            if b == _BATCHES[0]:
                n = b * values.shape[2]
                share = (biased.mean(0) * (n / (n - 1)) / variance)[alive]
                found[f"running-var-{layer}"] = float(share.median())
            found["pictures"] = float((spread[::2].mean() / spread[1::2].mean()).log())
        found.setdefault("pixels", float((variance / means.var(0))[alive].median()))
    return found


@torch.no_grad()
def _inputs(network: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    """(N, channels, values) that each normalising layer gets, by its path."""
    found = {}
    for path, layer in network.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            found[path] = x.flatten(2)
        x = layer(x)
    return found


def _scatter(values: Tensor, config: Config) -> dict[int, Predicted]:
    """sd(σ_B²)/σ² of the median channel by batch size, with the bootstrap interval over images, of (N, C, values)."""
    means, squares = values.mean(2), values.square().mean(2)
    generator = torch.Generator().manual_seed(seed_of(config.seed, "bootstrap"))
    drawn = [torch.randint(len(means), (len(means),), generator=generator).to(means.device) for _ in range(100)]

    def median(chosen: Tensor | slice, b: int) -> float:
        found = variance_over_images(means[chosen], squares[chosen], b)
        return math.sqrt(float(found[torch.isfinite(found)].median()))  # a dead channel has no variance at all

    scattered = {}
    for b in _BATCHES:
        again = torch.tensor([median(chosen, b) for chosen in drawn], dtype=torch.float64)
        low, high = torch.quantile(again, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        formula = f"√(Var(q)/b + (E a⁴ + (2b − 3)V²)/b³ − 2Cov(q, a²)/b²)/σ², b = {b}"
        value = median(slice(None), b)
        scattered[b] = Predicted(value, min(low, value), max(high, value), formula)
    return scattered


def _root(found: Measured) -> Measured:
    """Of a mean of squares; the interval's ends are rooted, and what lies below 0 is 0."""
    value, low, high = (math.sqrt(max(0.0, each)) for each in (found.value, found.low, found.high))
    return Measured(value, low, high, found.n)


def _relative(found: Measured | None, to: float) -> Measured | None:
    return None if found is None else Measured(found.value / to, found.low / to, found.high / to, found.n)
