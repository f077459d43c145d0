"""Convolutions, also transposed.

Sources: PyTorch documentation of ``Conv2d`` and ``ConvTranspose2d``; Dumoulin & Visin 2016, arXiv 1603.07285.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector import geometry
from inspector.errors import ShapeError
from inspector.formula import BoundFormula, Formula
from inspector.layers import CONVOLUTION_MACS as MACS
from inspector.layers import CONVOLUTION_PARAMS as PARAMS
from inspector.layers import INPUT, KERNEL, OUTPUT, TRANSPOSED_MACS, TRANSPOSED_PARAMS
from inspector.rules.common import META, Rule, refuse_dtypes, spread
from inspector.rules.layout import memory_format

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.rules.common import Outcome

#: PyTorch makes a complex convolution of three real ones (Gauss), and its counter counts those.
COMPLEX_MACS, COMPLEX_TRANSPOSED_MACS = (
    {
        n: Formula(f"3*{formula.text}", source=f"{formula.source}; three real convolutions")
        for n, formula in table.items()
    }
    for table in (MACS, TRANSPOSED_MACS)
)


def per_axis(value: Any, rank: int) -> tuple[Any, ...]:
    """One number for each axis of the window."""
    if isinstance(value, (tuple, list)):
        return tuple(value) if len(value) == rank else tuple(value) * rank
    return (value,) * rank


def _channels(x: Tensor, weight: Tensor, rank: int, expected: Any) -> Any:
    """Batch size of ``x``, after its rank and channels are held against the weight; 1 for an unbatched input."""
    if x.dim() not in (rank + 1, rank + 2):
        raise ShapeError(
            f"a {rank}-D convolution takes [N, C, {', '.join(INPUT[rank])}] or the same without N, got {list(x.shape)}"
        )
    if x.shape[-rank - 1] != expected:
        raise ShapeError(
            f"the weight {list(weight.shape)} takes {expected} channels, "
            f"the input {list(x.shape)} has {x.shape[-rank - 1]}"
        )
    if x.dtype is not weight.dtype:
        refuse_dtypes(x, weight)
    return x.shape[0] if x.dim() == rank + 2 else 1


def _result(x: Tensor, weight: Tensor, rank: int, channels: Any, sizes: list[Any]) -> Any:
    """The output's shape; a tensor where it is stored with channels last, as the input or the weight is."""
    for size in sizes:
        if size <= 0:
            raise ShapeError(f"the kernel is larger than the padded input {list(x.shape)}: the output would be {sizes}")
    shape = (*x.shape[: -rank - 1], channels, *sizes)
    if rank == 1 or (x.is_contiguous() and weight.is_contiguous()) or x.dim() == rank + 1:
        return shape
    stored = memory_format(x)
    if stored is torch.contiguous_format:
        stored = memory_format(weight)
    return torch.empty(shape, dtype=x.dtype, device=META, memory_format=stored)


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
    C_out, depth, *kernel = weight.shape
    rank = len(kernel)
    C_in = depth * groups
    N = _channels(input, weight, rank, C_in)
    shape = input.shape[-rank:]
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    values = {"N": N, "C_out": C_out, "C_in": C_in, "G": groups}
    sizes = []
    if type(padding) is str:
        same = padding == "same"
        padding = [sum(geometry.same_padding(k, d)) if same else 0 for k, d in zip(kernel, dilation, strict=True)]
    else:
        padding = [2 * p for p in per_axis(padding, rank)]
    for axis in range(rank):
        taps = kernel[axis]
        size = geometry.output_size(shape[axis], taps, stride[axis], padding[axis], dilation[axis])
        values[KERNEL[rank][axis]] = taps
        values[OUTPUT[rank][axis]] = size
        sizes.append(size)
    return _result(input, weight, rank, C_out, sizes), BoundFormula(
        (COMPLEX_MACS if input.is_complex() else MACS)[rank], values
    )


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
    C_in, depth, *kernel = weight.shape
    rank = len(kernel)
    N = _channels(input, weight, rank, C_in)
    inputs = list(input.shape[-rank:])
    sizes = [
        geometry.transposed_output_size(i, k, s, 2 * p, o, d)
        for i, k, s, p, o, d in zip(
            inputs,
            kernel,
            *(per_axis(value, rank) for value in (stride, padding, output_padding, dilation)),
            strict=True,
        )
    ]
    formula = (COMPLEX_TRANSPOSED_MACS if input.is_complex() else TRANSPOSED_MACS)[rank](
        N=N,
        C_in=C_in,
        C_out=depth * groups,
        G=groups,
        **dict(zip(KERNEL[rank] + INPUT[rank], kernel + inputs, strict=True)),
    )
    return _result(input, weight, rank, depth * groups, sizes), formula


def convolution_params(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, groups: int = 1, **kwargs: Any
) -> BoundFormula:
    """Each of C_out filters has one weight for each tap of its C_in/G channels, and a bias."""
    C_out, depth, *kernel = weight.shape
    groups = args[3] if len(args) > 3 else groups
    rank = len(kernel)
    return PARAMS[rank](
        C_out=C_out,
        C_in=depth * groups,
        G=groups,
        b=int(bias is not None),
        **dict(zip(KERNEL[rank], kernel, strict=True)),
    )


def transposed_convolution_params(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, groups: int = 1, **kwargs: Any
) -> BoundFormula:
    """The weight of the forward convolution that it transposes, and a bias for each output channel."""
    C_in, depth, *kernel = weight.shape
    groups = args[3] if len(args) > 3 else groups
    rank = len(kernel)
    return TRANSPOSED_PARAMS[rank](
        C_in=C_in,
        C_out=depth * groups,
        G=groups,
        b=int(bias is not None),
        **dict(zip(KERNEL[rank], kernel, strict=True)),
    )


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
