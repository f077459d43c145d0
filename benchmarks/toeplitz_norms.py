"""The bracket of a convolution's norm beside what people use for it.

``python -m benchmarks.toeplitz_norms [--quick] [--out DIR]`` writes ``toeplitz_norms.json`` into the folder and,
unless quick, its table into benchmarks/README.md. For each convolution: the certified bracket, its width and time; the
dense decomposition where the matrix is small enough; and what `torch.nn.utils.parametrizations.spectral_norm` would
divide by, the norm of the reshaped weight, which is not the operator's. One process, the tools in turn; times are
medians.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import machine
from benchmarks.table import grid, write_between
from benchmarks.timing import Spread, interleaved, spread
from inspector.toeplitz import ConvOperator, operator_norm

#: (C_in, C_out, kernel, size, stride, padding mode)
CASES = {
    "1→1, 3×3, 32², zeros": (1, 1, 3, 32, 1, "zeros"),
    "3→8, 3×3, 16², zeros": (3, 8, 3, 16, 1, "zeros"),
    "3→8, 3×3, 16², circular": (3, 8, 3, 16, 1, "circular"),
    "3→8, 3×3, 16², reflect": (3, 8, 3, 16, 1, "reflect"),
    "16→32, 3×3, 28², stride 2": (16, 32, 3, 28, 2, "zeros"),
    "64→64, 3×3, 56², zeros": (64, 64, 3, 56, 1, "zeros"),
    "3→64, 7×7, 112², stride 2": (3, 64, 7, 112, 2, "zeros"),
}
QUICK = 4
#: Entries of a dense matrix that is still decomposed, for comparison.
DENSE = 4_000_000


def measure(case: tuple[int, int, int, int, int, str], rounds: int) -> dict[str, Any]:
    """Norms and times of one convolution with PyTorch's initial weights."""
    c_in, c_out, kernel, size, stride, mode = case
    torch.manual_seed(0)
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, padding_mode=mode, bias=False)
    A = ConvOperator.from_module(conv, (size, size))
    bracket = operator_norm(A, "bounds")
    found: dict[str, Any] = {
        "shape": list(A.shape),
        "nnz": A.nnz,
        "lower": bracket.lower,
        "upper": bracket.upper,
        "gap": bracket.gap,
        "certified": bracket.certified,
        "method": bracket.method,
        "reshaped_weight": float(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2)),
    }
    found["reshaped_misses"] = found["lower"] / found["reshaped_weight"]
    tools = {
        "bracket": lambda: operator_norm(A, "bounds"),
        "reshaped weight": lambda: torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2),
    }
    if A.shape[0] * A.shape[1] <= DENSE:
        dense = A.with_weight(conv.weight.detach().double()).to_dense()
        found["dense"] = float(torch.linalg.svdvals(dense)[0])
        found["holds"] = bracket.lower <= found["dense"] * (1 + 1e-13) and found["dense"] <= bracket.upper * (1 + 1e-13)
        tools["dense SVD"] = lambda: torch.linalg.svdvals(dense)
    times = interleaved(tools, rounds, warm_up=0)
    return {**found, "seconds": {name: spread(samples) for name, samples in times.items()}}


def normalized_is_not_bounded(size: int = 16) -> dict[str, float]:
    """A convolution under `spectral_norm`: its reshaped weight has norm 1, its operator has not."""
    torch.manual_seed(0)
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3, padding=1, bias=False), n_power_iterations=100)
    bracket = ConvOperator.from_module(conv, (size, size)).operator_norm()
    reshaped = float(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2))
    return {"reshaped_weight": reshaped, "lower": bracket.lower, "upper": bracket.upper}


def table(record: dict[str, Any]) -> str:
    """One line for each convolution, and what `spectral_norm` leaves."""
    rows = []
    for name, one in record["cases"].items():
        seconds = {tool: Spread(*samples).median for tool, samples in one["seconds"].items()}
        dense = f"{one['dense']:.4f} ({seconds['dense SVD'] * 1e3:.0f} ms)" if "dense" in one else "—"
        bracket = f"{one['lower']:.4f} … {one['upper']:.4f}"
        reshaped = f"{one['reshaped_weight']:.4f}, {one['reshaped_misses']:.2f}× too small"
        rows.append(
            [name, bracket, f"{one['gap']:.2%}", f"{seconds['bracket'] * 1e3:.0f} ms", one["method"], dense, reshaped]
        )
    head = ["convolution", "certified bracket", "gap", "time", "method", "dense SVD", "norm of the reshaped weight"]
    left = record["spectral_norm"]
    return (
        f"{record['machine']['processor']}, {record['machine']['cores']} cores; torch {record['torch']}.\n\n"
        f"{grid(head, rows)}\n\nUnder `spectral_norm` the reshaped weight of a 3→8 convolution has norm "
        f"{left['reshaped_weight']:.4f}; the convolution itself has one between {left['lower']:.4f} and "
        f"{left['upper']:.4f}."
    )


def main() -> None:
    """Measure every case, print a line for each and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the small cases, two rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked = parser.parse_args()
    cases = dict(list(CASES.items())[:QUICK]) if asked.quick else CASES
    found = {}
    for name, case in cases.items():
        found[name] = measure(case, rounds=2 if asked.quick else 3)
        one = found[name]
        print(
            f"{name}: {one['lower']:.6g} to {one['upper']:.6g} (gap {one['gap']:.2%}, {one['method']}), dense "
            f"{one.get('dense', float('nan')):.6g}, reshaped weight {one['reshaped_weight']:.6g}"
        )
    record = {
        "machine": machine.machine(),
        "torch": torch.__version__,
        "cases": found,
        "spectral_norm": normalized_is_not_bounded(),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "toeplitz_norms.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    if not asked.quick:
        write_between(Path(__file__).with_name("README.md"), "toeplitz_norms", table(record))


if __name__ == "__main__":
    main()
