"""Reductions: axes are summed, averaged or compared away. The work is one operation for each element of the input.

Source: PyTorch documentation, "Reduction Ops".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.arithmetic import binary
from inspector.rules.common import (
    EACH_INPUT,
    Rule,
    axes_of,
    axis_of,
    broadcast,
    empty,
    floating,
    real,
    remembered,
    shape_argument,
    spread,
    summed,
)

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


COVARIANCE_MACS = Formula("M*Q*M", source="torch.cov: XXᵀ of M variables (M × Q), divided by Q − 1")


@remembered
def reduced(shape: torch.Size, dim: Any, keepdim: bool) -> tuple[Any, ...]:
    """The shape without the axes ``dim``, or with 1 in their place; None or () means all axes."""
    if isinstance(dim, int):
        axis = axis_of(dim, len(shape))
        return (*shape[:axis], *((1,) if keepdim and shape else ()), *shape[axis + 1 :])
    axes = axes_of(dim, len(shape))
    if keepdim:
        return tuple([1 if axis in axes else size for axis, size in enumerate(shape)])
    return tuple([size for axis, size in enumerate(shape) if axis not in axes])


def total(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Outcome:
    """torch.sum, nansum: integers add up as int64."""
    output = empty(reduced(input.shape, dim, keepdim), dtype or summed(input.dtype))
    return output, EACH_INPUT(n=input.numel())


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Outcome:
    """torch.mean, nanmean: of floating or complex numbers."""
    output = empty(reduced(input.shape, dim, keepdim), dtype or input.dtype)
    return output, EACH_INPUT(n=input.numel())


def product_of(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Outcome:
    """torch.prod: along one axis or over all elements."""
    return total(input, dim, keepdim, dtype=dtype)


def extremes(input: Tensor, dim: Any = (), keepdim: bool = False) -> Outcome:
    """torch.amax, amin: the largest or smallest along axes."""
    return empty(reduced(input.shape, dim, keepdim), input.dtype), EACH_INPUT(n=input.numel())


def truth(input: Tensor, dim: Any = None, keepdim: bool = False) -> Outcome:
    """torch.any, all: truth values, of bytes bytes. No axis at all, (), leaves every element alone."""
    dtype = torch.uint8 if input.dtype is torch.uint8 else torch.bool
    shape = input.shape if isinstance(dim, (tuple, list)) and not dim else reduced(input.shape, dim, keepdim)
    return empty(shape, dtype), EACH_INPUT(n=input.numel())


def position(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Outcome:
    """torch.argmax, argmin: where the extreme lies."""
    return empty(reduced(input.shape, dim, keepdim), torch.int64), EACH_INPUT(n=input.numel())


def count_nonzero(input: Tensor, dim: Any = None) -> Outcome:
    """torch.count_nonzero: how many along axes."""
    return empty(reduced(input.shape, dim, False), torch.int64), EACH_INPUT(n=input.numel())


def _values_and_indices(result_type: Any, input: Tensor, dim: int, keepdim: bool) -> Outcome:
    shape = reduced(input.shape, dim, keepdim)
    return result_type((empty(shape, input.dtype), empty(shape, torch.int64))), EACH_INPUT(n=input.numel())


def chooser(name: str) -> Rule:
    """The rule of torch.max or min, which are three functions: over all, along one axis, or of two tensors."""
    result_type = getattr(torch.return_types, name)

    def rule(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Outcome:
        if isinstance(dim, Tensor):
            return binary(input, dim)
        if other is not None:
            return binary(input, other)
        if dim is None:
            return empty((), input.dtype), EACH_INPUT(n=input.numel())
        return _values_and_indices(result_type, input, dim, keepdim)

    rule.__name__ = name
    rule.__doc__ = f"torch.{name}: over all elements, along one axis with where it lies, or of two tensors."
    return rule


def ranker(name: str) -> Rule:
    """The rule of torch.median or nanmedian: over all elements, or along one axis with where it lies."""
    result_type = getattr(torch.return_types, name)

    def rule(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Outcome:
        if dim is None:
            return empty((), input.dtype), EACH_INPUT(n=input.numel())
        return _values_and_indices(result_type, input, dim, keepdim)

    rule.__name__ = name
    rule.__doc__ = f"torch.{name}: over all elements, or along one axis with where it lies."
    return rule


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Outcome:
    """torch.mode: the most frequent value along one axis, and where it lies."""
    return _values_and_indices(torch.return_types.mode, input, dim, keepdim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Outcome:
    """torch.kthvalue: the k-th smallest along one axis, and where it lies."""
    return _values_and_indices(torch.return_types.kthvalue, input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Outcome:
    """torch.aminmax: smallest and largest."""
    shape = reduced(input.shape, dim, keepdim)
    extremes = torch.return_types.aminmax((empty(shape, input.dtype), empty(shape, input.dtype)))
    return extremes, EACH_INPUT(n=input.numel())


def spread_of(
    input: Tensor, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = 1
) -> Outcome:
    """torch.std, var: real also of complex numbers. A lone truth value in the place of ``dim`` is ``unbiased``."""
    if isinstance(dim, bool):
        dim = None
    return empty(reduced(input.shape, dim, keepdim), real(input.dtype)), EACH_INPUT(n=input.numel())


def spread_and_mean(
    input: Tensor, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = 1
) -> Outcome:
    """torch.std_mean, var_mean: a pair."""
    if isinstance(dim, bool):
        dim = None
    shape = reduced(input.shape, dim, keepdim)
    return (empty(shape, real(input.dtype)), empty(shape, input.dtype)), EACH_INPUT(n=input.numel())


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Outcome:
    """torch.logsumexp: floating also of integers."""
    return empty(reduced(input.shape, dim, keepdim), floating(input.dtype)), EACH_INPUT(n=input.numel())


def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: None = None,
    dtype: torch.dtype | None = None,
) -> Outcome:
    """torch.norm: real also of complex numbers; the nuclear norm is of matrices."""
    if out is not None:
        raise TypeError("out= is the trace's to answer")
    if p == "nuc" and dim is None:
        dim = (-2, -1)
    return empty(reduced(input.shape, dim, keepdim), real(dtype or input.dtype)), EACH_INPUT(n=input.numel())


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Outcome:
    """torch.quantile, nanquantile: the axis of several q comes first."""
    shape = reduced(input.shape, dim, keepdim)
    output = empty((*shape, *q.shape) if isinstance(q, Tensor) else shape, input.dtype)
    if isinstance(q, Tensor) and q.dim():
        output = output.movedim(-1, 0)
    return output, EACH_INPUT(n=input.numel())


def dist(input: Tensor, other: Tensor, p: Any = 2) -> Outcome:
    """torch.dist: the norm of a difference, one number."""
    n = 1
    for size in broadcast(input.shape, other.shape):
        n = n * size
    return empty((), real(torch.promote_types(input.dtype, other.dtype))), EACH_INPUT(n=n)


def trace(input: Tensor) -> Outcome:
    """torch.trace: the sum of a matrix's diagonal."""
    if input.dim() != 2:
        raise ShapeError(f"trace takes a matrix, got {list(input.shape)}")
    return empty((), summed(input.dtype)), EACH_INPUT(n=input.diagonal().numel())


def covariance(input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Outcome:
    """torch.cov, corrcoef: (M, Q), Q observations of M variables, gives (M, M) by a matrix product."""
    if input.dim() > 2:
        raise ShapeError(f"at most two axes, variables and observations, got {list(input.shape)}")
    variables, observations = input.shape if input.dim() == 2 else (1, input.numel())
    shape = () if variables == 1 else (variables, variables)
    dtype = floating(input.dtype)
    for weights in (fweights, aweights):
        if weights is not None:
            dtype = torch.promote_types(dtype, weights.dtype)
    return empty(shape, dtype), COVARIANCE_MACS(M=variables, Q=observations)


def sum_to_size(input: Tensor, *sizes: Any, size: Any = None) -> Outcome:
    """Tensor.sum_to_size: broadcast axes are summed back; the tensor itself where there are none."""
    shape = shape_argument(sizes) if size is None else tuple(size)
    if shape and tuple(shape) == tuple(input.shape):
        return input, None
    if broadcast(shape, input.shape) != tuple(input.shape):
        raise ShapeError(f"{list(input.shape)} is no broadcast of {list(shape)}")
    return empty(shape, summed(input.dtype)), EACH_INPUT(n=input.numel())


def matrix_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Outcome:
    """torch.frobenius_norm, nuclear_norm: along the named axes, or of the whole matrix."""
    return norm(input, 2, dim, keepdim)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Outcome:
    """torch.norm_except_dim: the norm of each slice along an axis, which stays; −1 means one norm of all."""
    if dim == -1:
        return empty((), v.dtype), EACH_INPUT(n=v.numel())
    shape = [1] * v.dim()
    shape[dim] = v.shape[dim]
    return empty(shape, v.dtype), EACH_INPUT(n=v.numel())


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Outcome:
    """torch._weight_norm: g·v/‖v‖ along an axis."""
    return empty(v.shape, v.dtype), EACH_INPUT(n=v.numel())


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Outcome:
    """torch.segment_reduce: neighbours along one axis are combined, one result for each length or between offsets."""
    along = lengths if lengths is not None else offsets
    if along is None or list(along.shape[:-1]) != list(data.shape[:axis]):
        raise ShapeError(f"segment_reduce takes lengths or offsets with the first {axis} axes of {list(data.shape)}")
    segments = along.shape[-1] if lengths is not None else along.shape[-1] - 1
    return (*data.shape[:axis], segments, *data.shape[axis + 1 :]), EACH_INPUT(n=data.numel())


def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Outcome:
    """torch.histogram: a count for each bin, and the bins' edges."""
    n = bins.shape[0] - 1 if isinstance(bins, Tensor) else bins
    output = torch.return_types.histogram((empty((n,), input.dtype), empty((n + 1,), input.dtype)))
    return output, EACH_INPUT(n=input.numel())


def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Outcome:
    """torch.histc: one count for each bin, of the input's dtype."""
    return empty((bins,), input.dtype), EACH_INPUT(n=input.numel())


RULES: dict[Any, Rule] = {
    torch.segment_reduce: segment_reduce,
    **spread("sum nansum", total),
    **spread("mean nanmean", mean),
    **spread("prod", product_of),
    **spread("amax amin", extremes),
    **spread("any all", truth),
    **spread("_is_any_true _is_all_true", truth, known=False),
    **spread("argmax argmin", position),
    **spread("count_nonzero", count_nonzero),
    **{function: rule for name in ("max", "min") for function, rule in spread(name, chooser(name)).items()},
    **{function: rule for name in ("median", "nanmedian") for function, rule in spread(name, ranker(name)).items()},
    **spread("mode", mode),
    **spread("kthvalue", kthvalue),
    **spread("aminmax", aminmax),
    **spread("std var", spread_of),
    **spread("std_mean var_mean", spread_and_mean),
    **spread("logsumexp", logsumexp),
    torch.norm: norm,
    Tensor.norm: norm,
    **spread("quantile nanquantile", quantile),
    **spread("dist", dist),
    **spread("trace", trace),
    **spread("cov corrcoef", covariance),
    **spread("sum_to_size", sum_to_size),
    **spread("histc", histc),
    **spread("histogram", histogram),
    **spread("frobenius_norm nuclear_norm", matrix_norm, (torch,)),
    torch.norm_except_dim: norm_except_dim,
    torch._weight_norm: weight_norm,
}
