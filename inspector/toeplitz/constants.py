"""Lipschitz constants of PyTorch's layers in the 2-norm: what is proved of each, and a word of the proof."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from inspector.errors import InspectionError
from inspector.toeplitz.circulant import UNIT
from inspector.toeplitz.operator import ConvOperator

#: Suprema of |f′|, rounded up in the last digit.
_SILU, _GELU, _GELU_TANH, _MISH = 1.0998394, 1.1289042, 1.1289931, 1.0884982
#: What rounding a constant to float32 may add.
_FLOAT32 = 1 + 2.0**-23
_SELU = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


@dataclass(frozen=True, slots=True)
class Constant:
    """‖f(x) − f(y)‖₂ ≤ ``value``·‖x − y‖₂ for all x, y; ``value`` None where nothing is known, with the reason."""

    value: float | None
    reason: str


def constant_of(module: nn.Module, shape: tuple[int, ...]) -> Constant:
    """The constant of one layer for an input of this shape (batch first), as the layer stands.

    Raises:
        InspectionError: the layer's weights are not finite, or cannot take the shape.
    """
    if hooked(module):
        return Constant(None, HOOKED)
    # A subclass may have a forward of its own; a parametrization changes the class and leaves the forward.
    rule = _RULES.get(parametrize.type_before_parametrizations(module))
    if rule is None:
        return Constant(None, "no bound of this layer is known here")
    if not parametrize.is_parametrized(module):
        return rule(module, shape)
    with parametrize.cached():  # in training mode each look at a weight may change its buffers
        return rule(copy.deepcopy(module), shape)


#: Why a hook leaves a layer without a bound.
HOOKED = "has hooks or a forward of its own: what it gives is not its class's alone"


def hooked(module: nn.Module) -> bool:
    """Whether calling the module does something else than its class's forward."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _always(value: float, reason: str) -> Callable[[Any, tuple[int, ...]], Constant]:
    return lambda module, shape: Constant(value, reason)


def _convolution(module: Any, shape: tuple[int, ...]) -> Constant:
    spatial = len(module.kernel_size)
    bracket = ConvOperator.from_module(module, input_size=shape[-spatial:]).operator_norm()
    if not bracket.certified:
        return Constant(None, bracket.reason)
    return Constant(bracket.upper, f"{bracket.method}: {bracket.reason}; at least {bracket.lower:.6g}")


def _linear(module: nn.Linear, shape: tuple[int, ...]) -> Constant:
    weight = module.weight.detach().to(torch.complex128 if module.weight.is_complex() else torch.float64)
    if not weight.isfinite().all():
        raise InspectionError("the weight of a Linear has values that are not finite: no norm")
    largest = float(torch.linalg.svdvals(weight)[0]) if weight.numel() else 0.0
    return Constant(largest * (1 + 10 * sum(weight.shape) * UNIT), "largest singular value of the weight")


def _batch_norm(module: Any, shape: tuple[int, ...]) -> Constant:
    if module.training or module.running_var is None:
        return Constant(None, "divides by the deviation of the batch: in training mode samples depend on each other")
    deviation = (module.running_var.detach().double() + module.eps).sqrt()
    scale = torch.ones_like(deviation) if module.weight is None else module.weight.detach().double().abs()
    value = float((scale / deviation).max()) * (1 + 8 * UNIT)
    return _finite(value, "largest |γ|/√(running variance + ε)")


def _own_norm(module: Any, shape: tuple[int, ...]) -> Constant:
    """The map x ↦ (x − mean)/√(var + ε) has the Jacobian (I − ccᵀ/(n·s²))/s on centred vectors, s ≥ √ε."""
    if getattr(module, "track_running_stats", False) and not module.training:
        return _batch_norm(module, shape)
    eps = module.eps
    if eps is None:  # RMSNorm: that of the input's dtype
        eps = torch.finfo(torch.float32 if module.weight is None else module.weight.dtype).eps
    if eps <= 0:
        return Constant(None, "divides by the input's own deviation, and ε = 0")
    scale = 1.0 if module.weight is None else float(module.weight.detach().double().abs().max())
    return _finite(scale / math.sqrt(eps) * (1 + 8 * UNIT), "max |γ|/√ε, attained near a constant input")


def _finite(value: float, reason: str) -> Constant:
    if not math.isfinite(value):
        raise InspectionError(f"{reason} is {value}: a parameter or running statistic is not finite")
    return Constant(value, reason)


def _dropout(module: Any, shape: tuple[int, ...]) -> Constant:
    if not module.training or module.p == 0:
        return Constant(1.0, "the identity in evaluation mode")
    return Constant(None, "random in training mode")


def _elu(module: Any, shape: tuple[int, ...]) -> Constant:
    return Constant(max(1.0, abs(module.alpha)), "f′ = 1 for x > 0, α·eˣ below")


def _leaky(module: Any, shape: tuple[int, ...]) -> Constant:
    return Constant(max(1.0, abs(module.negative_slope)), "slopes 1 and negative_slope")


def _prelu(module: nn.PReLU, shape: tuple[int, ...]) -> Constant:
    return _finite(max(1.0, float(module.weight.detach().abs().max())), "slopes 1 and the learned ones")


def _rrelu(module: nn.RReLU, shape: tuple[int, ...]) -> Constant:
    slopes = (module.lower, module.upper)
    return Constant(max(1.0, *map(abs, slopes)), "slopes between lower and upper, and 1")


def _gelu(module: nn.GELU, shape: tuple[int, ...]) -> Constant:
    return Constant(_GELU_TANH if module.approximate == "tanh" else _GELU, "largest slope")


def _hardtanh(module: nn.Hardtanh, shape: tuple[int, ...]) -> Constant:
    return Constant(1.0, "a projection onto an interval")


def _threshold(module: nn.Threshold, shape: tuple[int, ...]) -> Constant:
    if module.value == module.threshold:
        return Constant(1.0, "a shifted ReLU")
    return Constant(None, "jumps at its threshold")


def _log_softmax(module: nn.LogSoftmax, shape: tuple[int, ...]) -> Constant:
    """The Jacobian I − 1pᵀ is an oblique projection: its norm is ‖1pᵀ‖ = √n·‖p‖ ≤ √n, or 0 for n = 1."""
    if module.dim is None:
        return Constant(None, "dim is not given")
    n = shape[module.dim]
    return Constant(math.sqrt(n) * (1 + 4 * UNIT) if n > 1 else 0.0, f"the Jacobian I − 1pᵀ has norm √n·‖p‖ ≤ √{n}")


def _max_pool(module: Any, shape: tuple[int, ...]) -> Constant:
    """|max a − max b| ≤ max |a − b|: each input counts once for each window that it is in."""
    spatial = _axes_of(module)
    kernel, stride, padding, dilation = (_each(getattr(module, name), spatial) for name in _WINDOW)
    out = module(torch.empty(shape, device="meta")) if not module.return_indices else None
    if out is None:
        return Constant(None, "returns indices too")
    overlap = 1
    for axis in range(spatial):
        taps = torch.arange(kernel[axis]) * dilation[axis]
        reads = torch.arange(out.shape[axis - spatial])[:, None] * stride[axis] + taps - padding[axis]
        inside = reads[(reads >= 0) & (reads < shape[axis - spatial])]
        overlap *= int(torch.bincount(inside).max())
    return Constant(_root(overlap), f"an input is in {overlap} window{'s' * (overlap > 1)} at most")


def _adaptive_max_pool(module: Any, shape: tuple[int, ...]) -> Constant:
    overlap = 1
    sizes = _each(module.output_size, _axes_of(module))
    for out, size in zip(sizes, shape[-len(sizes) :], strict=True):
        out = size if out is None else out
        starts, ends = (torch.arange(out) * size) // out, -((-(torch.arange(out) + 1) * size) // out)
        windows = torch.arange(size)[:, None]
        overlap *= int(((windows >= starts) & (windows < ends)).sum(1).max())
    return Constant(_root(overlap), f"an input is in {overlap} window{'s' * (overlap > 1)} at most")


_WINDOW = ("kernel_size", "stride", "padding", "dilation")


def _average(one_axis: Callable[[Any, Tensor, int], Tensor]) -> Callable[[Any, tuple[int, ...]], Constant]:
    """A linear map with no negative entry, a product of one map for each axis: Schur's test on each."""

    def rule(module: Any, shape: tuple[int, ...]) -> Constant:
        spatial = _axes_of(module)
        value = 1.0
        for axis in range(spatial):
            x = torch.ones(1, 1, shape[axis - spatial], dtype=torch.float64, requires_grad=True)
            with torch.enable_grad():
                y = one_axis(module, x, axis)
                (columns,) = torch.autograd.grad(y.sum(), x)
            value *= math.sqrt(float(y.detach().max()) * float(columns.max()))
        return Constant(value * (1 + 8 * (sum(shape) + 8) * UNIT), "linear: √(largest row sum · largest column sum)")

    return rule


def _avg_pool(module: Any, x: Tensor, axis: int) -> Tensor:
    spatial = _axes_of(module)
    kernel, stride, padding = (_each(getattr(module, name), spatial)[axis] for name in _WINDOW[:3])
    pooled = F.avg_pool1d(x, kernel, stride, padding, module.ceil_mode, module.count_include_pad)
    divisor = getattr(module, "divisor_override", None)
    if divisor is None:
        return pooled
    sums: Tensor = F.avg_pool1d(x, kernel, stride, padding, module.ceil_mode, True) * kernel
    return sums / divisor if axis == 0 else sums


def _adaptive_avg_pool(module: Any, x: Tensor, axis: int) -> Tensor:
    size = _each(module.output_size, _axes_of(module))[axis]
    return F.adaptive_avg_pool1d(x, x.shape[-1] if size is None else size)


def _pad(module: Any, shape: tuple[int, ...]) -> Constant:
    """PᵀP is diagonal: how often each input is copied."""
    spatial = len(module.padding) // 2
    copies = 1
    mode = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    word = next(mode[name] for name in mode if type(module).__name__.startswith(name))
    for axis in range(spatial):
        before, after = module.padding[2 * (spatial - 1 - axis) :][:2]
        places = torch.arange(shape[axis - spatial], dtype=torch.float64)[None, None]
        padded = F.pad(places, (before, after), mode=word).long().flatten()
        copies *= int(torch.bincount(padded).max())
    return Constant(_root(copies), f"copies an input {copies} time{'s' * (copies > 1)} at most")


def _root(count: int) -> float:
    return math.sqrt(count) * (1 + 2 * UNIT) if count > 1 else float(count)


def _axes_of(module: nn.Module) -> int:
    return int(type(module).__name__[-2])  # MaxPool2d


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    if isinstance(value, (tuple, list)):
        return tuple(value) * (axes if len(value) == 1 else 1)
    return (value,) * axes


_MOVES = _always(1.0, "moves elements only")
_SLOPE_ONE = _always(1.0, "|f′| ≤ 1")

_RULES: dict[type[nn.Module], Callable[[Any, tuple[int, ...]], Constant]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _convolution),
    nn.Linear: _linear,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm), _batch_norm),
    **dict.fromkeys((nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), _own_norm),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _own_norm),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), _dropout),
    **dict.fromkeys((nn.AlphaDropout, nn.FeatureAlphaDropout), _dropout),
    **dict.fromkeys((nn.Identity, nn.Flatten, nn.Unflatten), _MOVES),
    **dict.fromkeys((nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), _MOVES),
    **dict.fromkeys((nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), _always(1.0, "zeros depend on no input")),
    **dict.fromkeys(
        (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d), _always(1.0, "constants depend on no input")
    ),
    **dict.fromkeys((nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d), _pad),
    **dict.fromkeys((nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d), _pad),
    **dict.fromkeys((nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d), _pad),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid), _SLOPE_ONE),
    **dict.fromkeys((nn.Softshrink, nn.Tanhshrink), _SLOPE_ONE),
    nn.Hardtanh: _hardtanh,
    nn.LeakyReLU: _leaky,
    nn.PReLU: _prelu,
    nn.RReLU: _rrelu,
    nn.ELU: _elu,
    nn.SELU: _always(_SELU, "scale·α, the slope just below 0"),
    nn.CELU: _always(_FLOAT32, "|f′| ≤ 1; PyTorch holds 1/α in float32"),
    nn.Sigmoid: _always(0.25, "σ′ = σ(1 − σ) ≤ ¼"),
    nn.Hardsigmoid: _always(1 / 6 * _FLOAT32, "slope ⅙, which PyTorch holds in float32"),
    nn.Hardswish: _always(1.5, "f′ = (2x + 3)/6 up to x = 3"),
    nn.SiLU: _always(_SILU, "largest slope"),
    nn.Mish: _always(_MISH, "largest slope"),
    nn.GELU: _gelu,
    nn.Threshold: _threshold,
    nn.Hardshrink: lambda module, shape: (
        Constant(None, "jumps at ±λ") if module.lambd > 0 else Constant(1.0, "the identity")
    ),
    **dict.fromkeys((nn.Softmax, nn.Softmin, nn.Softmax2d), _always(0.5, "diag(p) − ppᵀ ≤ ½, by Gershgorin")),
    nn.LogSoftmax: _log_softmax,
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _max_pool),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), _adaptive_max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _average(_avg_pool)),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), _average(_adaptive_avg_pool)),
}
