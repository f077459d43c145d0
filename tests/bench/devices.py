"""A device whose ceilings are made up: no machine is so quick that a floor made of them would be passed."""

from inspector.bench.records import Ceilings

CEILINGS = Ceilings(
    device="cpu",
    name="none",
    driver="none",
    date="2026-01-01T00:00:00+00:00",
    streams=((2**14, 1e13), (2**28, 1e12)),
    peaks={"float32": 1e13, "float64": 5e12, "bfloat16": 2e13},
    launch=1e-7,
)
