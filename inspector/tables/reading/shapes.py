"""Shapes as tables print them: ``[-1, 6, 28, 28]``, ``(None, 28, 28, 6)``, ``6@28×28``, ``28x28x6``, ``112²×3``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from inspector.tables.reading.limits import bounded

Form: TypeAlias = Literal["list", "product", "maps", "number"]


@dataclass(frozen=True, slots=True)
class PrintedShape:
    """A shape before anyone has decided which of its entries are batch and channels.

    Attributes:
        sizes: entries in the printed order; None for an unnamed batch (``None``, ``-1``, ``N``).
        form: ``list`` in brackets, ``product`` with ×, ``maps`` for ``6@28×28``, ``number`` for one alone.
        others: shapes of further outputs in the same cell.
    """

    sizes: tuple[int | None, ...]
    form: Form
    others: tuple[tuple[int | None, ...], ...] = ()


_SIZE = r"\d{1,30}"
_BATCH = r"(?:None|-1|\?|N|B|bs|batch(?:_size)?)"
_ENTRY = rf"(?:{_SIZE}|{_BATCH})"
_LIST = re.compile(rf"[\[(]\s*({_ENTRY}(?:\s*[,x×]\s*{_ENTRY}){{0,9}})\s*,?\s*[\])]", re.IGNORECASE)
_FACTOR = rf"{_SIZE}(?:\s?[²³]|\s?\^\s?\{{?[23]\}}?)?"
_PRODUCT = re.compile(rf"(?:({_BATCH})\s*[x×*]\s*)?{_FACTOR}(?:\s*[x×*·]\s*{_FACTOR}){{0,5}}", re.IGNORECASE)
_MAPS = re.compile(rf"({_SIZE})\s*@\s*({_SIZE}(?:\s*[x×*]\s*{_SIZE}){{0,2}})", re.IGNORECASE)
_WORDS = re.compile(r"(?:torch\.size|tensorshape|units?|neurons|features|px|pixels)", re.IGNORECASE)
_POWER = {"²": 2, "³": 3, "2": 2, "3": 3}


def shape_of(cell: str) -> PrintedShape | None:
    """The shape in a cell that holds nothing else; None where there is none.

    >>> [shape_of(cell).sizes for cell in ("[-1, 6, 28, 28]", "6@28×28", "28x28x6", "112²×3")]
    [(None, 6, 28, 28), (6, 28, 28), (28, 28, 6), (112, 112, 3)]
    >>> shape_of("conv") is None
    True
    """
    cell = _WORDS.sub("", cell).strip()
    if not cell or len(cell) > 400:
        return None
    if match := _MAPS.fullmatch(cell):
        return PrintedShape((bounded(match[1]), *_factors(match[2])), "maps")
    if _PRODUCT.fullmatch(cell):
        sizes = _factors(cell)
        return PrintedShape(sizes, "number" if len(sizes) == 1 else "product")
    return _lists(cell)


def _lists(cell: str) -> PrintedShape | None:
    """One bracketed shape, or several in a list or dict; a bracket that an old Keras cut off may be missing."""
    found = _LIST.findall(cell)
    if not found and cell.startswith("[("):
        cut = re.fullmatch(rf"\[*\(?\s*({_ENTRY}(?:,\s*{_ENTRY}){{0,9}}),?\s*[\])]{{0,2}}", cell, re.IGNORECASE)
        found = [cut[1]] if cut else []
    if not found:
        return None
    rest = re.sub(r"['\"]\w{0,60}['\"]\s*:", "", _LIST.sub("", cell))
    if len(found) == 1 and re.sub(rf"{_ENTRY}", "", rest).strip(" []{}(),"):
        return None  # a bracket within other words
    shapes = [_entries(inside) for inside in found]
    return PrintedShape(shapes[0], "list", tuple(shapes[1:]))


def find_lists(line: str) -> list[tuple[int, int]]:
    """Where bracketed shapes stand in a line: (start, end) of each.

    >>> find_lists("Conv2d-1 [-1, 6, 28, 28] 156")
    [(9, 24)]
    """
    return [match.span() for match in _LIST.finditer(line)]


def _entries(inside: str) -> tuple[int | None, ...]:
    parts = (
        [part.strip() for part in re.split(r"[,x×]", inside)]
        if not re.search("batch", inside, re.IGNORECASE)
        else [part.strip() for part in re.split(r"[,×]", inside)]
    )
    return tuple(bounded(part) if part.isdigit() else None for part in parts if part)


def _factors(product: str) -> tuple[int | None, ...]:
    sizes: list[int | None] = []
    for part in re.split(r"\s*[x×*·X]\s*", product):
        digits = re.match(r"\d+", part)
        if digits is None:
            sizes.append(None)
            continue
        power = re.search(r"[²³]|(?<=\^)\s?\{?[23]", part)
        times = _POWER[power[0].strip(" {")] if power else 1
        sizes += [bounded(digits[0])] * times
    return tuple(sizes)
