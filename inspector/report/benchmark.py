"""A benchmark as a table sorted by lost time, with its totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.report import text
from inspector.report.columns import Column, printed, tabulated, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.report.columns import Span

_LAYOUTS = (
    ("layer", "measured", "floor", "efficiency", "lost", "bound"),
    ("layer", "measured", "floor", "lost", "bound"),
    ("layer", "measured", "lost"),
)
_ASSUMED = (
    "A floor is max(2 × MACs/peak, bytes/bandwidth), plus a start for each kernel that Python starts on the CPU; ideal "
    "fusion assumes that element-wise work, normalization and softmax are computed where their input was made."
)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits.

    >>> duration(0.00123), duration(0.0000005), duration(2.5), duration(0.0)
    ('1.23 ms', '0.50 µs', '2.50 s', '0.00 µs')
    """
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if abs(seconds) >= 1e-3 else f"{seconds * 1e6:.2f} µs"


def render(records: Sequence[Any], *, width: int | None = None, color: bool = False, most: int | None = None) -> str:
    """Every record: its layers (``most`` of them), and its totals."""
    lines: list[list[Span]] = []
    for record in records:
        shown = record.rows if most is None else record.rows[:most]
        if shown:
            lines += [*tabulated(shown, _columns(), _LAYOUTS, width), []]
        if len(shown) < len(record.rows):
            lines.append([(f"{len(record.rows) - len(shown)} layers with less time lost are not shown", "dim")])
        lines += [[(f"{name:<11}", "bold"), (words, "")] for name, words in totals(record)]
        lines += [[(part, "dim")] for note in (*record.notes, _ASSUMED) for part in wrapped(note, width)]
        lines.append([])
    return printed(lines[:-1], color)


def totals(record: Any) -> list[tuple[str, str]]:
    """(name, words) of the whole."""
    timing = record.timing
    low, high = timing.interval
    how = "as a single kernel" if record.mode.startswith("compile") else "call by call"
    found = [
        (
            "Model",
            f"{record.model}, {record.mode}, {'training step' if record.backward else 'forward'}, {record.dtype}",
        ),
        ("Device", f"{record.environment.get('name', record.device)}, torch {record.environment.get('torch', '?')}"),
        ("Input", ", ".join(record.input)),
        (
            "Median",
            f"{duration(timing.p50)} ({duration(low)} to {duration(high)}), quartiles {duration(timing.iqr)} apart",
        ),
        ("Floor", f"{duration(record.floor)} {how}, {duration(record.fused)} with ideal fusion"),
        ("Efficiency", text.percent(record.efficiency)),
    ]
    if record.hooked is not None:
        found += _layers(record)
    if record.memory:
        found.append(("Memory", ", ".join(f"{name} {text.size_of(size)}" for name, size in record.memory.items())))
    if timing.reason:
        found.append(("Noisy" if timing.noisy else "Remark", timing.reason))
    return found


def _layers(record: Any) -> list[tuple[str, str]]:
    """The sum of the rows beside the whole, and what timing them cost; of a training step only a forward is watched."""
    added = sum(row.measured for row in record.rows)
    hooks = f"the forward takes {duration(record.hooked)} while its layers are timed"
    of, beside = record.hooked, "the forward with hooks"
    if not record.backward:
        of, beside = record.timing.p50, "the whole"
        hooks += f", {100 * (record.hooked / of - 1):+.1f} %"
    return [
        ("Layers", f"add up to {duration(added)}, {text.percent(added / of)} of {beside}"),
        ("Hooks", f"{hooks}; what lies between layers, hooks and interruptions, is in no row"),
    ]


def _columns() -> dict[str, Column[Any]]:
    return {
        "layer": Column(
            "Layer (type)", False, lambda row: ((f"{row.path} ({row.kind})" if row.path else row.kind, ""),)
        ),
        "measured": Column("Measured", True, lambda row: ((duration(row.measured), ""),)),
        "floor": Column("Floor", True, lambda row: ((duration(row.floor), ""),)),
        "efficiency": Column(
            "Efficiency", True, lambda row: ((text.percent(row.floor / row.measured) if row.measured > 0 else "—", ""),)
        ),
        "lost": Column("Lost", True, lambda row: ((duration(row.lost), ""),)),
        "bound": Column("Bound by", False, lambda row: ((row.bound if row.floor else "—", ""),)),
    }


def render_ceilings(found: Any, *, width: int | None = None, color: bool = False) -> str:
    """What ``inspector device`` prints."""
    nominal = found.nominal
    lines: list[list[Span]] = [
        [(f"{'Device':<14}", "bold"), (f"{found.name} ({found.device}), driver {found.driver}, {found.date}", "")]
    ]
    for size, speed in found.streams:
        lines.append([(f"{'Bandwidth':<14}", "bold"), (f"{speed / 1e9:10.1f} GB/s within {text.size_of(size)}", "")])
    if "bandwidth" in nominal:
        lines.append([(f"{'':<14}", ""), (f"{nominal['bandwidth'] / 1e9:10.1f} GB/s by the vendor's sheet", "dim")])
    for name, peak in found.peaks.items():
        sheet = f" of {nominal[name] / 1e12:.1f} by the vendor's sheet" if name in nominal else ""
        lines.append([(f"{name:<14}", "bold"), (f"{peak / 1e12:10.3f} TFLOP/s{sheet}", "")])
        shapes = ", ".join(f"{shape}: {speed / 1e12:.3f}" for dtype, shape, speed in found.products if dtype == name)
        lines += [[(f"{'':<14}", ""), (part, "dim")] for part in (wrapped(shapes, width, 14) if shapes else ())]
    lines.append([(f"{'Launch':<14}", "bold"), (f"{duration(found.launch):>13} for a kernel on one element", "")])
    for name, speed in found.transfer.items():
        lines.append([(f"{'Transfer':<14}", "bold"), (f"{speed / 1e9:10.1f} GB/s {name}", "")])
    lines += [[(f"{'Remark':<14}", "bold"), (remark, "")] for remark in found.remarks]
    return printed(lines, color)
