"""Predicted beside measured: the checks of each witness, and when a difference is the witness's own.

A difference is ``not counted`` only where a known fault of the witness yields exactly the figure that it gave; the
fault and the mended figure come from the witness's own file. Anything else differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspector.records import Check, MeasuredModule, Measurement, ModuleCall, Verdict
from inspector.rules import RULES, TABLES

if TYPE_CHECKING:
    from inspector.prediction import Prediction


def failed(measurement: Measurement) -> Check:
    """The one check of a witness that could not answer."""
    refused = "refused" in measurement.conditions
    verdict: Verdict = "differ" if refused else "not counted"
    reason = "PyTorch refuses what was predicted" if refused else f"the witness could not run: {measurement.failure}"
    measured = measurement.failure if refused else None
    return Check(measurement.reference, "run", "", "", 0, "runs", measured, verdict, reason)


def registered_checks(prediction: Prediction, measurement: Measurement) -> Iterator[Check]:
    """Totals of parameters and buffers."""
    predicted = {
        "params": prediction.total_params,
        "trainable_params": prediction.trainable_params,
        "param_bytes": prediction.param_bytes,
        "buffer_elements": prediction.buffer_elements,
        "buffer_bytes": prediction.buffer_bytes,
    }
    for what, value in predicted.items():
        yield _equal(measurement, what, prediction.modules[0], value, measurement.totals[what], number=0)


def execution_checks(prediction: Prediction, measurement: Measurement) -> Iterator[Check]:
    """Which modules are called, in which order, and what each call returns."""
    root = prediction.modules[0]
    ours = [(call.path, call.call) for call in prediction.modules]
    theirs = [(call.path, call.call) for call in measurement.modules]
    if ours == theirs:
        yield _equal(measurement, "calls", root, len(ours), len(theirs), number=0)
    else:
        yield _first_divergence(root, ours, theirs)
    measured = {(call.path, call.call): call for call in measurement.modules}
    for call in prediction.modules:
        found = measured.get((call.path, call.call))
        if found is None:
            continue
        yield _equal(measurement, "dtype", call, call.dtypes, found.dtypes)
        predicted: object = call.output_shapes
        if _with_lengths(call.output_shapes) == _with_lengths(found.output_shapes):
            predicted = found.output_shapes
        yield _equal(measurement, "output_shapes", call, predicted, found.output_shapes)


def _with_lengths(shapes: tuple[tuple[Any, ...], ...] | None) -> list[list[Any]]:
    """Shapes with one word for each size that is no number: the lengths in a nested tensor are values."""
    return [[size if isinstance(size, int) else "lengths" for size in shape] for shape in shapes or ()]


def _first_divergence(root: ModuleCall, ours: list[tuple[str, int]], theirs: list[tuple[str, int]]) -> Check:
    place = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))

    def name(calls: list[tuple[str, int]]) -> str:
        if place >= len(calls):
            return f"no call {place + 1}"
        path, number = calls[place]
        return f"call {place + 1} is {path or 'the root'}" + (f" (its call {number})" if number > 1 else "")

    return Check("execution", "calls", "", root.kind, 0, name(ours), name(theirs), "differ")


def counter_checks(prediction: Prediction, measurement: Measurement) -> Iterator[Check]:
    """MACs of every module call and in total, beside PyTorch's counter."""
    measured = {(call.path, call.call): call for call in measurement.modules}
    for call in prediction.modules:
        found = measured.get((call.path, call.call))
        if found is None:
            yield _not_counted(measurement, "macs", call, call.macs, None, "the counter saw no such call")
            continue
        yield _counter_check(prediction, measurement, call, found, call.call)
        if not call.path and call.call == 1:
            yield _counter_check(prediction, measurement, call, replace(found, macs=measurement.totals["macs"]), 0)


def _counter_check(
    prediction: Prediction, measurement: Measurement, call: ModuleCall, found: MeasuredModule, number: int
) -> Check:
    rows = prediction.rows[slice(*call.rows)]
    if call.macs is not None and call.macs == found.macs:
        return _equal(measurement, "macs", call, call.macs, found.macs, number=number)
    reasons = [found.fault] if found.fault else []
    mended = found.corrected_macs if found.corrected_macs is not None else found.macs
    known = call.known_macs
    unknown = sorted({row.kind for row in rows if row.macs is None})
    if unknown and mended is not None and mended > known:  # what is known is no more than a part
        reasons.append(f"no rule knows {', '.join(unknown)}")
        return _not_counted(measurement, "macs", call, call.macs, found.macs, "; ".join(reasons), number=number)
    if unknown:
        reasons.append(f"neither a rule nor the counter knows {', '.join(unknown)}")
    # What the counter cannot look into, only a rule counts.
    unseen = {*_taught(), *found.fault.partition("cannot look into ")[2].split(", ")}
    own = sorted({row.kind for row in rows if row.macs and row.kind in unseen})
    opaque = sum(row.macs or 0 for row in rows if row.kind in own)
    if own:
        reasons.append(f"sees nothing in {', '.join(own)}, of which only a rule speaks")
    if reasons and mended is not None and known in (mended, mended + opaque):
        return _not_counted(measurement, "macs", call, call.macs, found.macs, "; ".join(reasons), number=number)
    return _equal(measurement, "macs", call, call.macs, found.macs, "; ".join(reasons), number=number)


def _taught() -> set[str]:
    """Names of the functions for which users registered rules."""
    textbook = {function for table in TABLES.values() for function in table}
    return {
        str(getattr(function, "_qualified_op_name", "") or getattr(function, "__name__", ""))
        for function in RULES
        if function not in textbook
    }


def torchinfo_checks(prediction: Prediction, measurement: Measurement) -> Iterator[Check]:
    """Output shape, parameters and mult-adds of every layer torchinfo lists, and its totals."""
    measured = {(call.path, call.call): call for call in measurement.modules}
    layers: list[Check] = []
    for call in prediction.modules:
        found = measured.get((call.path, call.call))
        if found is None:
            yield _not_counted(
                measurement, "output_shapes", call, call.output_shapes, None, "torchinfo lists no such call"
            )
            continue
        yield _shown_shape(measurement, call, found)
        if found.params is not None:
            yield _layer_params(prediction, measurement, call, found)
        if found.macs is not None:
            layers.append(_layer_macs(prediction, measurement, call, found))
    yield from layers
    root = prediction.modules[0]
    yield _total_params(prediction, measurement)
    yield _total_macs(prediction, measurement, root, layers)


def _shown_shape(measurement: Measurement, call: ModuleCall, found: MeasuredModule) -> Check:
    shown = found.output_shapes
    if shown == call.output_shapes[:1]:
        return _equal(measurement, "output_shapes", call, call.output_shapes[:1], shown)
    if shown is None or shown == ((),) or (len(call.output_shapes) > 1 and shown[0] in call.output_shapes):
        reason = "shows one tensor of a nested output, or none"
        return _not_counted(measurement, "output_shapes", call, call.output_shapes, shown, reason)
    return _equal(measurement, "output_shapes", call, call.output_shapes, shown)


def _layer_params(prediction: Prediction, measurement: Measurement, call: ModuleCall, found: MeasuredModule) -> Check:
    if call.params == found.params:
        return _equal(measurement, "params", call, call.params, found.params)
    prefix = f"{call.path}." if call.path else ""
    unused = sum(
        record.numel
        for record in prediction.tensors
        if not record.buffer and not record.used and _under(record.names, prefix)
    )
    tied = any(name.startswith(prefix) for names in prediction.tied_parameters for name in names)
    again = "counts a tied parameter at each of its places" if tied else "counts the weights that pruning left"
    idle = "counts parameters that no call uses"
    shown, mended_by_torchinfo = found.params or 0, found.corrected_params or 0
    reasons = {again: mended_by_torchinfo, idle: shown - unused, f"{again}, and {idle}": mended_by_torchinfo - unused}
    reasons[_ELSEWHERE] = shown + _used_elsewhere(prediction, call, prefix)
    for reason, mended in reasons.items():
        if mended == call.params:
            return _not_counted(measurement, "params", call, call.params, found.params, reason)
    return _equal(measurement, "params", call, call.params, found.params)


_ELSEWHERE = "gives parameters to the module that registers them, not to the call that uses them first"


def _used_elsewhere(prediction: Prediction, call: ModuleCall, prefix: str) -> int:
    """Elements first used here and registered elsewhere, less those registered here and first used elsewhere."""
    used = prediction.first_used_in(call)
    balance = 0
    for number, record in enumerate(prediction.tensors):
        if not record.buffer:
            balance += record.numel * ((number in used) - _under(record.names, prefix))
    return balance


def _under(names: tuple[str, ...], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _layer_macs(prediction: Prediction, measurement: Measurement, call: ModuleCall, found: MeasuredModule) -> Check:
    predicted = (call.known_macs or None) if call.macs is None else call.macs
    if predicted != found.macs and found.fault and found.corrected_macs in (None, predicted):
        return _not_counted(measurement, "macs", call, predicted, found.macs, found.fault)
    rows = prediction.rows[slice(*call.rows)]
    once = sum(row.formula.number for row in rows if row.macs and row.formula is not None)
    if predicted == sum(row.macs or 0 for row in rows) != once and once in (found.macs, found.corrected_macs):
        reasons = ["sees one of the examples that vmap maps"] + ([found.fault] if found.macs != once else [])
        return _not_counted(measurement, "macs", call, predicted, found.macs, ", and ".join(reasons))
    return _equal(measurement, "macs", call, predicted, found.macs)


def _total_params(prediction: Prediction, measurement: Measurement) -> Check:
    root = prediction.modules[0]
    predicted, measured = prediction.total_params, measurement.totals["params"]
    whole = next((found.corrected_params for found in measurement.modules if not found.path), None)
    if predicted != measured and predicted == whole:
        reason = "adds up layers: tied parameters again, pruned ones not, and negative remainders as 0"
        return _not_counted(measurement, "params", root, predicted, measured, reason, number=0)
    return _equal(measurement, "params", root, predicted, measured, number=0)


def _total_macs(prediction: Prediction, measurement: Measurement, root: ModuleCall, layers: Sequence[Check]) -> Check:
    predicted, measured = prediction.total_macs, measurement.totals["macs"]
    listed = sum(check.measured for check in layers if isinstance(check.measured, int))
    inside = sum(check.predicted for check in layers if isinstance(check.predicted, int))
    explained = listed == measured and all(check.verdict != "differ" for check in layers)
    if predicted == measured or not explained:
        return _equal(measurement, "macs", root, predicted, measured, number=0)
    parts = []
    if listed != inside:
        parts.append(f"{_signed(listed - inside)} by faults in its layers")
    if predicted != inside:
        parts.append(f"{_signed(inside - predicted)} for calls outside its layers, which it does not see")
    return _not_counted(measurement, "macs", root, predicted, measured, "; ".join(parts) or "unknown rows", number=0)


def _signed(number: int) -> str:
    return f"{number:+,}".replace(",", " ")


def _equal(
    measurement: Measurement,
    what: str,
    call: ModuleCall,
    predicted: object,
    measured: object,
    reason: str = "",
    *,
    number: int | None = None,
) -> Check:
    verdict: Verdict = "agree" if predicted == measured else "differ"
    number = call.call if number is None else number
    return Check(measurement.reference, what, call.path, call.kind, number, predicted, measured, verdict, reason)


def _not_counted(
    measurement: Measurement,
    what: str,
    call: ModuleCall,
    predicted: object,
    measured: object,
    reason: str,
    *,
    number: int | None = None,
) -> Check:
    number = call.call if number is None else number
    return Check(measurement.reference, what, call.path, call.kind, number, predicted, measured, "not counted", reason)
