"""Counts as tables print them: ``61,706``, ``61 706``, ``2.7K``."""

from __future__ import annotations

import re
from decimal import Decimal

from inspector.tables.reading.limits import MAX_COUNT, bounded

NOTHING = frozenset({"", "-", "--", "—", "–", "−", "n/a", "na", "none", "nan", "null", "(recursive)", "?", "…", "..."})

_EXACT = re.compile(r"\d+(?:[, _'\u2009\u202f]\d{3})+|\d+")
_ROUNDED = re.compile(r"[~≈<]?\s*(\d{1,6}(?:\.\d{1,6})?)\s*([KMGB])(?:illion|illions)?", re.IGNORECASE)
_UNIT = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


def exact(cell: str) -> int | None:
    """An integer with or without separators between groups of three; None where the cell is no such number.

    A count in brackets, as torchinfo prints what is not trainable, counts as well.

    >>> exact("61,706"), exact("61 706"), exact("(1,000)"), exact("2.7K"), exact("--")
    (61706, 61706, 1000, None, None)
    """
    cell = cell.strip()
    if cell.startswith("(") and cell.endswith(")"):
        cell = cell[1:-1].strip()
    if not _EXACT.fullmatch(cell):
        return None
    return bounded(re.sub(r"\D", "", cell), MAX_COUNT)


def rounded(cell: str) -> tuple[int, int] | None:
    """Lowest and highest count that prints as this rounded one, by rounding either way; None where it is not one.

    >>> rounded("2.7K"), rounded("112K"), rounded("60 million"), rounded("61,706")
    ((2650, 2750), (111500, 112500), (59500000, 60500000), None)
    """
    match = _ROUNDED.fullmatch(cell.strip())
    if match is None:
        return None
    number, unit = Decimal(match[1]), _UNIT[match[2].lower()]
    bounded(match[1].split(".")[0], MAX_COUNT // unit)
    half = Decimal(10) ** int(number.as_tuple().exponent) / 2
    return int((number - half) * unit), int((number + half) * unit)
