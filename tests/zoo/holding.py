"""Hold a prediction against PyTorch: every module call, every MAC, every parameter, and all of it from formulas."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn

from inspector.predict import predict
from inspector.prediction import Prediction
from tests.zoo.witness import Seen, see


class Bodiless(torch.overrides.TorchFunctionMode):
    """Parameters are born on the meta device; what a constructor computes with (arange, linspace) keeps its values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones, torch.randn) and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def hold(model: nn.Module, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Prediction:
    """Assert all that a zoo is held to; say first which functions had no formula."""
    kwargs = kwargs or {}
    prediction = predict(model, input_data=args or kwargs, input_kwargs=kwargs if args else None)
    seen = see(model, args, kwargs)
    without = Counter(row.kind for row in prediction.rows if row.source != "formula")
    assert not without, f"no formula for {dict(without)}"
    assert prediction.unknown_macs == 0, f"{prediction.unknown_macs} rows of unknown MACs"
    registered = sum({id(p): p.numel() for p in model.parameters()}.values())
    assert prediction.total_params == registered, f"{prediction.total_params} parameters, registered {registered}"
    assert not (found := _difference(_predicted(prediction), _ran(seen))), found
    assert prediction.total_macs == seen.macs, f"{prediction.total_macs} MACs, PyTorch counts {seen.macs}"
    assert prediction.total_macs == sum(row.macs for row in prediction.rows)
    return prediction


#: Path of a module call, and shape and dtype of each tensor that it returned.
_Calls = list[tuple[str, list[tuple[tuple[int, ...], str]]]]


def _predicted(prediction: Prediction) -> _Calls:
    return [(call.path, list(zip(call.output_shapes, call.dtypes, strict=True))) for call in prediction.modules]


def _ran(seen: Seen) -> _Calls:
    return [
        (path, [(shape, str(dtype).removeprefix("torch.")) for shape, dtype in found]) for path, found in seen.calls
    ]


def _difference(predicted: _Calls, ran: _Calls) -> str:
    for number, (ours, theirs) in enumerate(zip(predicted, ran, strict=False)):
        if ours != theirs:
            return f"module call {number} is predicted as {ours} and is {theirs}"
    return "" if len(predicted) == len(ran) else f"{len(predicted)} module calls predicted, {len(ran)} made"
