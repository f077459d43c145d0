"""One operation for each element of one tensor: functions, activations, dropout.

Source: PyTorch documentation of each function; "Type promotion" for results of integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import ELEMENTWISE, Rule, axis_of, empty, floating, in_place, like, real, result, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def unary(input: Tensor) -> Outcome:
    """A function of each element that keeps the dtype: neg, floor, sign."""
    return like(input), ELEMENTWISE


def inverted(input: Tensor) -> Outcome:
    """torch.bitwise_not, ``~x``: of whole numbers and truth values."""
    if input.dtype.is_floating_point or input.dtype.is_complex:
        raise ShapeError(f"~ inverts whole numbers and truth values, got {input.dtype}")
    return like(input), ELEMENTWISE


def unary_with_options(input: Tensor, *options: Any, out: None = None, **named: Any) -> Outcome:
    """A function of each element with numbers for options that keeps the dtype: round, nan_to_num, softplus."""
    if out is not None:
        raise TypeError("out= is the trace's to answer")
    return like(input), ELEMENTWISE


def magnitude(input: Tensor) -> Outcome:
    """torch.abs: the magnitude of a complex number is real."""
    return like(input, real(input.dtype)), ELEMENTWISE


def angle(input: Tensor) -> Outcome:
    """torch.angle: real, of integers too; of complex numbers contiguous."""
    if input.is_complex():
        return empty(input.shape, real(input.dtype)), ELEMENTWISE
    return floating_unary(input)


def square(input: Tensor) -> Outcome:
    """torch.square: truth values become integers."""
    return like(input, torch.int64 if input.dtype is torch.bool else None), ELEMENTWISE


def unchanged_if_real(input: Tensor) -> Outcome:
    """torch.conj_physical: a real tensor is its own conjugate."""
    return (like(input), ELEMENTWISE) if input.is_complex() else (input, None)


def positive(input: Tensor) -> Outcome:
    """torch.positive, ``+x``: the tensor itself."""
    return input, None


def log_sigmoid(input: Tensor) -> Outcome:
    """F.logsigmoid: the result is contiguous."""
    return input.shape, ELEMENTWISE


def rrelu(
    input: Tensor, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, generator: Any = None
) -> Outcome:
    """torch.rrelu: the result is contiguous."""
    return input.shape, ELEMENTWISE


def functional_rrelu(
    input: Tensor, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Outcome:
    """F.rrelu: as torch.rrelu, or in place."""
    return (input if inplace else input.shape), ELEMENTWISE


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Outcome:
    """torch.renorm: slices along an axis are scaled down to a norm; the result is contiguous."""
    axis_of(dim, input.dim())
    return input.shape, ELEMENTWISE


def activation(input: Tensor, *options: Any, inplace: bool = False, **named: Any) -> Outcome:
    """A function of torch.nn.functional that keeps the dtype and can work in place: relu, leaky_relu."""
    return (input if inplace else like(input)), ELEMENTWISE


def functional_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Outcome:
    """F.dropout, dropout2d: elements or channels are kept or not; outside training nothing happens."""
    if inplace:
        return input, ELEMENTWISE if training and p else None
    return dropout(input, p, training)


def dropout(input: Tensor, p: float, train: bool) -> Outcome:
    """torch.dropout: the very input comes back where no element can be lost."""
    if not train or p == 0:
        return input, None
    return like(input), ELEMENTWISE


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Outcome:
    """F.alpha_dropout, feature_alpha_dropout: outside training by default."""
    return functional_dropout(input, p, training, inplace)


def _unbatched_too(rank: int) -> Rule:
    def channel_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Outcome:
        """F.dropout1d, dropout3d: an input without batch axis gets one in between, so never comes back itself."""
        output, formula = functional_dropout(input, p, training, inplace)
        if input.dim() == rank and output is input and not inplace:
            output = input.view(input.shape)
        return output, formula

    return channel_dropout


def floating_unary(input: Tensor) -> Outcome:
    """A function whose result is floating where the input is integer: exp, sqrt, sin, sigmoid."""
    return like(input, floating(input.dtype)), ELEMENTWISE


def logit(input: Tensor, eps: float | None = None) -> Outcome:
    """torch.logit: floating, the input clamped by eps."""
    return floating_unary(input)


def mvlgamma(input: Tensor, p: int) -> Outcome:
    """torch.mvlgamma: of dimension p; the result is contiguous."""
    return empty(input.shape, floating(input.dtype)), ELEMENTWISE


def polygamma(n: int, input: Tensor) -> Outcome:
    """torch.polygamma: the n-th derivative of digamma."""
    return floating_unary(input)


def polygamma_method(input: Tensor, n: int) -> Outcome:
    """Tensor.polygamma: the n-th derivative of digamma, called on the tensor."""
    return floating_unary(input)


def predicate(input: Tensor) -> Outcome:
    """A question put to each element: isnan, isfinite, logical_not."""
    return like(input, torch.bool), ELEMENTWISE


def frexp(input: Tensor) -> Outcome:
    """torch.frexp: mantissa and exponent of each element."""
    return torch.return_types.frexp((like(input), like(input, torch.int32))), ELEMENTWISE


def prelu(input: Tensor, weight: Tensor) -> Outcome:
    """F.prelu: (N, C, *) by weights (C,) or (1,) gives (N, C, *)."""
    shape, slopes = input.shape, weight.shape
    channels = shape[1] if len(shape) > 1 else 1
    if weight.dim() > 1 or (weight.dim() == 1 and slopes[0] != 1 and slopes[0] != channels):
        raise ShapeError(f"prelu takes one weight or one for each of {channels} channels, got {list(slopes)}")
    return like(input), ELEMENTWISE


def glu(input: Tensor, dim: int = -1) -> Outcome:
    """F.glu: (*, 2n, *) gives (*, n, *): one half gates the other."""
    shape = list(input.shape)
    axis = axis_of(dim, len(shape))
    if not shape or shape[axis] % 2:
        raise ShapeError(f"glu halves axis {dim} of {shape}, whose size must be even")
    shape[axis] = shape[axis] // 2
    output = result(shape, input.dtype, input.narrow(axis, 0, shape[axis]))
    return output, ELEMENTWISE


def native_dropout(input: Tensor, p: float, train: bool | None) -> Outcome:
    """torch.native_dropout: the result and the mask."""
    return (like(input), like(input, torch.bool)), ELEMENTWISE


_FLOATING = """
    acos acosh asin asinh atan atanh arccos arccosh arcsin arcsinh arctan arctanh cos cosh deg2rad rad2deg digamma
    erf erfc erfinv exp exp2 expm1 lgamma log log10 log1p log2 reciprocal rsqrt sin sinc sinh sqrt
    tan i0 airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 entr erfcx expit gammaln i0e i1 i1e log_ndtr
    modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 ndtr ndtri psi
    scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0
"""
_WITH_OPTIONS = """
    round nan_to_num hardshrink softshrink gelu softplus threshold elu celu leaky_relu hardtanh
"""
#: Python functions of torch.nn.functional, which take ``inplace``.
_ACTIVATIONS = "relu relu6 elu selu celu silu mish leaky_relu hardswish hardsigmoid hardtanh threshold"

RULES: dict[Any, Rule] = {
    **spread("neg negative sign sgn ceil floor trunc fix frac", unary),
    **spread("bitwise_not __invert__", inverted),
    **spread("relu relu6 selu silu mish hardswish hardsigmoid", unary),
    **spread(_WITH_OPTIONS, unary_with_options),
    **spread("softsign tanhshrink", floating_unary, (F,)),
    **spread(_FLOATING, floating_unary),
    **spread("sigmoid tanh", floating_unary, (torch, Tensor)),  # F.sigmoid and F.tanh call these, unseen themselves
    **spread("logit", logit),
    **spread("mvlgamma multigammaln", mvlgamma),
    **spread("polygamma", polygamma, (torch, torch.special)),
    **spread("polygamma", polygamma_method, (Tensor,)),
    **spread("abs absolute", magnitude),
    **spread("angle", angle),
    **spread("square", square),
    **spread("conj_physical", unchanged_if_real),
    **spread("positive", positive),
    **spread("renorm", renorm),
    F.logsigmoid: log_sigmoid,
    **spread("rrelu", rrelu, (torch,)),
    F.rrelu: functional_rrelu,
    F.rrelu_: in_place(rrelu),
    **spread("isnan isinf isfinite isneginf isposinf isreal signbit logical_not", predicate),
    **spread("frexp", frexp),
    **spread("prelu", prelu),
    **spread("glu", glu),
    **spread("dropout feature_dropout alpha_dropout feature_alpha_dropout", dropout),
    **spread("native_dropout", native_dropout),
    **{getattr(F, name): activation for name in _ACTIVATIONS.split()},
    F.dropout: functional_dropout,
    F.alpha_dropout: alpha_dropout,
    F.dropout1d: _unbatched_too(2),
    F.dropout2d: functional_dropout,
    F.dropout3d: _unbatched_too(4),
    F.feature_alpha_dropout: alpha_dropout,
}
