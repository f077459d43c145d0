"""The time below which no call and no model can go on a device whose ceilings are known.

A call takes at least max(2 × MACs/peak, bytes/bandwidth). Where each call waits for the one before it (CPU), starting a
kernel comes on top; where kernels are queued (CUDA), starting them is work of the host beside the device's, so that a
model takes the longer of both. Bytes may lie in caches: see :meth:`Roof.moving`.

Ideal fusion is an assumption, not a promise: element-wise work, normalization and softmax are computed where their
input was made, and what passes inside such a group never leaves the chip. A compiler may do better than that; what it
cannot do without is :attr:`ModelFloor.single`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspector.bench.demand import Demand, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspector.records import Row

#: A multiplication and an addition.
_FLOPS_PER_MAC: float = 2


@dataclass(frozen=True, slots=True)
class Roof:
    """What a device can do at most.

    Attributes:
        streams: (bytes of the working set, bytes moved per second), each read or written byte counted once, measured by
            going through the same memory again and again; the smallest set fits the fastest memory.
        cache: bytes of all caches together, where the device tells them.
        peaks: multiplications and additions per second, by dtype such as ``float32``.
        start: seconds that starting a kernel takes.
        queued: kernels are queued and the host runs ahead.
        transforms: kernels for convolutions that multiply less than the formula says (Winograd's, FFT) may be in use.
    """

    streams: tuple[tuple[int, float], ...]
    peaks: Mapping[str, float]
    start: float
    queued: bool
    transforms: bool
    cache: int | None = None

    def moving(self, read: int, written: int) -> float:
        """Seconds that moving takes at least, whatever lies in caches before and after.

        Where a set of ``s`` bytes and all larger ones stream slowly, what is faster holds less than ``s``: at most so
        much of the bytes read lay there, and at most so much of those written may stay. The rest moves no faster than
        those sets did. The largest of these bounds holds.

        >>> roof = Roof(((1000, 100.0), (8000, 10.0)), {}, 0.0, queued=False, transforms=False)
        >>> roof.moving(500, 500), roof.moving(9000, 9000)  # all of it cached; 1000 + 1000 bytes at 10 a second
        (10.0, 200.0)
        """
        streams = sorted(self.streams)
        if not streams:
            return 0.0
        times = [(read + written) / max(speed for _, speed in streams)]
        for number, (size, _) in enumerate(streams):
            cached = size if self.cache is None else min(size, self.cache)
            beyond = max(0, read - cached) + max(0, written - cached)
            times.append(beyond / max(speed for _, speed in streams[number:]))
        return max(times)

    def multiplying(self, macs: int, dtype: str | None) -> float:
        """Seconds of so many multiply-accumulates; 0 in a dtype whose peak nobody measured."""
        peak = self.peaks.get(dtype or "")
        return _FLOPS_PER_MAC * macs / peak if peak else 0.0


Bound = Literal["memory", "compute", "launch"]


@dataclass(frozen=True, slots=True)
class Floor:
    """Least seconds of one call, or of several together.

    Attributes:
        seconds: in all.
        compute: multiplying alone.
        memory: moving bytes alone.
        launch: starting kernels alone.
    """

    seconds: float
    compute: float
    memory: float
    launch: float

    @property
    def bound(self) -> Bound:
        """What takes longest."""
        times: dict[Bound, float] = {"memory": self.memory, "compute": self.compute, "launch": self.launch}
        return max(times, key=lambda name: times[name])

    def __add__(self, other: Floor) -> Floor:
        """One after the other."""
        return Floor(
            self.seconds + other.seconds,
            self.compute + other.compute,
            self.memory + other.memory,
            self.launch + other.launch,
        )


NO_TIME = Floor(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ModelFloor:
    """Floors of a model's calls and of the whole.

    Attributes:
        calls: of each row of the prediction, forward alone; on a queue without the host's time.
        eager: seconds of the whole, call by call.
        fused: seconds of the whole with ideal fusion.
        single: seconds of the whole as one kernel: what comes from outside is read once, the last result is written,
            and every product is computed.
        groups: numbers of the rows that ideal fusion computes together; rows that run no kernel are in none.
    """

    calls: tuple[Floor, ...]
    eager: float
    fused: float
    single: float
    groups: tuple[tuple[int, ...], ...]


def model_floor(rows: Sequence[Row], demands: Sequence[Demand], roof: Roof, backward: bool = False) -> ModelFloor:
    """Floors of a forward, with ``backward`` also of the products of its backward (nothing else of it is charged).

    Args:
        rows: the prediction's.
        demands: one for each row.
        roof: of the device.
        backward: whether the whole's floors hold the backward's matrix products.

    >>> import torch
    >>> from inspector.bench.demand import demands
    >>> p, taken = demands(torch.nn.Sequential(torch.nn.Linear(100, 100), torch.nn.ReLU()), (100, 100))
    >>> roof = Roof(((10**9, 1e6),), {"float32": 1e9}, 0.0, queued=False, transforms=False)
    >>> floor = model_floor(p.rows, taken, roof)
    >>> floor.groups, floor.eager, floor.fused  # 120 400 and 80 000 bytes; fused, 120 400
    (((0, 1),), 0.2004, 0.1204)
    """
    calls = tuple(
        _floor(demand, row.dtype, roof) if demand.moves else NO_TIME for row, demand in zip(rows, demands, strict=True)
    )
    groups = _groups(demands)
    fused = _fused(groups, rows, demands, roof)
    after = [_backward(demand, row.dtype, roof) for row, demand in zip(rows, demands, strict=True)] if backward else []
    together = _fused([tuple(number for number, demand in enumerate(demands) if demand.moves)], rows, demands, roof)
    products = sum(floor.compute for floor in (*together, *after))
    single = max(products, *(floor.memory for floor in together))
    return ModelFloor(calls, _whole([*calls, *after], roof), _whole([*fused, *after], roof), single, groups)


def _whole(floors: Sequence[Floor], roof: Roof) -> float:
    seconds = sum(floor.seconds for floor in floors)
    return max(seconds, sum(floor.launch for floor in floors)) if roof.queued else seconds


def _bounded(compute: float, memory: float, roof: Roof) -> Floor:
    seconds = max(compute, memory) + (0.0 if roof.queued else roof.start)
    return Floor(seconds, compute, memory, roof.start)


def _floor(demand: Demand, dtype: str | None, roof: Roof) -> Floor:
    return _bounded(roof.multiplying(_macs(demand, roof), dtype), roof.moving(demand.read, demand.written), roof)


def _macs(demand: Demand, roof: Roof) -> int:
    return demand.fast_macs if roof.transforms else demand.macs


def _backward(demand: Demand, dtype: str | None, roof: Roof) -> Floor:
    """Of the products of one call's backward: each reads the result's gradient, both together every operand."""
    if not (demand.macs and demand.gradient_macs):
        return NO_TIME
    both = demand.gradient_macs == 2
    moving = roof.moving(demand.written + (demand.read if both else 0), demand.read if both else 0)
    return _bounded(roof.multiplying(_macs(demand, roof) * demand.gradient_macs, dtype), moving, roof)


def _groups(demands: Sequence[Demand]) -> tuple[tuple[int, ...], ...]:
    """Each call that joins goes to the latest group that made something it reads, if there is one."""
    groups: list[list[int]] = []
    made_in: dict[int, int] = {}
    for number, demand in enumerate(demands):
        if not demand.moves:
            continue
        sources = [made_in[part.tensor] for part in demand.reads if part.tensor in made_in] if demand.joins else []
        group = max(sources, default=len(groups))
        if group == len(groups):
            groups.append([])
        groups[group].append(number)
        made_in.update((part.tensor, group) for part in demand.writes)
    return tuple(map(tuple, groups))


def _fused(groups: Sequence[Sequence[int]], rows: Sequence[Row], demands: Sequence[Demand], roof: Roof) -> list[Floor]:
    """Each group reads what comes from outside, and writes what another reads or what is the last to be made."""
    readers: dict[int, set[int]] = {}
    for number, group in enumerate(groups):
        for member in group:
            for part in demands[member].reads:
                readers.setdefault(part.tensor, set()).add(number)
    last = max((group[-1] for group in groups if group), default=-1)
    found = []
    for number, group in enumerate(groups):
        taken: dict[int, int] = {}
        made: dict[int, int] = {}
        for member in group:
            for part in demands[member].reads:
                if part.tensor not in made:
                    _keep_largest(taken, part)
            for part in demands[member].writes:
                _keep_largest(made, part)
        kept = {part.tensor for part in demands[last].writes} if last in group else set()
        written = sum(size for tensor, size in made.items() if tensor in kept or readers.get(tensor, set()) - {number})
        compute = sum(roof.multiplying(_macs(demands[member], roof), rows[member].dtype) for member in group)
        found.append(_bounded(compute, roof.moving(sum(taken.values()), written), roof))
    return found


def _keep_largest(sizes: dict[int, int], part: Traffic) -> None:
    sizes[part.tensor] = max(sizes.get(part.tensor, 0), part.nbytes)
