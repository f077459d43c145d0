"""What a matrix takes in every layout, in closed form, and the refusal of what cannot fit before it is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.toeplitz import pattern

if TYPE_CHECKING:
    from inspector.toeplitz.configuration import Convolution

Layout = Literal["csr", "csc", "coo", "bsr", "dense"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUPS = (  # (limit, use) of a container
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


class DoesNotFit(InspectionError):
    """The layout asked for takes more memory than the device has free; nothing was allocated."""


def known(layout: str) -> Layout:
    """The layout of this name.

    Raises:
        InspectionError: there is none.
    """
    for each in LAYOUTS:
        if each == layout:
            return each
    raise InspectionError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")


def nnz(convolution: Convolution, affine: bool = False) -> int:
    """(C_in·C_out/G)·∏ n_axis entries, structural zeros included; ``affine`` adds the bias's column."""
    image, windows = convolution.image.channels, convolution.windows.channels
    entries = image * windows // convolution.groups * convolution.positions
    return entries + (convolution.rows.numel if affine else 0)


def nbytes(convolution: Convolution, layout: Layout, itemsize: int, affine: bool = False) -> int:
    """Bytes of the layout, for values of ``itemsize`` bytes.

    CSR and CSC: index·(nnz + rows + 1) + item·nnz, with rows or columns. COO: (2·8 + item)·nnz. BSR: indices for
    blocks of C_out/G × C_in/G only. Indices take 4 bytes while everything is below 2³¹, else 8.
    """
    rows, columns = convolution.rows.numel, convolution.columns.numel + affine
    entries = nnz(convolution, affine)
    if layout == "dense":
        return itemsize * rows * columns
    if layout == "coo":
        return (2 * 8 + itemsize) * entries
    lines = rows if layout == "csr" else columns
    stored = entries
    if layout == "bsr":
        stored = convolution.groups * convolution.positions
        rows, columns = (convolution.groups * grid.places for grid in (convolution.rows, convolution.columns))
        lines = rows
    index = 4 if max(stored, rows, columns) < pattern.INT32_LIMIT else 8
    return index * (stored + lines + 1) + itemsize * entries


def available(device: torch.device) -> int | None:
    """Free bytes on the device; None where nothing tells."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # for PyTorch to use again
        return int(free + kept)
    if device.type != "cpu":
        return None
    return min((free for free in (_free_of_machine(), *map(_free_of_group, _CONTROL_GROUPS)) if free), default=None)


def _free_of_machine() -> int | None:
    if _MEMINFO.exists():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system counts its pages
        return None


def _free_of_group(files: tuple[Path, Path]) -> int | None:
    try:
        limit, used = (file.read_text().strip() for file in files)
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdigit() else None


def fits(convolution: Convolution, layout: Layout, itemsize: int, device: torch.device) -> bool:
    """Whether the layout can be allocated now."""
    free = available(device)
    return free is None or nbytes(convolution, layout, itemsize) <= free


def require(
    convolution: Convolution, layout: Layout, itemsize: int, device: torch.device, affine: bool = False
) -> None:
    """Refuse what does not fit.

    Raises:
        DoesNotFit: with the size of every layout and what to do.
    """
    free, wanted = available(device), nbytes(convolution, layout, itemsize, affine)
    if free is None or wanted <= free:
        return
    sizes = {each: nbytes(convolution, each, itemsize, affine) for each in LAYOUTS}
    fitting = [each for each, size in sizes.items() if size <= free]
    counts = convolution.rows.numel, convolution.columns.numel + affine, nnz(convolution, affine)
    rows, columns, entries = map(format_count, counts)
    raise DoesNotFit(
        f"the {rows} × {columns} matrix with {entries} entries takes {in_bytes(wanted)} as {layout}; "
        f"{in_bytes(free)} are free on {device}. "
        f"By layout: {', '.join(f'{each} {in_bytes(size)}' for each, size in sizes.items())}. "
        f"What fits: {', '.join(fitting) or 'none of them'}; A @ x and A.T @ y need no matrix."
    )


def in_bytes(count: int) -> str:
    """Decimal units, three digits.

    >>> in_bytes(902_955_012), in_bytes(12)
    ('903 MB', '12 B')
    """
    size, units = float(count), iter(("B", "kB", "MB", "GB", "TB", "PB", "EB"))
    unit = next(units)
    while size >= 999.5 and unit != "EB":
        size, unit = size / 1000, next(units)
    return f"{size:.3g} {unit}"
