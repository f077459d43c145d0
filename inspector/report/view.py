"""What a report needs of a prediction: a protocol, so that this room sees records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.formula import Count
    from inspector.records import ModuleCall, Row, TensorRecord


class PredictionView(Protocol):
    """A prediction as reports read it; ``inspector.prediction.Prediction`` is one.

    ``modules[0]`` is the root, in whose forward all rows were made. Counts are ints, or sympy expressions where a size
    was a symbol.
    """

    @property
    def rows(self) -> tuple[Row, ...]: ...
    @property
    def modules(self) -> tuple[ModuleCall, ...]: ...
    @property
    def tensors(self) -> tuple[TensorRecord, ...]: ...
    @property
    def total_params(self) -> int: ...
    @property
    def trainable_params(self) -> int: ...
    @property
    def buffer_elements(self) -> int: ...
    @property
    def total_macs(self) -> Any: ...
    @property
    def unknown_macs(self) -> int: ...
    @property
    def total_elementwise_ops(self) -> Any: ...
    @property
    def param_bytes(self) -> int: ...
    @property
    def buffer_bytes(self) -> int: ...
    @property
    def bytes_by_dtype(self) -> Mapping[str, int]: ...
    @property
    def unused_parameters(self) -> tuple[str, ...]: ...
    @property
    def tied_parameters(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def model_name(self) -> str: ...
    @property
    def input_description(self) -> tuple[str, ...]: ...


def is_symbolic(count: Count | None) -> bool:
    """Whether a count is an expression instead of a number."""
    return count is not None and not isinstance(count, int)


def difference(a: Count | None, b: Count | None) -> Count | None:
    """``b`` minus ``a``, exactly 0 where two expressions are equal; None where one of them is unknown."""
    if a is None or b is None:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return b - a
    from sympy import expand

    expanded = expand(b - a)
    return int(expanded) if expanded.is_Integer else expanded
