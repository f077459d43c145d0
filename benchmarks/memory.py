"""Peak memory of one tool on one model, in a process of its own: ``python -m benchmarks.memory SUBJECT TOOL``."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import PEERS
from benchmarks.subjects import SUBJECTS, vision

_STATUS = Path("/proc/self/status")


def _kibibytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1])


def available() -> bool:
    """The kernel tells a process its own peak and lets it start anew."""
    return _STATUS.exists() and Path("/proc/self/clear_refs").exists()


def peak(subject: str, tool: str, timeout: float) -> dict[str, float] | None:
    """MiB before the call and at its peak; None where the tool fails."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", subject, tool]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rise(call: Callable[[], object]) -> dict[str, float]:
    """MiB held before a call, and how much more this process holds at the call's peak."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    before = _kibibytes("VmRSS")
    kept = call()
    found = {"before_mib": before / 1024, "rise_mib": (_kibibytes("VmHWM") - before) / 1024}
    del kept
    return found


def _main(subject_name: str, tool: str) -> None:
    subject = next(subject for subject in SUBJECTS if subject.name == subject_name)
    peer = next(peer for peer in PEERS if peer.name == tool)
    peer.figures(*vision("alexnet").on("meta"))  # what the tool itself imports and builds once is not the model's
    model, x = subject.on("meta")
    print(json.dumps(rise(lambda: peer.figures(model, x))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
