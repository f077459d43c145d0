"""What every prediction is held to: its witnesses agree, and its totals are the sums of its parts."""

from __future__ import annotations

from typing import Any

from torch import nn

import inspector
from inspector.prediction import Prediction


def held(model: nn.Module, input_size: Any = None, *, by_formula: bool = True, **options: Any) -> Prediction:
    """The prediction of ``model``, after PyTorch's execution and every other witness agreed with it."""
    verification = inspector.verify(model, input_size, **options)
    assert verification.ok, str(verification)
    execution = next(m for m in verification.measurements if m.reference == "execution")
    assert execution.failure is None, execution.failure
    prediction = verification.prediction
    sums_hold(prediction)
    if by_formula:
        assert [row.kind for row in prediction.rows if row.source != "formula"] == []
    return prediction


def sums_hold(prediction: Prediction) -> None:
    """Totals are sums over rows; each module call is the sum over the rows inside it."""
    rows, modules = prediction.rows, prediction.modules
    assert prediction.total_macs == sum(row.macs or 0 for row in rows)
    assert prediction.unknown_macs == sum(row.macs is None for row in rows)
    assert prediction.total_elementwise_ops == sum(row.elementwise_ops for row in rows)
    parameters = [record for record in prediction.tensors if not record.buffer]
    assert prediction.total_params == sum(record.numel for record in parameters)
    assert prediction.total_params == sum(row.params for row in rows) + sum(r.numel for r in parameters if not r.used)
    assert prediction.param_bytes + prediction.buffer_bytes == sum(record.nbytes for record in prediction.tensors)
    assert modules[0].rows == (0, len(rows))
    for number, call in enumerate(modules):
        inside = rows[slice(*call.rows)]
        assert call.known_macs == sum(row.macs or 0 for row in inside)
        assert call.macs == (None if any(row.macs is None for row in inside) else call.known_macs)
        assert call.params == sum(row.params for row in inside)
        assert call.elementwise_ops == sum(row.elementwise_ops for row in inside)
        assert call.parent < number
        if call.parent >= 0:
            above = modules[call.parent]
            assert above.rows[0] <= call.rows[0] <= call.rows[1] <= above.rows[1]
            assert call.depth == above.depth + 1


def kinds(prediction: Prediction) -> list[str]:
    """The functions called, in order."""
    return [row.kind for row in prediction.rows]
