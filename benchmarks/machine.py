"""What a reader needs to judge a time: the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import torch

from benchmarks.peers import Peer


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def machine() -> dict[str, object]:
    """Processor, cores that this process may use, system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    processor = _processor() if Path("/proc/cpuinfo").exists() else platform.processor()
    return {"processor": processor, "cores": cores, "system": f"{platform.system()} {platform.machine()}"}


def versions(peers: list[Peer]) -> dict[str, str]:
    """Python, PyTorch, the zoos and every peer."""
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for name in ("torchvision", "transformers", *(peer.distribution for peer in peers)):
        if name != "torch":
            found[name] = importlib.metadata.version(name)
    return found
