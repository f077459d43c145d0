"""The lines as CSV for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from inspector.report import text
from inspector.report.document import count
from inspector.report.lines import lines as lines_of

if TYPE_CHECKING:
    from inspector.report.lines import Line, Sort
    from inspector.report.view import PredictionView

COLUMNS = (
    "level",
    "path",
    "function",
    "type",
    "call",
    "output_shape",
    "dtype",
    "params",
    "macs",
    "elementwise_ops",
    "share",
    "source",
    "params_formula",
    "macs_formula",
    "note",
)


def render(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None) -> str:
    """One record for each line of the table, repeated blocks not folded, digits not grouped.

    ``path`` is the module's, for a function the module's that called it. Unknown MACs are an empty field, and
    shares are then of the known ones. Lines end in CR LF, as RFC 4180 has it.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(_record(line) for line in lines_of(view, depth=depth, sort=sort, expand=True))
    return file.getvalue()


def _record(line: Line) -> tuple[object, ...]:
    node = line.node
    return (
        line.level,
        node.path,
        "" if node.call else node.name,
        node.kind,
        node.call or "",
        text.shapes(node.output_shapes, most=len(node.output_shapes)) if node.output_shapes else "",
        node.dtype or "",
        line.params,
        count(line.macs),
        count(line.elementwise_ops),
        "" if line.share is None else f"{line.share:.6f}",
        node.source,
        line.params_worked,
        line.macs_worked,
        line.remark,
    )
