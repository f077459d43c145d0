"""Verification: a prediction beside four independent witnesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import torch
from torch import nn

from inspector.inputs import ModelInputs, make_inputs
from inspector.internals import without_outer_modes
from inspector.predict import predict
from inspector.prediction import Prediction
from inspector.preserve import preserved
from inspector.records import Check, Measurement
from inspector.references.execution import execution
from inspector.references.flop_counter import flop_counter
from inspector.references.registered import registered
from inspector.references.running import SMALL_BYTES, home_of, memory_needed
from inspector.references.torchinfo import torchinfo
from inspector.report.verification import verification_text
from inspector.verdicts import counter_checks, execution_checks, failed, registered_checks, torchinfo_checks

_CHECKS = {
    "registered": registered_checks,
    "execution": execution_checks,
    "flop_counter": counter_checks,
    "torchinfo": torchinfo_checks,
}


@dataclass(frozen=True)
class Verification:
    """All checks of one model.

    Attributes:
        prediction: what was predicted before anything ran.
        measurements: what each witness saw.
        checks: each figure beside each witness that gives it.
    """

    prediction: Prediction
    measurements: tuple[Measurement, ...]
    checks: tuple[Check, ...]

    @cached_property
    def differences(self) -> tuple[Check, ...]:
        """Checks in which a witness contradicts the prediction."""
        return tuple(check for check in self.checks if check.verdict == "differ")

    @cached_property
    def not_counted(self) -> tuple[Check, ...]:
        """Checks in which a witness counts otherwise, or not at all, for a known reason."""
        return tuple(check for check in self.checks if check.verdict == "not counted")

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.differences

    def __bool__(self) -> bool:
        raise TypeError("a verification is no truth value; ask for its .ok")

    def __str__(self) -> str:
        return verification_text(self.prediction.model_name, self.checks, self.measurements, self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: tied parameters, parameters used by no call, and the prediction's own notes."""
        tied = [f"tied: {' = '.join(names)}" for names in self.prediction.tied_parameters]
        unused = self.prediction.unused_parameters
        idle = [f"used by no call: {', '.join(unused)}"] if unused else []
        return (*tied, *idle, *self.prediction.notes)


def verify(
    model: nn.Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    mode: Literal["train", "eval"] | None = None,
    device: torch.device | str | None = None,
) -> Verification:
    """Predict ``model``, then ask PyTorch's execution, PyTorch's counter, torchinfo and the registered tensors.

    Args:
        model: any module; it stays as it is.
        input_size: as in ``predict``, with numbers alone.
        input_data: as in ``predict``; execution then runs for real, on this data.
        input_dtypes: as in ``predict``.
        input_kwargs: as in ``predict``.
        mode: ``"train"``, ``"eval"``, or None for the model's own.
        device: where execution runs. Default: data run where the model lives, sizes alone on the meta device.

    Raises:
        InspectionError: the question cannot be put, as in ``predict``.

    >>> v = verify(nn.Linear(120, 84), (1, 120))
    >>> v.ok, len(v.differences)
    (True, 0)
    """
    with without_outer_modes():
        inputs = make_inputs(model, input_size, input_data, input_dtypes, input_kwargs)
    prediction = predict(
        model,
        input_size,
        input_data=input_data,
        input_dtypes=input_dtypes,
        input_kwargs=input_kwargs,
        mode=mode,
    )
    with preserved(model, values=False):
        if mode is not None:
            model.train(mode == "train")
        found = [_held(prediction, seen, model, inputs) for seen in _measure(model, inputs, device)]
        measured, checks = zip(*found, strict=True)
    return Verification(prediction, measured, tuple(chain.from_iterable(checks)))


def _measure(model: nn.Module, inputs: ModelInputs, device: torch.device | str | None) -> tuple[Measurement, ...]:
    return (
        registered(model, inputs),
        execution(model, inputs, device),
        flop_counter(model, inputs),
        torchinfo(model, inputs),
    )


_ON_META = {"flop_counter": flop_counter, "torchinfo": torchinfo}


def _held(
    prediction: Prediction, measurement: Measurement, model: nn.Module, inputs: ModelInputs
) -> tuple[Measurement, tuple[Check, ...]]:
    """A witness's measurement with its checks.

    A forward may take another way on the meta device, where two witnesses look: what differs there is asked again of
    a model that is small enough where it lives.
    """
    checks = compare(prediction, measurement)
    again = _ON_META.get(measurement.reference)
    if again is None or measurement.conditions.get("device") != "meta" or not _differ(checks):
        return measurement, checks
    home = home_of(model)
    if home.type == "meta" or memory_needed(model, inputs) > SMALL_BYTES:
        return measurement, checks
    there = again(model, inputs, home)
    rechecked = compare(prediction, there)
    agrees = there.failure is None and not _differ(rechecked)
    return (there, rechecked) if agrees else (measurement, checks)


def _differ(checks: tuple[Check, ...]) -> bool:
    return any(check.verdict == "differ" for check in checks)


def compare(prediction: Prediction, measurement: Measurement) -> tuple[Check, ...]:
    """The checks of one witness."""
    if measurement.failure is not None:
        return (failed(measurement),)
    return tuple(_CHECKS[measurement.reference](prediction, measurement))
