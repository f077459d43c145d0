"""``inspector.bench`` itself: do floors hold, is the timer right, what does timing layers cost.

``python -m benchmarks.bench [--quick] [--gpu] [--out DIR]`` writes ``bench.json`` into the folder, and without --quick
the table of benchmarks/README.md. The file is written after each part, so that an interrupted run keeps what it found.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.benchmark import Timer

from benchmarks.table import grid, write_between
from inspector import bench
from inspector.bench.ceilings import ceilings
from inspector.bench.clocks import clock_for
from inspector.bench.comparing import compare
from inspector.bench.environment import environment
from inspector.bench.measuring import time_calls
from inspector.bench.records import Ceilings
from models.lenet import LeNet5

HERE = Path(__file__).parent
#: Real models whose layers are held to their floors.
ZOO = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnet50"),
    *("resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "vgg11", "vit_b_32"),
)
#: Known costs in seconds, and the slowdown that is planted.
COSTS, PLANTED = (0.0005, 0.002, 0.01), 0.2


def subjects(quick: bool, device: str) -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
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


def spinning(seconds: float) -> Callable[[], object]:
    """A call that takes so long, by the processor's own clock."""

    def spin() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return spin


def timer_errors(quick: bool) -> dict[str, float]:
    """Relative error of the timer on calls of known cost."""
    costs = COSTS[:1] if quick else COSTS
    found = time_calls({str(cost): spinning(cost) for cost in costs}, samples=10, seconds=3)
    return {name: timing.p50 / float(name) - 1 for name, timing in found.items()}


def beside_torch(device: str, quick: bool) -> dict[str, float]:
    """The example model's time, by this timer and by ``torch.utils.benchmark``, turn by turn."""
    model, image = LeNet5().eval().to(device), torch.ones(8, 1, 32, 32, device=device)
    threads = torch.get_num_threads()
    timer = Timer("model(image)", globals={"model": model, "image": image}, num_threads=threads)
    ours, theirs = [], []
    with torch.no_grad():
        for _ in range(2 if quick else 7):
            call = {"forward": lambda: model(image)}
            ours.append(time_calls(call, clock_for(device), device=device, samples=10, seconds=1)["forward"].p50)
            theirs.append(timer.blocked_autorange(min_run_time=0.2).median)
    return {"ours": statistics.median(ours), "torch": statistics.median(theirs)}


def decisions(quick: bool) -> dict[str, float]:
    """Shares of runs in which a call is said to differ from itself, and in which a planted slowdown is found."""
    runs = 5 if quick else 40
    alarms = found = 0
    for seed in range(runs):
        calls = {"one": spinning(0.001), "same": spinning(0.001), "slow": spinning(0.001 * (1 + PLANTED))}
        timings = time_calls(calls, samples=20, seconds=2, seed=seed)
        alarms += compare(timings["one"], timings["same"], in_turn=True).decision in ("slower", "faster")
        found += compare(timings["one"], timings["slow"], in_turn=True).decision == "slower"
    return {"runs": runs, "false_alarms": alarms / runs, "found": found / runs}


def table(report: dict[str, Any]) -> str:
    """One line for each model, and what is known of the timer."""
    rows = [
        [
            name,
            f"{one['seconds'] * 1e3:.2f} ms",
            f"{one['floor'] * 1e3:.2f} ms",
            f"{one['floor'] / one['seconds']:.0%}",
            f"{one['fused'] * 1e3:.2f} ms",
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
        errors = ", ".join(f"{float(cost) * 1e3:g} ms {error:+.2%}" for cost, error in report["timer"].items())
        parts.append(f"Error of the timer on calls of known length: {errors}.")
    if "beside_torch" in report:
        both = report["beside_torch"]
        parts.append(f"Beside `torch.utils.benchmark` on LeNet-5: {both['ours'] / both['torch'] - 1:+.2%}.")
    if "decisions" in report:
        told = report["decisions"]
        parts.append(
            f"Of {told['runs']} runs, {told['false_alarms']:.0%} said that a call differs from itself, and "
            f"{told['found']:.0%} found a slowdown of {PLANTED:.0%}."
        )
    return "\n\n".join(parts)


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
    device = "cuda" if options.gpu else "cpu"
    limits = ceilings(device, fresh=not options.quick, quick=options.quick)
    report: dict[str, Any] = {"environment": environment(limits), "ceilings": limits.to_json()}
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / ("bench_gpu.json" if options.gpu else "bench.json")

    def keep(part: str, found: Any) -> None:
        report[part] = found
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        print(part, found if part != "floors" else f"{len(found)} models", flush=True)

    try:
        keep("timer", timer_errors(options.quick))
        keep("beside_torch", beside_torch(device, options.quick))
        keep("decisions", decisions(options.quick))
        done: dict[str, Any] = {}
        for name, one in floors(limits, options.quick):
            done[name] = one
            keep("floors", done)
    except KeyboardInterrupt:
        print("interrupted: what was found until now is kept", flush=True)
        return
    if not options.quick and not options.gpu:
        write_between(HERE / "README.md", "bench", table(report))


if __name__ == "__main__":
    main()
