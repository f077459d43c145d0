"""``inspector.bench`` itself: do floors hold, is the timer right, what does timing layers cost.

``python -m benchmarks.bench [--quick] [--gpu] [--out DIR]`` writes ``bench.json`` into the folder, and without --quick
the table of benchmarks/README.md. The file is written after each part, so that an interrupted run keeps what it found.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from benchmarks import timer
from benchmarks.stopping import interrupts, write
from benchmarks.table import grid, write_between
from inspector import bench
from inspector.bench.batches import sweep_batches
from inspector.bench.ceilings import ceilings
from inspector.bench.environment import environment
from inspector.bench.knee import knee_of
from inspector.bench.modes import MODES
from inspector.bench.records import Ceilings
from inspector.errors import InspectionError
from inspector.report.benchmark import duration
from inspector.report.text import figure
from models.lenet import LeNet5

HERE = Path(__file__).parent
#: Real models whose layers are held to their floors.
ZOO = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnet50"),
    *("resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "vgg11", "vit_b_32"),
)


def subjects(quick: bool, device: str) -> Iterator[timer.Subject]:
    """Name, model and input: torchvision's where it is here, else the example model."""
    batch = 1 if device == "cpu" else 32
    yield "LeNet-5", LeNet5(), (batch, 1, 32, 32)
    if importlib.util.find_spec("torchvision") is None:
        return
    from torchvision import models

    for name in ("squeezenet1_1",) if quick else ZOO:
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        size = 299 if name == "inception_v3" else 224
        yield name, models.get_model(name, **options), (batch, 3, size, size)


def floors(limits: Ceilings, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each model: its time, its floor, and how many of its layers are quicker than theirs."""
    for name, model, size in subjects(quick, limits.device):
        found = bench(model, size, device=limits.device, samples=6, seconds=0.5, ceilings=limits)
        passed = [row.path for row in found.rows if row.lost < 0]
        yield (
            name,
            {
                "seconds": found.p50,
                "floor": found.floor,
                "fused": found.record.fused,
                "layers": len(found.rows),
                "passed": passed,
                "hooked": found.record.hooked,
                "bound": max(
                    ("memory", "compute", "launch"), key=lambda kind: sum(r.bound == kind for r in found.rows)
                ),
            },
        )


def modes(device: str, limits: Ceilings, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """One model in every mode, forward and training step; what a device does not have says why."""
    name, model, size = next(subjects(True, device))
    if not quick and device == "cuda":
        name, model, size = next(
            subject for subject in subjects(False, device) if subject[0] in ("resnet50", "LeNet-5")
        )
    asked = [(mode, None, backward) for backward in (False, True) for mode in MODES]
    for mode, dtype, backward in [*asked, ("eager", "bfloat16", False), ("graph", "bfloat16", False)]:
        words = f"{name}, {mode}, {dtype or 'float32'}{', training step' if backward else ''}"
        try:
            one = bench(
                model,
                size,
                device=device,
                mode=mode,
                dtype=dtype,
                backward=backward,
                layers=False,
                samples=6 if quick else 20,
                seconds=0.2 if quick else 2,
                ceilings=limits,
            )
        except InspectionError as error:
            yield words, {"reason": str(error).partition("\n")[0]}
        else:
            yield words, {"seconds": one.p50, "floor": one.floor, "memory": one.record.memory}


def swept(device: str, quick: bool) -> dict[str, Any]:
    """The example model over batch sizes: its law and knee; on a machine too busy for two sizes, what stopped it."""
    found = sweep_batches(LeNet5(), (1, 1, 32, 32), device=device, samples=6, seconds=1 if quick else 20)
    if len(found.timings) < 2:
        return {"reason": found.limit}
    law, knee = knee_of(found.timings)
    return {
        "seconds": {size: timing.p50 for size, timing in found.timings.items()},
        "knee": law.knee,
        "interval": knee,
        "flat": found.flat()[0],
        "limit": found.limit,
    }


def parts(limits: Ceilings, quick: bool) -> Iterator[tuple[str, str, Any]]:
    """(part, name within it or nothing, what was found) of all that the report holds."""
    device = limits.device
    for name, one in floors(limits, quick):
        yield "floors", name, one
    for name, one in modes(device, limits, quick):
        yield "modes", name, one
    yield "sweep", "", swept(device, quick)
    yield "timer", "", timer.errors(device, quick)
    for name, one in timer.beside(islice(subjects(False, device), 2 if quick else 5), device, quick):
        yield "beside", name, one
    yield "decisions", "", timer.decisions(device, quick)


def table(report: dict[str, Any]) -> str:
    """One line for each model, and what is known of the timer."""
    rows = [
        [
            name,
            duration(one["seconds"]),
            duration(one["floor"]),
            f"{one['floor'] / one['seconds']:.0%}",
            duration(one["fused"]),
            str(one["layers"]),
            str(len(one["passed"])),
            one["bound"],
            f"{one['hooked'] / one['seconds'] - 1:+.1%}" if one["hooked"] else "—",
        ]
        for name, one in report.get("floors", {}).items()
    ]
    head = [
        "model",
        "median",
        "floor",
        "efficiency",
        "fused",
        "layers",
        "quicker than their floor",
        "most bound by",
        "hooks",
    ]
    parts = [f"{report['environment']['name']}; torch {report['environment']['torch']}.", grid(head, rows)]
    if "timer" in report:
        errors = ", ".join(f"{name} {error:+.2%}" for name, error in report["timer"].items())
        parts.append(f"Error of the timer on calls of known length: {errors}.")
    if "beside" in report:
        rows = [
            [
                name,
                duration(one["theirs"]),
                f"{one['ratio'] - 1:+.2%}",
                _ends(one["interval"]),
                _ends(one["itself"]),
            ]
            for name, one in report["beside"].items()
        ]
        parts.append(
            grid(["model, other timer", "its time", "this timer", "interval at 95 %", "this timer, to itself"], rows)
        )
    if "decisions" in report:
        told = report["decisions"]
        parts.append(
            f"Of {told['runs']} runs beside a busy process, {told['false_alarms']:.1%} said that a call differs from "
            f"itself, and {told['found']:.1%} found a slowdown of {timer.PLANTED:.0%}. The smallest slowdown found "
            f"in 95 % of them is {told['smallest']:.1%}."
        )
    if "modes" in report:
        rows = [
            [name, one["reason"], "", ""]
            if "reason" in one
            else [
                name,
                duration(one["seconds"]),
                duration(one["floor"]),
                f"{one['floor'] / one['seconds']:.0%}",
            ]
            for name, one in report["modes"].items()
        ]
        parts.append(grid(["model, mode", "median", "floor", "efficiency"], rows))
    if "sweep" in report:
        parts.append(f"LeNet-5 over batch sizes: {_sweep_words(report['sweep'])}.")
    return "\n\n".join(parts)


def _sweep_words(told: dict[str, Any]) -> str:
    if "reason" in told:
        return f"no knee, for {told['reason']}"
    ends = " to ".join(map(figure, told["interval"]))
    return f"knee B* = {figure(told['knee'])} ({ends}); {told['limit']}"


def _ends(interval: tuple[float, float]) -> str:
    return " to ".join(f"{end - 1:+.2%}" for end in interval)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few models and runs, to see that all of it works")
    parser.add_argument("--gpu", action="store_true", help="on the CUDA device")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR", help="for bench.json")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no CUDA device")
    warnings.simplefilter("ignore")  # what models warn of
    gc.collect()
    gc.freeze()  # what is imported by now is no garbage to look through before every timing
    device = "cuda" if options.gpu else "cpu"
    file = options.out / ("bench_gpu.json" if options.gpu else "bench.json")
    report: dict[str, Any] = {}
    with interrupts() as check:
        try:
            limits = ceilings(device, fresh=not options.quick, quick=options.quick)
            report |= {"environment": environment(limits), "ceilings": limits.to_json()}
            for part, name, found in parts(limits, options.quick):
                if name:
                    report.setdefault(part, {})[name] = found
                else:
                    report[part] = found
                write(file, report)
                print(part, name, found, flush=True)
                check()
        except KeyboardInterrupt:
            print("interrupted: what was found until now is kept", flush=True)
            return
    if not options.quick:
        write_between(HERE / "README.md", "bench --gpu" if options.gpu else "bench", table(report))


if __name__ == "__main__":
    main()
