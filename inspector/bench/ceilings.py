"""What a device can do at most: measured, cached, and beside the vendor's figure where it is known."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.bench.clocks import EventClock, WallClock
from inspector.bench.float8 import float8_product
from inspector.bench.records import Ceilings
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspector.bench.clocks import Clock

#: Vendors' figures for dense products, without sparsity. Sources: NVIDIA's data sheets of A100, H100 and H200.
_NOMINAL: dict[str, dict[str, float]] = {
    "A100-SXM": {"bandwidth": 2.039e12, "float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12, "float16": 312e12},
    "H100 80GB HBM3": {
        "bandwidth": 3.35e12,
        "float32": 67e12,
        "tf32": 495e12,
        "bfloat16": 989e12,
        "float16": 989e12,
        "float8_e4m3fn": 1979e12,
    },
    "H200": {
        "bandwidth": 4.8e12,
        "float32": 67e12,
        "tf32": 495e12,
        "bfloat16": 989e12,
        "float16": 989e12,
        "float8_e4m3fn": 1979e12,
    },
}
_SIZES: tuple[int, ...] = tuple(2**power for power in range(14, 29, 2))  # bytes of a working set
_GPU_SIZES: tuple[int, ...] = tuple(2**power for power in range(20, 33, 2))
_EDGES: tuple[int, ...] = (256, 512, 1024)
_GPU_EDGES: tuple[int, ...] = (2048, 4096, 8192)
#: Height and width of a convolution's output: the wider one is a few per cent quicker where it fits into the cache.
_PLACES: tuple[int, ...] = (28, 56)


def ceilings(device: str = "cpu", *, fresh: bool = False, quick: bool = False) -> Ceilings:
    """The device's ceilings: those in the user's cache, or measured now and kept there.

    Args:
        device: ``cpu`` or ``cuda``.
        fresh: measure, whatever is kept.
        quick: few sizes and little time; nothing is kept.

    Raises:
        InspectionError: there is no such device here.
    """
    kind = usable(device).type
    if quick:
        return measure(kind, quick=True)
    file = _file(kind)
    if not fresh and file.is_file():
        try:
            return Ceilings.from_json(json.loads(file.read_text()))
        except (InspectionError, ValueError, KeyError, TypeError):  # of another version, or cut off
            file.unlink(missing_ok=True)
    found = measure(kind)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found.to_json(), indent=1))
    except OSError:  # a folder that cannot be written keeps nothing
        return found
    return found


def usable(device: str) -> torch.device:
    """The device, after a tensor was made there.

    Raises:
        InspectionError: there is no such device here, or it is none whose time can be taken.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # as each kind of device says it
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise InspectionError(f"--device {device} cannot be used here: {said}") from None
    if found.type not in ("cpu", "cuda"):
        raise InspectionError(f"--device {device}: times are taken on cpu and cuda")
    return found


def measure(kind: str, quick: bool = False, clock: Clock | None = None) -> Ceilings:
    """Measure now. A ceiling is the best that was seen, not the median: a floor made of less could be passed."""
    clock = clock or (EventClock() if kind == "cuda" else WallClock())
    seconds = 0.005 if quick else 0.1
    sizes, edges = (_GPU_SIZES, _GPU_EDGES) if kind == "cuda" else (_SIZES, _EDGES)
    if quick:
        sizes, edges = sizes[:3], tuple(edge // 8 for edge in edges[:1])
    transfer = _transfers(clock, seconds) if kind == "cuda" else {}
    cuda = kind == "cuda"
    name = torch.cuda.get_device_name() if cuda else _processor()
    return Ceilings(
        device=kind,
        name=name,
        driver=_driver() if cuda else platform.release(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        streams=tuple(sorted(pair for size in sizes for pair in _streams(kind, size, clock, seconds))),
        peaks=_peaks(kind, edges, clock, seconds),
        launch=_launch(kind, clock),
        transfer=transfer,
        cache=int(torch.cuda.get_device_properties(0).L2_cache_size) if cuda else None,
        nominal=next((figures for part, figures in _NOMINAL.items() if part in name), {}),
    )


def _best(call: Callable[[], object], clock: Clock, seconds: float) -> float:
    """Least seconds of one call, over as many samples as fit in the time, 3 at least."""
    call()
    once = max(clock.seconds(call, 1), 1e-7)
    steps = max(1, int(0.001 / once))
    rounds = min(200, max(3, int(seconds / (once * steps))))
    return min(clock.seconds(call, steps) / steps for _ in range(rounds))


def _streams(kind: str, size: int, clock: Clock, seconds: float) -> list[tuple[int, float]]:
    """Copying, adding, reading alone and changing in place: whichever moves most, for each working set."""
    numbers = max(1, size // 4)
    half, third = numbers // 2, numbers // 3
    all_of_it = torch.ones(numbers, device=kind)
    one, other, last = (torch.ones(third, device=kind) for _ in range(3))
    source, target = torch.ones(half, device=kind), torch.ones(half, device=kind)
    ways: dict[Callable[[], object], int] = {
        lambda: target.copy_(source): 8 * half,
        lambda: torch.add(one, other, out=last): 12 * third,
        lambda: all_of_it.relu_(): 8 * numbers,
        lambda: all_of_it.sum(): 4 * numbers,
    }
    return [(size, max(moved / _best(call, clock, seconds) for call, moved in ways.items()))]


def _peaks(kind: str, edges: tuple[int, ...], clock: Clock, seconds: float) -> dict[str, float]:
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
    found: dict[str, float] = {}
    precision: Any = torch.backends.cuda.matmul
    before = precision.fp32_precision
    try:
        for name, dtype in dtypes.items():
            precision.fp32_precision = "ieee"
            found[name] = _products(kind, dtype, edges, clock, seconds)
        if kind == "cuda":
            precision.fp32_precision = "tf32"
            found["tf32"] = _products(kind, torch.float32, edges, clock, seconds)
            eighths = [(2 * edge**3, float8_product(edge, kind)) for edge in edges]
            speeds = [work / _best(call, clock, seconds) for work, call in eighths if call is not None]
            found |= {"float8_e4m3fn": max(speeds)} if speeds else {}
    finally:
        precision.fp32_precision = before
    return found


def _products(kind: str, dtype: torch.dtype, edges: tuple[int, ...], clock: Clock, seconds: float) -> float:
    """Operations per second of the quickest product; a dtype so slow that the next would take a second stops there.

    On the CPU convolutions are asked too: they come from another library than products, and may be quicker. A GPU's may
    multiply less than they count (Winograd's), and say nothing of its peak.
    """
    best = 0.0
    for edge in edges:
        if best and 2 * edge**3 / best > 1.0:
            break
        one, other = (torch.randn(edge, edge, device=kind).to(dtype) for _ in range(2))
        call = partial(torch.mm, one, other)
        best = max(best, 2 * edge**3 / _best(call, clock, seconds))
        for places in _PLACES if kind == "cpu" else ():
            channels, taps = edge // 4, 3  # no padding, so that no tap falls on it
            image = torch.randn(1, channels, places + taps - 1, places + taps - 1).to(dtype)
            kernel = torch.randn(channels, channels, taps, taps).to(dtype)
            work = 2 * (channels * taps * places) ** 2
            if not best or work / best < 1.0:
                best = max(best, work / _best(partial(F.conv2d, image, kernel), clock, seconds))
    return best


def _launch(kind: str, clock: Clock) -> float:
    one = torch.zeros(1, device=kind)
    return min(_best(call, clock, 0.05) for call in (one.zero_, one.relu_))


def _transfers(clock: Clock, seconds: float) -> dict[str, float]:
    size = 2**26
    device = torch.empty(size, dtype=torch.uint8, device="cuda")
    found = {}
    for name in ("pageable", "pinned"):
        host = torch.empty(size, dtype=torch.uint8, pin_memory=name == "pinned")
        found[f"{name} to device"] = size / _best(partial(device.copy_, host), clock, seconds)
        found[f"device to {name}"] = size / _best(partial(host.copy_, device), clock, seconds)
    return found


def _driver() -> str:
    version = Path("/sys/module/nvidia/version")
    return version.read_text().strip() if version.is_file() else "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _file(kind: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name, driver = (torch.cuda.get_device_name(), _driver()) if kind == "cuda" else (_processor(), platform.release())
    words = f"{kind}-{name}-{driver}-torch{torch.__version__}-threads{torch.get_num_threads()}"
    return root / "inspector" / f"ceilings-{re.sub('[^A-Za-z0-9.+-]+', '_', words)}.json"
