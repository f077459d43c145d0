"""Lines below a table: ``Total params: 61,706``."""

from __future__ import annotations

import re
from typing import Final

from inspector.tables.reading.numbers import exact, rounded

_LINE = re.compile(
    r"\s{0,20}\W{0,4}\s{0,4}(non-trainable|total|trainable|estimated total|input|forward/backward|params|optimizer|"
    r"parameters|macs|flops|buffers|bytes|element-wise|model)\b([^:\d|]{0,60})[:|\s]\s{0,20}\|?\s{0,20}\**\s{0,4}(.{1,100})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{1,3}(?:[, ]\d{3}){1,5}(?!\d)|\d{1,18}")
_UNITS: Final = (("giga", 10**9), ("mega", 10**6), ("tera", 10**12), ("(g)", 10**9), ("(m)", 10**6))


_INPUT = re.compile(r"[\W_]{0,8}input\b[^\[]{0,80}(\[[\d, ]{1,80}\])", re.IGNORECASE)


def input_of(line: str) -> str:
    """The shape in a footer's ``Input  image: [1, 1, 32, 32] float32``; ``""`` where the line is none."""
    match = _INPUT.match(line[:400].replace("\\", ""))
    return match[1] if match else ""


def read_total(line: str, totals: dict[str, int]) -> bool:
    """Whether the line belongs to a table's footer; an exact count of parameters in it goes into ``totals``.

    >>> totals = {}
    >>> read_total("Total params: 61,706 (241.04 KB)", totals), totals
    (True, {'total_params': 61706})
    """
    match = _LINE.match(line.replace("**", "")[:400])
    if match is None or not re.match(r"[~≈]?\s?[\d\[]|float|\w+: \[", match[3]):
        return False
    word, about = match[1].lower(), match[2].lower()
    params = "param" in about or "weight" in about or (word == "parameters" and not about.strip())
    if "mult" in about or "mac" in about or "flop" in about or "size" in about or "byte" in about:
        params = False
    if word == "params" or not params:
        return True
    number = _NUMBER.match(match[3])
    if (about := rounded(match[3].strip())) and word in ("total", "parameters"):
        totals.setdefault("total_least", about[0])
        totals.setdefault("total_most", about[1])
    if number is None or about:
        return True
    name = {"total": "total_params", "parameters": "total_params", "trainable": "trainable_params"}.get(word)
    if word == "non-trainable" or name is None:
        return True
    value = exact(number[0])
    if value is not None:
        totals.setdefault(name, value)
    if inner := re.search(r"\(trainable (\d{1,3}(?: \d{3}){0,5})", line):  # this project's own summary
        totals.setdefault("trainable_params", int(inner[1].replace(" ", "")))
    return True
