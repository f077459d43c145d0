"""``update-time``: the time of one update against the batch size, of a small net and of a large one.

T(B) = α + βB: α is what an update costs however few the samples (launches, the optimizer, Python), β what each sample
adds. From it follow T(B)/T(1) = (B* + B)/(B* + 1) with the knee B* = α/β, and for the time of an epoch, which takes 1/B
updates a sample, that no batch size makes it more than (α + β)/β = 1 + B* times as fast as single samples do.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn.functional import cross_entropy

from inspector.bench.modes import captured
from inspector.experiments.environment import usable
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points
from inspector.experiments.judge import interval
from inspector.experiments.optimal_batch import flat_until
from inspector.experiments.records import Cell, Claim, Predicted
from inspector.experiments.training import lenet
from inspector.experiments.update_times import Line, line, timed, wide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Measured, Result

#: Share by which the law may be off: it has two parameters, and kernels change with the size of their work.
TOLERANCE = 0.25
_NETS = ("small", "large")


class UpdateTime(Experiment):
    """See the module."""

    name: ClassVar[str] = "update-time"
    title: ClassVar[str] = "Time of one update against the batch size"
    about: ClassVar[str] = (
        "The time of an update is predicted from a few batch sizes and measured at others, for LeNet-5 and for a wide "
        "convolutional net. On a GPU an update of the small net takes hardly longer with many samples than with one, "
        "one of the large net does; on a CPU, whose fixed cost is small beside its arithmetic, neither is flat. Times "
        "are never the same twice, on the CPU neither."
    )
    faults: ClassVar[Mapping[str, str]] = {
        "one-by-one": "an update computes its samples one after the other, so that its time is B times that of one",
        "padded": "every batch is filled up to the largest, so that all take as long as it",
        "same-net": "in place of the large net the small one is measured",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        """Times at the inner sizes, on random numbers of its own, give the line; the ends are what it predicts."""
        sizes = _sizes(config)
        inner = [size for size in sizes if size not in (1, sizes[-1])]
        lines = {net: line(_times(config, net, inner)) for net in _NETS}
        if config.control:
            lines["large"] = lines["small"]
        claims = [claim for net in _NETS for claim in _of_net(net, lines[net], sizes[-1])]
        growths = [lines[net].growth(sizes[-1]) for net in _NETS]
        claims.append(
            Claim(
                "difference",
                f"T({sizes[-1]})/T(1) of the large net is this many times that of the small one; both laws may be off "
                f"by {TOLERANCE:.0%}",
                Predicted.exactly(growths[1] / growths[0], f"{growths[1]:.4g} / {growths[0]:.4g}"),
                tolerance=2 * TOLERANCE,
            )
        )
        if _on_gpu(config):
            claims += [
                Claim(
                    "graph-fixed",
                    "as a CUDA graph, which is launched once, an update of the small net has at most eager's fixed "
                    "time",
                    Predicted.exactly(1.0, "α of the graph / α of eager"),
                    "at most",
                ),
                Claim(
                    "small-flat",
                    f"on a GPU an update of the small net with {_FLAT} samples takes at most 1.25 times as long as "
                    "with one",
                    Predicted.exactly(1.25, "1.25"),
                    "at most",
                ),
                Claim(
                    "large-not-flat",
                    f"on a GPU an update of the large net with {_FLAT} samples takes more than 1.25 times as long as "
                    "with one",
                    Predicted.exactly(1.25, "1.25"),
                    "at least",
                ),
            ]
        return claims

    def cells(self, config: Config) -> Sequence[Cell]:
        times = range(4 if config.quick else 8)
        kinds = [(net, net, "eager") for net in _NETS]
        if _on_gpu(config):
            kinds += [(f"small-{mode}", "small", mode) for mode in ("compile", "graph")]
        return [
            Cell(f"{kind},repeat={time}", {"net": net, "mode": mode, "repeat": time})
            for kind, net, mode in kinds
            for time in times
        ]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        net = str(cell.arguments["net"])
        if config.control or config.fault == "same-net":
            net = "small"
        times = _times(config, net, _sizes(config), str(cell.arguments["mode"]))
        found = line(times)
        return {**{f"T{size}": time for size, time in times.items()}, "alpha": found.fixed, "beta": found.slope}

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        last = _sizes(config)[-1]
        found: dict[str, Sequence[float] | Measured] = {}
        growths = {net: _ratios(values, net, last, 1) for net in _NETS}
        for net in _NETS:
            found[f"{net}-growth"] = growths[net]
            found[f"{net}-epoch"] = [last / growth for growth in growths[net]]
        found["difference"] = [large / small for small, large in zip(*growths.values(), strict=True)]
        if _on_gpu(config):
            alphas = (column(values, "alpha", f"{kind},") for kind in ("small-graph", "small"))
            found["graph-fixed"] = [graph / eager for graph, eager in zip(*alphas, strict=True)]
            found["small-flat"] = _ratios(values, "small", _FLAT, 1)
            found["large-not-flat"] = _ratios(values, "large", _FLAT, 1)
        return found

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:
        said = []
        for net in _NETS:
            fixed, slope = (fmean(column(values, name, f"{net},")) for name in ("alpha", "beta"))
            knee = fixed / slope
            said.append(
                f"{net} net: T(B) = {1e3 * fixed:.3g} ms + {1e3 * slope:.3g} ms·B, knee B* = {knee:.3g}, flat (T(B) ≤ "
                f"1.25·T(1)) up to B = {flat_until(knee):.3g}; an epoch of 50 000 samples takes "
                f"{50_000 * (fixed + slope):.3g} s one by one and {50_000 * (fixed / _sizes(config)[-1] + slope):.3g} "
                f"s at B = {_sizes(config)[-1]}"
            )
        if usable(config.device).type == "cpu":
            said.append("measured on a CPU: its launches cost little, so that its knee says nothing of a GPU's")
        return said

    def draw(self, figure: Figure, result: Result) -> None:
        axes = figure.subplots(1, 2)
        sizes = _sizes(result.config)
        for net, color in zip(_NETS, COLORS, strict=False):
            found = [interval(column(result.values, f"T{size}", f"{net},")) for size in sizes]
            law = Line(*(fmean(column(result.values, name, f"{net},")) for name in ("alpha", "beta")))
            axes[0].plot(sizes, [1e3 * law.at(size) for size in sizes], color=color, label=f"{net}: α + βB")
            points(axes[0], sizes, [_scaled(each, 1e3) for each in found], f"{net}: measured", color)
            axes[1].plot(
                sizes,
                [law.at(1) * size / law.at(size) for size in sizes],
                color=color,
                label=f"{net}: (B* + 1)·B/(B* + B)",
            )
            fast = [interval([b / ratio for ratio in _ratios(result.values, net, b, 1)]) for b in sizes]
            points(axes[1], sizes, fast, f"{net}: measured", color)
            axes[1].axhline(1 + law.knee, color=color, linestyle=":", label=f"{net}: 1 + B*")
        axes[0].set(xscale="log", yscale="log", xlabel="batch size B (samples)", ylabel="time of one update (ms)")
        axes[1].set(xscale="log", yscale="log", xlabel="batch size B (samples)", ylabel="epoch: times as fast as B = 1")
        for each in axes:
            each.legend()


#: At which batch size the claims about GPUs are put.
_FLAT = 64


def _of_net(net: str, law: Line, last: int) -> list[Claim]:
    growth = law.growth(last)
    return [
        Claim(
            f"{net}-growth",
            f"an update of the {net} net with {last} samples takes this many times as long as with one; the law may be "
            f"off by {TOLERANCE:.0%}, for kernels change with the size of their work",
            Predicted.exactly(growth, f"(B* + {last})/(B* + 1), B* = {law.knee:.4g}"),
            tolerance=TOLERANCE,
        ),
        Claim(
            f"{net}-epoch",
            f"with {last} samples an epoch of the {net} net is at most 1 + B* times as fast as with one",
            Predicted.exactly(1 + law.knee, f"1 + {law.knee:.4g}"),
            "at most",
            tolerance=TOLERANCE,
        ),
    ]


def _sizes(config: Config) -> list[int]:
    if usable(config.device).type == "cuda":
        return [2**power for power in range(0, 14, 2 if config.quick else 1)]  # to 8192 and, quick, 4096
    return [2**power for power in range(5 if config.quick else 7)]


def _ratios(values: Mapping[str, Mapping[str, JSON]], net: str, over: int, under: int) -> list[float]:
    pairs = zip(column(values, f"T{over}", f"{net},"), column(values, f"T{under}", f"{net},"), strict=True)
    return [a / b for a, b in pairs]


def _scaled(found: Measured, by: float) -> Measured:
    return type(found)(by * found.value, by * found.low, by * found.high, found.n)


def _on_gpu(config: Config) -> bool:
    """Whether the claims about GPUs are put."""
    return usable(config.device).type == "cuda" and not config.control


def _times(config: Config, net: str, sizes: Sequence[int], mode: str = "eager") -> dict[int, float]:
    """Size → median time of one update in seconds: eager, with a compiled model, or as one CUDA graph."""
    device = usable(config.device)
    gpu = device.type == "cuda"
    model = (lenet() if net == "small" else wide(*((256, 8) if gpu else (48, 3)))).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model
    most = max(sizes)
    x = torch.randn(most, 1, 28, 28, device=device)
    y = torch.randint(10, (most,), device=device)

    def update(size: int) -> Callable[[], object]:
        taken = most if config.fault == "padded" else size

        def one() -> None:
            optimizer.zero_grad()
            for part in _parts(x[:taken], y[:taken], one_by_one=config.fault == "one-by-one"):
                cross_entropy(forward(part[0]), part[1]).backward()
            optimizer.step()

        return captured(one) if mode == "graph" else one

    return timed(
        {size: update(size) for size in sizes},
        device,
        samples=6 if config.quick else 30,
        seconds=1.5 if config.quick else 20,
    )


def _parts(x: Tensor, y: Tensor, one_by_one: bool) -> Sequence[tuple[Tensor, Tensor]]:
    return list(zip(x.split(1), y.split(1), strict=True)) if one_by_one else [(x, y)]
