"""The worked answer as plain data, and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from inspector.tables.derivation.lines import lines
from inspector.tables.derivation.words import hyperparameters_text, open_text
from inspector.tables.solving.problem import shown
from inspector.tables.solving.ranking import CONVENTION

if TYPE_CHECKING:
    from inspector.tables.solving.solution import Solution, SolvedRow

#: Version of the JSON's layout.
SCHEMA_VERSION: Final = "1.0"


def document(solution: Solution) -> dict[str, Any]:
    """Everything as plain data for JSON; its layout is versioned."""
    return {
        "schema_version": SCHEMA_VERSION,
        "input_shape": list(solution.input_shape),
        "total_params": solution.total_params,
        "uncounted": list(solution.uncounted),
        "asked_total": solution.asked_total,
        "ambiguous": list(solution.ambiguous),
        "bounds": str(solution.bounds),
        "convention": CONVENTION,
        "notes": list(solution.notes),
        "unread": [{"line": line.line, "text": line.text, "reason": line.reason} for line in solution.table.unread],
        "rows": [_row_document(row) for row in solution.rows],
        "alternatives": list(solution.alternatives),
    }


def _row_document(row: SolvedRow) -> dict[str, Any]:
    fact, left = row.decided_by
    return {
        "name": row.name,
        "line": row.row.line,
        "kind": row.kind,
        "inputs": list(row.inputs),
        "input_shapes": [list(shape) for shape in row.input_shapes],
        "output_shape": list(row.output_shape),
        "hyperparameters": row.hyperparameters,
        "params": row.params,
        "solutions": row.solutions.count,
        "alternatives": list(row.alternatives),
        "decided_by": {"fact": fact, "leaves": left} if fact else None,
        "derivation": [
            {
                "what": line.what,
                "axis": line.axis,
                "formula": line.formula.text,
                "values": line.formula.values,
                "worked": line.worked,
                "number": line.formula.number,
            }
            for line in lines(row)
        ],
        "note": row.note,
    }


def to_json(solution: Solution) -> str:
    """``document`` as JSON."""
    return json.dumps(document(solution), ensure_ascii=False, indent=1)


def spreadsheet(solution: Solution) -> str:
    """One record for each row, without a last line end; the same columns whatever the rows are."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(("line", "name", "kind", "output_shape", "found", "worked", "parameters", "solutions", "open"))
    for row in solution.rows:
        worked = "; ".join(line.worked for line in lines(row))
        found = (shown(row.output_shape), hyperparameters_text(row), worked)
        writer.writerow((row.row.line, row.name, row.kind, *found, row.params, row.solutions.count, open_text(row)))
    return page.getvalue().rstrip("\n")
