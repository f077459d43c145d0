"""Figures of results; matplotlib, of the extra ``experiments``, is loaded when one is drawn."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError
from inspector.experiments.registry import experiment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inspector.experiments.records import Judged, Measured, Result

#: What separates the lines also in grey print: order of brightness, as in Okabe & Ito's palette.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
#: More of them on one axis would touch.
_TICKS = 8
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "inspector",  # the same picture is the same file
    "svg.fonttype": "none",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 110,
}


class NoMatplotlib(InspectionError):
    """Matplotlib is missing."""


def figure(result: Result) -> Figure:
    """The picture of a result, 5.5 inches high and 10 wide, or 13.5 where there are three parts.

    Raises:
        NoMatplotlib: it is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise NoMatplotlib("figures need matplotlib: pip install 'inspector[experiments]'") from None
    with rc_context(_STYLE):
        drawn = Figure(figsize=(10, 5.5), layout="constrained")
        if result.config.control:
            _control(drawn, result)
        else:
            experiment(result.experiment).draw(drawn, result)
        if len(drawn.axes) > 2:
            drawn.set_figwidth(13.5)
        drawn.suptitle(f"{result.title}: {result.verdict}")
    return drawn


def _control(drawn: Figure, result: Result) -> None:
    """Of a run that compared the same thing with itself, all claims."""
    axes = drawn.subplots()
    beside(axes, result.claims, [judged.claim.name.replace("-", "\n") for judged in result.claims])
    axes.set(ylabel="differences, ratios and their logarithms [1]", title="control: the same thing twice")
    axes.legend(fontsize="small")


def pictures(result: Result) -> dict[str, bytes]:
    """``figure.svg`` and ``figure.png``.

    Raises:
        NoMatplotlib: it is not installed.
    """
    drawn = figure(result)
    from matplotlib import rc_context

    found = {}
    for form in ("svg", "png"):
        content = io.BytesIO()
        with rc_context(_STYLE):
            drawn.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
        found[f"figure.{form}"] = content.getvalue()
    return found


def points(axes: Axes, at: Sequence[float], found: Sequence[Measured | None], label: str, color: str) -> None:
    """Measurements as points with bars for their intervals; what was not measured, or has no interval, is left out."""
    pairs = [
        (x, each)
        for x, each in zip(at, found, strict=True)
        if each is not None and all(map(math.isfinite, (each.value, each.low, each.high)))
    ]
    if not pairs:
        return
    values = [each.value for _, each in pairs]
    bars = [[each.value - each.low for _, each in pairs], [each.high - each.value for _, each in pairs]]
    axes.errorbar([x for x, _ in pairs], values, yerr=bars, fmt="o", capsize=3, label=label, color=color)


def size_axis(axes: Axes, sizes: Sequence[int], label: str = "batch size B [samples]") -> None:
    """A logarithmic axis that names the measured sizes and nothing between them."""
    from matplotlib.ticker import NullLocator

    axes.set(xscale="log", xlabel=label)
    shown = sizes if len(sizes) <= _TICKS else sizes[::2]
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())


def beside(axes: Axes, judged: Iterable[Judged], names: Iterable[str]) -> None:
    """Claims side by side, each under its name: a line for what is predicted, a point for what was measured."""
    claims = list(judged)
    at = range(len(claims))
    left, right = [x - 0.3 for x in at], [x + 0.3 for x in at]
    axes.hlines([each.claim.predicted.value for each in claims], left, right, color=COLORS[0], label="predicted")
    points(axes, at, [each.measured for each in claims], "measured", COLORS[1])
    axes.set_xticks(at, [*names])
    axes.set_xlim(-0.6, len(claims) - 0.4)
