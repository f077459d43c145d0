"""Columns of kernels, strides and padding: ``5``, ``3×3``, ``[5, 5]``, ``7×7/2``, ``3 × 3 × 32 dw``, ``same``."""

from __future__ import annotations

import re

from inspector.tables.reading.blocks import read_cell
from inspector.tables.reading.limits import bounded

_NUMBERS = re.compile(r"[\[(]?\s*(\d{1,9}(?:\s*[,x×*]\s*\d{1,9}){0,5})\s*[\])]?")
_MAPS = re.compile(r"(\d{1,9})\s?@\s?(\d{1,9}(?:\s?[x×*]\s?\d{1,9}){1,2})")
_EACH_SIDE = re.compile(r"\(\((\d{1,9}), (\d{1,9})\), \((\d{1,9}), (\d{1,9})\)\)")


def read_window(column: str, cell: str) -> dict[str, object]:
    """What a cell of the column states; empty where it cannot be read.

    >>> sorted(read_window("kernel", "7×7/2").items()), read_window("stride", "2"), read_window("padding", "same")
    ([('kernel', (7, 7)), ('stride', (2,))], {'stride': (2,)}, {'padding': 'same'})
    """
    if match := _NUMBERS.fullmatch(cell):
        numbers = tuple(bounded(number) for number in re.findall(r"\d+", match[1]))
        bare = column == "kernel" and cell[0] not in "[("
        if bare and len(numbers) == 4:
            return {"kernel": numbers[:2], "in_channels": numbers[2], "out_channels": numbers[3]}
        if bare and len(numbers) == 3 and len(set(numbers)) > 1:
            return {"kernel": numbers[:2], "in_channels": numbers[2]}
        return {column: numbers}
    if cell.lower() in ("same", "valid"):
        return {column: cell.lower()}
    if sides := _EACH_SIDE.fullmatch(cell):
        if sides[1] == sides[2] and sides[3] == sides[4]:
            return {column: (bounded(sides[1]), bounded(sides[3]))}
        return {}
    if column == "kernel" and (maps := _MAPS.fullmatch(cell)):  # "8 @ 5×5"
        return {"out_channels": bounded(maps[1]), "kernel": tuple(bounded(n) for n in re.findall(r"\d+", maps[2]))}
    layers = read_cell(cell)
    stated = dict(layers[0].stated) if len(layers) == 1 else {}
    if re.search(r"\bdw\b", cell) and "kernel" in stated:
        stated["depthwise"] = True
    if layers and layers[0].kind != "unknown" and not stated:  # "Classifier" below "Filter Shape"
        return {"note": cell}
    return {name: value for name, value in stated.items() if name != "dims"}
