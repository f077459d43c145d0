"""What Keras's ``model.summary()`` prints: columns by position before version 3, boxes since."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inspector.tables.reading.boxed import read_boxed
from inspector.tables.reading.columns import field_of
from inspector.tables.reading.kinds import kind_of_class, kind_of_name
from inspector.tables.reading.limits import check_cell, check_rows
from inspector.tables.reading.lines import is_rule
from inspector.tables.reading.sheet import Record, Sheet
from inspector.tables.reading.totals import read_total
from inspector.tables.records import UnreadLine

_TITLES = re.compile(r"Layer \(type\)|Output Shape|Param #|Connected to|Trainable", re.IGNORECASE)
_LABEL = re.compile(r"([^\s()]{1,200})\s{0,3}\(([^()]{1,120})\)?")
_SHAPE = re.compile(r"\[*\((?:None|\?|\d)|multiple|\?")
# Long names are cut: "(BatchNo", "(DepthwiseConv".
_CLASSES: Final = [
    "InputLayer",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "Dense",
    "Embedding",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "BatchNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "UnitNormalization",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "Softmax",
    "Flatten",
    "Reshape",
    "Permute",
    "RepeatVector",
    "Add",
    "Multiply",
    "Concatenate",
    "Subtract",
    "Average",
    "Maximum",
    "Dot",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "LSTM",
    "GRU",
    "SimpleRNN",
    "Bidirectional",
    "TimeDistributed",
    "MultiHeadAttention",
    "Attention",
    "Rescaling",
    "Normalization",
    "Sequential",
    "Functional",
    "TFOpLambda",
    "Lambda",
]


def header_line(lines: Sequence[str]) -> int | None:
    """Index of the line of headings between underscores, None where there is none."""
    for index, line in enumerate(lines):
        found = [title.lower() for title in _TITLES.findall(line)]
        if found[:2] == ["layer (type)", "output shape"]:
            around = "".join(lines[max(0, index - 1) : index + 2])
            below = "".join(lines[index + 1 : index + 5])
            if re.search(r"_{10}|[┃│]", around) or re.search(r"\((?:None|\?), ", below):
                return index
    return None


def is_boxed(lines: Sequence[str], header: int) -> bool:
    """Whether the headings stand between bars, as Keras 3 draws them."""
    return any(bar in lines[header] for bar in "┃│")


def read_boxes(lines: Sequence[str]) -> Sheet:
    """The boxes of Keras 3."""
    sheet = Sheet("keras")
    grid = read_boxed(lines)
    assert grid is not None
    titles: list[str] = []
    for number, cells in grid.rows:
        if not titles:
            titles = [field_of(cell) or f"?{cell}" for cell in cells]
            continue
        if len(cells) != len(titles):
            sheet.unread.append(UnreadLine(number, lines[number - 1], f"expected {len(titles)} columns"))
            continue
        indent = re.match(r"[ \t]{0,200}", cells[0])
        depth = (len(indent[0]) + 3) // 4 if indent and "└" in cells[0] else 0
        _add(sheet, number, lines[number - 1], dict(zip(titles, cells, strict=True)), depth)
    for number, line in enumerate(lines, 1):
        beside = line.strip() and not grid.first_line <= number <= grid.last_line
        if beside and not line.strip().lower().startswith("model:") and not read_total(line, sheet.totals):
            sheet.outside.append(UnreadLine(number, line, "stands beside the table"))
    return sheet


def read_positions(lines: Sequence[str], header: int) -> Sheet:
    """The columns that older versions print, cut where the headings begin; wrapped rows are joined."""
    sheet = Sheet("keras")
    titles = [(match.start(), field_of(match[0]) or f"?{match[0]}") for match in _TITLES.finditer(lines[header])]
    rows: list[tuple[int, str, dict[str, str], int]] = []
    ended = False
    for number, line in enumerate(lines, 1):
        plain = line.strip()
        if number == header + 1 or not plain or is_rule(plain):
            continue
        if number <= header:
            if not plain.lower().startswith("model:"):
                sheet.outside.append(UnreadLine(number, line, "stands before the table"))
        elif read_total(line, sheet.totals):
            ended = True
        elif ended:
            sheet.outside.append(UnreadLine(number, line, "stands after the table"))
        else:
            _read_line(line, number, titles, rows, sheet)
    for number, text, cells, depth in rows:
        _add(sheet, number, text, cells, depth)
    return sheet


def _read_line(
    line: str,
    number: int,
    titles: Sequence[tuple[int, str]],
    rows: list[tuple[int, str, dict[str, str], int]],
    sheet: Sheet,
) -> None:
    edge = re.match(r"\s{0,3}(?:[|│]\s{0,4}){0,20}", line)
    depth = len(re.findall(r"[|│]", edge[0])) if edge else 0
    blank = re.sub(r"[|│]", " ", check_cell(line.rstrip(), number))
    cells = _cut(blank, titles)
    shape = cells.get("output", "")
    if cells["layer"] and _SHAPE.match(shape) and cells.get("params", "0"):
        rows.append((number, line, cells, depth))
        check_rows(len(rows))
    elif rows:
        last = rows[-1][2]
        for column, piece in cells.items():
            between = " " if piece.startswith("(") or column == "connected" else ""
            last[column] = (last.get(column, "") + between + piece).strip()
    else:
        sheet.unread.append(UnreadLine(number, line, "expected a layer, its output shape and its parameters"))


def _cut(line: str, titles: Sequence[tuple[int, str]]) -> dict[str, str]:
    starts = [start for start, _ in titles]
    if all(start >= len(line) or line[start - 1 : start].strip() == "" for start in starts[1:]):
        ends = [*starts[1:], len(line)]
        cells = {
            name: line[0 if index == 0 else start : end].strip()
            for index, ((start, name), end) in enumerate(zip(titles, ends, strict=True))
        }
        if not cells.get("output") or _SHAPE.match(cells["output"]) or not _SHAPE.search(line):
            return cells
    match = _SHAPE.search(line)  # the columns have moved: the shape says where they are
    if match is None:
        return {titles[0][1]: line.strip()}
    closes = max(line.rfind(")"), line.rfind("]")) if "Connected" not in line else -1
    shape_end = re.match(r"\[*\([^()]{0,200}\)\]*|multiple|\?", line[match.start() :])
    end = match.start() + shape_end.end() if shape_end else closes + 1
    rest = line[end:].split(None, 1)
    values = [line[: match.start()].strip(), line[match.start() : end], *rest]
    return dict(zip([name for _, name in titles], [value.strip() for value in values], strict=False))


def _add(sheet: Sheet, number: int, text: str, cells: dict[str, str], depth: int) -> None:
    label = cells.pop("layer").replace("└", "").strip()
    match = _LABEL.fullmatch(label)
    if match is None:
        sheet.unread.append(UnreadLine(number, text, f"expected a name and a class in brackets, found {label[:80]!r}"))
        return
    cells = {"name": match[1], "cls": _whole_class(match[2].strip(), match[1]), **cells}
    sheet.records.append(Record(number, text, cells, depth))
    check_rows(len(sheet.records))


def _whole_class(cls: str, name: str) -> str:
    """A class that was cut off, made whole where classes of one kind begin so; of several, the name's kind decides."""
    cls = cls.rstrip("….")
    if kind_of_class(cls)[0] != "unknown" and cls in _CLASSES:
        return cls
    begin = [whole for whole in _CLASSES if cls and whole.startswith(cls)]
    kinds = {kind_of_class(whole)[0] for whole in begin}
    if len(kinds) > 1 or len(cls) == 1:
        begin = [whole for whole in begin if kind_of_class(whole)[0] == kind_of_name(name)]
    if not begin:
        return cls
    digits = re.search(r"([123])d", name)
    return next(
        (whole for whole in begin if digits and f"{digits[1]}D" in whole), begin[-1] if len(begin) == 1 else begin[0]
    )
