"""Random numbers: shapes as certain as any others. ``RANDOM`` names every function whose values a generator decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import ELEMENTWISE, Rule, broadcast, empty, result, spread
from inspector.rules.creation import made, made_like

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def randint(*args: Any, size: Any = None, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.randint(low, high, size): integers."""
    if size is None:
        size = args[-1]
    return made(size, dtype=dtype or torch.int64)


def randint_like(input: Tensor, *bounds: Any, low: Any = None, high: Any = None, **named: Any) -> Outcome:
    """torch.randint_like: the dtype of the input."""
    return made_like(input, **named)


def randperm(n: Any, *, dtype: torch.dtype = torch.int64, **named: Any) -> Outcome:
    """torch.randperm: n integers."""
    return made(n, dtype=dtype)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, dtype: torch.dtype | None = None, **named: Any) -> Outcome:
    """torch.normal: of a size, or one number for each mean and standard deviation."""
    if size is not None:
        return made(size, dtype=dtype)
    given = [value for value in (mean, std) if isinstance(value, Tensor)]
    output = empty(broadcast(*[value.shape for value in given]), given[0].dtype)
    return output, ELEMENTWISE


def drawn(input: Tensor, p: Any = None, *, generator: Any = None) -> Outcome:
    """torch.bernoulli, poisson, and what Gamma and Dirichlet distributions draw with: one draw for each element."""
    return empty(input.shape, input.dtype), ELEMENTWISE


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Outcome:
    """torch.binomial: one draw for each element."""
    output = result(broadcast(count.shape, prob.shape), count.dtype, count, prob)
    return output, ELEMENTWISE


def multinomial(input: Tensor, num_samples: Any, replacement: bool = False, *, generator: Any = None) -> Outcome:
    """torch.multinomial: (n,) or (rows, n) weights give (samples,) or (rows, samples) indices."""
    if input.dim() not in (1, 2):
        raise ShapeError(f"multinomial takes one axis of weights or two, got {list(input.shape)}")
    if not replacement and num_samples > input.shape[-1]:
        raise ShapeError(f"{num_samples} samples of {input.shape[-1]} without replacement")
    output = empty((*input.shape[:-1], num_samples), torch.int64)
    return output, ELEMENTWISE


def drawn_in_place(input: Tensor, *options: Any, generator: Any = None, **named: Any) -> Outcome:
    """Tensor.normal_, uniform_, random_: the tensor itself, filled."""
    return input, ELEMENTWISE


_IN_PLACE = "uniform_ normal_ random_ exponential_ geometric_ cauchy_ log_normal_ bernoulli_"

RULES: dict[Any, Rule] = {
    **spread("rand randn", made, (torch,)),
    **spread("rand_like randn_like", made_like, (torch,)),
    torch.randint: randint,
    torch.randint_like: randint_like,
    torch.randperm: randperm,
    torch.normal: normal,
    **spread("bernoulli", drawn, (torch, Tensor)),
    torch.poisson: drawn,
    torch._standard_gamma: drawn,
    torch._sample_dirichlet: drawn,
    torch.binomial: binomial,
    **spread("multinomial", multinomial),
    **spread(_IN_PLACE, drawn_in_place, (Tensor,)),
}

_NOISY = """
    dropout feature_dropout alpha_dropout feature_alpha_dropout rrelu native_dropout gumbel_softmax
    dropout1d dropout2d dropout3d fractional_max_pool2d fractional_max_pool3d
"""


def _operators(name: str) -> set[Any]:
    """``torch.ops.aten.name`` and its overloads."""
    packet = getattr(torch.ops.aten, name, None)
    return set() if packet is None else {packet, *(getattr(packet, overload) for overload in packet.overloads())}


_NAMES = {function.__name__ for function in RULES} | {f"{name}{end}" for name in _NOISY.split() for end in ("", "_")}
#: Functions whose result depends on the random generator: never a known constant.
RANDOM: frozenset[Any] = frozenset(RULES) | {
    function
    for name in _NAMES
    for function in (*(getattr(room, name, None) for room in (torch, Tensor, F)), *_operators(name))
    if function is not None
}
