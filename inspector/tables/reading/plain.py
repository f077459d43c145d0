"""Text whose columns are set apart by spaces, or lost in a paste: cells under one another, columns in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from inspector.tables.reading.blocks import read_cell
from inspector.tables.reading.columns import field_of, is_heading
from inspector.tables.reading.kinds import kind_of_name
from inspector.tables.reading.limits import check_cell, check_rows, check_unread
from inspector.tables.reading.lines import is_rule
from inspector.tables.reading.numbers import exact, rounded
from inspector.tables.reading.shapes import find_lists, shape_of
from inspector.tables.reading.sheet import Grid, Record, Sheet
from inspector.tables.reading.totals import read_total
from inspector.tables.records import UnreadLine

_GAP = re.compile(r"\t+|[ \xa0]{2,}")
_UNBRACKETED = re.compile(
    r"(?<![\w×x.,@])(?:\d{1,9}\s?@\s?\d{1,9}(?:\s?[×x]\s?\d{1,9}){0,2}|\d{1,9}(?:\s?[×x]\s?\d{1,9}){2,3}|\d{2,9}\s?[×x]\s?\d{2,9})"
    r"(?![\w×@]|\s?[×x]\s?\d)"
)
_COUNT = re.compile(r"(?:^|\s)(\d{1,3}(?:,\d{3})+|\d{1,15}|\d{1,4}(?:\.\d{1,3})?[KMkm])(?=\s|$)")
#: "Dense 128 295,040" below headings of an output and a count.
_FLAT = re.compile(r"([A-Za-z][^\d×]{0,60}?)\s+(\d{1,9})\s+(\d{1,3}(?:,\d{3})+|\d{1,15})")
_WORDY: Final = 9  # a line of more words is a sentence
_HEADINGS = re.compile(
    r"(?:layer(?: \(type[^)]{0,30}\)[\w:-]{0,12})?|type|name|output(?: shape| size)?|param(?: ?#|s|eters)|"
    r"# ?params|\s)+",
    re.IGNORECASE,
)


def gapped(lines: Sequence[str]) -> tuple[int, Grid] | None:
    """(index of the headings, cells) where a line of headings, and most lines below it, are cut by wide gaps."""
    for index, line in enumerate(lines):
        headings = _GAP.split(line.strip())
        if len(headings) >= 2 and len(line) <= 2000 and is_heading(headings):
            grid = Grid(rows=[(index + 1, headings)], first_line=index + 1, last_line=len(lines))
            body = [(number, row) for number, row in enumerate(lines[index + 1 :], index + 2) if row.strip()]
            cut = [
                (number, _GAP.split(check_cell(row.strip(), number)))
                for number, row in body
                if not is_rule(row.strip())
            ]
            whole = [(number, cells) for number, cells in cut if len(cells) == len(headings)]
            if whole and len(whole) * 10 >= len(cut) * 8:
                grid.rows += whole
                return index, grid
    return None


@dataclass(slots=True)
class _Piece:
    line: int
    text: str
    label: str = ""
    shape: str = ""
    count: str = ""


@dataclass(slots=True)
class _Runs:
    """Labels, shapes and counts that stand on lines of their own and wait for each other."""

    labels: list[_Piece] = field(default_factory=list)
    shapes: list[_Piece] = field(default_factory=list)
    counts: list[_Piece] = field(default_factory=list)


def read_plain(lines: Sequence[str]) -> Sheet:
    """Rows from labels, shapes and counts, wherever in the text they stand.

    Labels that have a shape in their own line keep it. Of those on lines of their own, as many labels as shapes that
    follow them are paired in order, whether each shape follows its label or a whole column follows another.
    """
    sheet = Sheet("text")
    runs = _Runs()
    numbered = False
    for number, line in enumerate(lines, 1):
        plain = line.strip()
        if _HEADINGS.fullmatch(plain) and re.search(r"output.{0,20} .{0,3}param", plain, re.IGNORECASE):
            numbered = True
        if not plain or is_rule(plain) or _HEADINGS.fullmatch(plain) or field_of(plain):
            continue
        if read_total(line, sheet.totals):
            continue
        if numbered and (flat := _FLAT.fullmatch(check_cell(plain, number))):
            _take(_Piece(number, line, flat[1], flat[2], flat[3]), runs, sheet)
            continue
        for piece in _pieces(check_cell(line, number), number):
            _take(piece, runs, sheet)
    _close(runs, sheet)
    sheet.records.sort(key=lambda record: record.line)
    inside = [record.line for record in sheet.records]
    if inside:
        sheet.outside = [line for line in sheet.unread if not inside[0] < line.line < inside[-1]]
        sheet.unread = [line for line in sheet.unread if inside[0] < line.line < inside[-1]]
    return sheet


def _pieces(line: str, number: int) -> list[_Piece]:
    """Labels with the shape and the count that follow each of them in the line."""
    spans = find_lists(line)
    if not spans:
        spans = [match.span() for match in _UNBRACKETED.finditer(line)][-1:]
    if not spans:
        return [_counted(number, line, line.strip(), "")]
    pieces: list[_Piece] = []
    start = 0
    for index, (begin, end) in enumerate(spans):
        label = line[start:begin]
        following = spans[index + 1][0] if index + 1 < len(spans) else len(line)
        after = line[end:following]
        count = _COUNT.match(after)
        piece = _Piece(number, line, label.strip(" \t|,;:"), line[begin:end], count[1] if count else "")
        pieces.append(piece)
        start = end + (count.end() if count else 0)
    rest = line[start:].strip(" \t|,;")
    if rest and len(pieces) == 1 and not pieces[0].label:
        pieces[0].label = rest
    elif rest:
        pieces.append(_Piece(number, line, rest))
    return pieces


def _counted(number: int, line: str, label: str, shape: str) -> _Piece:
    """A line without a shape that is a bracket's: a label, a lone number, or a label with a count behind it."""
    if exact(label) is not None or rounded(label) is not None:
        return _Piece(number, line, count=label)
    if shape_of(label) is not None:
        return _Piece(number, line, shape=label)
    return _Piece(number, line, label, shape)


def _take(piece: _Piece, runs: _Runs, sheet: Sheet) -> None:
    if piece.label and not _is_layer(piece):
        check_unread(len(sheet.unread))
        sheet.unread.append(UnreadLine(piece.line, piece.text, "expected a layer, its output shape or its parameters"))
        return
    if piece.label and piece.shape:
        _close(runs, sheet)
        _add(sheet, piece)
        if not piece.count:
            runs.counts.clear()
    elif piece.label:
        if runs.shapes or (runs.counts and runs.labels):
            _close(runs, sheet)
        runs.labels.append(piece)
    elif piece.shape:
        runs.shapes.append(piece)
    else:
        runs.counts.append(piece)


def _is_layer(piece: _Piece) -> bool:
    words = piece.label.split()
    if piece.shape and len(words) <= _WORDY:
        return bool(re.search(r"[A-Za-z]", piece.label))
    if len(words) > _WORDY or piece.label.endswith((".", ":")):
        return False
    return any(layer.kind != "unknown" for layer in read_cell(piece.label)) or kind_of_name(piece.label) != "unknown"


def _close(runs: _Runs, sheet: Sheet) -> None:
    """Pair what waits, or say how many of each there are."""
    labels, shapes, counts = runs.labels, runs.shapes, runs.counts
    if shapes and len(shapes) != len(labels):
        if counts and len(shapes) + len(counts) == len(labels):  # a column of sizes, of which some are one number
            shapes = sorted([*shapes, *counts], key=lambda piece: piece.line)
            counts = []
        else:
            for piece in [*labels, *shapes, *counts]:
                reason = f"{len(labels)} names stand beside {len(shapes)} shapes; which belong together is lost"
                sheet.unread.append(UnreadLine(piece.line, piece.text, reason))
            labels, shapes, counts = [], [], []
    if not shapes and len(counts) == len(labels) and labels and len(labels) > 1:
        pass
    elif counts and len(counts) != len(labels):
        for piece in counts:
            sheet.unread.append(UnreadLine(piece.line, piece.text, "a number that belongs to no row"))
        counts = []
    for index, label in enumerate(labels):
        label.shape = (shapes[index].shape or shapes[index].count) if shapes else ""
        label.count = counts[index].count if counts else ""
        _add(sheet, label)
    runs.labels, runs.shapes, runs.counts = [], [], []


def _add(sheet: Sheet, piece: _Piece) -> None:
    cells = {"layer": piece.label}
    if piece.shape:
        cells["output"] = piece.shape
    if piece.count:
        cells["params"] = piece.count
    sheet.records.append(Record(piece.line, piece.text, cells))
    check_rows(len(sheet.records))
