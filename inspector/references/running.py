"""Runs a forward where a witness can watch it: on the meta device, or for real."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from inspector.inputs import ModelInputs
from inspector.internals import without_outer_modes
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.references.twins import exchange, meta_copy, on_meta
from inspector.structure import deep_copy, map_tensors, tensors, unwrap
from inspector.wrappers import opened, uncompiled

Reading = TypeVar("Reading")

#: A model with sizes alone is run for real only where parameters and inputs together stay below this.
SMALL_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Setting:
    """One way to run the forward: ``with setting.around(): setting.model(*setting.args, **setting.kwargs)``.

    Attributes:
        model: the modules that will run; hooks go here.
        args: positional arguments, on the device.
        kwargs: keyword arguments, on the device.
        device: ``meta``, ``cpu``, ``cuda``, ...
        real_data: the inputs are the user's own.
        around: what surrounds the call.
        note: what a reader must know of this way.
    """

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    device: str
    real_data: bool
    around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    note: str = ""

    def forward(self) -> Any:
        """Run it."""
        with self.around():
            return self.model(*self.args, **self.kwargs)


@dataclass(frozen=True)
class Failure:
    """Why no way of running worked.

    Attributes:
        message: what PyTorch said.
        refused: the model itself refuses these inputs, so that it is no weakness of the witness.
    """

    message: str
    refused: bool


def run(
    model: nn.Module,
    inputs: ModelInputs,
    watch: Callable[[Setting], None],
    device: torch.device | str | None = None,
    prefer_meta: bool = False,
) -> tuple[Setting | None, Failure | None]:
    """Let ``watch`` run the forward in the first setting that works; it starts afresh in each.

    Args:
        model: stays as it is.
        inputs: stay as they are.
        watch: runs ``setting.forward`` and reads what it wants.
        device: where to run; None: real data run where the model lives, sizes alone run on the meta device, and for
            real where values turn out to be needed and the model is small.
        prefer_meta: try the meta device first also for real data.

    Returns:
        (the setting that worked, None) or (None, why nothing did).
    """
    failure: Failure | None = None
    for prepare, note in _ways(unwrap(model), inputs, device, prefer_meta):
        setting: Setting | None = None
        try:
            with ONE_AT_A_TIME, without_outer_modes(), warnings.catch_warnings(), preserved(model, values=False):
                warnings.simplefilter("ignore")  # what the forward warns of, it has told already
                setting = prepare(f"{note}: {failure.message}" if failure is not None and note else note)
                with opened([*setting.model.named_modules()]), uncompiled():
                    watch(setting)
        except Exception as error:
            refused = (setting is not None and _refused(setting, error, device)) or bool(failure and failure.refused)
            failure = Failure(f"{type(error).__name__}: {_first_line(error)}", refused)
        else:
            return setting, None
    return None, failure


def _ways(
    model: nn.Module, inputs: ModelInputs, device: torch.device | str | None, prefer_meta: bool
) -> Iterator[tuple[Callable[[str], Setting], str]]:
    def meta(note: str) -> Setting:
        return _meta_setting(model, inputs, note)

    def all_meta(note: str) -> Setting:
        # A forward that makes tensors without naming a device means the CPU; here they must follow the others.
        return replace(_meta_setting(model, inputs, note), around=lambda: torch.device("meta"))

    def real(note: str) -> Setting:
        return _real_setting(model, inputs, device, note)

    if device is not None and torch.device(device).type != "meta" and not prefer_meta:
        yield real, ""
        return
    if on_meta(model) or (device is not None and torch.device(device).type == "meta"):
        yield meta, ""
        yield all_meta, ""
        return
    if not inputs.synthetic and not prefer_meta:
        yield real, ""
        return
    yield meta, ""
    yield all_meta, ""
    if not inputs.synthetic:
        yield real, "run for real, since the meta device could not"
    elif memory_needed(model, inputs) < SMALL_BYTES:
        yield real, "run for real on generated values, since the meta device could not"


def home_of(model: nn.Module) -> torch.device:
    """Where the model's first tensor lives; the CPU where it has none."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def memory_needed(model: nn.Module, inputs: ModelInputs) -> int:
    """Bytes of the model's tensors and its inputs."""
    found = [*model.parameters(), *model.buffers(), *tensors((inputs.args, inputs.kwargs))]
    return sum(t.numel() * t.element_size() for t in found if not nn.parameter.is_lazy(t))


def _meta_setting(model: nn.Module, inputs: ModelInputs, note: str) -> Setting:
    args, kwargs = inputs.on("meta")
    twin = model
    if not on_meta(model) or any(nn.parameter.is_lazy(p) for p in model.parameters()):
        try:
            twin = meta_copy(model)
        except (
            Exception
        ):  # some attribute cannot be copied: only the registered tensors are exchanged, until ``preserved`` ends
            exchange(model)
    return Setting(twin, args, kwargs, "meta", not inputs.synthetic, note=note)


def _real_setting(model: nn.Module, inputs: ModelInputs, device: torch.device | str | None, note: str) -> Setting:
    home = home_of(model)
    target = home if device is None else torch.device(device)
    runs = model
    if target.type != home.type or (target.index is not None and target.index != home.index):
        runs = deep_copy(model).to(target)
    elif any(nn.parameter.is_lazy(p) for p in model.parameters()):
        runs = deep_copy(model)

    # Data without a named device stays where the user put it: a model may be split over several.
    args, kwargs = (inputs.args, inputs.kwargs) if device is None and not inputs.synthetic else inputs.on(target)
    if not inputs.synthetic:  # the forward may write into its arguments
        args, kwargs = map_tensors(args, _clone), {key: map_tensors(value, _clone) for key, value in kwargs.items()}
    return Setting(runs, args, kwargs, target.type, not inputs.synthetic, lambda: _for_real(runs), note)


@contextlib.contextmanager
def _for_real(model: nn.Module) -> Iterator[None]:
    with preserved(model), full_precision():
        yield


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """TF32 off: float32 products are computed in float32."""
    cudnn: Any = torch.backends.cudnn  # whose parts the annotations do not know
    settings = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "ieee"
    try:
        yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision


#: What PyTorch says where an operation needs values, which meta tensors lack, or has no meta kernel.
_NO_VALUES = ("meta", "data-dependent", "is not on the expected device", "faketensor", "fake impl")


#: What PyTorch says where a forward names a device that this machine lacks.
_NO_DEVICE = ("nvidia driver", "not compiled with", "no cuda gpus", "accelerator device", "xpu device")


def _refused(setting: Setting, error: Exception, device: torch.device | str | None) -> bool:
    said = str(error).lower()
    if any(words in said for words in _NO_DEVICE):
        return False
    if setting.device != "meta":
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return False
        # The forward itself may refuse generated values; what PyTorch refuses of them, where the user wants them run,
        # is no fault of theirs: they are valid as floats, truth values, classes, tokens and indices.
        return setting.real_data or (device is not None and isinstance(error, (RuntimeError, IndexError, TypeError)))
    unsaid = isinstance(error, NotImplementedError) and not said
    return not unsaid and not any(word in said for word in _NO_VALUES)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= 160 else f"{lines[0][:157]}..."


def conditions(setting: Setting | None, model: nn.Module) -> dict[str, str]:
    """What a reader needs to judge a run."""
    found = {"torch": torch.__version__, "mode": "train" if unwrap(model).training else "eval"}
    if setting is not None:
        found["device"] = setting.device
        if setting.device != "meta":
            found["tf32"] = "off"
            found["input"] = "data" if setting.real_data else "generated values"
        if setting.note:
            found["note"] = setting.note
    return found


@dataclass
class Call(Generic[Reading]):
    """One call of one module while it is watched; ``entered`` and ``left`` are readings of the watcher's meter.

    ``parent`` is the index of the call that made this one, -1 for the outermost.
    """

    path: str
    kind: str
    number: int
    parent: int
    entered: Reading
    left: Reading | None = None
    returned: list[Tensor] = field(default_factory=list)


@contextlib.contextmanager
def recorded_calls(model: nn.Module, meter: Callable[[], Reading]) -> Iterator[list[Call[Reading]]]:
    """Every call of a registered module made inside, in order of entry; the hooks are gone afterwards."""
    calls: list[Call[Reading]] = []
    running: list[int] = []
    numbers: Counter[str] = Counter()
    paths = {id(module): path for path, module in model.named_modules()}

    def enter(module: nn.Module, _: Any) -> None:
        path = paths.get(id(module))
        if path is None:  # a copy that the forward made, and the hooks with it
            return
        numbers[path] += 1
        parent = running[-1] if running else -1
        running.append(len(calls))
        calls.append(Call(path, type(module).__name__, numbers[path], parent, meter()))

    def leave(module: nn.Module, _: Any, returned: Any) -> None:
        if id(module) not in paths:
            return
        call = calls[running.pop()]
        call.kind = type(module).__name__  # a lazy module has become another class
        call.left = meter()
        call.returned = [_outline(tensor) for tensor in tensors(returned)]

    def if_scripted(hook: Callable[..., None]) -> Callable[..., None]:
        def called(module: nn.Module, *others: Any) -> None:
            if isinstance(module, ScriptModule) and id(module) in paths:
                hook(module, *others)

        return called

    # A scripted module takes no hooks of its own, but the global ones see it called from Python.
    handles = [
        register_module_forward_pre_hook(if_scripted(enter)),
        register_module_forward_hook(if_scripted(leave), always_call=True),
    ]
    for module in model.modules():
        if isinstance(module, ScriptModule):
            continue
        # The user's own hooks belong to the call: their work, and what they make of its output.
        handles.append(module.register_forward_pre_hook(enter, prepend=True))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _outline(tensor: Tensor) -> Tensor:
    """Shape and dtype without the values, so that no activation lives longer than it would."""
    if tensor.is_nested:  # its lengths are values
        return tensor.detach()
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
