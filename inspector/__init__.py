"""Says what a PyTorch model must be, as closed formulas, before anything runs; then proves that the model is that."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector import experiments, losses, rules, tables, toeplitz
    from inspector.comparison import Comparison, compare
    from inspector.errors import InspectionError, NeedsData, ShapeError
    from inspector.formula import Formula
    from inspector.memory import Memory, memory
    from inspector.predict import predict
    from inspector.prediction import Prediction
    from inspector.verify import Verification, verify

__all__ = [
    "Benchmark",
    "Comparison",
    "Formula",
    "InspectionError",
    "Memory",
    "NeedsData",
    "Prediction",
    "ShapeError",
    "Verification",
    "bench",
    "compare",
    "experiments",
    "losses",
    "memory",
    "predict",
    "rules",
    "tables",
    "toeplitz",
    "verify",
]

_HOMES = {
    "Benchmark": "bench.run",
    "bench": "bench.run",
    "Comparison": "comparison",
    "compare": "comparison",
    "Formula": "formula",
    "InspectionError": "errors",
    "NeedsData": "errors",
    "ShapeError": "errors",
    "Memory": "memory",
    "memory": "memory",
    "Prediction": "prediction",
    "predict": "predict",
    "Verification": "verify",
    "verify": "verify",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that ``inspector --help`` need not wait for torch."""
    if name in ("experiments", "losses", "rules", "tables", "toeplitz"):
        return import_module(f"inspector.{name}")
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f"inspector.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'inspector' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the functions ``predict`` and ``verify`` as attributes, whichever submodule is imported first.

    The import system sets each submodule as an attribute of its package, where it would hide the function of its name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
