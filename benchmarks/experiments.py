"""Time and verdict of every experiment: ``python -m benchmarks.experiments [--quick] [--gpu] [--seeds N] [--out DIR]``.

Without ``--gpu`` each runs on the CPU in its quick form, as ``inspector experiment all --quick`` does; with it, on the
CUDA device in full, and figures of those runs lie beside the JSON. What the JSON holds of the other device stays in it.
With more seeds, time and claims are those of the first, and the verdicts of the others are said beside them. When
interrupted, it writes what it has.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.stopping import interrupts, write
from benchmarks.table import grid, write_between
from inspector.errors import InspectionError
from inspector.experiments import Config, names, run
from inspector.experiments.registry import experiment
from inspector.experiments.running import folder

HERE = Path(__file__).parent
_DEVICES = {"cpu": "CPU, quick", "cuda": "GPU, full"}


def measured(name: str, device: str, quick: bool, pictures: Path | None, seeds: int = 1) -> dict[str, Any]:
    """One experiment: seconds, verdict and claims, of further seeds verdicts; its figure is copied to ``pictures``."""
    print(f"{name} on {device} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        try:
            result = run(name, device=device, quick=quick, out=scratch)
        except InspectionError as error:
            return {"seconds": time.perf_counter() - start, "verdict": "not run", "reason": str(error)}
        seconds = time.perf_counter() - start
        drawn = folder(Path(scratch), name, Config(device, quick=quick)) / "figure.svg"
        if pictures is not None and drawn.exists():
            pictures.mkdir(parents=True, exist_ok=True)
            shutil.copy(drawn, pictures / f"{name}.svg")
    verdicts = [judged.verdict for judged in result.claims]
    others = [run(name, device=device, quick=quick, seed=seed) for seed in range(1, seeds)]
    return {
        "seconds": seconds,
        "verdict": result.verdict,
        "claims": {verdict: verdicts.count(verdict) for verdict in ("pass", "fail", "inconclusive")},
        "seeds": [each.verdict for each in (result, *others)],
        "open": {judged.claim.name: judged.reason for judged in result.claims if judged.verdict != "pass"},
        "environment": dict(result.environment),
    }


def tables(report: dict[str, Any]) -> str:
    """A row for each experiment, a column for each device."""
    devices = report["devices"]
    words = []
    for device, found in devices.items():
        ran = found["ran"]
        at = ran.get("gpu") or f"{ran['machine']['processor']}, {ran['machine']['cores']} cores"
        words.append(f"{_DEVICES[device]}: {at}, torch {ran['torch']}.")
    columns = [found["experiments"] for found in devices.values()]
    chosen = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(_cell(column.get(name)) for column in columns)] for name in chosen]
    total = [f"{sum(entry['seconds'] for entry in column.values()):.0f} s" for column in columns]
    return f"{' '.join(words)}\n\n{grid(['', *(_DEVICES[device] for device in devices)], [*rows, ['all', *total]])}"


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "—"
    if "claims" not in entry:
        return entry["verdict"]
    claims = entry["claims"]
    said = f"{entry['verdict']}, {claims['pass']} of {sum(claims.values())} claims, {entry['seconds']:.1f} s"
    seeds = entry.get("seeds", [])
    return said if len(seeds) < 2 else f"{said}; {seeds.count('fail')} of {len(seeds)} seeds fail"


def suite(
    chosen: list[str],
    device: str,
    quick: bool,
    pictures: Path | None,
    keep: Callable[[dict[str, Any]], None],
    seeds: int = 1,
) -> dict[str, Any]:
    """Every experiment, until Ctrl-C; what there is of them is kept after each."""
    found: dict[str, Any] = {}
    with interrupts() as check:
        try:
            for name in chosen:
                found[name] = measured(name, device, quick, pictures, seeds)
                keep(found)
                check()
        except KeyboardInterrupt:
            print("interrupted: what is measured is written", file=sys.stderr, flush=True)
    return found


def report(found: dict[str, Any], device: str, before: dict[str, Any]) -> dict[str, Any]:
    """The record: what was measured now, beside what was measured on the other device before."""
    ran = {"machine": machine.machine(), "torch": torch.__version__}
    if device == "cuda":
        ran["gpu"] = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    devices = {**before.get("devices", {}), device: {"ran": ran, "experiments": found}}
    return {"schema_version": 1, "devices": {name: devices[name] for name in _DEVICES if name in devices}}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one experiment alone, to see that all of it works")
    parser.add_argument("--gpu", action="store_true", help="measure on the CUDA device")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="run each with so many seeds")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR", help="for experiments.json")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no CUDA device")
    chosen = ["outliers"] if options.quick else names()
    for name in chosen:
        experiment(name)  # imports are no part of the time
    device = "cuda" if options.gpu else "cpu"
    pictures = options.out / "experiments" if options.gpu else None
    file = options.out / "experiments.json"
    before = json.loads(file.read_text()) if file.exists() else {}

    def keep(found: dict[str, Any]) -> None:
        whole = report(found, device, before)
        write(file, whole)
        if not options.quick:
            write_between(HERE / "README.md", "experiments", tables(whole))

    suite(chosen, device, options.quick or not options.gpu, pictures, keep, options.seeds)


if __name__ == "__main__":
    main()
