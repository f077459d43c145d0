"""A prediction as JSON, in the shape that ``schema/prediction.json`` states; ``schema_version`` says which."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from inspector.report import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.formula import BoundFormula, Count
    from inspector.records import Check, Measurement, ModuleCall, Row, TensorRecord
    from inspector.report.view import PredictionView

#: The first number changes when a reader of the former version would misread, the second when something is added.
SCHEMA_VERSION = "1.0"


def schema(
    name: Literal["prediction", "verification", "comparison", "memory", "benchmark"] = "prediction",
) -> dict[str, Any]:
    """The JSON Schema of :func:`document`, of :func:`verification_document`, which refers to it, or of a comparison."""
    file = resources.files("inspector.report").joinpath(f"schema/{name}.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def to_json(found: dict[str, Any]) -> str:
    """A document as text."""
    return json.dumps(found, indent=2, ensure_ascii=False)


def document(view: PredictionView) -> dict[str, Any]:
    """All rows, module calls, tensors and totals; nothing is folded, cut or rounded.

    A count is an integer, an expression as text where a size was a symbol, or null where it is unknown.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "model": view.model_name,
        "input": list(view.input_description),
        "conventions": {"flops": text.FLOPS_CONVENTION, "bytes": text.BYTES_CONVENTION},
        "totals": {
            "params": view.total_params,
            "trainable_params": view.trainable_params,
            "non_trainable_params": view.total_params - view.trainable_params,
            "buffer_elements": view.buffer_elements,
            "param_bytes": view.param_bytes,
            "buffer_bytes": view.buffer_bytes,
            "bytes_by_dtype": dict(view.bytes_by_dtype),
            "macs": count(view.total_macs),
            "flops": count(2 * view.total_macs),
            "calls_with_unknown_macs": view.unknown_macs,
            "elementwise_ops": count(view.total_elementwise_ops),
        },
        "modules": [_module(module) for module in view.modules],
        "rows": [_row(row) for row in view.rows],
        "tensors": [_tensor(tensor) for tensor in view.tensors],
        "tied_parameters": [list(names) for names in view.tied_parameters],
        "unused_parameters": list(view.unused_parameters),
        "notes": list(view.notes),
    }


def verification_document(
    view: PredictionView, checks: Sequence[Check], measurements: Sequence[Measurement]
) -> dict[str, Any]:
    """The prediction with every check, and how each witness was asked."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": all(check.verdict != "differ" for check in checks),
        "checks": [
            {
                "reference": check.reference,
                "what": check.what,
                "path": check.path,
                "kind": check.kind,
                "call": check.call,
                "predicted": _value(check.predicted),
                "measured": _value(check.measured),
                "verdict": check.verdict,
                "reason": check.reason,
            }
            for check in checks
        ],
        "witnesses": [
            {
                "reference": measurement.reference,
                "totals": dict(measurement.totals),
                "conditions": dict(measurement.conditions),
                "failure": measurement.failure,
            }
            for measurement in measurements
        ],
        "prediction": document(view),
    }


def _value(found: object) -> Any:
    """A count, a word, or nested tuples of them."""
    if isinstance(found, (tuple, list)):
        return [_value(item) for item in found]
    return found if found is None or isinstance(found, (bool, int, float)) else str(found)


def count(number: Count | None) -> int | str | None:
    """A count as JSON holds it."""
    return number if number is None or isinstance(number, int) else str(number)


def _shapes(shapes: tuple[Any, ...]) -> list[list[int | str | None]]:
    return [[count(size) for size in shape] for shape in shapes]


def _formula(bound: BoundFormula | None) -> dict[str, Any] | None:
    if bound is None:
        return None
    return {
        "text": bound.text,
        "counts": bound.formula.counts,
        "values": {name: count(value) for name, value in bound.values.items()},
        "worked": bound.worked,
        "source": bound.formula.source,
    }


def _module(module: ModuleCall) -> dict[str, Any]:
    return {
        "path": module.path,
        "kind": module.kind,
        "call": module.call,
        "parent": module.parent,
        "depth": module.depth,
        "output_shapes": _shapes(module.output_shapes),
        "dtypes": list(module.dtypes),
        "params": module.params,
        "macs": count(module.macs),
        "known_macs": count(module.known_macs),
        "elementwise_ops": count(module.elementwise_ops),
        "rows": list(module.rows),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "kind": row.kind,
        "module": row.module,
        "output_shapes": _shapes(row.output_shapes),
        "dtype": row.dtype,
        "params": row.params,
        "macs": count(row.macs),
        "elementwise_ops": count(row.elementwise_ops),
        "source": row.source,
        "formula": _formula(row.formula),
        "params_formula": _formula(row.params_formula),
        "data_dependent": row.data_dependent,
        "note": row.note,
    }


def _tensor(tensor: TensorRecord) -> dict[str, Any]:
    return {
        "names": list(tensor.names),
        "shape": None if tensor.shape is None else list(tensor.shape),
        "dtype": tensor.dtype,
        "numel": tensor.numel,
        "nbytes": tensor.nbytes,
        "trainable": tensor.trainable,
        "buffer": tensor.buffer,
        "used": tensor.used,
    }
