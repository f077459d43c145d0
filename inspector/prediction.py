"""A prediction: every call of a forward with its shape, parameters and MACs, the modules, tensors and totals."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from inspector.calls import Call, name_of
from inspector.formula import BoundFormula, Formula
from inspector.inputs import dtype_name
from inspector.records import ModuleCall, Row, TensorRecord
from inspector.report import table, web
from inspector.structure import tensors

if TYPE_CHECKING:
    from torch import nn

    from inspector.inputs import ModelInputs
    from inspector.registered import RegisteredTensors
    from inspector.symbolic import Symbols
    from inspector.trace import Tracer

_PARAMETER_ELEMENTS = Formula("n", counts="params", source="elements of the parameters that the call uses")


class Prediction:
    """What a model is, for one input: rows, module calls, registered tensors and totals.

    Attributes:
        model_name: class of the root module.
        input_description: one line for each argument, such as ``x: [1, 1, 32, 32] float32``.
        training: the mode in which the forward was followed.
        notes: what a reader must know of the whole.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: ModelInputs,
        registered: RegisteredTensors,
        tracer: Tracer,
        symbols: Symbols,
        notes: list[str],
    ) -> None:
        self.model_name = type(model).__name__
        self.training = model.training
        self.input_description = inputs.describe() if not symbols else _described(inputs, symbols)
        self.notes = tuple(notes)
        self._registered = registered
        self._calls = tracer.calls
        self._entered = tracer.modules
        self._returns = tracer.returns
        self._symbols = symbols

    def __str__(self) -> str:
        """The table, at its full width."""
        return table.render(self)

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        return web.fragment(self)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every call, in order."""
        return tuple(self._row(Call(*call)) for call in self._calls)

    def _row(self, call: Call) -> Row:
        params = sum(self._registered.counts[number] for number in call.parameters)
        params_formula = call.params_formula() if callable(call.params_formula) else call.params_formula
        if params and (params_formula is None or params_formula.number != params):
            params_formula = _PARAMETER_ELEMENTS(n=params)
        macs, elementwise = self._work(call)
        note = f"once for each of {call.times} mapped examples" if call.times != 1 else ""
        return Row(
            path=self._entered[call.module][0] if call.module >= 0 else "",
            kind=name_of(call.function),
            output_shapes=tuple(self._shape(shape) for shape in call.shapes),
            dtype=dtype_name(call.dtype) if call.dtype is not None else None,
            params=params,
            macs=macs,
            elementwise_ops=elementwise,
            source="pytorch" if call.by_pytorch else "formula",
            formula=self._bound(call),
            params_formula=params_formula if params else None,
            module=max(call.module, 0),
            data_dependent=call.data_dependent,
            note=note,
        )

    def _shape(self, shape: Any) -> tuple[Any, ...]:
        return tuple(map(self._symbols.read, shape)) if self._symbols else tuple(shape)

    def _bound(self, call: Call) -> BoundFormula | None:
        """The formula of a call's work, with the names of sizes where sizes are named."""
        formula = call.formula
        if isinstance(formula, Formula):
            return formula.of(self._shape(call.shapes[0]))
        if formula is not None and self._symbols:
            return BoundFormula(
                formula.formula, {name: self._symbols.read(value) for name, value in formula.values.items()}
            )
        return formula

    def _work(self, call: Call) -> tuple[Any, Any]:
        """(MACs, element-wise operations) of one call."""
        bound = self._bound(call)
        if bound is None:
            return (None if call.macs is None else self._symbols.read(call.macs)), 0
        number = bound.number
        if call.times != 1:
            number = number * self._symbols.read(call.times)
        return (number, 0) if bound.formula.counts == "macs" else (0, number)

    @cached_property
    def _macs(self) -> list[Any]:
        """MACs of each row, None where nobody knows them."""
        column: list[Any] = []
        symbolic = bool(self._symbols)
        for fields in self._calls:
            bound = fields[3]
            if symbolic or type(fields) is Call:  # else a plain tuple, whose other facts are as usual
                column.append(self._work(Call(*fields))[0])
            elif bound is None or type(bound) is Formula or bound.formula.counts != "macs":
                column.append(0)
            else:
                column.append(bound.number)
        return column

    @cached_property
    def _elementwise(self) -> list[Any]:
        """Element-wise operations of each row."""
        return [self._work(Call(*fields))[1] for fields in self._calls]

    @cached_property
    def _running(self) -> list[tuple[Any, Any, int, int]]:
        """Sums over the rows before each row: known MACs, element-wise operations, parameters, rows of unknown MACs."""
        counts = self._registered.counts
        columns = (
            [macs or 0 for macs in self._macs],
            self._elementwise,
            [sum([counts[number] for number in fields[5]]) if len(fields) > 5 else 0 for fields in self._calls],
            [macs is None for macs in self._macs],
        )
        return [*zip(*(accumulate(column, initial=0) for column in columns), strict=True)]

    @cached_property
    def modules(self) -> tuple[ModuleCall, ...]:
        """One record for each module call, in call order; the first is the root's."""
        records: list[ModuleCall] = []
        calls: dict[str, int] = {}
        for (path, kind, parent, first), (last, shapes, dtypes) in zip(self._entered, self._returns, strict=True):
            before, after = self._running[first], self._running[last]
            known = after[0] - before[0]
            call = calls[path] = calls.get(path, 0) + 1
            records.append(
                ModuleCall(
                    path=path,
                    kind=kind.__name__,
                    output_shapes=tuple(self._shape(shape) for shape in shapes),
                    dtypes=tuple(map(dtype_name, dtypes)),
                    params=after[2] - before[2],
                    macs=known if after[3] == before[3] else None,
                    known_macs=known,
                    elementwise_ops=after[1] - before[1],
                    parent=parent,
                    depth=records[parent].depth + 1 if parent >= 0 else 0,
                    rows=(first, last),
                    call=call,
                )
            )
        return tuple(records)

    @cached_property
    def tensors(self) -> tuple[TensorRecord, ...]:
        """Every registered parameter, then every buffer, each storage once."""
        used = {number for call in self._calls for number in Call(*call).parameters}
        return tuple(
            TensorRecord(
                names=self._registered.names(number),
                shape=entry.shape,
                dtype=dtype_name(entry.dtype),
                numel=entry.numel,
                nbytes=entry.numel * entry.dtype.itemsize,
                trainable=entry.trainable,
                buffer=entry.buffer,
                used=entry.buffer or number in used,
            )
            for number, entry in enumerate(self._registered.entries)
        )

    @property
    def total_params(self) -> int:
        """Elements of all registered parameters, shared ones once."""
        return sum(self._registered.counts[: self._registered.parameters])

    @property
    def trainable_params(self) -> int:
        """Elements of the parameters that require a gradient."""
        return sum(entry.numel for entry in self._registered.entries if entry.trainable)

    @property
    def buffer_elements(self) -> int:
        """Elements of all registered buffers."""
        return sum(self._registered.counts[self._registered.parameters :])

    @property
    def total_macs(self) -> Any:
        """Multiply-accumulates of all rows whose count is known; a sympy expression where sizes are names."""
        return sum([macs for macs in self._macs if macs is not None])

    @property
    def unknown_macs(self) -> int:
        """How many rows have MACs that nobody knows; where it is not 0, ``total_macs`` is a lower bound."""
        return self._macs.count(None)

    @property
    def total_elementwise_ops(self) -> Any:
        """Operations outside matrix products, one for each element."""
        return sum(self._elementwise)

    @property
    def param_bytes(self) -> int:
        """Bytes of all parameters, each in its own dtype."""
        return sum(entry.numel * entry.dtype.itemsize for entry in self._registered.entries if not entry.buffer)

    @property
    def buffer_bytes(self) -> int:
        """Bytes of all buffers."""
        return sum(entry.numel * entry.dtype.itemsize for entry in self._registered.entries if entry.buffer)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """Bytes of parameters and buffers for each dtype."""
        sizes: dict[str, int] = {}
        for entry in self._registered.entries:
            name = dtype_name(entry.dtype)
            sizes[name] = sizes.get(name, 0) + entry.numel * entry.dtype.itemsize
        return sizes

    def first_used_in(self, call: ModuleCall) -> frozenset[int]:
        """Which of ``tensors`` the rows inside this module call are the first to use."""
        return frozenset(number for fields in self._calls[slice(*call.rows)] for number in Call(*fields).parameters)

    @property
    def unused_parameters(self) -> tuple[str, ...]:
        """First names of the parameters that no call used."""
        return tuple(record.names[0] for record in self.tensors if not record.used)

    @property
    def tied_parameters(self) -> tuple[tuple[str, ...], ...]:
        """The names of each parameter that has several."""
        return tuple(
            self._registered.names(number)
            for number in sorted(self._registered.aliases)
            if not self._registered.entries[number].buffer
        )


def _described(inputs: ModelInputs, symbols: Symbols) -> tuple[str, ...]:
    """The arguments' description with the names of symbolic sizes."""
    lines = []
    for name, value in [*zip(inputs.names, inputs.args, strict=False), *inputs.kwargs.items()]:
        lines += [
            f"{name}: [{', '.join(str(symbols.read(size)) for size in tensor.shape)}] {dtype_name(tensor.dtype)}"
            for tensor in tensors(value)
        ]
    return tuple(lines)
