"""Witness: PyTorch's own counter, ``torch.utils.flop_counter.FlopCounterMode``, read at every module's entry and exit.

It runs on the meta device, since on a CPU it gives 0 for fused kernels. Operators without a formula count 0 without a
word, so every operator that ran is looked at: where one multiplies, the figure is marked and, where its sizes tell how
often it multiplies, mended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from inspector.control_flow import meaning_of
from inspector.inputs import ModelInputs
from inspector.records import MeasuredModule, Measurement
from inspector.references.running import Setting, conditions, recorded_calls, run


def _bilinear(call: Sequence[Any]) -> int:
    """The kernel of F.bilinear gets (N, F_1), (F_out, F_1, F_2), (N, F_2): A·x₂, then x₁·(A·x₂)."""
    F_out, F_1, F_2 = call[2].shape
    return int(call[1].shape[0] * (F_out * F_1 * F_2 + F_out * F_1))


def _grouped(call: Sequence[Any]) -> int:
    """Each row of one side meets one matrix of the group; two 2-D sides share the axis that is cut into groups."""
    left, right = call[1:3]
    if left.dim() == 3 and right.dim() == 2:
        return int(prod(left.shape[1:]) * right.shape[1])
    return int(left.numel() * right.shape[-1])


def _cudnn_rnn(call: Sequence[Any]) -> int:
    steps, weights = call[1].shape[:-1], call[2]
    return int(prod(steps) * sum(weight.numel() for weight in weights if weight.dim() == 2))


def _attention(call: Sequence[Any]) -> int:
    """(B, H, L, E) by (B, H, S, E), then the weights by (B, H, S, E_v)."""
    query, key, value = call[1:4]
    return int(prod(query.shape[:-1]) * key.shape[-2] * (key.shape[-1] + value.shape[-1]))


#: Operators that multiply and that the counter misses: how often each multiplies. ``call[0]`` is the first output, then
#: come the arguments.
MISSED: dict[str, Callable[[Sequence[Any]], int]] = {
    "aten::mv": lambda call: call[1].numel(),
    "aten::addmv": lambda call: call[2].numel(),
    "aten::dot": lambda call: call[1].numel(),
    "aten::vdot": lambda call: call[1].numel(),
    **dict.fromkeys(
        ("aten::addbmm", "aten::addbmm_", "aten::addmm_", "aten::baddbmm_"),
        lambda call: call[2].numel() * call[3].shape[-1],
    ),
    "aten::addmv_": lambda call: call[2].numel(),
    "aten::_addmm_activation": lambda call: call[2].numel() * call[3].shape[-1],
    "aten::_int_mm": lambda call: call[1].numel() * call[2].shape[-1],
    "aten::_grouped_mm": _grouped,
    "aten::_trilinear": _bilinear,
    "aten::conv_tbc": lambda call: call[0].numel() * prod(call[2].shape[:2]),
    "aten::mkldnn_rnn_layer": lambda call: prod(call[1].shape[:-1]) * (call[2].numel() + call[3].numel()),
    "aten::_cudnn_rnn": _cudnn_rnn,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "torchvision::deform_conv2d": lambda call: call[0].numel() * prod(call[2].shape[1:]),
}
#: Fused kernels that multiply in ways their arguments do not tell simply.
_OPAQUE = {"aten::_transformer_encoder_layer_fwd", "aten::_native_multi_head_attention"}
#: Operators outside PyTorch's own that multiply no matrices.
_NO_PRODUCTS = {
    f"torchvision::{name}"
    for name in ("_cuda_version", "nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "_roi_align")
}
_PYTORCHS_OWN = ("aten", "prim", "prims", "profiler", "debugprims", "higher_order")


class _Reading(NamedTuple):
    flops: int
    mended: int
    missed: int  # operators that the counter missed so far


class _Missed(TorchDispatchMode):
    """Sees what the counter executes, after the counter took composite operators apart."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.names: list[str] = []
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = getattr(func, "_overloadpacket", None)
        if packet is None or packet in flop_registry:
            return out
        name = packet._qualified_op_name
        if name in MISSED:
            self.names.append(name)
            self.macs += MISSED[name]((out[0] if isinstance(out, (tuple, list)) else out, *args))
        elif name in _OPAQUE or (func.namespace not in _PYTORCHS_OWN and name not in _NO_PRODUCTS):
            self.names.append(name)
        return out


class _Followed(TorchDispatchMode):
    """Runs PyTorch's control flow as the Python it means, which branch for branch is what an execution does.

    The counter itself takes the larger branch of ``torch.cond`` and refuses to look into loops.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        meaning = meaning_of(func)
        if meaning is None:
            return func(*args, **(kwargs or {}))
        with self:
            return meaning(*args, **(kwargs or {}))


def flop_counter(model: nn.Module, inputs: ModelInputs, device: torch.device | None = None) -> Measurement:
    """MACs, half of the counter's FLOPs, of every module call and in total; on the meta device unless one is given.

    ``fault`` of a call names the operators in it that the counter missed, ``corrected_macs`` adds what those of them
    multiply whose sizes tell it.
    """
    seen: list[MeasuredModule] = []
    totals: dict[str, int] = {}
    missed_by_name: Counter[str] = Counter()

    def watch(setting: Setting) -> None:
        seen.clear()
        missed_by_name.clear()
        with _Missed() as missed, FlopCounterMode(display=False) as counter, _Followed():

            def read() -> _Reading:
                return _Reading(int(counter.get_total_flops()), missed.macs, len(missed.names))

            with recorded_calls(setting.model, read) as calls:
                setting.forward()
        missed_by_name.update(missed.names)
        for call in calls:
            before, after = call.entered, call.left or call.entered
            names = missed.names[before.missed : after.missed]
            macs = (after.flops - before.flops) // 2
            mended = macs + after.mended - before.mended
            seen.append(
                MeasuredModule(call.path, call.kind, call.number, macs=macs, fault=_fault(names), corrected_macs=mended)
            )
        totals["macs"] = int(counter.get_total_flops()) // 2

    setting, failure = run(model, inputs, watch, device, prefer_meta=device is None)
    stated = conditions(setting, model)
    if failure is not None:
        return Measurement("flop_counter", (), {}, stated, failure.message)
    if missed_by_name:
        stated["missed operators"] = ", ".join(f"{name} ×{times}" for name, times in missed_by_name.items())
    return Measurement("flop_counter", tuple(seen), totals, stated)


def _fault(names: list[str]) -> str:
    """What the counter missed; operators that cannot be mended stand last, after "cannot look into"."""
    each = sorted(set(names))
    missed, opaque = [name for name in each if name in MISSED], [name for name in each if name not in MISSED]
    parts = [f"has no formula for {', '.join(missed)}"] if missed else []
    parts += [f"cannot look into {', '.join(opaque)}"] if opaque else []
    return "; ".join(parts)
