"""Witness: the parameters and buffers that are registered, each storage counted once."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn

from inspector.inputs import ModelInputs
from inspector.records import Measurement
from inspector.references.running import Setting, conditions, run
from inspector.structure import unwrap


def registered(model: nn.Module, inputs: ModelInputs) -> Measurement:
    """Totals: ``params``, ``trainable_params``, ``param_bytes``, ``buffer_elements``, ``buffer_bytes``.

    A lazy model is run once on a copy, since its parameters have no sizes before.
    """
    counted = unwrap(model)
    if not any(nn.parameter.is_lazy(p) for p in (*counted.parameters(), *counted.buffers())):
        return Measurement("registered", (), totals(counted), {"torch": torch.__version__})
    found: dict[str, int] = {}

    def watch(setting: Setting) -> None:
        setting.forward()
        found.update(totals(setting.model))

    setting, failure = run(model, inputs, watch, prefer_meta=True)
    return Measurement(
        "registered", (), found, conditions(setting, model), None if failure is None else failure.message
    )


def totals(model: nn.Module) -> dict[str, int]:
    """The sums; what is both parameter and buffer counts as a parameter, and is trainable if one of its names is."""
    parameters: dict[Hashable, list[Tensor]] = {}
    for parameter in model.parameters():
        parameters.setdefault(identity(parameter), []).append(parameter)
    buffers = {key: buffer for buffer in model.buffers() if (key := identity(buffer)) not in parameters}
    firsts = [same[0] for same in parameters.values()]
    trainable = [same[0] for same in parameters.values() if any(p.requires_grad for p in same)]
    return {
        "params": sum(p.numel() for p in firsts),
        "trainable_params": sum(p.numel() for p in trainable),
        "param_bytes": sum(p.numel() * p.element_size() for p in firsts),
        "buffer_elements": sum(b.numel() for b in buffers.values()),
        "buffer_bytes": sum(b.numel() * b.element_size() for b in buffers.values()),
    }


def identity(tensor: Tensor) -> Hashable:
    """Equal for tensors that are the same elements of the same storage."""
    if not tensor.numel():
        return id(tensor)
    try:
        storage = tensor.untyped_storage()._cdata  # data_ptr() is 0 for every meta tensor
    except (NotImplementedError, RuntimeError):  # sparse and wrapper tensors have none
        return id(tensor)
    return storage, tensor.storage_offset(), tensor.numel()
