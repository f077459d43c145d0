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

from inspector.bench.clocks import clock_for
from inspector.bench.exhaustion import out_of_memory
from inspector.bench.float8 import float8_product
from inspector.bench.guard import current
from inspector.bench.records import Ceilings
from inspector.bench.watching import watching
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inspector.bench.clocks import Clock

_AMPERE = {"float64": 19.5e12, "float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12, "float16": 312e12}
_HOPPER = {"float64": 67e12, "float32": 67e12, "tf32": 495e12, "bfloat16": 989e12, "float16": 989e12}
_HOPPER |= {"float8_e4m3fn": 1979e12}
#: Vendors' figures for dense products, without sparsity. Sources: NVIDIA's data sheets of A100, H100 and H200.
_NOMINAL: dict[str, dict[str, float]] = {
    "A100-SXM4-40GB": {"bandwidth": 1.555e12, **_AMPERE},
    "A100-SXM4-80GB": {"bandwidth": 2.039e12, **_AMPERE},
    "H100 80GB HBM3": {"bandwidth": 3.35e12, **_HOPPER},
    "H200": {"bandwidth": 4.8e12, **_HOPPER},
}
_SIZES: tuple[int, ...] = tuple(2**power for power in range(14, 29, 2))  # bytes of a working set
_GPU_SIZES: tuple[int, ...] = tuple(2**power for power in range(20, 33, 2))
_EDGES: tuple[int, ...] = (256, 512, 1024)
_GPU_EDGES: tuple[int, ...] = (2048, 4096, 8192)
#: Height and width of a convolution's output: the wider one is a few per cent quicker where it fits into the cache.
_PLACES: tuple[int, ...] = (28, 56)
#: Along each axis of its kernel; without padding, so that no tap falls on it.
_TAPS = 3


def ceilings(device: str = "cpu", *, fresh: bool = False, quick: bool = False) -> Ceilings:
    """The device's ceilings: those in the user's cache, or measured now and kept there.

    Args:
        device: ``cpu`` or ``cuda``; ``cuda:1`` is the second GPU.
        fresh: measure, whatever is kept.
        quick: few sizes and little time; nothing is kept.

    Raises:
        InspectionError: there is no such device here.
    """
    home = usable(device)
    with current(home):
        if quick:
            return measure(home.type, quick=True)
        file = _file(home.type)
        if not fresh and file.is_file():
            try:
                return Ceilings.from_json(json.loads(file.read_text()))
            except (InspectionError, ValueError, KeyError, TypeError):  # of another version, or cut off
                file.unlink(missing_ok=True)
        found = measure(home.type)
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
    clock = clock or clock_for(kind)
    seconds = 0.005 if quick else 0.1
    cuda = kind == "cuda"
    sizes, edges = (_GPU_SIZES, _GPU_EDGES) if cuda else (_SIZES, _EDGES)
    if quick:
        sizes, edges = sizes[:3], tuple(edge // 8 for edge in edges[:1])
    name = torch.cuda.get_device_name() if cuda else _processor()
    with watching(kind) as seen:
        products = _products(kind, edges, clock, seconds)  # first: an idle GPU wakes up over it
        streams = _streams(kind, sizes, clock, seconds)
        launch = _launch(kind, clock)
        transfer = _transfers(clock, seconds) if cuda else {}
    return Ceilings(
        device=kind,
        name=name,
        driver=_driver() if cuda else platform.release(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        streams=streams,
        peaks={dtype: max(speed for other, _, speed in products if other == dtype) for dtype, _, _ in products},
        launch=launch,
        transfer=transfer,
        cache=torch.cuda.get_device_properties().L2_cache_size if cuda else None,
        nominal=next((figures for part, figures in _NOMINAL.items() if part in name), {}),
        products=products,
        remarks=tuple(seen.remarks),
    )


def _best(call: Callable[[], object], clock: Clock, seconds: float) -> float:
    """Least seconds of one call, over as many samples as fit in the time, 3 at least."""
    call()
    once = max(clock.seconds(call, 1), 1e-7)
    steps = max(1, int(0.001 / once))
    rounds = min(200, max(3, int(seconds / (once * steps))))
    return min(clock.seconds(call, steps) / steps for _ in range(rounds))


def _streams(kind: str, sizes: Iterable[int], clock: Clock, seconds: float) -> tuple[tuple[int, float], ...]:
    """The best speed within each working set, as far as memory allows."""
    found: list[tuple[int, float]] = []
    for size in sizes:
        try:
            found.append((size, _stream(kind, size, clock, seconds)))
        except (RuntimeError, MemoryError) as error:
            if not (found and out_of_memory(error)):
                raise
            break
    return tuple(found)


def _stream(kind: str, size: int, clock: Clock, seconds: float) -> float:
    """Bytes per second of copying, adding, reading alone or changing in place: whichever moves most."""
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
    return max(moved / _best(call, clock, seconds) for call, moved in ways.items())


def _products(kind: str, edges: tuple[int, ...], clock: Clock, seconds: float) -> tuple[tuple[str, str, float], ...]:
    """(dtype, shape, operations per second); on CUDA float32 without and with TF32, which stands apart."""
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
    found: list[tuple[str, str, float]] = []
    precision: Any = torch.backends.cuda.matmul
    before = precision.fp32_precision
    try:
        for name, dtype in dtypes.items():
            precision.fp32_precision = "ieee"
            found += [(name, *each) for each in _speeds(_works(kind, dtype, edges), clock, seconds)]
        if kind == "cuda":
            precision.fp32_precision = "tf32"
            found += [("tf32", *each) for each in _speeds(_works(kind, torch.float32, edges), clock, seconds)]
            found += [("float8_e4m3fn", *each) for each in _speeds(_eighths(kind, edges), clock, seconds)]
    finally:
        precision.fp32_precision = before
    return tuple(found)


def _speeds(
    works: Iterable[tuple[str, int, Callable[[], Callable[[], object] | None]]], clock: Clock, seconds: float
) -> Iterator[tuple[str, float]]:
    """(shape, operations per second) of each work; one that is likely to take a second for a call is left out."""
    best = 0.0
    for shape, work, make in works:
        call = make() if not best or work / best < 1.0 else None
        if call is not None:
            speed = work / _best(call, clock, seconds)
            best = max(best, speed)
            yield shape, speed


def _works(
    kind: str, dtype: torch.dtype, edges: tuple[int, ...]
) -> Iterator[tuple[str, int, Callable[[], Callable[[], object]]]]:
    """(shape, operations, what makes the call).

    On the CPU convolutions are asked too: they come from another library than products, and may be quicker. A GPU's may
    multiply less than they count (Winograd's), and say nothing of its peak.
    """

    def product(edge: int) -> Callable[[], object]:
        return partial(torch.mm, *(torch.randn(edge, edge, device=kind).to(dtype) for _ in range(2)))

    def convolution(channels: int, places: int) -> Callable[[], object]:
        image = torch.randn(1, channels, places + _TAPS - 1, places + _TAPS - 1).to(dtype)
        return partial(F.conv2d, image, torch.randn(channels, channels, _TAPS, _TAPS).to(dtype))

    for edge in edges:
        yield _square(edge), 2 * edge**3, partial(product, edge)
        for places in _PLACES if kind == "cpu" else ():
            channels = edge // 4
            shape = f"{channels}→{channels} {_TAPS}×{_TAPS} on {places}×{places}"
            yield shape, 2 * (channels * _TAPS * places) ** 2, partial(convolution, channels, places)


def _eighths(kind: str, edges: tuple[int, ...]) -> Iterator[tuple[str, int, Callable[[], Callable[[], object] | None]]]:
    for edge in edges:
        yield _square(edge), 2 * edge**3, partial(float8_product, edge, kind)


def _square(edge: int) -> str:
    return f"{edge}×{edge}×{edge}"


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
