"""``update-time``: the time of one update against the batch size, of a small net and of a large one.

T(B) = t₀ + βB: t₀ is what an update costs however few the samples (launches, the optimizer, Python), β what each sample
adds; or the bent form of :mod:`inspector.bench.knee`, where Akaike's criterion prefers it. From it follow T(B)/T(1),
which is (B* + B)/(B* + 1) of a line with the knee B* = t₀/β; up to which B an update is flat, T(B) ≤ 1.25·T(1); and for
the time of an epoch, which takes 1/B updates a sample, that no batch size makes it more than T(1)/β times as fast as
single samples do: 1 + B* times of a line.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn.functional import cross_entropy

from inspector.bench.knee import Law, fitted
from inspector.bench.modes import captured
from inspector.experiments.environment import halving, usable
from inspector.experiments.experiment import Experiment, column
from inspector.experiments.figures import COLORS, points, size_axis
from inspector.experiments.judge import interval
from inspector.experiments.optimal_batch import flat_until
from inspector.experiments.records import Cell, Claim, Predicted
from inspector.experiments.training import lenet
from inspector.experiments.update_times import compiled_apart, timed, wide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from inspector.experiments.records import JSON, Config, Measured, Result

#: Share by which the law may be off: it has two or three parameters, and kernels change with the size of their work.
TOLERANCE = 0.25
_NETS = ("small", "large")
#: At which batch size the claims about GPUs are put.
_FLAT = 64
#: The fewest sizes: a law from the inner ones, and both ends to hold it against.
_FEWEST = 4


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
        """Times at the inner sizes, on random numbers of its own, give the law; the ends are what it predicts."""
        _, *inner, last = _fitting(config)
        laws = {net: fitted(_times(config, net, inner)) for net in _NETS}
        if config.control:
            laws["large"] = laws["small"]
        claims = [claim for net in _NETS for claim in _of_net(net, laws[net], last)]
        growths = [laws[net].growth(last) for net in _NETS]
        claims.append(
            Claim(
                "difference",
                f"T({last})/T(1) of the large net is this many times that of the small one; both laws may be off "
                f"by {TOLERANCE:.0%}",
                Predicted.exactly(growths[1] / growths[0], f"{growths[1]:.4g} / {growths[0]:.4g}"),
                tolerance=2 * TOLERANCE,
            )
        )
        return [*claims, *(_on_gpu_claims() if _on_gpu(config) else ())]

    def cells(self, config: Config) -> Sequence[Cell]:
        times = range(4 if config.quick else 8)
        return [
            Cell(f"{kind},repeat={time}", {"net": net, "mode": mode, "repeat": time})
            for kind, (net, mode) in _kinds(config).items()
            for time in times
        ]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        times = _times(config, str(cell.arguments["net"]), _sizes(config), str(cell.arguments["mode"]))
        law = fitted(times)
        found = {"alpha": law.fixed, "beta": law.slope, "gamma": law.gamma, "flat": flat_seen(times)}
        return {**{f"T{size}": time for size, time in times.items()}, **found}

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        last = _last(config, values)
        found: dict[str, Sequence[float] | Measured] = {}
        growths = {net: _ratios(values, net, last, 1) for net in _NETS}
        for net in _NETS:
            found[f"{net}-growth"] = growths[net]
            found[f"{net}-epoch"] = [last / growth for growth in growths[net]]
            found[f"{net}-flat-until"] = [math.log2(min(last, seen)) for seen in column(values, "flat", f"{net},")]
        found["difference"] = [large / small for small, large in zip(*growths.values(), strict=True)]
        if _on_gpu(config):
            alphas = (column(values, "alpha", f"{kind},") for kind in ("small-graph", "small"))
            found["graph-fixed"] = [graph / eager for graph, eager in zip(*alphas, strict=True)]
            found["small-flat"] = _ratios(values, "small", _FLAT, 1)
            found["large-not-flat"] = _ratios(values, "large", _FLAT, 1)
        return found

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:
        last, asked = _last(config, values), _sizes(config)[-1]
        said = []
        for kind in _kinds(config):
            law = _law_of(config, values, kind)
            bent = "" if law.gamma == 1 else f", γ = {law.gamma:.3g}"
            seen = fmean(column(values, "flat", f"{kind},"))
            said.append(
                f"{kind.replace('-', ' net, ') if '-' in kind else f'{kind} net'}: t₀ = {1e3 * law.fixed:.3g} ms, "
                f"β = {1e3 * law.slope:.3g} ms a sample{bent}, knee B* = {law.knee:.3g}; flat (T(B) ≤ 1.25·T(1)) up "
                f"to B = {flat_until(law.knee, law.gamma):.3g} by the law, {seen:.3g} measured; an epoch of 50 000 "
                f"samples takes {50_000 * law.at(1):.3g} s one by one and {50_000 / last * law.at(last):.3g} s at "
                f"B = {last}"
            )
        if last < asked:
            said.append(f"memory suffices for batches of {last}, not for {asked}: the claims are put at {last}")
        if usable(config.device).type == "cpu":
            said.append(
                "measured on a CPU: its launches cost little, so that its knee says nothing of a GPU's; compiled and "
                "as a CUDA graph the small net is timed on a GPU alone"
            )
        return said

    def draw(self, figure: Figure, result: Result) -> None:
        times, epochs = figure.subplots(1, 2)
        kinds, last = _kinds(result.config), _last(result.config, result.values)
        sizes = [size for size in _sizes(result.config) if size <= last]
        for kind, color in zip(kinds, COLORS, strict=False):
            found = [interval(column(result.values, f"T{size}", f"{kind},")) for size in sizes]
            law = _law_of(result.config, result.values, kind)
            times.plot(sizes, [1e3 * law.at(size) for size in sizes], color=color, label=f"{kind}: law")
            points(times, sizes, [_scaled(each, 1e3) for each in found], f"{kind}: measured", color)
            if kind not in _NETS:
                continue
            law_epochs = [law.at(1) * size / law.at(size) for size in sizes]
            epochs.plot(sizes, law_epochs, color=color, label=f"{kind}: B·T(1)/T(B)")
            fast = [interval([b / ratio for ratio in _ratios(result.values, kind, b, 1)]) for b in sizes]
            points(epochs, sizes, fast, f"{kind}: measured", color)
            epochs.axhline(law.at(1) / law.slope, color=color, linestyle=":", label=f"{kind}: bound T(1)/β")
        times.set(yscale="log", ylabel="time of one update [ms]", title="one update")
        epochs.set(yscale="log", ylabel="epoch: times as fast as with B = 1", title="one epoch")
        epochs.margins(y=0.25)  # room for the legend
        for axes in (times, epochs):
            size_axis(axes, sizes)
            axes.legend(fontsize="small", loc="upper left")


def _of_net(net: str, law: Law, last: int) -> list[Claim]:
    growth, bound = law.growth(last), law.at(1) / law.slope
    flat, longest = (min(last, flat_until(law.knee, law.gamma, 1.25 * slack)) for slack in (1, 1 + TOLERANCE))
    return [
        Claim(
            f"{net}-growth",
            f"an update of the {net} net with {last} samples takes this many times as long as with one; the law may be "
            f"off by {TOLERANCE:.0%}, for kernels change with the size of their work",
            Predicted.exactly(growth, _worked_growth(law, last)),
            tolerance=TOLERANCE,
        ),
        Claim(
            f"{net}-epoch",
            f"with {last} samples an epoch of the {net} net is at most T(1)/β times as fast as with one",
            Predicted.exactly(bound, _worked_bound(law)),
            "at most",
            tolerance=TOLERANCE,
        ),
        Claim(
            f"{net}-flat-until",
            f"log2 of the batch size up to which an update of the {net} net is flat, T(B) ≤ 1.25·T(1), {last} at most; "
            f"where T(B)/T(1) may be off by {TOLERANCE:.0%}, between 1 and where the law reaches 1.25·1.25",
            Predicted(math.log2(flat), 0.0, math.log2(longest), _worked_flat(law)),
            decides=1.0,
        ),
    ]


def _worked_growth(law: Law, last: int) -> str:
    if law.gamma == 1:
        return f"(B* + {last})/(B* + 1), B* = {law.knee:.4g}"
    return f"((B*^γ + {last}^γ)/(B*^γ + 1))^(1/γ), B* = {law.knee:.4g}, γ = {law.gamma:.3g}"


def _worked_bound(law: Law) -> str:
    return f"1 + {law.knee:.4g}" if law.gamma == 1 else f"(B*^γ + 1)^(1/γ), B* = {law.knee:.4g}, γ = {law.gamma:.3g}"


def _worked_flat(law: Law) -> str:
    if law.gamma == 1:
        return f"log2(B*/4 + 5/4), B* = {law.knee:.4g}"
    return f"log2 ((1.25^γ − 1)·B*^γ + 1.25^γ)^(1/γ), B* = {law.knee:.4g}, γ = {law.gamma:.3g}"


def _on_gpu_claims() -> list[Claim]:
    graph = "as a CUDA graph, which is launched once, an update of the small net has at most eager's fixed time"
    limit = Predicted.exactly(1.25, "1.25")
    return [
        Claim("graph-fixed", graph, Predicted.exactly(1.0, "t₀ of the graph / t₀ of eager"), "at most"),
        Claim(
            "small-flat",
            f"on a GPU an update of the small net with {_FLAT} samples takes at most 1.25 times as long as with one",
            limit,
            "at most",
        ),
        Claim(
            "large-not-flat",
            f"on a GPU an update of the large net with {_FLAT} samples takes more than 1.25 times as long as with one",
            limit,
            "at least",
        ),
    ]


def flat_seen(times: Mapping[int, float], allowed: float = 1.25) -> float:
    """Up to which batch size T(B) ≤ ``allowed``·T of the smallest; between two sizes by a straight line.

    The largest size where all are flat.

    >>> flat_seen({1: 10.0, 2: 11.0, 4: 13.0, 8: 17.0})
    3.5
    """
    limit = allowed * times[min(times)]
    for (below, before), (above, after) in pairwise(sorted(times.items())):
        if after > limit:
            return below + (above - below) * (limit - before) / (after - before)
    return float(max(times))


def _kinds(config: Config) -> dict[str, tuple[str, str]]:
    """What is timed: its name → net and mode."""
    kinds = {net: (net, "eager") for net in _NETS}
    if _on_gpu(config):
        kinds |= {f"small-{mode}": ("small", mode) for mode in ("compile", "graph")}
    return kinds


def _law_of(config: Config, values: Mapping[str, Mapping[str, JSON]], kind: str) -> Law:
    """That of the repeats' median times."""
    times = {size: column(values, f"T{size}", f"{kind},") for size in _sizes(config)}
    return fitted({size: median(found) for size, found in times.items() if found})


def _sizes(config: Config) -> list[int]:
    if usable(config.device).type == "cuda":
        return [2**power for power in range(0, 14, 2 if config.quick else 1)]  # to 8192 and, quick, 4096
    return [2**power for power in range(5 if config.quick else 7)]


def _fitting(config: Config) -> list[int]:
    """The sizes for which memory suffices, with either net."""
    sizes = _sizes(config)
    most = sizes[-1]
    for net in _NETS:
        _, most, _ = halving(partial(_once, config, net), most, sizes[_FEWEST - 1])
    return [size for size in sizes if size <= most]


def _once(config: Config, net: str, size: int) -> None:
    _updating(config, net, size)(size)()


def _last(config: Config, values: Mapping[str, Mapping[str, JSON]]) -> int:
    """The largest size that was timed every time with both nets."""
    eager = [value for key, value in values.items() if key.partition(",")[0] in _NETS]
    return max(size for size in _sizes(config) if all(f"T{size}" in value for value in eager))


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
    with compiled_apart(len(sizes)) if mode == "compile" else nullcontext():
        return timed(
            _updating(config, net, max(sizes), mode),
            sizes,
            usable(config.device),
            samples=6 if config.quick else 30,
            seconds=1.5 if config.quick else 20,
        )


def _updating(config: Config, net: str, most: int, mode: str = "eager") -> Callable[[int], Callable[[], object]]:
    """Batch size, up to the most → one update, on random samples."""
    if config.control or config.fault == "same-net":
        net = "small"
    device = usable(config.device)
    gpu = device.type == "cuda"
    model = (lenet() if net == "small" else wide(*((256, 8) if gpu else (48, 3)))).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model
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

    return update


def _parts(x: Tensor, y: Tensor, one_by_one: bool) -> Sequence[tuple[Tensor, Tensor]]:
    return list(zip(x.split(1), y.split(1), strict=True)) if one_by_one else [(x, y)]
