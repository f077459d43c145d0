"""``small-batch-norms``: the comparison of Wu & He 2018 in miniature, and the laws of its layers exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from inspector.experiments.batch_renorm import BatchRenorm2d
from inspector.experiments.data import images
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points, size_axis
from inspector.experiments.judge import interval
from inspector.experiments.norms import freeze_batch_norm
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.training import error_rate, train
from inspector.experiments.worker_norm import WorkerBatchNorm2d
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from inspector.experiments.records import JSON, Config, Result

#: Images to learn from and to test with, passes over the former, and channels of the first layer.
_IMAGES, _TEST, _PASSES, _WIDTH = 256, 1500, 8, 16
#: Learning rate at the largest batch; that of a smaller one is smaller in proportion (Goyal et al. 2017).
_RATE, _MOMENTUM = 0.1, 0.9
_LARGEST, _SMALLEST = 32, 2
_ROUNDING = 1e-10
#: A rise of two points of error passes for none: less than a fifth of what batch normalization loses in the paper.
_FLAT = 0.02
#: Validation errors in percent by batch size, as published: Wu & He 2018, arXiv 1803.08494, table 2 (ResNet-50 on
#: ImageNet, batch of one GPU).
PUBLISHED = {
    "BN": {32: 23.6, 16: 23.7, 8: 24.8, 4: 27.3, 2: 34.7},
    "GN": {32: 24.1, 16: 24.2, 8: 24.0, 4: 24.2, 2: 24.1},
}
#: What stands after each convolution, from its channels. "frozen" is BN that has learned at the largest batch; it is
#: frozen and tuned on, at a tenth of the rate. "sync" at a batch of b is BN over so many workers of b samples that they
#: have the largest batch together.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "BN": nn.BatchNorm2d,
    "GN": lambda channels: nn.GroupNorm(4, channels),
    "LN": lambda channels: nn.GroupNorm(1, channels),
    "IN": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "frozen": nn.BatchNorm2d,
    "renorm": BatchRenorm2d,
    "sync": WorkerBatchNorm2d,
}
#: Those by which a sample's output depends on no other sample.
_ALONE = ("GN", "LN", "IN", "frozen")


class SmallBatchNorms(Experiment):
    """See ``about``."""

    name = "small-batch-norms"
    title = "Normalization at small batches"
    about = (
        "At a batch of 2, batch normalization in the last layer has eight values per channel: its statistics are "
        "noise, and the test error rises, while group, layer, instance and frozen batch norm, whose output depends on "
        "no other sample, stay flat (Wu & He 2018), as does batch norm whose statistics are merged over workers. The "
        "same small net learns with each of them at batch sizes from 32 to 2, the learning rate in proportion. That no "
        "sample depends on another, that frozen statistics do not move, that merged statistics are those of one large "
        "batch, and that batch renormalization without limits is inference's own function, is held exactly."
    )
    faults: ClassVar = {
        "fixed-rate": "the learning rate of the largest batch for every batch size",
        "leak": "group normalization takes its statistics over all samples of the batch",
        "frozen-moves": "frozen layers are only said to be: they normalise by the batch and go on averaging",
        "sync-means": "merged batch norm averages the workers' variances and leaves out what lies between their means",
        "renorm-order": "batch renormalization updates its running statistics before it corrects by them",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        zero = Predicted.exactly(0.0, "0")
        if config.control:
            return [
                Claim(
                    "same",
                    f"test error of BN at batch {_LARGEST} less that of other starts at the same batch",
                    zero,
                    decides=_FLAT,
                )
            ]
        theirs = PUBLISHED["BN"][_SMALLEST] - PUBLISHED["BN"][_LARGEST]
        span = f"test error at batch {_SMALLEST} less that at {_LARGEST}"
        flat = Predicted.exactly(_FLAT, f"0, and less than {theirs:.1f} points / 5")
        exact = Predicted.exactly(_ROUNDING, "0, up to rounding in float64")
        return [
            Claim("BN-rises", f"BN: {span} (Wu & He, of ImageNet: {theirs:.1f} points)", zero, "at least"),
            Claim("BN-over-GN", f"BN's rise less GN's: {span}", zero, "at least"),
            *(Claim(f"{kind}-flat", f"{kind}: {span}, stays flat or falls", flat, "at most") for kind in _ALONE),
            Claim(
                "sync-flat",
                f"sync: test error over {_LARGEST // _SMALLEST} workers of {_SMALLEST} less that of one of {_LARGEST}, "
                "stays flat or falls",
                flat,
                "at most",
            ),
            Claim(
                "alone",
                f"largest relative change of a sample's output when its companions change: {', '.join(_ALONE)}",
                exact,
                "at most",
            ),
            Claim("frozen", "largest change of a frozen layer's statistics in training", Predicted.exactly(0.0, "0")),
            Claim(
                "sync",
                f"{_LARGEST // _SMALLEST} workers of {_SMALLEST}, merged, against batch norm of {_LARGEST}: largest "
                "relative difference of outputs, gradients and running statistics",
                exact,
                "at most",
            ),
            Claim(
                "renorm",
                "batch renormalization without limits, in training: largest deviation from (x − μ)/σ of inference",
                exact,
                "at most",
            ),
        ]

    def cells(self, config: Config) -> Sequence[Cell]:
        if config.control:
            sides = ("a", "b")
            return [_cell("BN", _LARGEST, f"{side}{run}") for side in sides for run in range(_runs(config, "BN"))]
        exact = [Cell("layers", {"kind": None, "batch": _LARGEST, "run": "0"})]
        if config.fault not in (None, "fixed-rate"):
            return exact  # what these break is found there, without a training
        kinds, first = (("BN", "GN"), []) if config.fault == "fixed-rate" else (tuple(NORMS), exact)
        sizes = _sizes(config)
        return first + [_cell(kind, b, str(run)) for kind in kinds for b in sizes for run in range(_runs(config, kind))]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        kind, batch, run = (cell.arguments[name] for name in ("kind", "batch", "run"))
        assert isinstance(batch, int)
        number = str(run).lstrip("ab")
        x, y = (
            each.to(config.device)
            for each in images(config.data, n=_IMAGES + _TEST, seed=seed_of(config.seed, "images", number))
        )
        if kind is None:
            return _exactly(config, x[:_LARGEST].double(), y[:_LARGEST])
        # All kinds and batch sizes of a run learn from the same images.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "start", str(run)))
            model: nn.Module = _net(NORMS[str(kind)], int(y.max()) + 1).to(config.device)
        generator = torch.Generator().manual_seed(seed_of(config.seed, cell.key))
        inputs, labels = x[:_IMAGES], y[:_IMAGES]
        rate = _RATE
        if kind == "frozen":
            _learn(model, inputs, labels, _LARGEST, rate, generator)
            model, rate = freeze_batch_norm(model), rate / 10
        if kind == "sync":
            for module in model.modules():
                if isinstance(module, WorkerBatchNorm2d):
                    module.share = batch
            batch = _LARGEST
        if config.fault != "fixed-rate":
            rate *= batch / _LARGEST
        _learn(model, inputs, labels, batch, rate, generator)
        return {"error": error_rate(model, x[_IMAGES:], y[_IMAGES:])}

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        if config.control:
            sides = (column(values, "error", f"BN,b={_LARGEST},run={side}") for side in ("a", "b"))
            return {"same": _less(*sides)}
        rises = {kind: _less(*(_errors(values, kind, batch) for batch in (_SMALLEST, _LARGEST))) for kind in NORMS}
        return {
            "BN-rises": rises["BN"],
            "BN-over-GN": _less(rises["BN"], rises["GN"]),
            **{f"{kind}-flat": rises[kind] for kind in (*_ALONE, "sync")},
            **{name: Measured.exactly(found) for name in _EXACT for found in column(values, name)},
        }

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:  # noqa: ARG002
        return (
            f"sync at b is batch norm of {_LARGEST}/b workers with b samples each, merged in one process; "
            "sync-batchnorm shows the same on real processes",
            "instance norm learns badly here: it makes each channel's mean equal, which is what the last layer reads",
            "published figures are Wu & He's, of ResNet-50 on ImageNet; only the shape of the curves is compared",
        )

    def draw(self, figure: Figure, result: Result) -> None:
        ours, theirs = figure.subplots(1, 2)
        sizes = _sizes(result.config)
        highest = 0.0
        for number, (kind, color) in enumerate(zip(NORMS, COLORS, strict=True)):
            found = [interval([100 * error for error in _errors(result.values, kind, b)]) for b in sizes]
            if found[0].n:
                shifted = [b * 1.03 ** (number - len(NORMS) // 2) for b in sizes]  # so that no bar hides another
                label = kind if kind != "IN" else f"IN ({found[0].value:.0f} % at {sizes[0]}, beyond)"
                points(ours, shifted, found, label, color)
                ours.plot(shifted, [each.value for each in found], color=color, alpha=0.5)
                if kind != "IN":  # so far off that no other could be told from its neighbour
                    highest = max(highest, *(each.value for each in found))
            if kind in PUBLISHED:
                theirs.plot([*PUBLISHED[kind]], [*PUBLISHED[kind].values()], "o-", color=color, label=kind)
        if highest:
            ours.set_ylim(0, 1.4 * highest)
        for axes, title, shown in (
            (ours, "a small net on small images", sizes),
            (theirs, "published (Wu & He 2018): ResNet-50 on ImageNet", [*PUBLISHED["BN"]]),
        ):
            axes.set(title=title, ylabel="test error [%]")
            size_axis(axes, shown, "batch size [samples]")
            axes.invert_xaxis()
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize="small", ncols=2)


_EXACT = ("alone", "frozen", "sync", "renorm")


def _cell(kind: str, batch: int, run: str) -> Cell:
    return Cell(f"{kind},b={batch},run={run}", {"kind": kind, "batch": batch, "run": run})


def _sizes(config: Config) -> tuple[int, ...]:
    return (_LARGEST, _SMALLEST) if config.quick else (_LARGEST, 16, 8, 4, _SMALLEST)


def _runs(config: Config, kind: str) -> int:
    return 8 if kind in PUBLISHED or not config.quick else 6


def _errors(values: Mapping[str, Mapping[str, JSON]], kind: str, batch: int) -> list[float]:
    return column(values, "error", f"{kind},b={batch},")


def _less(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(above, below, strict=True)]


def _net(norm: Callable[[int], nn.Module], classes: int) -> nn.Sequential:
    """For (N, 1, 28, 28): after halving the image, three convolutions that halve it again, down to 2 × 2."""
    layers: list[nn.Module] = [nn.AvgPool2d(2)]
    below = 1
    for width in (_WIDTH, 2 * _WIDTH, 4 * _WIDTH):
        layers += [nn.Conv2d(below, width, 3, stride=2, padding=1, bias=False), norm(width), nn.ReLU()]
        below = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(below, classes))


def _learn(model: nn.Module, x: Tensor, y: Tensor, batch: int, rate: float, generator: torch.Generator) -> None:
    """SGD with momentum, at a tenth of the rate in the second half."""
    optimizer = torch.optim.SGD((each for each in model.parameters() if each.requires_grad), rate, momentum=_MOMENTUM)
    steps = len(x) // batch * _PASSES // 2
    for share in (1.0, 0.1):
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        train(model, cross_entropy, optimizer, x, y, batch=batch, steps=steps, generator=generator)


class _Leaking(nn.GroupNorm):
    """Statistics over all samples: the planted fault ``leak``."""

    def forward(self, x: Tensor) -> Tensor:
        together = x.transpose(0, 1).flatten(1)[None]
        normalised: Tensor = super().forward(together)
        return normalised[0].view(x.shape[1], len(x), *x.shape[2:]).transpose(0, 1)


class _Hasty(BatchRenorm2d):
    """Running statistics first: the planted fault ``renorm-order``."""

    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        corrected: Tensor = super().forward(x)
        return corrected


def _exactly(config: Config, x: Tensor, y: Tensor) -> dict[str, JSON]:
    """What holds for every net of these layers, trained or not."""
    norms = NORMS | ({"GN": lambda channels: _Leaking(4, channels)} if config.fault == "leak" else {})
    classes = int(y.max()) + 1
    alone = 0.0
    frozen: nn.Module = nn.Identity()
    for kind in _ALONE:
        model: nn.Module = _net(norms[kind], classes).to(x)
        if kind == "frozen":
            with torch.no_grad():
                model(x)  # statistics other than the first
            model = frozen = model if config.fault == "frozen-moves" else freeze_batch_norm(model)
        with torch.no_grad():
            here, there = (model(torch.cat([x[:1], others]))[:1] for others in (x[1:4], x[4:5]))
        alone = max(alone, float((here - there).abs().max() / here.abs().max()))
    before = {name: value.clone() for name, value in frozen.state_dict().items() if ".running" in name}
    optimizer = torch.optim.SGD(frozen.parameters(), _RATE)
    generator = torch.Generator().manual_seed(0)
    train(frozen, cross_entropy, optimizer, x, y, batch=4, steps=2, generator=generator)
    after = frozen.state_dict()
    moved = max(float((after[name] - value).abs().max()) for name, value in before.items())
    made = _Hasty if config.fault == "renorm-order" else BatchRenorm2d
    layer = made(4, r_max=math.inf, d_max=math.inf).to(x)
    values = torch.randn(8, 4, 3, 3).to(x) * 2 + 1
    reference = deep_copy(layer).eval()(values)
    renorm = float((layer(values) - reference).detach().abs().max())
    return {"alone": alone, "frozen": moved, "sync": _merged_apart(config, x, y, classes), "renorm": renorm}


def _merged_apart(config: Config, x: Tensor, y: Tensor, classes: int) -> float:
    """Of the same net after one forward and backward, with merged statistics and with those of the whole batch."""
    results = []
    for norm in (lambda channels: WorkerBatchNorm2d(channels, _SMALLEST), nn.BatchNorm2d):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _net(norm, classes).to(x)
        for module in model.modules():
            if isinstance(module, WorkerBatchNorm2d):
                module.between = config.fault != "sync-means"
        out = model(x)
        cross_entropy(out, y).backward()
        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        running = [value for name, value in model.named_buffers() if "running_" in name]
        results.append([out.detach(), *gradients, *running])
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*results, strict=True))
