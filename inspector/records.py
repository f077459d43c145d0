"""The frozen records that rooms exchange. No torch: dtypes and devices are text, sizes ints or sympy expressions.

A *count* is an ``int``, or a sympy expression in a symbolic prediction. A count that nobody knows is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from inspector.formula import BoundFormula, Count

    Shape: TypeAlias = tuple[Count, ...]

Source: TypeAlias = Literal["formula", "pytorch"]
Verdict: TypeAlias = Literal["agree", "differ", "not counted"]


@dataclass(frozen=True, slots=True)
class Row:
    """One executed call with its predicted figures.

    Attributes:
        path: path of the module whose forward made the call, ``""`` for the root.
        kind: the function, as PyTorch names it: ``conv2d``, ``add``, ``view``.
        output_shapes: shape of every tensor the call returns.
        dtype: dtype of the first of them, such as ``float32``; None where the call returns no tensor.
        params: elements of the registered parameters that this call is the first to use.
        macs: multiply-accumulates; None where neither a rule nor PyTorch's counter knows them.
        elementwise_ops: one operation for each element computed outside matrix products.
        source: ``formula`` where a rule spoke, ``pytorch`` where PyTorch's meta kernel and counter did.
        formula: the bound formula of the MACs (or of the element-wise work), where the rule states one.
        params_formula: the bound formula of ``params``, where they are not 0.
        module: index into ``Prediction.modules`` of the module call that made this call.
        data_dependent: the output's size depends on values of tensors.
        note: what a reader must know of this row, or ``""``.
    """

    path: str
    kind: str
    output_shapes: tuple[Shape, ...]
    dtype: str | None
    params: int
    macs: Count | None
    elementwise_ops: Count
    source: Source
    formula: BoundFormula | None
    params_formula: BoundFormula | None
    module: int
    data_dependent: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of one module, leaf or container, with the sums over everything it ran.

    Attributes:
        path: registered path, ``""`` for the root; a shared module carries its first name.
        kind: class name.
        output_shapes: shape of every tensor in what forward returned, in the order of its nested structure.
        dtypes: their dtypes.
        params: elements of parameters first used inside.
        macs: sum over the rows inside; None where one of them is unknown.
        known_macs: sum over the rows inside whose MACs are known.
        elementwise_ops: sum over the rows inside.
        parent: index of the calling module call, -1 for the root.
        depth: 0 for the root.
        rows: (first, last + 1) into ``Prediction.rows``.
        call: 1 for this module's first call, 2 for its second.
    """

    path: str
    kind: str
    output_shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    params: int
    macs: Count | None
    known_macs: Count
    elementwise_ops: Count
    parent: int
    depth: int
    rows: tuple[int, int]
    call: int


@dataclass(frozen=True, slots=True)
class MemoryCall:
    """Memory of one call of one module, in bytes.

    Attributes:
        path: registered path, ``""`` for the root.
        kind: class name.
        call: 1 for this module's first call, 2 for its second.
        parent: index of the calling module call among all, -1 for the root.
        output_shapes: shape of every tensor in what forward returned.
        output_bytes: of those tensors.
        kept: made inside, and alive when the whole training forward has returned; None without training.
        peak: the most activation bytes of the whole model that lived at once while this call ran; 0 where it made none.
    """

    path: str
    kind: str
    call: int
    parent: int
    output_shapes: tuple[Shape, ...]
    output_bytes: int
    kept: int | None
    peak: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One registered parameter or buffer.

    Attributes:
        names: every path under which it is registered; several where it is tied.
        shape: its sizes; None for a lazy parameter that has none yet.
        dtype: such as ``float32``.
        numel: elements.
        nbytes: elements times bytes of one element.
        trainable: a parameter with ``requires_grad``.
        buffer: registered as a buffer.
        used: some call of this forward used it.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...] | None
    dtype: str
    numel: int
    nbytes: int
    trainable: bool
    buffer: bool
    used: bool


@dataclass(frozen=True, slots=True)
class Check:
    """Predicted beside measured.

    Attributes:
        reference: the witness: ``execution``, ``flop_counter``, ``torchinfo``, ``registered``.
        what: the quantity: ``output_shapes``, ``dtype``, ``macs``, ``params``, ``bytes``, ``calls``.
        path: module path, ``""`` for the root.
        kind: class of the module or name of the function there.
        call: which call of that module, from 1; 0 for the whole model.
        predicted: our value.
        measured: the witness's value.
        verdict: ``agree``, ``differ`` or ``not counted``.
        reason: why the witness does not count this; where values differ, what is known of it.
    """

    reference: str
    what: str
    path: str
    kind: str
    call: int
    predicted: object
    measured: object
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredModule:
    """What a witness saw of one module call; a figure it does not give is None.

    Attributes:
        path: registered path, ``""`` for the root; a shared module carries its first name.
        kind: class name.
        call: 1 for this module's first call.
        output_shapes: shapes of the returned tensors.
        dtypes: their dtypes.
        params: parameters the witness gives to this call.
        macs: multiply-accumulates the witness gives to this call.
        fault: what the witness is known to count otherwise here, or ``""``.
        corrected_params: its parameters with that mended, by arithmetic of its own; None where it cannot be mended.
        corrected_macs: its multiply-accumulates with that mended, likewise.
    """

    path: str
    kind: str
    call: int
    output_shapes: tuple[tuple[int, ...], ...] | None = None
    dtypes: tuple[str, ...] | None = None
    params: int | None = None
    macs: int | None = None
    fault: str = ""
    corrected_params: int | None = None
    corrected_macs: int | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that one witness saw of one model and input.

    Attributes:
        reference: the witness.
        modules: its module calls, in call order.
        totals: its whole-model figures by name: ``params``, ``trainable_params``, ``macs``, ``param_bytes``, ...
        conditions: device, versions, mode and what else a reader needs to judge it.
        failure: why the witness could not answer, or None.
    """

    reference: str
    modules: tuple[MeasuredModule, ...]
    totals: dict[str, int]
    conditions: dict[str, str]
    failure: str | None = None
