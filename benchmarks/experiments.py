"""Time and verdict of every experiment: ``python -m benchmarks.experiments [--quick] [--gpu] [--out DIR]``.

Without ``--gpu`` each runs on the CPU in its quick form, as ``inspector experiment all --quick`` does; with it, on the
CUDA device too, in its full form. Figures of the runs there lie beside the JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.table import grid, write_between
from inspector.errors import InspectionError
from inspector.experiments import Config, names, run
from inspector.experiments.registry import experiment
from inspector.experiments.running import folder

HERE = Path(__file__).parent
_DEVICES = {"cpu": "CPU, quick", "cuda": "GPU, full"}


def measured(name: str, device: str, quick: bool, pictures: Path | None) -> dict[str, Any]:
    """One experiment: seconds, verdict and claims; its figure is copied to ``pictures``."""
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
    return {
        "seconds": seconds,
        "verdict": result.verdict,
        "claims": {verdict: verdicts.count(verdict) for verdict in ("pass", "fail", "inconclusive")},
        "open": {judged.claim.name: judged.reason for judged in result.claims if judged.verdict != "pass"},
        "environment": dict(result.environment),
    }


def tables(report: dict[str, Any]) -> str:
    """A row for each experiment, a column for each device."""
    ran, devices = report["machine"], report["devices"]
    words = [f"{ran['processor']}, {ran['cores']} cores", f"torch {report['versions']['torch']}"]
    if "cuda" in report["versions"]:
        words.append(report["versions"]["cuda"])
    chosen = list(dict.fromkeys(name for found in devices.values() for name in found))
    rows = [[name, *(_cell(found.get(name)) for found in devices.values())] for name in chosen]
    total = [f"{sum(entry['seconds'] for entry in found.values()):.0f} s" for found in devices.values()]
    return f"{', '.join(words)}.\n\n{grid(['', *(_DEVICES[device] for device in devices)], [*rows, ['all', *total]])}"


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "—"
    if "claims" not in entry:
        return entry["verdict"]
    claims = entry["claims"]
    return f"{entry['verdict']}, {claims['pass']} of {sum(claims.values())} claims, {entry['seconds']:.1f} s"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="the quickest experiment alone, to see that all of it works"
    )
    parser.add_argument("--gpu", action="store_true", help="measure on the CUDA device too")
    parser.add_argument("--only", nargs="+", choices=names(), metavar="NAME", help="these experiments")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR", help="for experiments.json")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no CUDA device")
    chosen = options.only or (["outliers"] if options.quick else names())
    for name in chosen:
        experiment(name)  # imports are no part of the time
    versions = {"torch": torch.__version__}
    if options.gpu:
        versions["cuda"] = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    devices = {"cpu": {name: measured(name, "cpu", True, None) for name in chosen}}
    if options.gpu:
        pictures = options.out / "experiments"
        devices["cuda"] = {name: measured(name, "cuda", options.quick, pictures) for name in chosen}
    report: dict[str, Any] = {
        "schema_version": 1,
        "machine": machine.machine(),
        "versions": versions,
        "devices": devices,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "experiments.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if not options.quick and not options.only:
        write_between(HERE / "README.md", "experiments", tables(report))


if __name__ == "__main__":
    main()
