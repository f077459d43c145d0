"""Following a model's forward once, on any device and with any sizes, into a :class:`Prediction`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from inspector.errors import InspectionError, NeedsData
from inspector.explain import explain
from inspector.inputs import make_inputs
from inspector.internals import without_outer_modes
from inspector.prediction import Prediction
from inspector.preserve import ONE_AT_A_TIME, preserved
from inspector.registered import RegisteredTensors, lazy_on_meta, modules_of
from inspector.structure import deep_copy, map_tensors, tensors, unwrap
from inspector.symbolic import Symbols
from inspector.trace import Tracer
from inspector.wrappers import kinds_of, opened, remarks, scripts_call, uncompiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inspector.inputs import ModelInputs


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
        with opened(modules) as others:
            afterwards: list[Callable[[], None]] = []  # to be done when the model is as it was
            try:
                modules = modules_of(model) if others else modules
                return _predict(model, modules, inputs, symbols, mode, afterwards, tracer)
            finally:
                _finish(afterwards)


def _finish(afterwards: list[Callable[[], None]]) -> None:
    while afterwards:
        afterwards.pop()()


def _predict(
    model: nn.Module,
    modules: list[tuple[str, nn.Module]],
    inputs: ModelInputs,
    symbols: Symbols,
    mode: Literal["train", "eval"] | None,
    afterwards: list[Callable[[], None]],
    tracer: Callable[..., Tracer],
) -> Prediction:
    kinds = kinds_of(modules)
    notes = remarks(modules, kinds)
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
                _follow(model, modules, registered, inputs, symbols, [], afterwards, tracer, kinds)
                modules = modules_of(model)
                registered = RegisteredTensors(modules)
            return _follow(model, modules, registered, inputs, symbols, notes, afterwards, tracer, kinds)
    except InspectionError:
        if inputs.synthetic or not any(not tensor.is_meta for tensor in tensors((inputs.args, inputs.kwargs))):
            raise
    _finish(afterwards)  # what the first pass left in caches outside the model gets values before these are used
    if lazy is not None:
        model, modules = lazy, modules_of(lazy)
    with preserved(model), uncompiled():
        if mode is not None:
            model.train(mode == "train")
        if lazy is not None:
            _follow(
                model, modules, RegisteredTensors(modules), inputs, symbols, [], afterwards, tracer, kinds, real=True
            )
            modules = modules_of(model)
            registered = RegisteredTensors(modules)
        return _follow(model, modules, registered, inputs, symbols, notes, afterwards, tracer, kinds, real=True)


def _follow(
    model: nn.Module,
    modules: list[tuple[str, nn.Module]],
    registered: RegisteredTensors,
    inputs: ModelInputs,
    symbols: Symbols,
    notes: list[str],
    afterwards: list[Callable[[], None]],
    make_tracer: Callable[..., Tracer],
    kinds: set[type],
    real: bool = False,
) -> Prediction:
    home = registered.home or _home(inputs)
    if real:
        notes = [
            *notes,
            "the forward was executed on the data given: it needs values, and took this branch for these",
        ]
    paths = {id(module): path for path, module in modules}
    tracer = make_tracer(paths, registered.numbers.copy(), home, symbols, real)
    if not (real or symbols):
        afterwards.append(tracer.settle)
    try:
        if real:
            args, kwargs = (map_tensors(value, Tensor.clone) for value in (inputs.args, inputs.kwargs))
        else:
            args, kwargs = (inputs.args, inputs.kwargs) if inputs.synthetic else inputs.on("meta")
        with symbols.views(), scripts_call(tracer.script, kinds), tracer.following():
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
    if not tensors(returned):
        notes = [*notes, f"forward returned no tensor, but {type(returned).__name__}"]
    if symbols:
        notes = [*notes, *symbols.fixed()]
    return Prediction(model, inputs, registered, tracer, symbols, notes)


def _home(inputs: ModelInputs) -> torch.device:
    """Where a model without tensors lives: on the device of the data, else the CPU."""
    given = tensors((inputs.args, inputs.kwargs))
    return given[0].device if given and not inputs.synthetic else torch.device("cpu")
