"""Holds a hand-written convolution kernel against the matrix it should be, and names what it does instead."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inspector.errors import InspectionError
from inspector.places import place_of
from inspector.toeplitz.configuration import Padding, check_values
from inspector.toeplitz.diagnosis import Diagnosis
from inspector.toeplitz.faults import Fault
from inspector.toeplitz.operator import ConvOperator, conv_operator
from inspector.toeplitz.question import Question, wide

#: Narrow types are summed in float32 by PyTorch and by every kernel that wants to be right.
_ACCUMULATES = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """One property of the kernel.

    Attributes:
        name: ``arguments``, ``shape``, ``dtype``, ``equality``, ``repeat``, ``bias``, ``linearity``, ``batch``,
            ``adjoint``, ``own adjoint``, ``impulse response``.
        ok: within the tolerance.
        said: the figures behind it.
    """

    name: str
    ok: bool
    said: str


@dataclass(frozen=True, slots=True)
class ConvVerification:
    """Everything that was asked of a kernel.

    Attributes:
        checks: in the order they were made.
        faults: what is wrong with it, by name; empty where every check is ok.
        conditions: dtype, accumulation, length of the sums, seed.
    """

    checks: tuple[KernelCheck, ...]
    faults: tuple[Fault, ...]
    conditions: dict[str, str]

    @property
    def ok(self) -> bool:
        """Every check is ok."""
        return all(check.ok for check in self.checks)

    def __str__(self) -> str:
        lines = [f"{'agrees' if check.ok else 'DIFFERS'}  {check.name}: {check.said}" for check in self.checks]
        lines += [f"fault    {fault}" for fault in self.faults]
        return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in self.conditions.items())])


def verify_conv(
    kernel: Callable[..., Tensor],
    weight: Tensor,
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    transposed: bool = False,
    output_padding: int | Sequence[int] = 0,
    bias: Tensor | None = None,
    *,
    accumulate: torch.dtype | None = None,
    adjoint: Callable[[Tensor], Tensor] | None = None,
    batch: int = 2,
    seed: int = 0,
) -> ConvVerification:
    r"""Hold a hand-written kernel against the convolution's matrix, in double precision.

    Random inputs give equality, linearity, independence of the samples and the adjoint ⟨Ax, y⟩ = ⟨x, Aᴴy⟩; unit
    impulses give the matrix that the kernel really is, and from it the name of the fault: the wrong tap, border,
    channel, group, stride phase, dilation, bias or precision.

    A tolerance is no guess: a sum of n products in a type of unit roundoff u errs by at most γₙ·Σ|w·x|,
    γₙ = n·u/(1 − n·u), plus the rounding of the result (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
    §3.1). It holds for every order of summation.

    Args:
        kernel: called as ``kernel(x, weight, bias)``, with as many of these as it asks for: one that takes ``x`` alone
            has its weight inside. ``x`` is (batch, C_in, \*size), the result (batch, C_out, \*out).
        weight: as in `conv_operator`; its dtype and device are those of the test.
        input_size: as in `conv_operator`, as are all up to ``bias``.
        stride: likewise.
        padding: likewise.
        dilation: likewise.
        groups: likewise.
        padding_mode: likewise.
        transposed: likewise.
        output_padding: likewise.
        bias: likewise.
        accumulate: type in which the kernel sums; default float32 for float16 and bfloat16, else the weight's own.
        adjoint: the kernel's own backward in x, y ↦ Aᴴy; without it autograd is asked where the kernel supports it.
        batch: samples at a time.
        seed: of the random inputs.

    Raises:
        InspectionError: the kernel raised, or returned no tensor.
        ShapeError: the arguments are no convolution.

    >>> import torch.nn.functional as F
    >>> weight = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    >>> verify_conv(lambda x, w: F.conv2d(x, w, padding=1), weight, (5, 5), padding=1).ok
    True
    >>> verify_conv(lambda x, w: F.conv2d(x, w.flip(2, 3), padding=1), weight, (5, 5), padding=1).faults[0].kind
    'tap'
    """
    operator = conv_operator(
        weight.detach() if isinstance(weight, Tensor) else weight,
        input_size,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        transposed,
        output_padding,
        bias.detach() if isinstance(bias, Tensor) else bias,
    )
    _require_askable(kernel, operator, accumulate, batch)
    sums = accumulate or _ACCUMULATES.get(weight.dtype, weight.dtype)
    question = Question(operator, _caller(kernel, operator), _arguments(kernel) > 1, sums)
    return _Verification(question, adjoint, batch, torch.Generator().manual_seed(seed)).run(seed)


def _require_askable(kernel: object, operator: ConvOperator, accumulate: object, batch: object) -> None:
    weight = operator.weight
    check_values(weight, "verify_conv")
    if not (weight.is_floating_point() or weight.is_complex()):
        raise InspectionError(f"verify_conv: the weight's dtype must be floating or complex, got {weight.dtype}")
    for name, values in (("weight", weight), ("bias", operator.bias)):
        if values is not None and not values.isfinite().all():
            raise InspectionError(
                f"verify_conv: the {name} has values that are not finite: nothing equals their results"
            )
    if not isinstance(batch, int) or batch < 1:
        raise InspectionError(f"verify_conv: batch must be an integer of at least 1, got {batch!r}")
    if accumulate is not None and not (isinstance(accumulate, torch.dtype) and accumulate.is_floating_point):
        raise InspectionError(f"verify_conv: accumulate must be a floating dtype as torch.float32, got {accumulate!r}")
    if not callable(kernel):
        raise InspectionError(f"verify_conv: the kernel must be callable, got {type(kernel).__name__}")


def _arguments(kernel: Callable[..., Tensor]) -> int:
    """How many of (x, weight, bias) the kernel takes by position."""
    try:
        call = kernel.forward if isinstance(kernel, nn.Module) else kernel
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # written in C: as torch.nn.functional.conv2d
        return 3
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 3
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    # a parameter with a default is the kernel's own affair (a block size), but for those named as ours and ``b=None``
    asked = [p for p in positional if p.default in (p.empty, None) or p.name in ("weight", "bias")]
    return min(3, len(asked))


def _caller(kernel: Callable[..., Tensor], operator: ConvOperator) -> Callable[[Tensor, Tensor], Tensor]:
    count = _arguments(kernel)

    def call(x: Tensor, weight: Tensor) -> Tensor:
        try:
            result: Any = kernel(*(x, weight, operator.bias)[:count])
        except Exception as error:
            place = place_of(error)
            at = f"\n  at {place}" if place else ""
            said = f"{type(error).__name__}: {error}"
            raise InspectionError(f"the kernel raised for an input of shape {list(x.shape)}: {said}{at}") from error
        if not isinstance(result, Tensor):
            raise InspectionError(f"the kernel returned {type(result).__name__}, expected a tensor")
        if result.device != x.device:
            raise InspectionError(f"the kernel returned a tensor on {result.device}, for an input on {x.device}")
        return result

    return call


class _Verification:
    """The checks, one after the other, on the same random inputs."""

    def __init__(
        self,
        question: Question,
        adjoint: Callable[[Tensor], Tensor] | None,
        batch: int,
        generator: torch.Generator,
    ) -> None:
        self.question = question
        self.operator = question.operator
        self.adjoint = adjoint
        self.x = self._random((batch, *self.operator.columns.shape), generator)
        self.other = self._random(self.x.shape, generator)
        self.y = self._random((batch, *self.operator.rows.shape), generator)

    def run(self, seed: int) -> ConvVerification:
        question = self.question
        conditions = {
            "dtype": str(self.operator.dtype).removeprefix("torch."),
            "summed in": str(question.accumulate).removeprefix("torch."),
            "terms": str(question.terms),
            "device": str(self.operator.device),
            "seed": str(seed),
        }
        given = (("x", self.x), ("weight", self.operator.weight))
        kept = [tensor.clone() for _, tensor in given]
        got = question.call(self.x)
        for (name, tensor), before in zip(given, kept, strict=True):
            if not torch.equal(tensor, before):
                tensor.copy_(before)
                said = f"the kernel writes into {name}, which is its caller's"
                return ConvVerification((KernelCheck("arguments", False, said),), (Fault("unknown", said),), conditions)
        wanted = tuple(self.y.shape)
        if tuple(got.shape) != wanted:
            check = KernelCheck("shape", False, f"returns {list(got.shape)}, expected {list(wanted)}")
            return ConvVerification((check,), Diagnosis(question).of_shape(tuple(got.shape)), conditions)
        checks = [KernelCheck("shape", True, f"{list(wanted)}"), self._dtype(got), self._equality(got)]
        checks += [self._repeat(got), self._bias(), self._linearity(got), self._batch(got), self._adjoint(got)]
        if (own := self._own_adjoint()) is not None:
            checks.append(own)
        diagnosis = Diagnosis(question)
        checks.append(KernelCheck("impulse response", *diagnosis.response()))
        failed = tuple(check.name for check in checks if not check.ok)
        faults = diagnosis.faults(self.x, got, failed) if failed else ()
        return ConvVerification(tuple(checks), faults, conditions)

    def _random(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        wide = torch.complex128 if self.operator.dtype.is_complex else torch.float64
        return (
            torch.randn(tuple(shape), dtype=wide, generator=generator).to(self.operator.dtype).to(self.operator.device)
        )

    def _dtype(self, got: Tensor) -> KernelCheck:
        return KernelCheck("dtype", got.dtype == self.operator.dtype, f"{got.dtype}, expected {self.operator.dtype}")

    def _equality(self, got: Tensor) -> KernelCheck:
        return _compared("equality", got, self.question.exact(self.x), self.question.tolerance(self.x))

    def _repeat(self, got: Tensor) -> KernelCheck:
        """The same input again; a sum in another order may round otherwise."""
        again, allowed = self.question.call(self.x), 2 * self.question.tolerance(self.x)
        return _compared("repeat", again, wide(got), allowed, "the same input again")

    def _bias(self) -> KernelCheck:
        nothing = torch.zeros_like(self.x)
        exact, allowed = self.question.exact(nothing), self.question.tolerance(nothing)
        return _compared("bias", self.question.call(nothing), exact, allowed, "kernel(0)")

    def _linearity(self, got: Tensor) -> KernelCheck:
        """f(2x − z) − f(0) = 2·(f(x) − f(0)) − (f(z) − f(0)): doubling is exact, the rest rounds as often as it is.

        Complex numbers are turned too, by 2i: what is linear over the reals alone is no convolution of theirs.
        """
        question, z = self.question, self.other
        double = 2j if self.x.is_complex() else 2
        mixed = double * self.x - z
        zero = question.call(torch.zeros_like(self.x))
        left = wide(question.call(mixed)) - wide(zero)
        right = double * (wide(got) - wide(zero)) - (wide(question.call(z)) - wide(zero))
        # 2x − z is rounded to the dtype itself: what that changes goes through the exact matrix
        shift = question.exact(torch.zeros_like(self.x))
        lost = question.exact(mixed) - shift - double * (question.exact(self.x) - shift) + question.exact(z) - shift
        allowed = question.tolerance(mixed) + 2 * question.tolerance(self.x) + question.tolerance(z)
        allowed = allowed + 4 * question.tolerance(torch.zeros_like(self.x))
        return _compared("linearity", left, right + lost, allowed + shift.abs() * 2.0**-50, "f(2x − z)")

    def _batch(self, got: Tensor) -> KernelCheck:
        """Each sample alone gives what it gives among others."""
        alone = torch.cat([self.question.call(sample[None]) for sample in self.x])
        return _compared("batch", alone, wide(got), 2 * self.question.tolerance(self.x), "samples one by one")

    def _adjoint(self, got: Tensor) -> KernelCheck:
        y = wide(self.y)
        shift = self.question.exact(torch.zeros_like(self.x))
        left = (y.conj() * (wide(got) - shift)).sum()
        right = (self.question.matrix.H(y).conj() * wide(self.x)).sum()
        allowed = (y.abs() * self.question.tolerance(self.x)).sum() * (1 + 1e-9) + 2.0**-40 * left.abs() / got.numel()
        return _compared("adjoint", left[None], right[None], allowed[None], "⟨Ax, y⟩ beside ⟨x, Aᴴy⟩")

    def _own_adjoint(self) -> KernelCheck | None:
        """The backward that came with the kernel, or that autograd gives it."""
        how = "its own backward"
        if self.adjoint is not None:
            try:
                found: Any = self.adjoint(self.y)
            except Exception as error:
                raise InspectionError(f"the adjoint raised {type(error).__name__}: {error}") from error
        else:
            how = "autograd's backward"
            x = self.x.clone().requires_grad_()
            result = self.question.call(x)
            if not result.requires_grad:
                return None
            (found,) = torch.autograd.grad(result, x, self.y)
        if not isinstance(found, Tensor) or found.shape != self.x.shape:
            got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            return KernelCheck("own adjoint", False, f"returns {got}, expected {list(self.x.shape)}")
        return _compared("own adjoint", found, self.question.matrix.H(wide(self.y)), self.question.back(self.y), how)


def _compared(name: str, got: Tensor, wanted: Tensor, allowed: Tensor, what: str = "") -> KernelCheck:
    """The worst entry, measured in its own tolerance."""
    missed = (wide(got) - wanted).abs()
    ratio = torch.where(missed <= allowed, missed / allowed.clamp_min(1e-300), missed / allowed.clamp_min(1e-300) + 1)
    worst = int(ratio.nan_to_num(math.inf).argmax())
    ok = bool((missed <= allowed).all())
    place = (
        ""
        if missed.numel() == 1
        else f" at {tuple(i.item() for i in torch.unravel_index(torch.tensor(worst), missed.shape))}"
    )
    error, limit = float(missed.flatten()[worst]), float(allowed.flatten()[worst])
    prefix = f"{what}: " if what else ""
    return KernelCheck(name, ok, f"{prefix}largest error {error:.3g}{place}, allowed {limit:.3g}")
