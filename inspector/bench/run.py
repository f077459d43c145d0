"""``inspector.bench``: a model's time beside the time that its device cannot go below."""

from __future__ import annotations

import platform
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inspector.bench.ceilings import ceilings as measured_ceilings
from inspector.bench.ceilings import usable
from inspector.bench.clocks import clock_for
from inspector.bench.demand import demands
from inspector.bench.environment import environment
from inspector.bench.exhaustion import out_of_memory
from inspector.bench.floor import Roof, model_floor
from inspector.bench.layers import marker_for, time_layers
from inspector.bench.measuring import time_calls
from inspector.bench.modes import WATCHED, captured, prepared, stepping
from inspector.bench.records import Ceilings, Interval, Record, Row
from inspector.bench.rows import rows_of
from inspector.bench.watching import watching
from inspector.errors import InspectionError
from inspector.inputs import dtype_name, dtype_of, make_inputs
from inspector.memory import memory
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.report import benchmark as report
from inspector.structure import deep_copy, map_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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


def roof(ceilings: Ceilings) -> Roof:
    """Ceilings as a floor needs them: what kernels of this device may do, at their best."""
    peaks = dict(ceilings.peaks)
    settings: Any = torch.backends  # whose parts the annotations do not know
    if "tf32" in peaks and "tf32" in (settings.cuda.matmul.fp32_precision, settings.cudnn.conv.fp32_precision):
        peaks["float32"] = max(peaks["float32"], peaks["tf32"])
    queued = ceilings.device == "cuda"
    direct = platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()
    return Roof(ceilings.streams, peaks, ceilings.launch, queued, queued or not direct, ceilings.cache)


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
    limits = ceilings or measured_ceilings(home.type)
    with ONE_AT_A_TIME, preserved(model), warnings.catch_warnings():
        runs = deep_copy(model).to(home, target) if target is not None else deep_copy(model).to(home)
        runs.train(backward)

        def convert(tensor: Tensor) -> Tensor:
            tensor = tensor.detach().clone()
            return tensor.to(target) if target is not None and tensor.is_floating_point() else tensor

        args, kwargs = (map_tensors(part, convert) for part in inputs.on(home))
        called, args, kwargs, around = prepared(mode, runs, args, kwargs, home)
        with torch.set_grad_enabled(backward), around():
            prediction, taken = demands(runs, input_data=args, input_kwargs=kwargs)
        floors = model_floor(prediction.rows, taken, roof(limits), backward)
        parameters = [parameter for parameter in runs.parameters() if parameter.requires_grad]
        step = stepping(called, args, kwargs, around, parameters, backward)
        with _enough_memory(home), watching(home.type) as seen:
            used = _memory(model, inputs, home, step, backward)
            timing = time_calls(
                {mode: captured(step) if mode == "graph" else step},
                clock_for(home.type, cold=cold),
                device=home.type,
                samples=samples,
                seconds=seconds,
            )[mode]
            watched = None
            if layers and mode in WATCHED:
                runs.eval()
                forward = stepping(called, args, kwargs, around, parameters, backward=False)
                watched = time_layers(runs, forward, marker_for(home.type), _ROUNDS)
    notes = [*prediction.notes]
    if backward:
        notes.append("floors of a training step hold the backward's matrix products; layers are those of a forward")
    record = Record(
        model=prediction.model_name,
        input=prediction.input_description,
        device=home.type,
        dtype=dtype_name(next((p.dtype for p in runs.parameters()), torch.get_default_dtype())),
        mode=f"{mode}, cold" if cold else mode,
        backward=backward,
        timing=timing,
        floor=floors.eager,
        fused=floors.fused,
        rows=rows_of(prediction, taken, floors, watched) if watched is not None else (),
        hooked=None if watched is None else watched.hooked,
        memory=used,
        environment={**environment(limits), **seen.facts},
        notes=tuple(notes),
    )
    return Benchmark(record, limits)


def _home(model: nn.Module) -> torch.device:
    first = next((tensor for tensor in (*model.parameters(), *model.buffers()) if not tensor.is_meta), None)
    return usable("cpu") if first is None else usable(str(first.device))


def _memory(
    model: nn.Module, inputs: Any, home: torch.device, step: Callable[[], object], backward: bool
) -> dict[str, int]:
    """Bytes at the peak: predicted, and on CUDA measured."""
    found: dict[str, int] = {}
    try:
        followed = memory(model, input_data=inputs.args, input_kwargs=inputs.kwargs, device=home.type)
        predicted = followed.training() if backward else followed.inference
    except InspectionError:  # a model whose memory cannot be followed can be timed all the same
        predicted = None
    if predicted is not None:
        found["predicted"] = predicted
    if home.type == "cuda":
        torch.cuda.reset_peak_memory_stats(home)
        step()
        found |= {"peak": torch.cuda.max_memory_allocated(home), "reserved": torch.cuda.max_memory_reserved(home)}
    return found


@contextmanager
def _enough_memory(home: torch.device) -> Iterator[None]:
    """Say what to do where the device has too little memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise InspectionError(
            f"{home} has too little memory for this input: {str(error).partition('.')[0]}. Give a smaller batch; "
            "inspector memory tells what fits"
        ) from error
