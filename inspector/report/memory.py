"""A model's memory as a table, with its totals."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspector.report import text
from inspector.report.columns import Cell, Column, printed, tabulated, wrapped
from inspector.report.markdown import LEVEL, escape
from inspector.report.tree import relative_name

if TYPE_CHECKING:
    from inspector.memory import Memory
    from inspector.records import MemoryCall

SCHEMA_VERSION = "1.1"  # the second number grew with ``parent``
_LAYOUTS = (
    ("layer", "shape", "output", "kept", "peak"),
    ("layer…", "shape", "output", "kept", "peak"),
    ("layer", "output", "kept", "peak"),
    ("layer", "kept"),
)
_LEFT_OUT = (
    "Every allocation of PyTorch's operations is followed, and its release. Not in it: what kernels take for "
    "themselves, an allocator's rounding (CUDA's: each up to 512 bytes), and a device's runtime. A module's row holds "
    "what its children's rows hold and what its own function calls keep."
)


def render(memory: Memory, *, width: int | None = None, color: bool = False, depth: int | None = None) -> str:
    """The table down to ``depth`` levels of modules, the totals, and what no figure holds."""
    lines = [*tabulated(_lines(memory, depth), _columns(), _LAYOUTS, width), []]
    lines += [[(f"{name:<11}", "bold"), (words, "")] for name, words in totals(memory)]
    lines.append([])
    for note in (*memory.notes, _LEFT_OUT):
        lines += [[(part, "dim")] for part in wrapped(note, width)]
    return printed(lines, color)


def markdown(memory: Memory, *, depth: int | None = None) -> str:
    """The same as GitHub Markdown; a level of the tree is indented by an em space."""
    columns = {key: column for key, column in _columns().items() if key != "layer"}
    found = [f"| Layer (type) | {' | '.join(column.title for column in columns.values())} |"]
    found.append(f"|:---|{''.join('---:|' if column.right else ':---|' for column in columns.values())}")
    for line in _lines(memory, depth):
        cells = (escape("".join(part for part, _ in column.cell(line))) for column in columns.values())
        found.append(f"| {LEVEL * line.level}{escape(line.title)} | {' | '.join(cells)} |")
    found += ["", *(f"- **{name}**: {escape(words)}" for name, words in totals(memory)), ""]
    return "\n".join([*found, *(f"Note: {escape(note)}  " for note in (*memory.notes, _LEFT_OUT))])


def spreadsheet(memory: Memory, *, depth: int | None = None) -> str:
    """One record for each line of the table, in bytes; what is unknown is an empty field. Lines end in CR LF."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(("level", "path", "type", "call", "output_shape", "output_bytes", "kept", "peak"))
    for line in _lines(memory, depth):
        call = line.call
        shapes = text.shapes(call.output_shapes, most=len(call.output_shapes)) if call.output_shapes else ""
        writer.writerow((line.level, call.path, call.kind, call.call, shapes, call.output_bytes, call.kept, call.peak))
    return file.getvalue()


def totals(memory: Memory) -> list[tuple[str, str]]:
    """(name, words) of the sums."""
    prediction = memory.prediction
    found = [
        ("Parameters", text.size_of(prediction.param_bytes)),
        ("Buffers", text.size_of(prediction.buffer_bytes)),
        ("Input", f"{text.size_of(memory.input_bytes)}  {', '.join(prediction.input_description)}"),
        ("Output", f"{text.size_of(memory.output_bytes)}{_parts(memory)}"),
        (
            "Inference",
            f"{text.size_of(memory.inference)} at its peak, {text.count(memory.inference_peak)} of them activations",
        ),
    ]
    if memory.kept is None or memory.training_peak is None:
        return found
    found.append(("Kept", f"{text.size_of(memory.kept)} after the forward: outputs, and what the backward needs"))
    found.append(("Gradients", f"{text.size_of(memory.gradient_bytes)} of the trainable parameters"))
    whole = memory.standing + memory.training_peak
    found.append(
        (
            "Training",
            f"{text.size_of(whole)} at its peak, {text.count(memory.training_peak)} of them activations and gradients",
        )
    )
    if memory.gradient_bytes:
        states = f"{text.size_of(memory.gradient_bytes)} more for SGD's momentum, twice that for Adam and AdamW"
        found.append(("Optimizer", states))
    return found


def document(memory: Memory) -> dict[str, Any]:
    """All figures, for ``--json``; bytes are exact."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": memory.prediction.model_name,
        "input": list(memory.prediction.input_description),
        "device": memory.device,
        "param_bytes": memory.prediction.param_bytes,
        "buffer_bytes": memory.prediction.buffer_bytes,
        "input_bytes": memory.input_bytes,
        "outputs": dict(memory.outputs),
        "inference_peak": memory.inference_peak,
        "kept": memory.kept,
        "gradient_bytes": memory.gradient_bytes,
        "training_peak": memory.training_peak,
        "modules": [
            {
                "path": call.path,
                "module": call.kind,
                "call": call.call,
                "parent": call.parent,
                "output_shapes": [list(shape) for shape in call.output_shapes],
                "output_bytes": call.output_bytes,
                "kept": call.kept,
                "peak": call.peak,
            }
            for call in memory.modules
        ],
        "notes": [*memory.notes, _LEFT_OUT],
    }


def _parts(memory: Memory) -> str:
    if len(memory.outputs) < 2:
        return ""
    return f"  {', '.join(f'{name} {text.count(size)}' for name, size in memory.outputs)}"


@dataclass(frozen=True, slots=True)
class _Line:
    """A call with what is called inside it: its level, 0 for the model, and its name as its caller knows it."""

    level: int
    name: str
    call: MemoryCall

    @property
    def title(self) -> str:
        again = f" call {self.call.call}" if self.call.call > 1 else ""
        return f"{self.name} ({self.call.kind}){again}" if self.name else self.call.kind


def _lines(memory: Memory, depth: int | None) -> list[_Line]:
    lines: list[_Line] = []
    for call in memory.modules:
        if call.parent < 0:
            lines.append(_Line(0, call.path, call))
        else:
            caller = lines[call.parent]
            lines.append(_Line(caller.level + 1, relative_name(call.path, caller.call.path), call))
    return [line for line in lines if depth is None or line.level <= depth]


def _columns() -> dict[str, Column[_Line]]:
    return {
        "layer": Column("Layer (type)", False, _layer),
        "shape": Column("Output shape", False, lambda line: ((text.shapes(line.call.output_shapes), ""),)),
        "output": Column("Output bytes", True, lambda line: ((text.count(line.call.output_bytes), ""),)),
        "kept": Column(
            "Kept for backward",
            True,
            lambda line: (("—" if line.call.kept is None else text.count(line.call.kept), ""),),
        ),
        "peak": Column(
            "Live at most", True, lambda line: ((text.count(line.call.peak) if line.call.peak else "—", ""),)
        ),
    }


def _layer(line: _Line) -> Cell:
    return (("  " * line.level, ""), (line.title, ""))
