"""One module call of a prediction with all that it ran, as a prediction of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from inspector.records import ModuleCall, Row, TensorRecord
    from inspector.report.view import PredictionView


@dataclass(frozen=True)
class Subtree:
    """What :func:`subtree` gives; see :class:`inspector.report.view.PredictionView`."""

    rows: tuple[Row, ...]
    modules: tuple[ModuleCall, ...]
    tensors: tuple[TensorRecord, ...]
    unused_parameters: tuple[str, ...]
    tied_parameters: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    model_name: str
    input_description: tuple[str, ...]

    @property
    def total_params(self) -> int:
        return sum(tensor.numel for tensor in self.tensors if not tensor.buffer)

    @property
    def trainable_params(self) -> int:
        return sum(tensor.numel for tensor in self.tensors if tensor.trainable)

    @property
    def buffer_elements(self) -> int:
        return sum(tensor.numel for tensor in self.tensors if tensor.buffer)

    @property
    def total_macs(self) -> Any:
        return self.modules[0].known_macs

    @property
    def unknown_macs(self) -> int:
        return sum(row.macs is None for row in self.rows)

    @property
    def total_elementwise_ops(self) -> Any:
        return self.modules[0].elementwise_ops

    @property
    def param_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors if not tensor.buffer)

    @property
    def buffer_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors if tensor.buffer)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for tensor in self.tensors:
            found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.nbytes
        return found


def subtree(view: PredictionView, path: str) -> Subtree:
    """The first call of the module at ``path``.

    Tensors are those registered under the path, also where another module used them first.

    Raises:
        InspectionError: no call of a module with this path.
    """
    start = next((index for index, module in enumerate(view.modules) if module.path == path), None)
    if start is None:
        known = list(dict.fromkeys(module.path for module in view.modules if module.path))
        raise InspectionError(f"no module {path!r} was called. {suggest(path, known)}")
    root = view.modules[start]
    first, end = root.rows
    inside = [start]
    kept = {start}
    for index in range(start + 1, len(view.modules)):
        if view.modules[index].parent not in kept:
            break
        inside.append(index)
        kept.add(index)
    return Subtree(
        rows=tuple(replace(row, module=row.module - start) for row in view.rows[first:end]),
        modules=tuple(
            replace(
                view.modules[index],
                parent=view.modules[index].parent - start if index > start else -1,
                depth=view.modules[index].depth - root.depth,
                rows=(view.modules[index].rows[0] - first, view.modules[index].rows[1] - first),
            )
            for index in inside
        ),
        tensors=tuple(tensor for tensor in view.tensors if any(_under(name, path) for name in tensor.names)),
        unused_parameters=tuple(name for name in view.unused_parameters if _under(name, path)),
        tied_parameters=tuple(names for names in view.tied_parameters if any(_under(name, path) for name in names)),
        notes=view.notes,
        model_name=f"{view.model_name}.{path}" if path else view.model_name,
        input_description=view.input_description,
    )


def suggest(wanted: str, known: list[str], most: int = 5) -> str:
    """``Did you mean ...?`` for a name that is close to known ones, else the first of what there is."""
    import difflib

    if close := difflib.get_close_matches(wanted, known, n=most, cutoff=0.5):
        return f"Did you mean {', '.join(close)}?"
    return f"There is {', '.join(known[:most])}{', ...' if len(known) > most else ''}." if known else "There is none."


def _under(name: str, path: str) -> bool:
    return not path or name.startswith(f"{path}.")
