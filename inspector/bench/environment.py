"""What a reader needs to judge a time: device, versions, revision."""

from __future__ import annotations

import datetime
import platform
import shutil
import subprocess
from typing import Any

import torch

from inspector.bench.records import Ceilings


def environment(ceilings: Ceilings) -> dict[str, str]:
    """Date, device, driver, versions, threads and the git revision of the working directory."""
    found = {
        "device": ceilings.device,
        "name": ceilings.name,
        "driver": ceilings.driver,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ceilings": ceilings.date,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "revision": _revision(),
    }
    if ceilings.device == "cuda":
        settings: Any = torch.backends  # whose parts the annotations do not know
        found |= {
            "cuda": str(torch.version.cuda),
            "cudnn": str(settings.cudnn.version()),
            "cudnn_benchmark": str(settings.cudnn.benchmark),
            "float32": f"products {settings.cuda.matmul.fp32_precision}, "
            f"convolutions {settings.cudnn.conv.fp32_precision}",
        }
    return found


def _revision() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    asked = [git, "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603  fixed arguments
    return done.stdout.strip() or "unknown"
