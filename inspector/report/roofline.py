"""Figures of benchmarks: layers under their roofs, and medians over time. Matplotlib is loaded when one is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError
from inspector.report.benchmark import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE: dict[Any, Any] = {"svg.hashsalt": "inspector", "svg.fonttype": "none"}  # the same picture is the same file
_COLORS = {"memory": "#0072b2", "compute": "#d55e00", "launch": "#009e73"}


def roofline(record: Any, ceilings: Any) -> str:
    """The layers of a record as an SVG, each a point labelled by its path, under the device's measured ceilings.

    Left, layers with matrix work: operations per second by operations per byte. Right, layers without: bytes per second
    by bytes.

    Raises:
        InspectionError: the record has no layers, or matplotlib is missing.
    """
    rows = [row for row in record.rows if row.measured > 0 and row.bytes]
    if not rows:
        raise InspectionError(f"the record of {record.model}, {record.mode} has no layers to draw")
    drawn = _figure(12, 5.5)
    left, right = drawn.subplots(1, 2)
    fastest = max((speed for _, speed in ceilings.streams), default=None)
    slowest = ceilings.streams[-1][1] if ceilings.streams else None
    peak = ceilings.peaks.get(record.dtype)
    with_work = [(row, 2 * row.macs / row.bytes, 2 * row.macs / row.measured) for row in rows if row.macs]
    if with_work:
        reach = [min(x for _, x, _ in with_work) / 3, max(x for _, x, _ in with_work) * 3]
        for speed, name in ((fastest, "fastest memory"), (slowest, "slowest memory")):
            if speed:
                roof = [min(x * speed, peak) if peak else x * speed for x in _steps(*reach)]
                left.plot(_steps(*reach), roof, color="#888", linewidth=1)
                left.annotate(name, (reach[0], roof[0]), fontsize=6, color="#666")
        if peak:
            left.axhline(peak, color="#888", linewidth=1)
            left.annotate(f"{record.dtype} peak", (reach[0], peak), fontsize=6, color="#666")
    _points(left, with_work)
    left.set(xlabel="operations per byte", ylabel="operations per second", title="layers with matrix work")
    _points(right, [(row, row.bytes, row.bytes / row.measured) for row in rows if not row.macs])
    if ceilings.streams:
        right.plot(*zip(*ceilings.streams, strict=True), color="#888", linewidth=1)
    right.set(xlabel="bytes moved at least", ylabel="bytes per second", title="layers without")
    drawn.suptitle(
        f"{record.model}, {record.mode}, {record.dtype}: {duration(record.timing.p50)}, floor {duration(record.floor)}"
    )
    return _svg(drawn)


def history(records: Sequence[Any]) -> str:
    """Medians with their intervals by date as an SVG, a line for each question, revisions below.

    Raises:
        InspectionError: the records come from several machines, or matplotlib is missing.
    """
    places = {(r.environment.get("name"), r.environment.get("driver"), r.environment.get("threads")) for r in records}
    if len(places) != 1:
        raise InspectionError(
            f"times of different machines make no history: {'; '.join(str(place) for place in sorted(places, key=str))}"
        )
    drawn = _figure(10, 5)
    axes = drawn.subplots()
    ordered = sorted(records, key=lambda record: record.environment.get("date", ""))
    dates = sorted({record.environment.get("date", "") for record in ordered})
    for name in dict.fromkeys(map(_question, ordered)):
        mine = [record for record in ordered if _question(record) == name]
        at = [dates.index(record.environment.get("date", "")) for record in mine]
        medians = [record.timing.p50 for record in mine]
        bars = [
            [max(0.0, record.timing.p50 - record.timing.interval[0]) for record in mine],
            [max(0.0, record.timing.interval[1] - record.timing.p50) for record in mine],
        ]
        axes.errorbar(at, medians, yerr=bars, marker="o", markersize=4, capsize=3, label=name)
        axes.plot(at, [record.floor for record in mine], linestyle=":", color="#888")
    labels = {record.environment.get("date", ""): record.environment.get("revision", "") for record in ordered}
    axes.set_xticks(range(len(dates)), [f"{date[:10]}\n{labels[date]}" for date in dates], fontsize=6)
    axes.set(ylabel="seconds (dotted: floor)", yscale="log")
    axes.legend(fontsize=7)
    return _svg(drawn)


def _question(record: Any) -> str:
    return (
        f"{record.model} {record.mode} {record.dtype}{' training' if record.backward else ''} {', '.join(record.input)}"
    )


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InspectionError("figures need matplotlib: pip install 'inspector[experiments]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def _svg(drawn: Any) -> str:
    from matplotlib import rc_context

    content = io.StringIO()
    with rc_context(_STYLE):
        drawn.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _steps(low: float, high: float) -> list[float]:
    return [low * (high / low) ** (step / 50) for step in range(51)]


def _points(axes: Any, points: Sequence[tuple[Any, float, float]]) -> None:
    for bound, color in _COLORS.items():
        mine = [(x, y) for row, x, y in points if row.bound == bound]
        if mine:
            axes.scatter(*zip(*mine, strict=True), s=14, color=color, label=f"bound by {bound}")
    for row, x, y in points:
        axes.annotate(row.path or row.kind, (x, y), fontsize=5)
    if points:
        axes.set(xscale="log", yscale="log")
        axes.legend(fontsize=7)
