"""Prediction: every call of a model's forward with its shape, parameters and MACs, before anything runs."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from inspector.calls import Call, name_of
from inspector.errors import InspectionError, NeedsData
from inspector.explain import explain
from inspector.formula import BoundFormula, Formula
from inspector.inputs import dtype_name, make_inputs
from inspector.internals import without_outer_modes
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.records import ModuleCall, Row, TensorRecord
from inspector.registered import RegisteredTensors, lazy_on_meta, modules_of, tensors_of
from inspector.report import table, web
from inspector.structure import deep_copy, map_tensors, tensors, unwrap
from inspector.symbolic import Symbols
from inspector.trace import Tracer
from inspector.wrappers import kinds_of, opened, remarks, scripts_call, uncompiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inspector.inputs import ModelInputs

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
        params_formula = call.params_formula
        if params and (params_formula is None or params_formula.number != params):
            params_formula = _PARAMETER_ELEMENTS(n=params)
        macs, elementwise = self._work(call)
        formula = call.formula
        if formula is not None and self._symbols:
            formula = BoundFormula(
                formula.formula, {name: self._symbols.read(value) for name, value in formula.values.items()}
            )
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
            formula=formula,
            params_formula=params_formula if params else None,
            module=max(call.module, 0),
            data_dependent=call.data_dependent,
            note=note,
        )

    def _shape(self, shape: Any) -> tuple[Any, ...]:
        return tuple(map(self._symbols.read, shape)) if self._symbols else tuple(shape)

    def _work(self, call: Call) -> tuple[Any, Any]:
        """(MACs, element-wise operations) of one call."""
        bound = call.formula
        if bound is None:
            return (None if call.macs is None else self._symbols.read(call.macs)), 0
        if self._symbols:
            number = bound.formula.evaluate({name: self._symbols.read(value) for name, value in bound.values.items()})
        else:
            number = bound.number
        if call.times != 1:
            number = number * self._symbols.read(call.times)
        return (number, 0) if bound.formula.counts == "macs" else (0, number)

    @cached_property
    def _running(self) -> list[tuple[Any, Any, int, int]]:
        """Sums over the rows before each row: known MACs, element-wise operations, parameters, rows of unknown MACs."""
        macs: Any = 0
        elementwise: Any = 0
        params = unknown = 0
        so_far: tuple[Any, Any, int, int] = (0, 0, 0, 0)
        sums = [so_far]
        counts = self._registered.counts
        symbolic = bool(self._symbols)
        for fields in self._calls:
            bound = fields[3]
            if symbolic or type(fields) is Call:  # else a plain tuple, whose other facts are as usual
                mine, others = self._work(Call(*fields))
                if mine is None:
                    unknown += 1
                else:
                    macs += mine
                elementwise += others
            elif bound is not None:
                if bound.formula.counts == "macs":
                    macs += bound.number
                else:
                    elementwise += bound.number
            elif len(fields) == 5:  # no work and no parameter: a view, an index
                sums.append(so_far)
                continue
            if len(fields) > 5:
                for number in fields[5]:
                    params += counts[number]
            so_far = (macs, elementwise, params, unknown)
            sums.append(so_far)
        return sums

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
        """Every registered parameter and buffer, each storage once."""
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
        return sum(compress(self._registered.counts, map(not_, self._registered.buffers)))

    @property
    def trainable_params(self) -> int:
        """Elements of the parameters that require a gradient."""
        return sum(entry.numel for entry in self._registered.entries if entry.trainable)

    @property
    def buffer_elements(self) -> int:
        """Elements of all registered buffers."""
        return sum(compress(self._registered.counts, self._registered.buffers))

    @property
    def total_macs(self) -> Any:
        """Multiply-accumulates of all rows whose count is known; a sympy expression where sizes are names."""
        return self._running[-1][0]

    @property
    def unknown_macs(self) -> int:
        """How many rows have MACs that nobody knows; where it is not 0, ``total_macs`` is a lower bound."""
        return self._running[-1][3]

    @property
    def total_elementwise_ops(self) -> Any:
        """Operations outside matrix products, one for each element."""
        return self._running[-1][1]

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


def predict(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    mode: Literal["train", "eval"] | None = None,
) -> Prediction:
    """Say what ``model`` does with an input of this size: no kernel runs and nothing of the model changes.

    Args:
        model: any module, on any device.
        input_size: the shape of one positional tensor; a list of shapes for several; a dict from parameter name to
        shape.
            A size may be a name, such as ``("N", 3, "H", "W")``: counts are then sympy expressions.
        input_data: real arguments instead. A tuple holds positional arguments, a dict keyword arguments, anything
        else is the
            one positional argument. Where the forward branches on values, the branch of this data is followed.
        input_dtypes: dtypes or their names for ``input_size``, one for all or in its structure.
        input_kwargs: further keyword arguments of forward, passed as they are.
        mode: follow in ``"train"`` or ``"eval"`` mode; None leaves the model's.

    Raises:
        InspectionError: the input cannot be forward's, or forward raises. The message says where; ``.partial`` holds
        the
            prediction up to that call.
        NeedsData: forward asks for values that sizes alone do not give.

    >>> import torch
    >>> p = predict(torch.nn.Linear(120, 84), (1, 120))
    >>> p.total_params, p.total_macs, p.rows[0].params_formula.worked
    (10164, 10080, '84 × (120 + 1) = 10 164')
    """
    return predict_with(
        Tracer,
        model,
        input_size,
        input_data=input_data,
        input_dtypes=input_dtypes,
        input_kwargs=input_kwargs,
        mode=mode,
    )


def predict_with(
    tracer: Callable[..., Tracer],
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    mode: Literal["train", "eval"] | None = None,
) -> Prediction:
    """``predict``, followed by a tracer of the caller's, which may note more of each call."""
    with ONE_AT_A_TIME, without_outer_modes():
        symbols = Symbols()
        inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs, symbol=symbols.size)
        model = unwrap(model)
        modules = modules_of(model)
        with opened(modules) as others, ExitStack() as afterwards:  # when the model is as it was
            return _predict(model, modules_of(model) if others else modules, inputs, symbols, mode, afterwards, tracer)


def _predict(
    model: nn.Module,
    modules: list[tuple[str, nn.Module]],
    inputs: ModelInputs,
    symbols: Symbols,
    mode: Literal["train", "eval"] | None,
    afterwards: ExitStack,
    tracer: Callable[..., Tracer],
) -> Prediction:
    notes = remarks(modules, kinds_of(modules))
    registered = RegisteredTensors(modules)
    lazy = deep_copy(model) if registered.lazy else None
    if lazy is not None:
        model = deep_copy(model)
        lazy_on_meta(model)
        notes.append("lazy modules were materialised on a copy; the model itself is as lazy as before")
        modules = modules_of(model)
    try:
        with preserved(model, values=False, modules=[module for _, module in modules]), uncompiled():
            if mode is not None:
                model.train(mode == "train")
            if lazy is not None:
                _follow(model, modules, registered, inputs, symbols, [], afterwards, tracer)
                modules = modules_of(model)
                registered = RegisteredTensors(modules)
            return _follow(model, modules, registered, inputs, symbols, notes, afterwards, tracer)
    except InspectionError:
        if inputs.synthetic or not any(not tensor.is_meta for tensor in tensors((inputs.args, inputs.kwargs))):
            raise
    afterwards.close()  # what the first pass left in caches outside the model gets values before these are used
    if lazy is not None:
        model, modules = lazy, modules_of(lazy)
    with preserved(model), uncompiled():
        if mode is not None:
            model.train(mode == "train")
        if lazy is not None:
            _follow(model, modules, RegisteredTensors(modules), inputs, symbols, [], afterwards, tracer, real=True)
            modules = modules_of(model)
            registered = RegisteredTensors(modules)
        return _follow(model, modules, registered, inputs, symbols, notes, afterwards, tracer, real=True)


def _follow(
    model: nn.Module,
    modules: list[tuple[str, nn.Module]],
    registered: RegisteredTensors,
    inputs: ModelInputs,
    symbols: Symbols,
    notes: list[str],
    afterwards: ExitStack,
    make_tracer: Callable[..., Tracer],
    real: bool = False,
) -> Prediction:
    home = _home(modules, inputs)
    if real:
        notes = [
            *notes,
            "the forward was executed on the data given: it needs values, and took this branch for these",
        ]
    paths = {id(module): path for path, module in modules}
    tracer = make_tracer(paths, registered.numbers.copy(), home, symbols, real)
    if not (real or symbols):
        afterwards.callback(tracer.settle)
    try:
        if real:
            args, kwargs = (map_tensors(value, Tensor.clone) for value in (inputs.args, inputs.kwargs))
        else:
            args, kwargs = (inputs.args, inputs.kwargs) if inputs.synthetic else inputs.on("meta")
        with symbols.views(), scripts_call(tracer.script, kinds_of(modules)), tracer.following():
            returned = model(*args, **kwargs)
    except Exception as error:
        message = symbols.named(explain(error, tracer))
        partial = Prediction(model, inputs, registered, tracer, symbols, notes)
        kind = NeedsData if isinstance(error, NeedsData) else InspectionError
        raise kind(message, partial) from error
    if returned is None:
        partial = Prediction(model, inputs, registered, tracer, symbols, notes)
        raise InspectionError(
            f"forward returned nothing (None): does {type(model).__name__}.forward end in return?", partial
        )
    if symbols:
        notes = [*notes, *symbols.fixed()]
    return Prediction(model, inputs, registered, tracer, symbols, notes)


def _home(modules: list[tuple[str, nn.Module]], inputs: ModelInputs) -> torch.device:
    """The device of the model's first tensor, else of the data, else the CPU."""
    for tensor in tensors_of(modules):
        return tensor.device
    given = tensors((inputs.args, inputs.kwargs))
    return given[0].device if given and not inputs.synthetic else torch.device("cpu")
