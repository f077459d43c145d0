"""Along one axis, and the axis stays: cumulative sums, differences, softmax, orders. One operation for each element.

Source: PyTorch documentation of each function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.arithmetic import promoted
from inspector.rules.common import (
    EACH_INPUT,
    ELEMENTWISE,
    Rule,
    axes_of,
    axis_of,
    broadcast,
    empty,
    floating,
    like,
    product,
    real,
    spread,
    summed,
)

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def cumulative(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Outcome:
    """torch.cumsum, cumprod: integers add up as int64."""
    axis_of(dim, input.dim())
    return empty(input.shape, dtype or summed(input.dtype)), EACH_INPUT(n=input.numel())


def cumulative_in_place(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Outcome:
    """Tensor.cumsum_, cumprod_: in the tensor's own dtype."""
    axis_of(dim, input.dim())
    return input, EACH_INPUT(n=input.numel())


def logcumsumexp(input: Tensor, dim: int) -> Outcome:
    """torch.logcumsumexp: along one axis."""
    axis_of(dim, input.dim())
    return input.shape, EACH_INPUT(n=input.numel())


def running(name: str) -> Rule:
    """The rule of torch.cummax or cummin: the extreme so far, and where it lies."""
    result_type = getattr(torch.return_types, name)

    def rule(input: Tensor, dim: int) -> Outcome:
        axis_of(dim, input.dim())
        output = result_type((empty(input.shape, input.dtype), empty(input.shape, torch.int64)))
        return output, EACH_INPUT(n=input.numel())

    rule.__name__ = name
    rule.__doc__ = f"torch.{name}: the extreme so far along an axis, and where it lies."
    return rule


def softmax(input: Tensor, dim: int | None = None, dtype: torch.dtype | None = None) -> Outcome:
    """F.softmax, log_softmax, softmin: along one axis. The result is contiguous."""
    if dim is not None:
        axis_of(dim, input.dim())
    return empty(input.shape, dtype or input.dtype), EACH_INPUT(n=input.numel())


def functional_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Outcome:
    """F.softmax and its kin have another argument between."""
    return softmax(input, dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Outcome:
    """F.gumbel_softmax: a softmax of noisy logits."""
    return softmax(logits, dim)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None) -> Outcome:
    """F.normalize: divided by the norm along axes."""
    axes_of(dim, input.dim())
    return like(input), EACH_INPUT(n=input.numel())


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Outcome:
    """F.cosine_similarity: both broadcast, then one axis goes."""
    shape = broadcast(x1.shape, x2.shape)
    axis = axis_of(dim, len(shape))
    dtype = promoted(x1, x2)
    return empty((*shape[:axis], *shape[axis + 1 :]), dtype), EACH_INPUT(n=product(shape))


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Outcome:
    """F.pairwise_distance: both broadcast, then the last axis goes."""
    shape = broadcast(x1.shape, x2.shape)
    kept = (1,) if keepdim else ()
    return empty((*shape[:-1], *kept), real(floating(promoted(x1, x2)))), EACH_INPUT(n=product(shape))


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Outcome:
    """torch.diff: each of n times the axis loses one."""
    rank = input.dim()
    if not rank:
        raise ShapeError("diff takes a tensor with at least one axis")
    axis = axis_of(dim, rank)
    parts = [part for part in (prepend, input, append) if part is not None] if n else [input]
    if len(parts) > 1:
        shape = list(input.shape)
        shape[axis] = sum([part.shape[axis] if part.dim() else 1 for part in parts])
        dtype = parts[0].dtype
        for part in parts:
            dtype = torch.promote_types(dtype, part.dtype)
        joined = empty(shape, dtype)
    else:
        joined = input
    size = max(joined.shape[axis] - n, 0) if n else joined.shape[axis]
    output = like(joined.narrow(axis, 0, size))
    return output, ELEMENTWISE


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Outcome:
    """torch.gradient: one tensor for each axis."""
    outputs = tuple([empty(input.shape, floating(input.dtype)) for _ in axes_of(dim, input.dim())])
    return outputs, ELEMENTWISE(n=input.numel() * len(outputs))


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Outcome:
    """torch.trapezoid: the integral along one axis, which goes."""
    shape = y.shape if x is None else broadcast(y.shape, x.shape) if x.dim() == y.dim() else y.shape
    axis = axis_of(dim, len(shape))
    dtype = floating(y.dtype if x is None else promoted(y, x))
    return empty((*shape[:axis], *shape[axis + 1 :]), dtype), EACH_INPUT(n=y.numel())


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Outcome:
    """torch.cumulative_trapezoid: the integral so far; the axis loses one."""
    shape = list(y.shape if x is None else broadcast(y.shape, x.shape) if x.dim() == y.dim() else y.shape)
    axis = axis_of(dim, len(shape))
    shape[axis] = shape[axis] - 1
    return empty(shape, floating(y.dtype if x is None else promoted(y, x))), EACH_INPUT(n=y.numel())


RULES: dict[Any, Rule] = {
    **spread("cumsum cumprod", cumulative),
    Tensor.cumsum_: cumulative_in_place,
    Tensor.cumprod_: cumulative_in_place,
    **spread("logcumsumexp", logcumsumexp),
    **{function: rule for name in ("cummax", "cummin") for function, rule in spread(name, running(name)).items()},
    **spread("softmax log_softmax", softmax, (torch, Tensor, torch.special)),
    **spread("softmax log_softmax softmin", functional_softmax, (F,)),
    F.gumbel_softmax: gumbel_softmax,
    F.normalize: normalize,
    **spread("cosine_similarity", cosine_similarity),
    **spread("pairwise_distance", pairwise_distance),
    **spread("diff", diff),
    torch.gradient: gradient,
    **spread("trapezoid trapz", trapezoid),
    **spread("cumulative_trapezoid", cumulative_trapezoid),
}
