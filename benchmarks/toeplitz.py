"""Building, holding and applying the matrix of a convolution beside the other ways to have it.

``python -m benchmarks.toeplitz [--quick] [--gpu] [--out DIR]`` writes ``toeplitz.json`` into the folder, and without
--quick the tables of benchmarks/README.md. ``--gpu`` measures what a CUDA device shows, into ``toeplitz_gpu.json``. The
file is written after each part, so that an interrupted run keeps what it found.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import machine, memory
from benchmarks.stopping import write
from benchmarks.table import grid, write_between
from benchmarks.timing import interleaved, spread
from inspector.references.running import full_precision
from inspector.toeplitz import ConvOperator, conv_operator

HERE = Path(__file__).parent
BATCH = 8
Calls = dict[str, Callable[[], object]]


def operator(channels: int, size: int, kernel: int = 3, device: str = "cpu") -> ConvOperator:
    """As many channels out as in, on a square, with the padding that keeps its size."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(channels, channels, kernel, kernel, generator=generator).to(device)
    return conv_operator(weight, (size, size), padding=kernel // 2)


def filling(matrix: Tensor) -> Callable[[], object]:
    """Fill as many bytes, of the same types, in memory as fresh."""
    parts = [part.new_empty(0).to("meta") for part in _parts(matrix)]
    sizes, device = [part.numel() for part in _parts(matrix)], matrix.device

    def fill() -> object:
        return [
            torch.empty(size, dtype=part.dtype, device=device).fill_(1) for size, part in zip(sizes, parts, strict=True)
        ]

    return fill


def _parts(matrix: Tensor) -> tuple[Tensor, ...]:
    return matrix.crow_indices(), matrix.col_indices(), matrix.values()


def building(A: ConvOperator) -> Calls:
    """CSR, the bytes alone, and the ways over coordinates: made, sorted and compressed; given; given and sorted."""
    coo = A.to_sparse("coo")
    indices, values = coordinates(coo)
    return {
        "fill": filling(A.to_sparse("csr")),
        "CSR": lambda: A.to_sparse("csr"),
        "COO → CSR": lambda: compressed(*coordinates(A.to_sparse("coo")), A.shape),
        "given COO → CSR": lambda: compressed(indices, values, A.shape),
        "given sorted COO → CSR": coo.to_sparse_csr,
    }


def coordinates(coo: Tensor) -> tuple[Tensor, Tensor]:
    """Indices and values of a coalesced matrix."""
    return coo.indices(), coo.values()


def compressed(indices: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Coordinates that PyTorch does not know to be sorted: it sorts them, then compresses."""
    return torch.sparse_coo_tensor(indices, values, shape, check_invariants=False).to_sparse_csr()


def materialising(A: ConvOperator) -> Calls:
    """The whole matrix from nothing but the convolution."""
    n = A.shape[1]

    def units() -> Tensor:
        return A(torch.eye(n, device=A.device).view(n, *A.columns.shape)).flatten(1).T

    def jacobian() -> Tensor:
        x = torch.zeros(A.columns.shape, device=A.device)
        return torch.func.jacrev(A, chunk_size=2048)(x)

    return {"CSR": lambda: A.to_sparse("csr"), "impulses": units, "jacrev": jacobian}


def applying(A: ConvOperator) -> Calls:
    """One batch through everything that computes the same."""
    images = torch.randn(BATCH, *A.columns.shape, device=A.device)
    vectors = A.columns.to_vectors(images).contiguous()
    csr, weight, padding = A.csr(), A.weight, A.axes[0].before
    flat = weight.flatten(1)
    calls: Calls = {
        "F.conv2d": lambda: F.conv2d(images, weight, padding=padding),
        "unfold": lambda: flat @ F.unfold(images, weight.shape[2:], padding=padding),
        "CSR": lambda: csr @ vectors,
    }
    if A.device.type == "cpu" and importlib.util.find_spec("scipy") is not None:
        scipy, array = A.to_scipy(), vectors.numpy()
        calls["SciPy"] = lambda: scipy @ array
    try:
        from einconv.expressions import convNd_forward
    except ImportError:
        return calls
    equation, operands, shape = convNd_forward.einsum_expression(images, weight, padding=padding)
    calls["einconv"] = lambda: torch.einsum(equation, *operands).reshape(shape)
    return calls


def norms(A: ConvOperator) -> Calls:
    """The largest singular value, certified, by LAPACK, and what `spectral_norm` takes for it."""
    weight = A.weight
    return {
        "bracket": lambda: A.operator_norm("bounds"),
        "dense SVD": lambda: torch.linalg.matrix_norm(A.to_dense(), 2),
        "spectral_norm": lambda: reshaped_norm(weight),
    }


def reshaped_norm(weight: Tensor) -> float:
    """What `torch.nn.utils.parametrizations.spectral_norm` divides by, converged: the norm of weight (C_out, rest)."""
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False)
    with torch.no_grad():
        convolution.weight.copy_(weight)
        nn.utils.parametrizations.spectral_norm(convolution, n_power_iterations=50)
        divided = convolution.weight
    return float((weight.norm() / divided.norm()).item())


def on_device(calls: Calls, device: str) -> Calls:
    """Calls that end when the device has ended."""
    if device == "cpu":
        return calls

    def waiting(call: Callable[[], object]) -> Callable[[], object]:
        def wait() -> object:
            found = call()
            torch.cuda.synchronize()
            return found

        return wait

    return {name: waiting(call) for name, call in calls.items()}


def timed(calls: Calls, rounds: int, device: str, base: str, warm_up: int = 1) -> dict[str, Any]:
    """Seconds, and how often the base would have been done meanwhile."""
    samples = interleaved(on_device(calls, device), rounds, warm_up)
    found = {}
    for name, values in samples.items():
        pairs = [value / one for value, one in zip(values, samples[base], strict=True)]
        found[name] = {"seconds": spread(values)._asdict(), "times": statistics.median(pairs)}
    return found


def peak(channels: int, size: int) -> dict[str, float] | None:
    """Rise of memory while CSR is built, in a process of its own, beside the bytes of the result."""
    if not memory.available():
        return None
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.toeplitz", "--peak", str(channels), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak(channels: int, size: int) -> None:
    operator(channels, 8).to_sparse("csr")  # what PyTorch itself loads once
    A = operator(channels, size)
    risen = memory.rise(lambda: A.to_sparse("csr"))
    bytes_of = A.nbytes("csr") / 2**20
    print(json.dumps(risen | {"result_mib": bytes_of, "times_result": risen["rise_mib"] / bytes_of}))


def suite(device: str, quick: bool) -> Iterator[dict[str, Any]]:
    """Everything on one device: what is known so far, after each part."""
    rounds = 2 if quick else 5
    # 3×3 with padding 1: (3·I − 2)² entries for each pair of channels.
    wide = 8 if quick else 64
    built = {
        "many channels": operator(wide, 28, device=device),
        "one channel": operator(1, isqrt(2_800_000), device=device),
    }
    if quick:
        built["one channel"] = operator(1, 200, device=device)
    small = operator(4 if quick else 16, 10 if quick else 30, device=device)
    applied = operator(wide, 28, device=device)
    report: dict[str, Any] = {"building": {}}
    for name, A in built.items():
        times = timed(building(A), rounds, device, base="CSR")
        of_filling = times["CSR"]["seconds"]["median"] / times["fill"]["seconds"]["median"]
        report["building"][name] = {"nnz": A.nnz, "times": times, "csr_times_fill": of_filling}
        print(device, name, A.nnz, {way: round(entry["times"], 2) for way, entry in times.items()}, flush=True)
        yield report
    times = timed(materialising(small), 2, device, base="CSR", warm_up=0)
    report["materialising"] = {"nnz": small.nnz, "times": times}
    print(device, "materialising", {way: round(entry["times"], 1) for way, entry in times.items()}, flush=True)
    yield report
    times = timed(applying(applied), rounds, device, base="F.conv2d")
    report["applying"] = {"nnz": applied.nnz, "batch": BATCH, "times": times}
    print(device, "applying", {way: round(entry["times"], 1) for way, entry in times.items()}, flush=True)
    yield report


def norm_report(quick: bool) -> dict[str, Any]:
    """Values beside times; on the CPU, where LAPACK is."""
    A = operator(4 if quick else 8, 12 if quick else 20)
    A = A.with_weight(A.weight.double())
    bracket = A.operator_norm("bounds")
    return {
        "shape": list(A.shape),
        "lower": bracket.lower,
        "upper": bracket.upper,
        "certified": bracket.certified,
        "dense": float(torch.linalg.matrix_norm(A.to_dense(), 2)),
        "spectral_norm": reshaped_norm(A.weight.float()),
        "times": timed(norms(A.with_weight(A.weight)), 2, "cpu", base="bracket"),
    }


def tables(report: dict[str, Any]) -> str:
    """Building, materialising, applying, norms; a column for each device."""
    ran = report["machine"]
    parts = [
        f"{ran['processor']}, {ran['cores']} cores; {', '.join(f'{k} {v}' for k, v in report['versions'].items())}."
    ]
    devices: dict[str, Any] = report["devices"]
    for subject in next(iter(devices.values()))["building"]:
        entries = {device: found["building"][subject] for device, found in devices.items()}
        parts.append(_times(f"### Building, {subject}: {_count(entries)} non-zeros, times beside CSR", entries))
        beside = ", ".join(f"{entry['csr_times_fill']:.2f} × filling ({device})" for device, entry in entries.items())
        parts.append(f"Building CSR takes {beside}.")
    for title, key in (
        ("The whole matrix, times beside CSR", "materialising"),
        (f"Applying to {BATCH} columns, times beside F.conv2d", "applying"),
    ):
        entries = {device: found[key] for device, found in devices.items()}
        parts.append(_times(f"### {title}: {_count(entries)} non-zeros", entries))
    for name, found in report.get("memory", {}).items():
        if found is not None:
            parts.append(f"Peak of memory while building, {name}: {found['times_result']:.2f} × the result's bytes.")
    if "norm" in report:
        parts.append(_norms(report["norm"]))
    return "\n\n".join(parts)


def _norms(norm: dict[str, Any]) -> str:
    head = ["", "value", "seconds"]
    values = {
        "bracket": f"{norm['lower']:.6f} … {norm['upper']:.6f}",
        "dense SVD": f"{norm['dense']:.6f}",
        "spectral_norm": f"{norm['spectral_norm']:.6f}",
    }
    rows = [[name, values[name], f"{entry['seconds']['median']:.4f}"] for name, entry in norm["times"].items()]
    return f"### Largest singular value of a {norm['shape'][0]} × {norm['shape'][1]} matrix\n\n{grid(head, rows)}"


def _count(entries: Mapping[str, Any]) -> str:
    return f"{next(iter(entries.values()))['nnz']:,}".replace(",", " ")


def _times(title: str, entries: Mapping[str, Any]) -> str:
    ways = list(dict.fromkeys(way for entry in entries.values() for way in entry["times"]))
    rows = []
    for way in ways:
        cells = [entry["times"].get(way) for entry in entries.values()]
        rows.append(
            [
                way,
                *(
                    "—" if cell is None else f"{cell['seconds']['median'] * 1e3:.2f} ms, {cell['times']:.2f}×"
                    for cell in cells
                ),
            ]
        )
    return f"{title}\n\n{grid(['', *entries], rows)}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toeplitz", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small matrices and few rounds, to see that all of it works"
    )
    parser.add_argument("--gpu", action="store_true", help="measure on the CUDA device")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR", help="for toeplitz.json")
    parser.add_argument("--peak", type=int, nargs=2, metavar=("C", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that sparse layouts are in beta
    if options.peak:
        _peak(*options.peak)
        return
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no CUDA device")
    device = "cuda" if options.gpu else "cpu"
    file = options.out / ("toeplitz_gpu.json" if options.gpu else "toeplitz.json")
    report: dict[str, Any] = {
        "schema_version": 1,
        "machine": machine.machine(),
        "versions": {"torch": torch.__version__},
        "devices": {},
    }
    if options.gpu:
        report["machine"]["processor"] = f"{torch.cuda.get_device_name()}, {report['machine']['processor']}"
    try:
        with full_precision():
            for found in suite(device, options.quick):
                report["devices"][device] = found
                write(file, report)
            if not options.gpu:
                report["memory"] = {
                    "many channels": peak(8 if options.quick else 64, 28),
                    "one channel": peak(1, 300 if options.quick else 1600),
                }
                report["norm"] = norm_report(options.quick)
                write(file, report)
    except KeyboardInterrupt:
        print("interrupted: what was found until now is kept", flush=True)
        return
    if not options.quick:
        write_between(HERE / "README.md", "toeplitz --gpu" if options.gpu else "toeplitz", tables(report))


if __name__ == "__main__":
    main()
