"""From records to the finished ``Table``: rows read, the layout decided, every name made one row's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from inspector.tables.reading.kinds import axes
from inspector.tables.reading.layout import Layout, layout_of
from inspector.tables.reading.limits import check_rows
from inspector.tables.reading.rows import Draft, Unreadable, drafts_of
from inspector.tables.reading.shapes import PrintedShape, shape_of
from inspector.tables.reading.sheet import Record, Sheet
from inspector.tables.records import PrintedRow, Sizes, Table, UnreadLine

#: Blocks; where their inside is printed, its rows are what counts.
_BLOCKS: Final = frozenset({"inception", "inverted_residual", "transition", "transformer", "squeeze_excitation"})
_RELATIVE = re.compile(r"([^\s()]{1,200})(.{0,200})", re.DOTALL)


def table_of(sheet: Sheet, source: str = "") -> Table:
    """The table that a sheet's records make; what no row can be made of goes to ``unread`` with the reason."""
    _give_paths(sheet.records)
    drafts: list[Draft] = []
    unread = list(sheet.unread)
    for record in sheet.records:
        try:
            drafts += drafts_of(record)
        except Unreadable as reason:
            unread.append(UnreadLine(record.line, record.text, f"expected {reason}"))
        check_rows(len(drafts))
    layout = _layout(drafts, sheet.format)
    rows = _finish(drafts, layout, sheet.format)
    outside = list(sheet.outside)
    if rows and sheet.format not in ("torchsummary", "torchinfo", "keras", "inspector", "repr"):
        first, last = rows[0].line, max(row.line for row in rows)
        outside += [line for line in unread if not first < line.line < last and not _has_shape(line)]
        unread = [line for line in unread if first < line.line < last or _has_shape(line)]
    shapes = [draft.output for draft in drafts if draft.output is not None]
    batches = {shape.sizes[0] for shape in shapes if shape.form == "list" and len(shape.sizes) > 1}
    return Table(
        rows=tuple(rows),
        format=sheet.format,
        input_shape=_input_of(rows, layout, sheet),
        total_params=sheet.totals.get("total_params"),
        total_about=(sheet.totals["total_least"], sheet.totals["total_most"])
        if "total_least" in sheet.totals
        else None,
        trainable_params=sheet.totals.get("trainable_params"),
        total_mult_adds=sheet.totals.get("total_mult_adds"),
        channels_last=layout.channels_last,
        batch=_only(batches) if layout.batch else None,
        unread=tuple(sorted(unread, key=lambda line: line.line)),
        outside=tuple(sorted(outside, key=lambda line: line.line)),
        source=source,
    )


def _input_of(rows: Sequence[PrintedRow], layout: Layout, sheet: Sheet) -> Sizes | None:
    """The network's input: its own row, a column of what goes in, or a line beside the table."""
    for row in rows:
        if row.kind == "input" and row.output_shape is not None:
            return row.output_shape
    for row in rows[:3]:
        if row.input_shape is not None:
            return row.input_shape
    beside = shape_of(sheet.input)
    return replace(layout, batch=True).resolved(beside)[0] if beside is not None else None


def _has_shape(line: UnreadLine) -> bool:
    """A line that prints a shape was meant as a row, at the table's edge too."""
    return re.search(r"\[-?\d|\(None", line.text) is not None or "where" in line.reason


def _only(batches: set[int | None]) -> int | None:
    return next(iter(batches)) if len(batches) == 1 else None


def _give_paths(records: Sequence[Record]) -> None:
    """Names below others in a drawn tree, made whole paths: ``conv1`` below ``layer1`` below ``0``."""
    if not any(record.depth and record.cells.get("layer") for record in records):
        return
    above: list[str] = []
    for record in records:
        match = _RELATIVE.fullmatch(record.cells.get("layer", ""))
        if match is None:
            continue
        del above[record.depth :]
        above.extend([""] * (record.depth - len(above)))
        if record.depth:
            path = ".".join([*(name for name in above[1:] if name), match[1]])
            record.cells["layer"] = path + match[2]
        above.append(match[1] if record.depth else "")


def _layout(drafts: Sequence[Draft], form: str) -> Layout:
    shapes = [shape for draft in drafts for shape in (draft.output, draft.input) if shape is not None]
    dims = {draft.layer.stated.get("dims") for draft in drafts if draft.layer.stated.get("dims")}
    found = {axes(draft.layer.cls) for draft in drafts} | dims
    one = 1 in found
    most = max((value for value in dims if isinstance(value, int)), default=None)
    return layout_of(shapes, form, one, most)


def _finish(drafts: Sequence[Draft], layout: Layout, form: str) -> list[PrintedRow]:
    rows: list[PrintedRow] = []
    first_of: dict[str, str] = {}
    taken: dict[str, int] = {}
    stage_inputs = any(draft.layer.kind == "inverted_residual" and "resolution" in draft.stated for draft in drafts)
    for index, draft in enumerate(drafts):
        stated = draft.stated
        output, sizes = layout.resolved(draft.output) if draft.output is not None else (None, None)
        into, into_sizes = layout.resolved(draft.input) if draft.input is not None else (None, None)
        resolution = stated.pop("resolution", None)
        if isinstance(resolution, PrintedShape):
            size = layout.resolved(resolution)[1] or layout.resolved(resolution)[0]
            if stage_inputs:  # EfficientNet prints the size that goes into a stage
                into, into_sizes = None, size
            else:
                sizes = size
        if sizes is not None:
            stated["output_size"] = sizes
            channels = stated.get("out_channels")
            if isinstance(channels, int) and draft.layer.kind in ("conv", "conv_transpose"):
                output = (channels, *sizes)
        if into_sizes is not None:
            stated["input_size"] = into_sizes
        if draft.output is not None and draft.output.others:
            stated["other_outputs"] = [layout.resolved(PrintedShape(other, "list"))[0] for other in draft.output.others]
        if isinstance(stated.get("weights"), str):
            stated["weights"] = _weights(str(stated["weights"]))
        deeper = index + 1 < len(drafts) and drafts[index + 1].depth > draft.depth
        kind = _kind(draft, deeper, form)
        name = _own_name(draft.name, taken)
        if "reused" in stated:
            stated["reused"] = first_of.get(draft.name, draft.name)
        first_of.setdefault(draft.name, name)
        rows.append(
            PrintedRow(
                line=draft.line,
                text=draft.text,
                name=name,
                kind=kind,
                cls=draft.layer.cls,
                output_shape=output,
                params=draft.params,
                stated=stated,
                repeat=draft.layer.repeat,
                depth=draft.depth,
                input_names=draft.input_names,
                input_shape=into,
                printed_shape=draft.output.sizes if draft.output is not None else None,
            )
        )
    return _connected(rows)


def _kind(draft: Draft, deeper: bool, form: str) -> str:
    kind = draft.layer.kind
    if kind in _BLOCKS and (deeper or form == "torchsummary"):
        return "container"
    if kind != "unknown":
        return kind
    if deeper or (form == "torchsummary" and draft.params == 0 and draft.layer.cls):
        return "container"
    return kind


def _own_name(name: str, taken: dict[str, int]) -> str:
    own = name
    while own in taken:
        taken[name] += 1
        own = f"{name}#{taken[name]}"
    taken[own] = 1
    return own


def _weights(printed: str) -> dict[str, Sizes]:
    found = re.findall(r"(\S{1,200}) \[([\d, ]{1,100})\];", printed)
    return {name: tuple(int(size) for size in re.findall(r"\d{1,12}", sizes)) for name, sizes in found}


def _connected(rows: list[PrintedRow]) -> list[PrintedRow]:
    """Names of inputs that were cut off in print, made whole where one row alone begins so."""
    names = {row.name for row in rows}
    finished: list[PrintedRow] = []
    for row in rows:
        if all(name in names for name in row.input_names):
            finished.append(row)
            continue
        whole: list[str] = []
        for name in row.input_names:
            begins = [other for other in names if other.startswith(name.rstrip("…."))] if name not in names else [name]
            whole.append(begins[0] if len(begins) == 1 else name)
        finished.append(replace(row, input_names=tuple(whole)))
    return finished
