"""Matrix products: linear, mm, bmm, matmul, addmm, bilinear.

A product of (M × Q) by (Q × P) multiplies and adds M·Q·P times.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.layers import LINEAR_MACS, LINEAR_PARAMS
from inspector.rules.arithmetic import promoted
from inspector.rules.common import (
    ELEMENTWISE,
    Rule,
    broadcast,
    empty,
    product,
    refuse_bias,
    refuse_dtypes,
    remembered,
    spread,
)
from inspector.rules.common import result as combined

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome, ToBind

MATMUL_MACS = Formula("N*M*Q*P", source="torch.matmul: N products of (M × Q) by (Q × P)")
BILINEAR_MACS = Formula(
    "N*F_1*F_out*(F_2 + 1)",
    source="torch.nn.Bilinear: x₁ᵀAx₂ as PyTorch's kernel multiplies, N·F_1·F_2·F_out for Ax₂ and N·F_1·F_out more",
)
BILINEAR_PARAMS = Formula("F_out*(F_1*F_2 + b)", counts="params", source="torch.nn.Bilinear")


@remembered
def _linear(shape: Any, weight: Any) -> tuple[Any, BoundFormula]:
    if len(weight) == 1:  # one output feature without its axis: a vector product
        F_in, F_out = weight[0], 1
        result: Any = shape[:-1]
    else:
        F_out, F_in = weight
        result = (*shape[:-1], F_out)
    if not shape or shape[-1] != F_in:
        raise ShapeError(
            f"the weight {list(weight)} takes {F_in} features, "
            f"the input {list(shape)} has {shape[-1] if shape else 'none'}"
        )
    return result, LINEAR_MACS(N=product(shape[:-1]), F_in=F_in, F_out=F_out)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Outcome:
    """F.linear: (*, F_in) by a weight (F_out, F_in) gives (*, F_out)."""
    outcome = _linear(input.shape, weight.shape)
    if input.dtype is not weight.dtype:
        refuse_dtypes(input, weight)
    if bias is not None and (bias.dtype is not weight.dtype or bias.numel() not in (1, weight.shape[0])):
        refuse_bias(bias, weight, weight.shape[0] if weight.dim() > 1 else 1)
    return outcome


def linear_params(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> ToBind:
    """One weight for each pair of features, and a bias for each output feature."""
    return partial(_linear_params, weight.shape, int(bias is not None))


def _linear_params(weight: Any, b: int) -> BoundFormula:
    F_out, F_in = weight if len(weight) == 2 else (1, weight[0])
    return LINEAR_PARAMS(F_out=F_out, F_in=F_in, b=b)


def matmul(input: Tensor, other: Tensor) -> Outcome:
    """torch.matmul, mm, bmm, mv, dot: leading axes broadcast, vectors count as one row or one column."""
    left, right = input.shape, other.shape
    if not left or not right:
        raise ShapeError(f"matmul takes tensors with at least one axis, got {list(left)} and {list(right)}")
    M, Q = left[-2:] if len(left) > 1 else (1, left[0])
    inner, P = right[-2:] if len(right) > 1 else (right[0], 1)
    if inner != Q:
        raise ShapeError(f"inner sizes differ: {list(left)} by {list(right)}, {Q} against {inner}")
    if input.dtype is not other.dtype:
        refuse_dtypes(input, other)
    lead = broadcast(left[:-2], right[:-2]) if len(left) > 2 or len(right) > 2 else ()
    result = lead + ((M,) if len(left) > 1 else ()) + ((P,) if len(right) > 1 else ())
    return result, MATMUL_MACS(N=product(lead), M=M, Q=Q, P=P)


def _of_ranks(name: str, left: int, right: int) -> Rule:
    """The rule of a product that takes these ranks alone and spreads no batch."""

    def rule(input: Tensor, other: Tensor) -> Outcome:
        told = ""
        if input.dim() != left or other.dim() != right:
            told = f"tensors of {left} and of {right} axes"
        elif left == 3 and input.shape[0] != other.shape[0]:
            told = "batches of one size"
        if told:
            raise ShapeError(f"{name} takes {told}, got {list(input.shape)} and {list(other.shape)}")
        return matmul(input, other)

    rule.__name__ = name
    rule.__doc__ = matmul.__doc__
    return rule


def _reversed(input: Tensor, other: Tensor) -> Outcome:
    """``other @ input`` arrives as ``Tensor.__rmatmul__(input, other)``."""
    return matmul(other, input)


def add_matmul(input: Tensor, left: Tensor, right: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Outcome:
    """torch.addmm, addmv, baddbmm: β·input + α·(left @ right)."""
    shape, formula = matmul(left, right)
    return empty(broadcast(input.shape, shape), left.dtype), formula


def add_batched_matmul(input: Tensor, left: Tensor, right: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Outcome:
    """torch.addbmm: the batch of products is summed."""
    shape, formula = matmul(left, right)
    return empty(broadcast(input.shape, shape[1:]), left.dtype), formula


def _named(rule: Rule, **names: str) -> Rule:
    """The rule for a function whose parameters PyTorch calls otherwise."""

    @wraps(rule)
    def renamed(*args: Any, **kwargs: Any) -> Outcome:
        if kwargs:
            kwargs = {names.get(name, name): value for name, value in kwargs.items()}
        return rule(*args, **kwargs)

    return renamed


def inner_product(input: Tensor, other: Tensor) -> Outcome:
    """torch.inner: (*, Q) and (#, Q) give (*, #), the products of all pairs of rows; a scalar multiplies."""
    left, right = input.shape, other.shape
    if not left or not right:
        dtype = torch.promote_types(input.dtype, other.dtype)
        return combined(broadcast(left, right), dtype, input, other), ELEMENTWISE
    if left[-1] != right[-1]:
        raise ShapeError(f"inner: last sizes differ: {list(left)} and {list(right)}, {left[-1]} against {right[-1]}")
    return (*left[:-1], *right[:-1]), MATMUL_MACS(N=1, M=product(left[:-1]), Q=left[-1], P=product(right[:-1]))


def integer_matmul(input: Tensor, other: Tensor) -> Outcome:
    """torch._int_mm: int8 matrices (M, Q) by (Q, P), added up in int32."""
    shape, formula = matmul(input, other)
    return empty(shape, torch.int32), formula


def grouped_matmul(
    mat_a: Tensor, mat_b: Tensor, offs: Tensor | None = None, bias: Tensor | None = None, out_dtype: Any = None
) -> Outcome:
    """torch._grouped_mm: the rows of (M, Q) meet one of G matrices (G, Q, P) each, up to the offsets; gives (M, P)."""
    left, right = mat_a.shape, mat_b.shape
    M, Q, P = left[-2], left[-1], right[-1]
    if right[-2] != Q:
        raise ShapeError(f"inner sizes differ: {list(left)} by {list(right)}, {Q} against {right[-2]}")
    lead: tuple[Any, ...]
    if len(left) == len(right) == 3:
        lead, groups = (left[0],), left[0]
    elif len(left) == len(right) == 2:  # the inner axis is cut: each group adds its own part of it
        lead, groups = (() if offs is None else (offs.shape[0],)), 1
    else:  # the rows of the left or the columns of the right are cut
        lead, groups = (), 1
    return empty((*lead, M, P), out_dtype or mat_a.dtype), MATMUL_MACS(N=groups, M=M, Q=Q, P=P)


def outer(input: Tensor, vec2: Tensor) -> Outcome:
    """torch.outer, ger: (M,) by (P,) gives (M, P)."""
    M, P = input.shape[0], vec2.shape[0]
    return empty((M, P), promoted(input, vec2)), None


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Outcome:
    """F.bilinear: (*, F_1), (*, F_2) and a weight (F_out, F_1, F_2) give (*, F_out)."""
    F_out, F_1, F_2 = weight.shape
    if input1.shape[-1] != F_1 or input2.shape[-1] != F_2:
        raise ShapeError(f"the weight {list(weight.shape)} does not fit {list(input1.shape)} and {list(input2.shape)}")
    lead = input1.shape[:-1]
    return (*lead, F_out), BILINEAR_MACS(N=product(lead), F_1=F_1, F_2=F_2, F_out=F_out)


def bilinear_params(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> BoundFormula:
    """One weight for each pair of input features and each output, and a bias."""
    F_out, F_1, F_2 = weight.shape
    return BILINEAR_PARAMS(F_out=F_out, F_1=F_1, F_2=F_2, b=int(bias is not None))


RULES: dict[Any, Rule] = {
    **spread("linear", linear),
    **spread("matmul vdot __matmul__", matmul),
    torch.linalg.matmul: matmul,
    **spread("inner", inner_product),
    **spread("mm", _named(_of_ranks("mm", 2, 2), mat2="other")),
    **spread("bmm", _named(_of_ranks("bmm", 3, 3), mat2="other")),
    **spread("mv", _named(_of_ranks("mv", 2, 1), vec="other")),
    **spread("dot", _named(_of_ranks("dot", 1, 1), tensor="other")),
    **spread("__rmatmul__", _reversed),
    **spread("addmm", _named(add_matmul, mat1="left", mat2="right")),
    **spread("addmv", _named(add_matmul, mat="left", vec="right")),
    **spread("baddbmm", _named(add_matmul, batch1="left", batch2="right")),
    **spread("addbmm", _named(add_batched_matmul, batch1="left", batch2="right")),
    torch._int_mm: _named(integer_matmul, self="input", mat2="other"),
    **spread("_grouped_mm", _named(grouped_matmul, self="mat_a", mat2="mat_b"), known=False),
    **spread("outer ger", outer),
    **spread("bilinear", bilinear),
}
PARAMETERS: dict[Rule, Any] = {linear: linear_params, bilinear: bilinear_params}
