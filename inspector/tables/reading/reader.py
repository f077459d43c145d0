"""``read``: finds out which format a text is in, and makes a ``Table`` of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.tables.reading import boxed, delimited, keras, latex, own, summaries
from inspector.tables.reading.grids import sheet_of
from inspector.tables.reading.html import read_html
from inspector.tables.reading.limits import MAX_CHARACTERS, MAX_LINE, HostileTable, check_rows, check_text
from inspector.tables.reading.lines import is_rule
from inspector.tables.reading.markdown import has_markdown, read_markdown
from inspector.tables.reading.plain import gapped, read_plain
from inspector.tables.reading.representation import has_representation, read_representation
from inspector.tables.reading.sheet import Sheet
from inspector.tables.reading.structured import has_json, read_json
from inspector.tables.reading.table import table_of
from inspector.tables.reading.totals import input_of, read_total
from inspector.tables.records import UnreadLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.reading.sheet import Grid
    from inspector.tables.records import Table

# Signs that look alike, one for one, so that columns stay where they are.
_ALIKE: Final = str.maketrans(
    {
        "\xa0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ", "\u2212": "-", "\u2010": "-", "\u2011": "-",
        "✕": "×", "✖": "×", "⨯": "×", "∗": "×", "⊗": "×", "，": ",", "（": "(", "）": ")", "\r": None,
        "\u200b": None, "\ufeff": None, "\u00ad": None, "\x00": None,
    }
)  # fmt: skip


def read(text_or_path: str | os.PathLike[str], *, column: str | None = None) -> Table:
    r"""The rows of a printed table, whatever prints them.

    torchsummary, torchinfo, Keras's ``model.summary()``, ``print(model)``, Markdown, LaTeX, HTML, CSV, TSV, JSON,
    ``inspector summary``, or a paste whose columns are lost. Nothing is dropped in silence: ``Table.unread`` and
    ``Table.outside`` hold every line of which no row was made. No torch is loaded.

    Args:
        text_or_path: the text, or a file that holds it.
        column: heading of the network to read, where a table prints several side by side: ``"18-layer"``.

    Raises:
        InspectionError: no such file, no table, several networks and no ``column``; ``HostileTable``, one of its
            kind, where the text is beyond the limits.

    >>> table = read("| Layer (type) | Output Shape |\n|---|---|\n| Conv2d-1 | [-1, 6, 28, 28] |")
    >>> [(row.name, row.kind, row.output_shape) for row in table.rows]
    [('Conv2d-1', 'conv', (6, 28, 28))]
    """
    text, source = _load(text_or_path)
    check_text(text)
    sheet = _sheet(text.translate(_ALIKE), column)
    if not sheet.records:
        raise InspectionError(_nothing(sheet, source))
    table = table_of(sheet, source)
    if all(row.kind == "unknown" and row.output_shape is None and row.params is None for row in table.rows):
        raise InspectionError(_nothing_read(table, source))
    return table


def _load(text_or_path: str | os.PathLike[str]) -> tuple[str, str]:
    if isinstance(text_or_path, str) and ("\n" in text_or_path or len(text_or_path) > 1000 or "\0" in text_or_path):
        return text_or_path, ""
    if isinstance(text_or_path, str) and not text_or_path.strip():
        raise InspectionError("the text is empty; expected a table of layers, or the file that holds one")
    path = Path(text_or_path)
    if not path.exists():
        if isinstance(text_or_path, str) and any(sign in text_or_path for sign in "|[({\t&"):
            return text_or_path, ""
        raise InspectionError(f"no file {str(path)!r}, and no table either: a table has more than one line")
    if path.is_dir():
        raise InspectionError(f"{path} is a folder; expected the file that holds the table")
    try:
        with path.open("rb") as file:
            raw = file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise InspectionError(f"{path}: {error.strerror or error}") from None
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return raw.decode(encoding), path.name
    except UnicodeDecodeError as error:
        if b"\0" in raw[:4000]:
            raise InspectionError(f"{path} is no text (byte {error.start})") from None
        return raw.decode("cp1252", errors="replace"), path.name


def _sheet(text: str, column: str | None) -> Sheet:
    """The records, by the first format that the text shows."""
    if has_json(text):
        made = read_json(text)
        return made if isinstance(made, Sheet) else sheet_of(made, "json", column)
    lowered = text[:MAX_CHARACTERS].lower()
    if "<table" in lowered or "<tr" in lowered or "<pre" in lowered:
        grids, words = read_html(text)
        if grids:
            return _best(grids, "html", column, words.split("\n"))
        text = words
    if latex.has_latex(text):
        return _best(latex.read_latex(text), "latex", column, [])
    lines = _uncommented(text.split("\n"))
    for header_line, read_lines in (
        (own.header_line, own.read_own),
        (keras.header_line, _read_keras),
        (summaries.header_line, summaries.read_summary),
    ):
        if (header := header_line(lines)) is not None:
            return read_lines(lines, header)
    if has_representation(lines):
        return read_representation(lines)
    if has_markdown(lines):
        if max(map(len, lines)) > MAX_LINE:
            raise HostileTable(f"a line of more than {MAX_LINE:,} characters; no row of a table in Markdown is as long")
        check_rows(sum("|" in line for line in lines) - 100)  # before the parser takes its time
        return _best(read_markdown("\n".join(lines)), "markdown", column, lines)
    if boxed.has_bars(lines) and (grid := boxed.read_boxed(lines)) is not None:
        return _best([grid], "text", column, lines)
    if (delimiter := delimited.delimiter_of(lines)) is not None:
        return sheet_of(
            delimited.read_delimited("\n".join(lines), delimiter), "tsv" if delimiter == "\t" else "csv", column
        )
    if (found := gapped(lines)) is not None:
        return _best([found[1]], "text", column, lines)
    return read_plain(lines)


def _read_keras(lines: Sequence[str], header: int) -> Sheet:
    return keras.read_boxes(lines) if keras.is_boxed(lines, header) else keras.read_positions(lines, header)


def _uncommented(lines: list[str]) -> list[str]:
    """Lines without the ``#`` that all of them begin with, as a table in a program's comment has."""
    filled = [line for line in lines if line.strip()]
    if len(filled) > 2 and all(line.lstrip().startswith("#") for line in filled):
        return [line.replace("#", " ", 1) for line in lines]
    return lines


def _best(grids: Sequence[Grid], form: str, column: str | None, lines: Sequence[str]) -> Sheet:
    """The first table of layers; the others, and the lines around, are told of."""
    chosen: tuple[Grid, Sheet] | None = None
    problem: InspectionError | None = None
    for grid in grids:
        try:
            sheet = sheet_of(grid, form, column)
        except InspectionError as error:
            problem = problem or error
            continue
        if sheet.records and (chosen is None or _telling(sheet) > _telling(chosen[1])):
            chosen = grid, sheet
    if chosen is None:
        if problem is not None:
            raise problem
        return sheet_of(grids[0], form, column) if grids else read_plain(lines)
    grid, sheet = chosen
    if problem is not None and not _telling(sheet):
        raise problem
    read_lines = {line for line, _ in grid.rows}
    for other in grids:
        if other is not grid:
            sheet.outside.append(UnreadLine(other.first_line, "", "another table begins here; it was not read"))
    if form == "html":  # its words stand in no lines of their own
        for line in lines:
            read_total(line, sheet.totals)
            sheet.input = sheet.input or input_of(line)
            if line.strip():
                sheet.outside.append(UnreadLine(0, line, "stands beside the table"))
        lines = ()
    for number, line in enumerate(lines, 1):
        sheet.input = sheet.input or input_of(line)
        beside = not grid.first_line <= number <= grid.last_line or form == "text"
        if (
            beside
            and number not in read_lines
            and line.strip()
            and not _is_drawn(line)
            and not read_total(line, sheet.totals)
        ):
            known = any(other.first_line <= number <= other.last_line for other in grids if other is not grid)
            inside = grid.rows[0][0] < number < grid.rows[-1][0]
            if not known:
                (sheet.unread if inside else sheet.outside).append(UnreadLine(number, line, "no row of the table"))
    return sheet


def _is_drawn(line: str) -> bool:
    return is_rule(line.strip()) or line.strip() in ("```", "~~~")


def _telling(sheet: Sheet) -> int:
    """1 where the records hold layers: a shape, a count or a layer's words; 0 otherwise."""
    fields = {name for record in sheet.records[:20] for name, cell in record.cells.items() if cell}
    return int(bool(fields & {"output", "type", "cls", "input"}) and bool(fields & {"layer", "name", "type"}))


def _nothing(sheet: Sheet, source: str) -> str:
    where = f"{source}: " if source else ""
    seen = [*sheet.unread, *sheet.outside]
    first = f"; line {seen[0].line}, {seen[0].text.strip()[:60]!r}: {seen[0].reason}" if seen else ""
    return (
        f"{where}no table of layers found{first}. Expected rows with a layer and its output shape, such as "
        "'Conv2d-1 | [-1, 6, 28, 28]', as torchsummary, torchinfo, Keras, Markdown, LaTeX, HTML or CSV print them"
    )


def _nothing_read(table: Table, source: str) -> str:
    where = f"{source}: " if source else ""
    if not table.unread and not table.outside:
        return f"{where}the table names no layer that we know, and prints neither shapes nor parameters"
    line = [*table.unread, *table.outside][0]
    return f"{where}no row could be read; line {line.line}, {line.text.strip()[:60]!r}: {line.reason}"
