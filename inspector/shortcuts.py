"""The one call that a module of ``torch.nn`` makes, said without walking through its forward.

Half the time of a trace would go into PyTorch's own Python between a module's call and its function's. Each entry is
the body of that class's ``forward``; tests hold every one of them against the forward itself. It serves instances of
exactly that class, which nobody hooked or gave another forward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    #: (function, positional arguments, keyword arguments), or None where this instance does something else.
    TheCall: TypeAlias = tuple[Any, tuple[Any, ...], dict[str, Any] | None] | None
    Shortcut: TypeAlias = Callable[[Any, Tensor], TheCall]


def _convolution(function: Any) -> Shortcut:
    def shortcut(m: Any, x: Tensor) -> TheCall:
        if m.padding_mode != "zeros":
            return None
        weights = m._parameters
        return function, (x, weights["weight"], weights["bias"], m.stride, m.padding, m.dilation, m.groups), None

    return shortcut


def _linear(m: Any, x: Tensor) -> TheCall:
    weights = m._parameters
    return F.linear, (x, weights["weight"], weights["bias"]), None


def _batch_norm(m: Any, x: Tensor) -> TheCall:
    if m.training or x.dim() != 4:  # in training it counts its batches too
        return None
    weights, running = m._parameters, m._buffers
    mean, var = running["running_mean"], running["running_var"]
    momentum = 0.0 if m.momentum is None else m.momentum
    return (
        F.batch_norm,
        (x, mean, var, weights["weight"], weights["bias"], mean is None and var is None, momentum, m.eps),
        None,
    )


def _layer_norm(m: Any, x: Tensor) -> TheCall:
    weights = m._parameters
    return F.layer_norm, (x, m.normalized_shape, weights["weight"], weights["bias"], m.eps), None


def _dropout(m: Any, x: Tensor) -> TheCall:
    return F.dropout, (x, m.p, m.training, m.inplace), None


def _activation(function: Any) -> Shortcut:
    def shortcut(m: Any, x: Tensor) -> TheCall:
        return function, (x,), {"inplace": True} if m.inplace else None

    return shortcut


def _relu6(m: Any, x: Tensor) -> TheCall:
    return F.hardtanh, (x, m.min_val, m.max_val, m.inplace), None


def _hardswish(m: Any, x: Tensor) -> TheCall:
    return F.hardswish, (x, m.inplace), None


def _gelu(m: Any, x: Tensor) -> TheCall:
    return F.gelu, (x,), {"approximate": m.approximate}


def _unary(function: Any) -> Shortcut:
    def shortcut(_: Any, x: Tensor) -> TheCall:
        return function, (x,), None

    return shortcut


def _max_pool(m: Any, x: Tensor) -> TheCall:
    if m.return_indices:
        return None
    return F.max_pool2d, (x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, False), None


def _avg_pool(m: Any, x: Tensor) -> TheCall:
    options = (m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override)
    return F.avg_pool2d, (x, *options), None


def _adaptive_avg_pool(m: Any, x: Tensor) -> TheCall:
    return F.adaptive_avg_pool2d, (x, m.output_size), None


def _flatten(m: Any, x: Tensor) -> TheCall:
    return torch.Tensor.flatten, (x, m.start_dim, m.end_dim), None


def _embedding(m: Any, x: Tensor) -> TheCall:
    if m.max_norm is not None:  # writes into its weight
        return None
    return F.embedding, (x, m._parameters["weight"], m.padding_idx), None


SHORTCUTS: dict[type[nn.Module], Shortcut] = {
    nn.Conv1d: _convolution(F.conv1d),
    nn.Conv2d: _convolution(F.conv2d),
    nn.Conv3d: _convolution(F.conv3d),
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Embedding: _embedding,
    nn.Dropout: _dropout,
    nn.ReLU: _activation(F.relu),
    nn.ReLU6: _relu6,
    nn.SiLU: _activation(F.silu),
    nn.Hardswish: _hardswish,
    nn.GELU: _gelu,
    nn.Sigmoid: _unary(torch.sigmoid),
    nn.Tanh: _unary(torch.tanh),
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive_avg_pool,
    nn.Flatten: _flatten,
}


def is_sequence(kind: type) -> bool:
    """Its forward is ``nn.Sequential``'s: the modules one after the other."""
    return issubclass(kind, nn.Sequential) and (kind.forward, kind.__iter__) == _SEQUENTIAL


_SEQUENTIAL = (nn.Sequential.forward, nn.Sequential.__iter__)
