"""JSON: this project's own ``--json``, and lists of objects with the columns as keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inspector.errors import InspectionError
from inspector.tables.reading.limits import HostileTable, check_rows
from inspector.tables.reading.sheet import Grid, Record, Sheet
from inspector.tables.reading.totals import input_of


def has_json(text: str) -> bool:
    """Whether the text is meant as JSON: it begins with an object, or with a list of them."""
    begin = text.lstrip()[:200]
    return begin.startswith("{") or (begin.startswith("[") and begin[1:].lstrip().startswith("{"))


def read_json(text: str) -> Sheet | Grid:
    """Rows of a prediction's document, or cells of a list of objects.

    Raises:
        InspectionError: no JSON, or JSON with no list of layers in it.
    """
    try:
        data = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise HostileTable("the JSON is nested too deep to be a table") from None
    except json.JSONDecodeError as error:
        raise InspectionError(f"line {error.lineno}: not JSON: {error.msg}") from None
    if isinstance(data, dict) and isinstance(data.get("modules"), list) and isinstance(data.get("rows"), list):
        try:
            return _document(data)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InspectionError(
                f"the JSON has modules and rows, but not as inspector writes them: {error!r}"
            ) from None
    if isinstance(data, dict):
        data = next((value for value in data.values() if isinstance(value, list) and value), data)
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise InspectionError("expected a list of objects with keys such as layer, output_shape, params")
    keys = list(dict.fromkeys(key for entry in data for key in entry))
    grid = Grid(rows=[(1, keys)], last_line=text.count("\n") + 1)
    for number, entry in enumerate(data, 1):
        grid.rows.append((number, ["" if entry.get(key) is None else str(entry[key]) for key in keys]))
        check_rows(number)
    return grid


def _integer(digits: str) -> int:
    if len(digits) > 30:
        raise HostileTable(
            f"the number {digits[:17]}... ({len(digits)} digits) is larger than any table of layers holds"
        )
    return int(digits)


def _document(data: Mapping[str, Any]) -> Sheet:
    """Modules in call order, and between them the calls that no module without children made."""
    sheet = Sheet("json")
    modules, rows = data["modules"], data["rows"]
    check_rows(len(modules) + len(rows))
    parents = {module["parent"] for module in modules}
    events: list[tuple[tuple[int, int, int], int, int | None]] = [
        ((module["rows"][0], 0, index), index, None) for index, module in enumerate(modules)
    ]
    events += [((index, 1, 0), row["module"], index) for index, row in enumerate(rows) if row["module"] in parents]
    seen: set[str] = set()
    for number, (_, index, call) in enumerate(sorted(events, key=lambda event: event[0]), 1):
        module = modules[index]
        if call is None:
            name, kind, shapes, depth = module["path"] or module["kind"], module["kind"], module["output_shapes"], 0
            cells = {"name": name, "cls": kind, "params": str(module["params"])}
            if name in seen:
                cells["reused"] = name
            seen.add(name)
        else:
            row, depth = rows[call], 1
            shapes = row["output_shapes"]
            name = f"{module['path']}.{row['kind']}".lstrip(".")
            cells = {"name": name, "cls": row["kind"], "params": str(row["params"])}
        cells["output"] = str(shapes[0]) if len(shapes) == 1 else str(shapes) if shapes else ""
        sheet.records.append(Record(number, f"{name} {cells['output']}", cells, module["depth"] + depth))
    sheet.input = input_of(f"input {data['input'][0]}") if data.get("input") else ""
    sheet.totals = {
        name: data["totals"][name] for name in ("total_params", "trainable_params") if name in data["totals"]
    }
    sheet.totals["total_params"] = data["totals"]["params"]
    return sheet
