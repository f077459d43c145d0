"""Witness: what PyTorch itself returns from every module call, by forward hooks."""

from __future__ import annotations

import torch
from torch import nn

from inspector.inputs import ModelInputs, dtype_name
from inspector.records import MeasuredModule, Measurement
from inspector.references.running import Setting, conditions, recorded_calls, run
from inspector.references.twins import on_meta
from inspector.structure import unwrap


def _autocast() -> bool:
    return torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")


def execution(model: nn.Module, inputs: ModelInputs, device: torch.device | str | None = None) -> Measurement:
    """Output shapes and dtypes of every module call.

    Args:
        model: in the mode in which it shall run; it stays as it is.
        inputs: sizes alone run on the meta device, data where the model lives.
        device: where to run instead.

    Returns:
        A measurement whose ``failure`` says why the forward did not run; ``conditions["refused"]`` is there where
        PyTorch refuses these inputs for this model.
    """
    seen: list[MeasuredModule] = []

    def watch(setting: Setting) -> None:
        seen.clear()
        with recorded_calls(setting.model, _autocast) as calls:
            setting.forward()
        if setting.device == "meta" and any(call.entered for call in calls) and not on_meta(unwrap(model)):
            raise NotImplementedError("autocast does not reach the meta device")
        for call in calls:
            shapes = tuple(tuple(tensor.shape) for tensor in call.returned)
            dtypes = tuple(dtype_name(tensor.dtype) for tensor in call.returned)
            seen.append(MeasuredModule(call.path, call.kind, call.number, shapes, dtypes))

    setting, failure = run(model, inputs, watch, device)
    stated = conditions(setting, model)
    if failure is not None:
        if failure.refused:
            stated["refused"] = "yes"
        return Measurement("execution", (), {}, stated, failure.message)
    return Measurement("execution", tuple(seen), {"calls": len(seen)}, stated)
