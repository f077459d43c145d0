"""``inspector.bench``: a model's time beside the time that its device cannot go below."""

from __future__ import annotations

import platform
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inspector.bench.ceilings import ceilings as measured_ceilings
from inspector.bench.ceilings import usable
from inspector.bench.clocks import clock_for
from inspector.bench.demand import demands
from inspector.bench.environment import environment
from inspector.bench.floor import Roof, model_floor
from inspector.bench.guard import current, placed, running
from inspector.bench.layers import marker_for, time_layers
from inspector.bench.measuring import time_calls
from inspector.bench.modes import AUTOCAST, UNSTARTED, WATCHED, captured, prepared, stepping
from inspector.bench.records import Ceilings, Interval, Record, Row
from inspector.bench.rows import rows_of
from inspector.bench.watching import watching
from inspector.errors import InspectionError
from inspector.inputs import dtype_name, dtype_of, make_inputs
from inspector.memory import memory
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.report import benchmark as report
from inspector.structure import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Rounds of forwards in which layers are timed.
_ROUNDS = 10


@dataclass(frozen=True)
class Benchmark:
    """One model, timed in one mode.

    Attributes:
        record: all figures.
        ceilings: of the device.
    """

    record: Record
    ceilings: Ceilings

    @property
    def p50(self) -> float:
        """Median seconds of the whole."""
        return self.record.timing.p50

    @property
    def interval(self) -> Interval:
        """95 % interval of the median."""
        return self.record.timing.interval

    @property
    def floor(self) -> float:
        """Least seconds of the whole, call by call."""
        return self.record.floor

    @property
    def efficiency(self) -> float:
        """Floor over median."""
        return self.record.efficiency

    @property
    def rows(self) -> tuple[Row, ...]:
        """Per layer, the most time lost first."""
        return self.record.rows

    def __str__(self) -> str:
        return report.render([self.record])


def roof(ceilings: Ceilings, mode: str = "eager") -> Roof:
    """Ceilings as a floor needs them: what kernels of this device may do, at their best."""
    peaks = dict(ceilings.peaks)
    queued = ceilings.device == "cuda"
    quicker = _reduced(queued) & peaks.keys()
    if mode == "autocast":
        quicker |= {dtype_name(AUTOCAST)} & peaks.keys()
    if "float32" in peaks:
        peaks["float32"] = max(peaks[name] for name in ("float32", *quicker))
    direct = platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()
    start = 0.0 if mode in UNSTARTED else ceilings.launch
    return Roof(ceilings.streams, peaks, start, queued, queued or not direct, ceilings.cache)


def _reduced(cuda: bool) -> set[str]:
    """Which peaks products of float32 may reach, as PyTorch is set."""
    settings: Any = torch.backends  # whose parts the annotations do not know
    if cuda:
        kinds = (settings.cuda.matmul, settings.cudnn.conv, settings.cudnn.rnn)
    else:
        kinds = (settings.mkldnn.matmul, settings.mkldnn.conv, settings.mkldnn.rnn)
    names = {"tf32": "tf32" if cuda else "bfloat16", "bf16": "bfloat16"}
    return {names[kind.fp32_precision] for kind in kinds if kind.fp32_precision in names}


def bench(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    device: str | None = None,
    dtype: torch.dtype | str | None = None,
    mode: str = "eager",
    backward: bool = False,
    layers: bool = True,
    cold: bool = False,
    samples: int = 30,
    seconds: float = 10.0,
    ceilings: Ceilings | None = None,
) -> Benchmark:
    """Time ``model`` and state the floor of every layer.

    Args:
        model: any module; a copy of it runs, in eval mode, or in train mode with ``backward``.
        input_size: as in ``predict``, with numbers alone.
        input_data: as in ``predict``.
        input_dtypes: as in ``predict``.
        input_kwargs: as in ``predict``.
        device: ``cpu`` or ``cuda``; None is where the model lives.
        dtype: floating-point parameters and inputs are converted to it; None leaves them.
        mode: one of ``inspector.bench.modes.MODES``.
        backward: time a training step: forward, and the backward of the sum of its outputs.
        layers: time the layers of a forward too, where the mode lets hooks see them.
        cold: empty the caches before each forward; warm caches are what a loop of forwards finds.
        samples: as many at most.
        seconds: measuring the whole stops after about so long.
        ceilings: of the device; None takes those kept for it, which are measured the first time.

    Raises:
        InspectionError: the question cannot be put, as in ``predict``; or the device cannot be used.
    """
    home = usable(device) if device is not None else _home(model)
    inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs)
    target = None if dtype is None else dtype_of(dtype)
    if target is not None and not target.is_floating_point:
        raise InspectionError(f"dtype {dtype}: parameters and inputs are converted to a floating-point dtype alone")
    with ONE_AT_A_TIME, preserved(model), warnings.catch_warnings(), current(home):
        limits = ceilings or measured_ceilings(str(home))
        held = _allocated(home)

        def convert(tensor: Tensor) -> Tensor:
            tensor = tensor.detach().clone()
            return tensor.to(target) if target is not None and tensor.is_floating_point() else tensor

        with running(mode, home):
            runs = placed(model, home, target).train(backward)
            args, kwargs = (map_tensors(part, convert) for part in inputs.on(home))
        called, args, kwargs, around = prepared(mode, runs, args, kwargs, home)
        with torch.set_grad_enabled(backward), around():
            prediction, taken = demands(runs, input_data=args, input_kwargs=kwargs)
        floors = model_floor(prediction.rows, taken, roof(limits, mode), backward)
        parameters = [parameter for parameter in runs.parameters() if parameter.requires_grad]
        step = stepping(called, args, kwargs, around, parameters, backward)
        with running(mode, home), watching(home.type) as seen:
            used = _memory(runs, args, kwargs, home, step, backward, held)
            timing = time_calls(
                {mode: captured(step) if mode == "graph" else step},
                clock_for(home.type, cold=cold),
                device=home.type,
                samples=samples,
                seconds=seconds,
            )[mode]
            watched = None
            if layers and mode in WATCHED and not timing.stopped:
                forward = stepping(called, args, kwargs, around, parameters, backward=False)
                try:
                    watched = time_layers(runs, forward, marker_for(home.type), _ROUNDS)
                except KeyboardInterrupt:  # the time of the whole is kept
                    timing = replace(timing, stopped=True)
    moved = _transferred(limits, (args, kwargs)) if mode == "transfer" else 0.0
    notes = [*prediction.notes]
    if backward:
        notes.append("floors of a training step hold the backward's matrix products; layers are those of a forward")
    rows = rows_of(prediction, taken, floors, watched) if watched is not None else ()
    floor = moved + (floors.single if mode == "compile" else floors.eager)
    notes += _passed(rows, floor, timing.p50)
    record = Record(
        model=prediction.model_name,
        input=prediction.input_description,
        device=home.type,
        dtype=dtype_name(next((p.dtype for p in runs.parameters()), torch.get_default_dtype())),
        mode=f"{mode}, cold" if cold else mode,
        backward=backward,
        timing=timing,
        floor=floor,
        fused=moved + floors.fused,
        rows=rows,
        hooked=None if watched is None else watched.hooked,
        memory=used,
        environment={**environment(limits), **seen.facts},
        notes=tuple(notes),
    )
    return Benchmark(record, limits)


def _home(model: nn.Module) -> torch.device:
    first = next((tensor for tensor in (*model.parameters(), *model.buffers()) if not tensor.is_meta), None)
    return usable("cpu") if first is None else usable(str(first.device))


def _passed(rows: Sequence[Row], floor: float, taken: float) -> list[str]:
    """What is said where something was quicker than its floor."""
    quicker = [row.path or row.kind for row in rows if row.lost < 0] or (["the whole"] if taken < floor else [])
    if not quicker:
        return []
    return [
        f"quicker than the floor: {', '.join(quicker)}. Ceilings may have been measured at a slow moment (inspector "
        "device --fresh measures them again); if it stays so, a formula is wrong: please report it"
    ]


def _transferred(limits: Ceilings, inputs: Any) -> float:
    """Seconds that bringing the input to the device takes at least."""
    speed = max((speed for way, speed in limits.transfer.items() if way.endswith("to device")), default=0.0)
    return sum(tensor.nbytes for tensor in tensors(inputs)) / speed if speed else 0.0


def _allocated(home: torch.device) -> int:
    return torch.cuda.memory_allocated(home) if home.type == "cuda" else 0


def _memory(
    runs: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any],
    home: torch.device,
    step: Callable[[], object],
    backward: bool,
    held: int,
) -> dict[str, int]:
    """Bytes at the peak: predicted, and on CUDA measured, without the ``held`` ones that were there before."""
    found: dict[str, int] = {}
    try:
        followed = memory(runs, input_data=args, input_kwargs=kwargs, device=home.type)
        predicted = followed.training() if backward else followed.inference
    except InspectionError:  # a model whose memory cannot be followed can be timed all the same
        predicted = None
    if predicted is not None:
        found["predicted"] = predicted
    step()  # compiles, and loads what is needed once
    if home.type == "cuda":
        torch.cuda.reset_peak_memory_stats(home)
        step()
        found["peak"] = torch.cuda.max_memory_allocated(home) - held
        found["reserved"] = torch.cuda.max_memory_reserved(home)
    return found
