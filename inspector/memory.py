"""Memory of a forward and a backward, before either runs.

PyTorch's own operations are followed on tensors without data: every allocation and every release, by the very reference
counts that a real run has. What autograd keeps for the backward is then what is still alive when the forward has
returned.
"""

from __future__ import annotations

import dataclasses
import gc
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from inspector.allocations import WORKSPACES, Allocations
from inspector.errors import InspectionError
from inspector.inputs import ModelInputs, make_inputs
from inspector.internals import fake_tensors, without_outer_modes
from inspector.predict import predict
from inspector.prediction import Prediction
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.records import MemoryCall
from inspector.references.running import Call, Setting, home_of, recorded_calls, run
from inspector.references.twins import copy_with
from inspector.report import memory as report
from inspector.structure import map_tensors, tensors, unwrap
from inspector.wrappers import opened, uncompiled

#: States that an optimizer holds for each trainable element, in the element's dtype. Source: torch.optim.
OPTIMIZER_STATES: dict[str, int] = {"SGD": 0, "SGD with momentum": 1, "Adam, AdamW": 2}


@dataclass(frozen=True)
class Memory:
    """Bytes of one forward, and of one forward with its backward.

    Activations are tensors that calls make; parameters, buffers and inputs stand apart. Not in any figure: what kernels
    take for themselves, how an allocator rounds (CUDA's: each up to 512 bytes), and what a device's runtime needs.

    Attributes:
        prediction: of the same model and input.
        device: the kind of device whose kernels were followed.
        modules: one record for each module call of the training forward, in call order; the first is the root's. Of the
            evaluating forward where the model cannot be trained.
        input_bytes: of the inputs.
        outputs: (name, bytes) of each part of what the evaluating forward returns, such as a key-value cache.
        inference_peak: the most activation bytes that live at once in a forward without gradients.
        kept: activation bytes that live after a training forward: its outputs and what the backward needs; None where
            no output depends on a trainable parameter.
        training_peak: the most bytes of activations and gradients that live at once in a training forward and backward.
        gradient_bytes: of the trainable parameters' gradients, which ``training_peak`` holds.
        notes: what a reader must know.
    """

    prediction: Prediction
    device: str
    modules: tuple[MemoryCall, ...]
    input_bytes: int
    outputs: tuple[tuple[str, int], ...]
    inference_peak: int
    kept: int | None
    training_peak: int | None
    gradient_bytes: int
    notes: tuple[str, ...]

    @property
    def standing(self) -> int:
        """Bytes that are there before the forward: parameters, buffers, inputs."""
        return self.prediction.param_bytes + self.prediction.buffer_bytes + self.input_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of all that the forward returns."""
        return sum(size for _, size in self.outputs)

    @property
    def inference(self) -> int:
        """Bytes in all at the peak of an evaluating forward."""
        return self.standing + self.inference_peak

    def training(self, optimizer: str = "SGD") -> int | None:
        """Bytes in all at the peak of a training step, with the states of one of ``OPTIMIZER_STATES``; None without."""
        if self.training_peak is None:
            return None
        return self.standing + self.training_peak + OPTIMIZER_STATES[optimizer] * self.gradient_bytes

    def __str__(self) -> str:
        return report.render(self)


def memory(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
    mode: Literal["train", "eval"] | None = None,
) -> Memory:
    """Follow every allocation of ``model``'s forward without gradients, and of its forward with a backward.

    No memory is taken: PyTorch's fake tensors stand for the parameters, buffers and inputs. Where a value decides how
    the forward goes on, a small model runs for real.

    Args:
        model: any module; it stays as it is.
        input_size: as in ``predict``, with numbers alone.
        input_data: as in ``predict``.
        input_dtypes: as in ``predict``.
        input_kwargs: as in ``predict``.
        device: whose kernels are meant: ``cpu``, or ``cuda`` where there is one. Kernels differ in what they keep.
        mode: of the model in both; None is ``eval`` for the forward without gradients, ``train`` with the backward.

    Raises:
        InspectionError: the question cannot be put, as in ``predict``; or values are needed that are not there.

    >>> m = memory(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (3, 4))
    >>> m.inference_peak, m.kept  # floats: 3·8 and 3·8 at once; the ReLU's 3·8 serve both backwards, the output has 3·2
    (192, 120)
    """
    with without_outer_modes():
        inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs)
    prediction = predict(
        model, input_size, input_data=input_data, input_dtypes=input_dtypes, input_kwargs=input_kwargs, mode=mode
    )
    found: list[_Followed] = []
    notes: tuple[str, ...] = ()
    try:
        with ONE_AT_A_TIME, without_outer_modes(), _quiet(), preserved(model, values=False):
            setting = _fake_setting(unwrap(model), inputs, torch.device(device))
            with opened([*setting.model.named_modules()]), uncompiled(), setting.around():
                found.append(_follow(setting, mode))
    except Exception as error:
        home = home_of(model)
        home = torch.device("cpu") if home.type == "meta" else home
        _, failure = run(model, inputs, lambda setting: found.append(_follow(setting, mode)), home)
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        if failure is not None:
            raise InspectionError(
                f"the memory of {prediction.model_name} cannot be followed without data ({said}), nor in a real run on "
                f"{home} ({failure.message}). Give real data (input_data, --input-file)"
            ) from error
        notes = (f"run for real on {home.type}, since tensors without data could not: {said}",)
    followed = found[-1]
    return Memory(
        prediction=prediction,
        input_bytes=sum({id(t): t.numel() * t.element_size() for t in tensors((inputs.args, inputs.kwargs))}.values()),
        gradient_bytes=sum(record.nbytes for record in prediction.tensors if record.trainable),
        notes=(*prediction.notes, *notes, *followed.notes, *([f"both followed in {mode} mode"] if mode else [])),
        **followed.figures,
    )


@dataclass(frozen=True)
class _Followed:
    figures: dict[str, Any]
    notes: tuple[str, ...]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the forward warns of, it has told in the prediction
        yield


def _fake_setting(model: nn.Module, inputs: ModelInputs, device: torch.device) -> Setting:
    mode = fake_tensors()

    def fake(tensor: Tensor) -> Tensor:
        with mode:
            twin = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=device)
        if isinstance(tensor, nn.Parameter):
            parameter = nn.Parameter(twin, requires_grad=tensor.requires_grad)
            parameter.__dict__.update(tensor.__dict__)
            return parameter
        return twin.requires_grad_(tensor.requires_grad)

    args, kwargs = inputs.on("meta")
    return Setting(
        copy_with(model, fake),
        map_tensors(args, fake),
        {key: map_tensors(value, fake) for key, value in kwargs.items()},
        device.type,
        not inputs.synthetic,
        lambda: mode,
    )


def _follow(setting: Setting, mode: Literal["train", "eval"] | None) -> _Followed:
    """Both runs. Garbage is collected between them alone, so that two runs of one model say the same."""
    model = setting.model
    collects = gc.isenabled()
    gc.disable()
    try:
        model.train(mode == "train")
        with torch.no_grad():
            inference, calls, returned = _forward(setting)
        peak, outputs, modules = inference.peak(), _parts(returned), _calls(calls, inference, kept=False)
        del returned, inference
        model.train(mode != "eval")
        with torch.enable_grad():
            kept, most, trained, note = _train(setting)
    finally:
        if collects:
            gc.enable()
    figures = {
        "device": setting.device,
        "modules": trained or modules,
        "outputs": outputs,
        "inference_peak": peak,
        "kept": kept,
        "training_peak": most,
    }
    return _Followed(figures, (note,) if note else ())


def _forward(setting: Setting) -> tuple[Allocations, list[Call[int]], Any]:
    gc.collect()
    known = [*setting.model.parameters(), *setting.model.buffers(), *tensors((setting.args, setting.kwargs))]
    allocations = Allocations(setting.device, (tensor for tensor in known if not nn.parameter.is_lazy(tensor)))
    with allocations, recorded_calls(setting.model, lambda: len(allocations.levels)) as calls:
        returned = setting.model(*setting.args, **setting.kwargs)
    gc.collect()
    return allocations, calls, returned


def _train(setting: Setting) -> tuple[int | None, int | None, tuple[MemoryCall, ...], str]:
    try:
        allocations, calls, returned = _forward(setting)
        roots = [tensor for tensor in tensors(returned) if tensor.requires_grad]
        if not roots:
            return None, None, (), "no output depends on a trainable parameter: there is nothing to train"
        kept, modules = allocations.alive(), _calls(calls, allocations, kept=True)
        del returned
        with allocations:
            gradients = [torch.ones_like(root) for root in roots]
            torch.autograd.backward(roots, gradients)
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        return None, None, (), f"training cannot be followed: {type(error).__name__}: {said}"
    finally:
        for parameter in setting.model.parameters():
            parameter.grad = None
    return kept, allocations.peak(), modules, _lower_bounds(allocations.unknown)


def _lower_bounds(unknown: set[Any]) -> str:
    """Why the figures of training are lower bounds; nothing where they are exact."""
    names = {func: func.__name__.partition(".")[0] for func in unknown}
    reasons = [
        f"{name} keeps a workspace for the backward whose size {WORKSPACES[func]} alone knows"
        for func, name in sorted(names.items(), key=lambda item: item[1])
    ]
    return f"kept, and the peak of training, are lower bounds: {'; '.join(reasons)}" if reasons else ""


def _calls(calls: list[Call[int]], allocations: Allocations, kept: bool) -> tuple[MemoryCall, ...]:
    return tuple(
        MemoryCall(
            path=call.path,
            kind=call.kind,
            call=call.number,
            parent=call.parent,
            output_shapes=tuple(tuple(tensor.shape) for tensor in call.returned),
            output_bytes=sum(tensor.numel() * tensor.element_size() for tensor in call.returned),
            kept=allocations.alive(call.entered, call.left) if kept else None,
            peak=allocations.peak(call.entered, call.left),
        )
        for call in calls
    )


def _parts(returned: Any) -> tuple[tuple[str, int], ...]:
    """The named parts of what a forward returned, each storage counted where it appears first."""
    named: Mapping[Any, Any]
    if isinstance(returned, Mapping):
        named = returned
    elif dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        named = {field.name: getattr(returned, field.name, None) for field in dataclasses.fields(returned)}
    elif isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        named = returned._asdict()
    elif isinstance(returned, (tuple, list)):
        named = {f"[{index}]": item for index, item in enumerate(returned)}
    else:
        named = {"output": returned}
    seen: set[Any] = set()
    parts = []
    for name, value in named.items():
        new = {tensor.untyped_storage() for tensor in tensors(value)} - seen
        seen |= new
        if new:
            parts.append((str(name), sum(storage.nbytes() for storage in new)))
    return tuple(parts)
