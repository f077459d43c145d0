"""A sweep over batch sizes as a table, with the law of its times below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.report import text
from inspector.report.benchmark import duration
from inspector.report.columns import Column, printed, tabulated, wrapped

if TYPE_CHECKING:
    from inspector.report.columns import Span

_LAYOUTS = (("batch", "time", "interval", "rate", "growth"), ("batch", "time", "rate", "growth"), ("batch", "time"))


def render(found: Any, law: Any, knee: tuple[float, float] | None, *, width: int | None, color: bool) -> str:
    """The table of a ``Sweep``; ``law`` and the interval of its ``knee`` are None where one size was measured."""
    rows = [(size, timing, found.growth(size)) for size, timing in found.timings.items()]
    lines: list[list[Span]] = [*tabulated(rows, _columns(), _LAYOUTS, width), []]
    said = []
    if law is not None and knee is not None:
        bend = "" if law.gamma == 1 else f", γ = {law.gamma:.2f}"
        said.append(f"T(B): t₀ = {duration(law.fixed)}, β = {duration(law.slope)} a sample{bend}")
        said.append(f"knee B* = t₀/β = {text.figure(law.fixed / law.slope)} ({' to '.join(map(text.figure, knee))})")
    flat, above = found.flat()
    first = rows[0][0]
    more = f", more from B = {text.count(above)} on" if above is not None else ""
    said.append(f"flat, T(B) ≤ 1.25·T({text.count(first)}), up to B = {text.count(flat)} among those measured{more}")
    said += [found.limit] if found.limit else []
    said += sorted({f"noisy: {timing.reason}" for _, timing, _ in rows if timing.noisy})
    lines += [[(part, "")] for words in said for part in wrapped(words, width)]
    return printed(lines, color)


def document(found: Any, law: Any, knee: tuple[float, float] | None) -> dict[str, Any]:
    """The same for ``--json``: seconds and samples."""
    flat, above = found.flat()
    return {
        "schema_version": "1.0",
        "sizes": [
            {
                "batch": size,
                "p50": timing.p50,
                "interval": timing.interval,
                "noisy": timing.noisy,
                "reason": timing.reason,
            }
            for size, timing in found.timings.items()
        ],
        "law": None if law is None else {"fixed": law.fixed, "slope": law.slope, "gamma": law.gamma, "knee": knee},
        "flat": flat,
        "not_flat": above,
        "limit": found.limit,
    }


def _columns() -> dict[str, Column[Any]]:
    return {
        "batch": Column("Batch", True, lambda row: ((text.count(row[0]), ""),)),
        "time": Column("Median", True, lambda row: ((duration(row[1].p50), ""),)),
        "interval": Column("Interval", False, lambda row: ((" to ".join(map(duration, row[1].interval)), ""),)),
        "rate": Column("Samples/s", True, lambda row: ((text.figure(row[0] / row[1].p50), ""),)),
        "growth": Column("T(B)/T(first)", True, lambda row: ((f"{row[2][0]:.3f}", ""),)),
    }
