"""A sweep in words: one format for counts and rates."""

from __future__ import annotations

from inspector.bench.knee import Law
from inspector.bench.records import Timing
from inspector.bench.sweep import Sweep
from inspector.report.sweep import render


def timing(seconds: float) -> Timing:
    return Timing((seconds,) * 8, seconds, (seconds, seconds), 0.0)


def test_counts_stand_in_groups_of_three() -> None:
    """2 048 samples in 102.4 ms are 20 000 a second; 61 ms over 5 µs a sample are 12 200 samples."""
    found = Sweep({1: timing(0.061), 2048: timing(0.1024)})
    printed = render(found, Law(0.061, 5e-6), (11_000.0, 13_000.4), width=None, color=False)
    (row,) = (line.split("  ") for line in printed.splitlines() if line.startswith("2 048"))
    assert "20 000" in [cell.strip() for cell in row]
    assert "knee B* = t₀/β = 12 200 (11 000 to 13 000)" in printed
    assert "T(B): t₀ = 61.00 ms, β = 5.00 µs a sample" in printed
    assert "flat, T(B) ≤ 1.25·T(1), up to B = 1 among those measured, more from B = 2 048 on" in printed
