"""A kernel beside the convolution that it should be, and how far rounding may take it from that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from inspector.toeplitz.operator import ConvOperator


@dataclass(frozen=True)
class Question:
    """A kernel, the convolution that it should be, and how exact it must be.

    Attributes:
        operator: the convolution, in the kernel's dtype.
        kernel: called with images and weight.
        takes_weight: whether the kernel uses the weight it is given.
        accumulate: type of its sums.
    """

    operator: ConvOperator
    kernel: Callable[[Tensor, Tensor], Tensor]
    takes_weight: bool
    accumulate: torch.dtype

    def call(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The kernel's answer."""
        return self.kernel(x, self.operator.weight if weight is None else weight)

    @cached_property
    def matrix(self) -> ConvOperator:
        """The same convolution in double precision, without bias."""
        return self.operator.with_weight(wide(self.operator.weight))

    @property
    def terms(self) -> int:
        """Products that one output sums, and the bias."""
        weight = self.operator.weight
        channels = weight.shape[0] // self.operator.groups if self.operator.transposed else weight.shape[1]
        return channels * prod(weight.shape[2:]) + (self.operator.bias is not None)

    def exact(self, x: Tensor) -> Tensor:
        """What should come out, in double precision."""
        return self.matrix(wide(x)) + self.shift

    def tolerance(self, x: Tensor) -> Tensor:
        """What rounding may change of each output."""
        return allowed_error(self.operator, wide(x), self.accumulate, self.terms, self.shift)

    def back(self, y: Tensor) -> Tensor:
        """What rounding may change of each entry of Aᴴy; taps that overlap are added in the type of the result."""
        weight = self.operator.weight
        terms = max(weight.shape[0] // self.operator.groups, weight.shape[1]) * prod(weight.shape[2:])
        return allowed_error(self.operator.T, wide(y), self.operator.dtype, terms, torch.zeros(()))

    @cached_property
    def shift(self) -> Tensor:
        """The bias, for every output channel."""
        bias = self.operator.bias
        if bias is None:
            return torch.zeros((), dtype=self.matrix.dtype, device=self.operator.device)
        return wide(bias).view(-1, *[1] * len(self.operator.rows.size))


def allowed_error(operator: ConvOperator, x: Tensor, accumulate: torch.dtype, terms: int, shift: Tensor) -> Tensor:
    """What rounding may change: γₙ·(|A||x| + |b|) for the sum, 2u·|Ax + b| for the rounding of its result.

    A bias may be added to a result that is rounded already: 2u·|Ax| for that.
    """
    matrix = operator.with_weight(wide(operator.weight))
    sums = operator.with_weight(matrix.weight.abs())(x.abs()) + shift.abs()
    unit = torch.finfo(accumulate).eps / 2
    n = (terms + 1) * (3 if x.is_complex() else 1)  # a complex product rounds by √5·u, and twice as many are added
    gamma = n * unit / (1 - n * unit) if n * unit < 1 else float("inf")
    result = torch.finfo(operator.dtype)
    product = matrix(x)
    rounded = (product + shift).abs() + (product.abs() if shift.any() else 0.0) + gamma * sums
    return gamma * sums + result.eps * rounded + result.smallest_normal


def wide(tensor: Tensor) -> Tensor:
    """The same numbers in double precision, without gradient."""
    return tensor.detach().to(torch.complex128 if tensor.is_complex() else torch.float64)
