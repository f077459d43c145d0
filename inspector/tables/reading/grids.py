"""From cells in rows and columns to records: finds the headings, and the column that is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inspector.errors import InspectionError
from inspector.tables.reading.blocks import read_cell
from inspector.tables.reading.columns import fields_of, is_heading, unit_of
from inspector.tables.reading.lines import tree_prefix
from inspector.tables.reading.numbers import exact
from inspector.tables.reading.shapes import shape_of
from inspector.tables.reading.sheet import Grid, Record, Sheet
from inspector.tables.reading.totals import read_total
from inspector.tables.records import UnreadLine

_LEVEL: Final = "\N{EM SPACE}"  # this project's Markdown draws its tree with it
_SEARCHED: Final = 6  # rows among which headings are looked for


def sheet_of(grid: Grid, form: str, column: str | None = None) -> Sheet:
    """The records of a grid.

    Args:
        grid: rows of cells.
        form: the format's name.
        column: heading of the network to read where several stand side by side.

    Raises:
        InspectionError: several networks stand side by side and ``column`` names none of them.
    """
    rows = [(line, _padded(cells, grid)) for line, cells in grid.rows if any(cell.strip() for cell in cells)]
    sheet = Sheet(form)
    if not rows:
        return sheet
    heading = _heading(rows, column)
    while heading is not None and heading + 1 < len(rows) and _is_heading(rows[heading + 1][1]):
        heading += 1  # headings under headings that span them
    body = rows[heading + 1 :] if heading is not None else rows
    fields = fields_of(rows[heading][1]) if heading is not None else _guessed(body)
    if heading is not None and "params" in fields and (unit := unit_of(rows[heading][1][fields.index("params")])):
        _give_unit(body, fields.index("params"), unit)
    if column is not None and {"layers", "hidden"} <= set(fields):  # each row is a network
        body, column = _network(body, column), None
    _choose(fields, body, column)
    if heading is not None:
        sheet.outside += [
            UnreadLine(line, _shown(cells), "stands above the headings") for line, cells in rows[:heading]
        ]
    name = output = ""
    for line, cells in body:
        record = _record(line, cells, fields)
        label = record.cells.get("layer") or record.cells.get("name") or ""
        if not label and not record.cells.get("type") and "" in fields:
            continue  # a layer that only other networks of the table have
        if fields_of(cells) == fields and heading is not None:
            continue  # headings repeated on a new page
        if _is_total(label, record, sheet):
            continue
        same_size = record.cells.get("output", "") in ("", output)
        if not label and record.cells.get("type") and same_size:  # a cell that spans rows is printed once
            record.cells["layer" if "layer" in record.cells and "name" not in record.cells else "name"] = name
        name, output = label or name, record.cells.get("output", "")
        sheet.records.append(record)
    return sheet


def _give_unit(body: Sequence[tuple[int, list[str]]], column: int, unit: str) -> None:
    """A count of thousands or millions with its unit, as other tables print it: 4.2 below "Params (M)" is 4.2M."""
    for _, cells in body:
        if column < len(cells) and re.fullmatch(r"\s*\d{1,6}(?:\.\d{1,6})?\s*", cells[column]):
            cells[column] = cells[column].strip() + unit


def _network(body: Sequence[tuple[int, list[str]]], wanted: str) -> list[tuple[int, list[str]]]:
    """The row of the network that is meant."""
    found = [(line, cells) for line, cells in body if _same(cells[0], wanted)]
    if not found:
        raise InspectionError(f"no network {wanted!r} in the table; it has {_listed([cells[0] for _, cells in body])}")
    return found


def _padded(cells: Sequence[str], grid: Grid) -> list[str]:
    width = max(len(row) for _, row in grid.rows[:_SEARCHED])
    return [*cells, *[""] * (width - len(cells))]


def _shown(cells: Sequence[str]) -> str:
    return " | ".join(cells)


def _heading(rows: Sequence[tuple[int, list[str]]], column: str | None) -> int | None:
    """Index of the row of headings among the first rows, None where there is none."""
    first = rows[:_SEARCHED]
    if column is not None:
        for index, (_, cells) in enumerate(first):
            if any(_same(cell, column) for cell in cells[1:]):  # the first column names rows, not networks
                return index
    for index, (_, cells) in enumerate(first):
        if _is_heading(cells):
            return index
    for index, (_, cells) in enumerate(first[:-1]):  # networks side by side, under their names alone
        below = [read_cell(cell) for cell in rows[index + 1][1]]
        if sum(map(bool, below)) >= 2 and not any(_layers(cell) for cell in cells):
            return index
    return None


def _is_heading(cells: Sequence[str]) -> bool:
    return is_heading(cells) and not any(_is_shape(cell) for cell in cells)


def _same(heading: str, column: str) -> bool:
    return re.sub(r"\s+", " ", heading).strip().lower() == re.sub(r"\s+", " ", column).strip().lower()


def _is_shape(cell: str) -> bool:
    shape = shape_of(cell)
    return shape is not None and shape.form != "number"


def _layers(cell: str) -> bool:
    return any(layer.kind != "unknown" and (layer.stated or layer.inside) for layer in read_cell(cell))


def _guessed(body: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Fields of a table without headings, by what stands in its columns."""
    fields: list[str] = []
    for index in range(len(body[0][1])):
        cells = [cells[index].strip() for _, cells in body[:100] if index < len(cells) and cells[index].strip()]
        shapes = sum(_is_shape(cell) for cell in cells)
        counts = sum(exact(cell) is not None for cell in cells)
        if shapes * 2 > len(cells) and "output" not in fields:
            fields.append("output")
        elif counts * 2 > len(cells) and "params" not in fields and fields:
            fields.append("params")
        elif "layer" not in fields:
            fields.append("layer")
        else:
            fields.append("type" if "type" not in fields and any(map(_layers, cells)) else f"?column {index + 1}")
    return fields


def _choose(fields: list[str], body: Sequence[tuple[int, list[str]]], column: str | None) -> None:
    """Make the column of the wanted network the ``type`` column; what its empty cells share stands to their left."""
    variants = [index for index, field in enumerate(fields) if field.startswith("?") and _holds_layers(body, index)]
    if column is not None:
        wanted = [index for index, field in enumerate(fields) if _same(field.lstrip("?!"), column)]
        if not wanted:
            raise InspectionError(f"no column {column!r} in the table; it has {_listed(fields)}")
        chosen = wanted[0]
    elif len(variants) > 1 and "type" not in fields:
        raise InspectionError(
            f"the table prints {len(variants)} networks side by side, "
            f"{_listed([fields[index] for index in variants])}; "
            "say which one is meant by its heading: column=..., --column on the command line"
        )
    elif variants and "type" not in fields:
        chosen = variants[0]
    else:
        return
    for _, cells in body:
        filled = [index for index in variants if index < len(cells) and cells[index].strip()]
        if filled and filled == variants[:1]:  # Markdown has no cells that span: all networks share this one
            cells[chosen] = cells[filled[0]]
    for index in variants:
        if index != chosen:
            fields[index] = ""  # another network's
    if growth := re.search(r"\bk\s?=\s?(\d{1,4})", fields[chosen]):
        for _, cells in body:
            if re.search(r"[\[{]", cells[chosen]):
                cells[chosen] += f", k={growth[1]}"
    fields[chosen] = "type"


def _holds_layers(body: Sequence[tuple[int, list[str]]], index: int) -> bool:
    cells = [cells[index] for _, cells in body[:100] if index < len(cells) and cells[index].strip()]
    return bool(cells) and sum(any(x.kind != "unknown" for x in read_cell(cell)) for cell in cells) * 2 > len(cells)


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(repr(field.lstrip("?!")) for field in fields if field)


def _record(line: int, cells: Sequence[str], fields: Sequence[str]) -> Record:
    depth, named = 0, {}
    for field, cell in zip(fields, cells, strict=False):
        if not field:
            continue
        if field in ("layer", "name"):
            inner = cell.lstrip(_LEVEL)
            depth = len(cell) - len(inner)
            branch, inner = tree_prefix(inner, step=3)
            depth = max(depth, branch)
            cell = inner
        named[field] = cell.strip()
    if named.get("level", "").isdigit():  # this project's own CSV
        depth = min(int(named.pop("level")[:4]), 1000)
        function, cls = named.pop("function", ""), named.pop("type", "")
        named["name"] = named.get("name") or cls or function
        named |= {"cls": cls} if cls else {"type": function, "name": f"{named['name']}.{function}"}
    return Record(line, _shown(cells), named, depth)


def _is_total(label: str, record: Record, sheet: Sheet) -> bool:
    """A last row that sums up: ``Total | | 61 706``."""
    if not re.match(r"\W{0,4}(?:total|sum|trainable|non-trainable)\b", label, re.IGNORECASE):
        return False
    count = exact(record.cells.get("params", "").strip("* "))
    if count is not None:
        word = "trainable_params" if label.lower().lstrip("* ").startswith("trainable") else "total_params"
        sheet.totals.setdefault(word, count)
        return True
    return read_total(f"{label} params: {record.cells.get('params', '')}", sheet.totals) or label.lower().startswith(
        "total"
    )
