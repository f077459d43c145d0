"""Cells that hold several layers: ``3×3 max pool, stride 2<br>[1×1, 64; 3×3, 64; 1×1, 256] × 3``."""

from __future__ import annotations

import re

from inspector.tables.reading.limits import MAX_PHRASE, MAX_REPEAT, bounded
from inspector.tables.reading.phrases import Layer, read_phrase

_TIMES_AFTER = re.compile(r"\s*(?:[×x*]|times)\s*(\d{1,9})\b", re.IGNORECASE)
_TIMES_BEFORE = re.compile(r"(\d{1,9})\s*[×x*]\s*$", re.IGNORECASE)
_REPEATED = re.compile(r"(.{1,200}?)[\s,]+[×x](\d{1,4})|(\d{1,4})\s?[×x]\s+(?=[A-Za-z(])(.{1,200})", re.IGNORECASE)
_NEW_KERNEL = re.compile(r"(?:,|\s)\s*(?=\d{1,3}\s?[x×]\s?\d{1,3}\s*(?:,|conv))", re.IGNORECASE)
_OPEN, _CLOSE = "[{⎡", "]}⎤"


def read_cell(text: str) -> list[Layer]:
    """Every layer that a cell names, blocks with their inside and repeats; an empty list where it names none.

    >>> (block,) = read_cell("[3×3, 64; 3×3, 64] × 3")
    >>> block.kind, block.repeat, [layer.stated["out_channels"] for layer in block.inside]
    ('container', 3, [64, 64])
    """
    if len(text) > MAX_PHRASE:
        return []
    layers: list[Layer] = []
    for part in _parts(re.sub(r"<br\s?/?>|\n", ";", text), ";"):
        found = _read_part(part.strip())
        if layers and len(found) == 1 and found[0].kind == "unknown" and _said_of(found[0], layers[-1]):
            layers[-1].stated |= found[0].stated
        else:
            layers += found
    return layers


def _said_of(more: Layer, layer: Layer) -> bool:
    """Whether a line is no layer but goes on about the one above it: "stride 2" below "3×3 max pool"."""
    return bool(more.stated) and not more.inside and not more.stated.keys() & layer.stated.keys()


def _parts(text: str, separator: str) -> list[str]:
    """Cut at a separator that stands outside square and curly brackets."""
    parts: list[str] = []
    depth = start = 0
    for place, sign in enumerate(text):
        depth += (sign in _OPEN) - (sign in _CLOSE)
        if sign == separator and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in [*parts, text[start:]] if part.strip(" ,;")]


def _read_part(part: str) -> list[Layer]:
    opens = next((place for place, sign in enumerate(part) if sign in _OPEN), -1)
    closes = max((part.rfind(sign) for sign in _CLOSE), default=-1)
    inside = part[opens + 1 : closes] if 0 <= opens < closes else ""
    if not re.search(r"\d\s?[x×]\s?\d|conv|pool", inside, re.IGNORECASE):
        return _read_repeated(part)
    before, after = part[:opens], part[closes + 1 :]
    repeat = 1
    if times := _TIMES_AFTER.match(after):
        repeat, after = _repeat(times[1]), after[times.end() :]
    elif times := _TIMES_BEFORE.search(before):
        repeat, before = _repeat(times[1]), before[: times.start()]
    lines = [line for line in re.split(r"[;⎢⎥|]", inside) if line.strip()]
    if len(lines) == 1:
        lines = _NEW_KERNEL.split(inside)
    block = Layer(part, "container", repeat=repeat, inside=[layer for line in lines for layer in read_phrase(line)])
    following = read_phrase(after) if after.strip(" ,") else []
    if len(following) == 1 and following[0].kind == "unknown" and _said_of(following[0], block):  # "..., k=32"
        block.stated |= following.pop().stated
    return [*(read_phrase(before) if before.strip(" ,") else []), block, *following]


def _read_repeated(part: str) -> list[Layer]:
    """``5× Conv dw / s1`` and ``3x3 conv, 64 ×2``: a phrase repeated without brackets."""
    match = _REPEATED.fullmatch(part)
    if match is None:
        return read_phrase(part)
    layers = read_phrase(match[1] or match[4])
    repeat = _repeat(match[2] or match[3])
    if len(layers) == 1:
        layers[0].repeat = repeat
        return layers
    return [Layer(part, "container", repeat=repeat, inside=layers)] if layers else []


def _repeat(digits: str) -> int:
    return bounded(digits, MAX_REPEAT)
