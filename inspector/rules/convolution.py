"""Convolutions, also transposed.

Sources: PyTorch documentation of ``Conv2d`` and ``ConvTranspose2d``; Dumoulin & Visin 2016, arXiv 1603.07285.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector import geometry
from inspector.errors import ShapeError
from inspector.formula import BoundFormula, Formula
from inspector.layers import CONVOLUTION_MACS as MACS
from inspector.layers import CONVOLUTION_PARAMS as PARAMS
from inspector.layers import INPUT, KERNEL, OUTPUT, TRANSPOSED_MACS, TRANSPOSED_PARAMS
from inspector.rules.common import META, Rule, refuse_bias, refuse_dtypes, remembered, spread
from inspector.rules.layout import memory_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.rules.common import Outcome, ToBind

#: PyTorch makes a complex convolution of three real ones (Gauss), and its counter counts those.
COMPLEX_MACS, COMPLEX_TRANSPOSED_MACS = (
    {
        n: Formula(f"3*{formula.text}", source=f"{formula.source}; three real convolutions", when="complex")
        for n, formula in table.items()
    }
    for table in (MACS, TRANSPOSED_MACS)
)
#: Those of ``MACS``.
_SYMBOLS = {n: ("N", "C_out", "C_in", "G", *KERNEL[n], *OUTPUT[n]) for n in KERNEL}


def per_axis(value: Any, rank: int) -> tuple[Any, ...]:
    """One number for each axis of the window."""
    if isinstance(value, (tuple, list)):
        return tuple(value) if len(value) == rank else tuple(value) * rank
    return (value,) * rank


def _batch(shape: Any, weight: Any, rank: int, expected: Any) -> Any:
    """Batch size of the input, after its rank and channels are held against the weight; 1 without a batch axis."""
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(
            f"a {rank}-D convolution takes [N, C, {', '.join(INPUT[rank])}] or the same without N, got {list(shape)}"
        )
    if shape[-rank - 1] != expected:
        raise ShapeError(
            f"the weight {list(weight)} takes {expected} channels, the input {list(shape)} has {shape[-rank - 1]}"
        )
    return shape[0] if len(shape) == rank + 2 else 1


def _shape(shape: Any, rank: int, channels: Any, sizes: Sequence[Any]) -> tuple[Any, ...]:
    for size in sizes:
        if size <= 0:
            raise ShapeError(f"the kernel is larger than the padded input {list(shape)}: the output would be {sizes}")
    return (*shape[: -rank - 1], channels, *sizes)


def _stored(x: Tensor, weight: Tensor, shape: tuple[Any, ...]) -> Any:
    """The output's shape; a tensor where it is stored with channels last, as the input or the weight is."""
    if x.dtype is not weight.dtype:
        refuse_dtypes(x, weight)
    if (x.is_contiguous() and weight.is_contiguous()) or len(shape) != weight.dim() or len(shape) == 3:
        return shape
    stored = memory_format(x)
    if stored is torch.contiguous_format:
        stored = memory_format(weight)
    return torch.empty(shape, dtype=x.dtype, device=META, memory_format=stored)


@remembered
def _convolved(
    shape: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int, of_complex: bool
) -> tuple[tuple[Any, ...], BoundFormula]:
    C_out, depth, *kernel = weight
    rank = len(kernel)
    C_in = depth * groups
    N = _batch(shape, weight, rank, C_in)
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    if type(padding) is str:
        same = padding == "same"
        padding = [sum(geometry.same_padding(k, d)) if same else 0 for k, d in zip(kernel, dilation, strict=True)]
    else:
        padding = [2 * p for p in per_axis(padding, rank)]
    sizes = [*map(geometry.output_size, shape[-rank:], kernel, stride, padding, dilation)]
    values = dict(zip(_SYMBOLS[rank], (N, C_out, C_in, groups, *kernel, *sizes), strict=True))
    formula = BoundFormula((COMPLEX_MACS if of_complex else MACS)[rank], values)
    return _shape(shape, rank, C_out, sizes), formula


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Outcome:
    """F.conv1d, conv2d, conv3d: input (N, C_in, *size) and weight (C_out, C_in/G, *kernel) give (N, C_out, *out)."""
    shape, formula = _convolved(input.shape, weight.shape, stride, padding, dilation, groups, input.is_complex())
    if bias is not None:
        refuse_bias(bias, weight, weight.shape[0])
    return _stored(input, weight, shape), formula


@remembered
def _spread_out(
    shape: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    of_complex: bool,
) -> tuple[tuple[Any, ...], BoundFormula]:
    C_in, depth, *kernel = weight
    rank = len(kernel)
    N = _batch(shape, weight, rank, C_in)
    inputs = [*shape[-rank:]]
    sizes = [
        geometry.transposed_output_size(i, k, s, 2 * p, o, d)
        for i, k, s, p, o, d in zip(
            inputs,
            kernel,
            *(per_axis(value, rank) for value in (stride, padding, output_padding, dilation)),
            strict=True,
        )
    ]
    sides = zip(KERNEL[rank] + INPUT[rank], kernel + inputs, strict=True)
    formula = (COMPLEX_TRANSPOSED_MACS if of_complex else TRANSPOSED_MACS)[rank](
        N=N, C_in=C_in, C_out=depth * groups, G=groups, **dict(sides)
    )
    return _shape(shape, rank, depth * groups, sizes), formula


def transposed_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Outcome:
    """F.conv_transpose1d/2d/3d: input (N, C_in, *size) and weight (C_in, C_out/G, *kernel) give (N, C_out, *out)."""
    options = (stride, padding, output_padding, groups, dilation)
    shape, formula = _spread_out(input.shape, weight.shape, *options, input.is_complex())
    if bias is not None:
        refuse_bias(bias, weight, weight.shape[1] * groups)
    return _stored(input, weight, shape), formula


def _params(weight: Any, groups: int, b: int) -> BoundFormula:
    C_out, depth, *kernel = weight
    sides = zip(KERNEL[len(kernel)], kernel, strict=True)
    return PARAMS[len(kernel)](C_out=C_out, C_in=depth * groups, G=groups, b=b, **dict(sides))


def convolution_params(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, groups: int = 1, **kwargs: Any
) -> ToBind:
    """Each of C_out filters has one weight for each tap of its C_in/G channels, and a bias."""
    return partial(_params, weight.shape, args[3] if len(args) > 3 else groups, int(bias is not None))


def transposed_convolution_params(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, groups: int = 1, **kwargs: Any
) -> BoundFormula:
    """The weight of the forward convolution that it transposes, and a bias for each output channel."""
    C_in, depth, *kernel = weight.shape
    groups = args[3] if len(args) > 3 else groups
    sides = zip(KERNEL[len(kernel)], kernel, strict=True)
    b = int(bias is not None)
    return TRANSPOSED_PARAMS[len(kernel)](C_in=C_in, C_out=depth * groups, G=groups, b=b, **dict(sides))


def any_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *switches: Any,
) -> Outcome:
    """torch.convolution: one of the above."""
    if transposed:
        return transposed_convolution(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolution(input, weight, bias, stride, padding, dilation, groups)


def time_convolution(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Outcome:
    """F.conv_tbc: input (L, N, C_in) and weight (K, C_in, C_out) give (L_out, N, C_out)."""
    L, N, C_in = input.shape
    K, expected, C_out = weight.shape
    if C_in != expected:
        raise ShapeError(f"the weight {list(weight.shape)} takes {expected} channels, the input {list(input.shape)}")
    L_out = geometry.output_size(L, K, padding=2 * pad)
    return (L_out, N, C_out), MACS[1](N=N, C_out=C_out, C_in=C_in, G=1, K=K, L_out=L_out)


RULES: dict[Any, Rule] = {
    **spread("conv1d conv2d conv3d", convolution),
    **spread("conv_transpose1d conv_transpose2d conv_transpose3d", transposed_convolution),
    **dict.fromkeys((torch.convolution, torch._convolution), any_convolution),
    F.conv_tbc: time_convolution,
}
PARAMETERS: dict[Rule, Any] = {
    convolution: convolution_params,
    transposed_convolution: transposed_convolution_params,
}
