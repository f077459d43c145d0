"""What each call of a forward cannot do without: bytes read and written, multiplications, a kernel.

Lower bounds, so that a floor of time made of them holds. A tensor is read once, its repeated (expanded) elements once;
a lookup whose indices decide what it reads is charged for its result alone; views move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from inspector.bench.unavoidable import shares
from inspector.formula import BoundFormula
from inspector.internals import DisableTorchFunction, any_autocast_enabled
from inspector.predict import predict_with
from inspector.prediction import Prediction
from inspector.rules.convolution import per_axis
from inspector.structure import tensors
from inspector.trace import Tracer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

#: Families of rules whose functions read every element of their tensors.
_READ_ALL = frozenset(
    {"arithmetic", "attention", "contraction", "conversion", "convolution", "elementwise", "linear"}
    | {"normalization", "pooling", "recurrent", "reduction", "scan"}
)
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "row_stack"})
#: Rules of these families whose functions may read less: a diagonal, what a block mask leaves, all but the padding.
_READ_LESS = frozenset({"trace", "flex_operator", "pack"})
#: Families of which a compiler makes one kernel with what made their input.
_FUSED = frozenset({"arithmetic", "conversion", "elementwise", "normalization", "scan"})
#: A made tensor may lie in pages that nobody has touched.
_MADE = "creation"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of one tensor that a call moves; ``tensor`` is the number of its memory."""

    tensor: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Lower bounds of what one call takes.

    Attributes:
        reads: what it reads.
        writes: what it writes.
        macs: multiply-accumulates of a direct computation.
        fast_macs: those of the quickest transform that kernels use (Winograd's, FFT); equal where there is none.
        gradient_macs: of its backward, over ``macs``: 1 for the input's gradient and 1 for the weight's, where wanted.
        joins: element-wise work and the like, which ideal fusion computes where its input was made.
    """

    reads: tuple[Traffic, ...]
    writes: tuple[Traffic, ...]
    macs: int
    fast_macs: int
    gradient_macs: int
    joins: bool

    @property
    def read(self) -> int:
        """Bytes read."""
        return sum(part.nbytes for part in self.reads)

    @property
    def written(self) -> int:
        """Bytes written."""
        return sum(part.nbytes for part in self.writes)

    @property
    def moves(self) -> bool:
        """False for a view and the like, which runs no kernel."""
        return bool(self.read or self.written or self.macs)


_NOTHING = Demand((), (), 0, 0, 0, joins=False)


def demands(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    mode: Literal["train", "eval"] | None = None,
) -> tuple[Prediction, tuple[Demand, ...]]:
    """The prediction, and one demand for each of its rows. Arguments and errors as ``predict``'s, sizes as numbers.

    >>> p, (linear, relu) = demands(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU()), (2, 4))
    >>> linear.read, linear.written, linear.macs, relu.read, relu.joins  # (2·4 + 8·4 + 8), 2·8 floats
    (192, 64, 64, 64, True)
    """
    tracers: list[_DemandTracer] = []

    def tracer(*given: Any) -> Tracer:
        tracers.append(_DemandTracer(*given))
        return tracers[-1]

    prediction = predict_with(
        tracer,
        model,
        input_size,
        input_data=input_data,
        input_dtypes=input_dtypes,
        input_kwargs=input_kwargs,
        mode=mode,
    )
    found = tracers[-1].demands(len(prediction.rows))
    return prediction, tuple(
        _counted(demand, share, fast, row.macs or 0)
        for (demand, share, fast), row in zip(found, prediction.rows, strict=True)
    )


def _counted(demand: Demand, share: Fraction, fast: Fraction, macs: int) -> Demand:
    if not macs:
        return demand
    return Demand(
        demand.reads, demand.writes, floor(macs * share), floor(macs * fast), demand.gradient_macs, demand.joins
    )


class _DemandTracer(Tracer):
    """Notes of every call, beside its row, which memory it touches."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._careful = True
        self._noted: dict[int, tuple[Demand, Fraction, Fraction]] = {}  # by the row's number
        self._storages: dict[torch.UntypedStorage, int] = {}  # held, so that no other is taken for one that is gone
        self._differentiable: set[int] = set()  # numbers of what depends on a trainable parameter

    def demands(self, rows: int) -> list[tuple[Demand, Fraction, Fraction]]:
        """One for each row; rows that stand for something else than a call take nothing."""
        nothing = (_NOTHING, Fraction(0), Fraction(0))
        return [self._noted.get(number, nothing) for number in range(rows)]

    def _record(
        self,
        func: Any,
        rule: Any,
        args: Any,
        kwargs: Any,
        output: Any,
        formula: Any,
        shown: Any,
        *rest: Any,
        **facts: Any,
    ) -> Any:
        number = len(self.calls)
        returned = super()._record(func, rule, args, kwargs, output, formula, shown, *rest, **facts)
        with DisableTorchFunction():
            self._noted[number] = self._demand(rule, args, kwargs or {}, output, formula)
            if getattr(func, "__name__", "").startswith("detach"):  # shares memory with what a backward may go through
                self._differentiable -= {self._number(tensor) for tensor in _dense(tensors(output))}
        return returned

    def _demand(
        self, rule: Any, args: Any, kwargs: Mapping[str, Any], output: Any, formula: Any
    ) -> tuple[Demand, Fraction, Fraction]:
        given, made = _dense(tensors((args, dict(kwargs)))), _dense(tensors(output))
        inputs = {self._number(tensor): tensor for tensor in reversed(given)}
        outputs = {self._number(tensor): tensor for tensor in reversed(made)}
        empty = bool(made) and not any(tensor.numel() for tensor in made)
        if rule is None or empty or (formula is None and not outputs.keys() - inputs.keys()):
            self._spread(inputs, given, outputs)
            return _NOTHING, Fraction(0), Fraction(0)
        family = str(rule.__module__).rpartition(".")[2]
        writes = {} if family == _MADE else outputs
        narrow = min((tensor.dtype.itemsize for tensor in made), default=0) if any_autocast_enabled() else None
        share = fast = Fraction(1)
        used = Fraction(1)
        if isinstance(formula, BoundFormula) and formula.formula.counts == "macs" and made:
            share, fast = shares(rule, args, kwargs, made[0].shape)
        if family in ("convolution", "pooling") and made:
            used = _used(family, rule, args, kwargs, made[0])
        read = {self._number(tensor) for tensor in _read(family, rule, kwargs, given, share)}
        # Of parameters, matrices and kernels are factors of products; a vector is added.
        weights = [t for t in given if isinstance(t, torch.nn.Parameter) and t.requires_grad and t.dim() > 1]
        depends = bool(self._differentiable & inputs.keys())
        self._spread(inputs, given, outputs)
        demand = Demand(
            tuple(
                Traffic(number, floor(_nbytes(tensor, narrow) * (used if tensor is given[0] else 1)))
                for number, tensor in inputs.items()
                if number in read
            ),
            tuple(Traffic(number, _nbytes(tensor, None)) for number, tensor in writes.items()),
            0,
            0,
            (int(depends) + int(bool(weights))) if torch.is_grad_enabled() else 0,
            family in _FUSED,
        )
        return demand, share, fast

    def _number(self, tensor: Tensor) -> int:
        return self._storages.setdefault(tensor.untyped_storage(), len(self._storages))

    def _spread(self, inputs: Mapping[int, Tensor], given: Iterable[Tensor], outputs: Mapping[int, Tensor]) -> None:
        """Mark what a backward would go through."""
        if torch.is_grad_enabled() and (
            self._differentiable & inputs.keys() or any(tensor.requires_grad for tensor in given)
        ):
            self._differentiable |= {number for number, tensor in outputs.items() if tensor.is_floating_point()}


def _dense(found: Iterable[Tensor]) -> list[Tensor]:
    """Those whose memory is a plain array."""
    return [t for t in found if not is_lazy(t) and t.layout is torch.strided and not t.is_nested]


def _read(
    family: str, rule: Any, kwargs: Mapping[str, Any], given: Sequence[Tensor], share: Fraction
) -> Sequence[Tensor]:
    """Those of which every element is read for certain."""
    if rule.__name__ in _READ_LESS or not (family in _READ_ALL or rule.__name__ in _JOINS):
        return ()
    if family == "linear" and kwargs.get("beta", 1) == 0:  # what would be added to the product is ignored
        return given[1:]
    if family == "attention" and share < 1 and given[0].shape[-2] < given[1].shape[-2]:  # no query sees the last keys
        return given[:1]
    return given


def _nbytes(tensor: Tensor, narrow: int | None) -> int:
    """Bytes of the elements that differ in address; autocast may have narrowed a weight once for all its uses."""
    steps = [(size, step) for size, step in zip(tensor.shape, tensor.stride(), strict=True) if step != 0]
    distinct = prod(size for size, _ in steps)
    if distinct:  # elements of a sliding window share addresses
        distinct = min(distinct, 1 + sum((size - 1) * step for size, step in steps))
    item = tensor.dtype.itemsize
    return distinct * (item if narrow is None else min(item, narrow))


def _used(family: str, rule: Any, args: Any, kwargs: Mapping[str, Any], output: Tensor) -> Fraction:
    """The share of the input that windows touch at most: strides longer than the kernel step over some of it."""
    given = tensors((args, dict(kwargs)))
    if family == "convolution":
        if rule.__name__ != "convolution":
            return Fraction(1 if rule.__name__ == "transposed_convolution" else 0)
        kernel: tuple[int, ...] = tuple(given[1].shape[2:])
    else:
        named = kwargs.get("kernel_size", args[1] if len(args) > 1 else None)
        if rule.__name__.startswith("adaptive"):
            return Fraction(1)
        if not isinstance(named, (int, tuple, list)):
            return Fraction(0)
        rank = min(output.dim() - 1, len(named) if isinstance(named, (tuple, list)) else 1)
        kernel = per_axis(named, rank if isinstance(named, (tuple, list)) else _rank(rule.__name__, output))
    rank = len(kernel)
    sides = zip(given[0].shape[-rank:], output.shape[-rank:], kernel, strict=True)
    return prod((Fraction(min(i, o * k), i) if i else Fraction(0) for i, o, k in sides), start=Fraction(1))


def _rank(name: str, output: Tensor) -> int:
    """Axes of the window: what the rule's name says, else all but batch and channels."""
    return next((rank for rank in (1, 2, 3) if f"{rank}d" in name), max(1, output.dim() - 2))
