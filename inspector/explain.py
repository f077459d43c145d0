"""What a person is told when a forward cannot be followed to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from inspector.calls import name_of
from inspector.errors import InspectionError
from inspector.inputs import dtype_name
from inspector.places import place_of
from inspector.structure import tensors

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.trace import Tracer


def explain(error: Exception, tracer: Tracer) -> str:
    """Which module, given what; the error; the user's own line; and the calls before it."""
    lines = []
    stopped = tracer.stopped_in
    if stopped is not None:
        path, kind, inputs = stopped
        lines.append(f"forward stopped in {path or 'the root'} ({kind.__name__})")
        given = tensors(inputs)
        if given:
            lines[-1] += f", given {', '.join(map(_given, given))}"
    name = "" if isinstance(error, InspectionError) else f"{type(error).__name__}: "
    lines.append(f"  {name}{error}")
    where = place_of(error)
    if where:
        lines.append(f"  at {where}")
    for size, number, line in tracer.symbols.numbers():
        lines.append(f"  the forward turned the size {size} into a number{f' at {line}' if line else ''}")
        lines.append(f"    {number} comes of sizes taken for the names, so the counts hold for no other size")
    if tracer.symbols:
        lines.append(
            f"  sizes are names here; give numbers (224 for {tracer.symbols.last}) where the forward needs them"
        )
    recent = tracer.calls[-3:]
    if recent:
        lines.append("  the calls before it:")
        for function, shapes, _, _, module, *_ in recent:
            path = tracer.modules[module][0] if module >= 0 else ""
            lines.append(f"    {path + ': ' if path else ''}{name_of(function)} gave {', '.join(map(_sizes, shapes))}")
    return "\n".join(lines)


def _given(tensor: Tensor) -> str:
    nested = tensor.is_nested and tensor.layout is torch.strided  # which has no shape to tell
    return f"{'a nested tensor' if nested else list(tensor.shape)} {dtype_name(tensor.dtype)}"


def _sizes(shape: Any) -> str:
    return str(list(shape))
