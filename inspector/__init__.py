"""Says what a PyTorch model must be, as closed formulas, before anything runs; then proves that the model is that."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector import rules
    from inspector.errors import InspectionError, NeedsData, ShapeError
    from inspector.formula import Formula
    from inspector.predict import Prediction, predict
    from inspector.verify import Verification, verify

__all__ = [
    "Formula",
    "InspectionError",
    "NeedsData",
    "Prediction",
    "ShapeError",
    "Verification",
    "predict",
    "rules",
    "verify",
]

_HOMES = {
    "Formula": "formula",
    "InspectionError": "errors",
    "NeedsData": "errors",
    "ShapeError": "errors",
    "Prediction": "predict",
    "predict": "predict",
    "Verification": "verify",
    "verify": "verify",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that ``inspector --help`` need not wait for torch."""
    if name == "rules":
        return import_module("inspector.rules")
    if name in _HOMES:
        # The function of the same name takes its module's place as an attribute of the package.
        value = globals()[name] = getattr(import_module(f"inspector.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'inspector' has no attribute {name!r}")
