"""What a person is told when a forward cannot be followed to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.errors import InspectionError
from inspector.inputs import dtype_name
from inspector.places import place_of
from inspector.structure import tensors
from inspector.trace import name_of

if TYPE_CHECKING:
    from inspector.trace import Tracer


def explain(error: Exception, tracer: Tracer) -> str:
    """Which module, given what; the error; the user's own line; and the calls before it."""
    lines = []
    event = tracer.stopped_in
    if event is not None:
        lines.append(f"forward stopped in {event.path or 'the root'} ({type(event.module).__name__})")
        given = tensors(event.inputs)
        if given:
            lines[-1] += f", given {', '.join(f'{list(t.shape)} {dtype_name(t.dtype)}' for t in given)}"
    name = "" if isinstance(error, InspectionError) else f"{type(error).__name__}: "
    lines.append(f"  {name}{error}")
    where = place_of(error)
    if where:
        lines.append(f"  at {where}")
    recent = tracer.calls[-3:]
    if recent:
        lines.append("  the calls before it:")
        for call in recent:
            path = tracer.modules[call.module].path if call.module >= 0 else ""
            shapes = ", ".join(str(list(shape)) for shape in call.shapes)
            lines.append(f"    {path + ': ' if path else ''}{name_of(call.function)} gave {shapes}")
    return "\n".join(lines)
