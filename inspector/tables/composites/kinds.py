"""Which printed rows stand for whole blocks, and how a table with such rows dresses its convolutions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from inspector.tables.composites.writer import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.composites.conventions import Conventions
    from inspector.tables.records import PrintedRow, Table

#: Kinds of rows that print nothing of their inside.
_WHOLE: Final = frozenset({"inverted_residual", "inception", "transformer", "transition"})
#: These print every layer; what they leave out cannot be said by convention.
_COMPLETE: Final = frozenset({"torchsummary", "torchinfo", "keras", "inspector", "repr"})


def composites(table: Table, conventions: Conventions) -> dict[int, str]:
    """Index of each row that stands for a block → what it is.

    ``copy`` crops an earlier output and joins it; ``dense`` and ``residual`` are bracketed blocks with their
    convolutions one deeper; the others are kinds.
    """
    if table.format in _COMPLETE:
        return {}
    rows = table.rows
    found = {at: row.kind for at, row in enumerate(rows) if row.kind in _WHOLE and not inside(rows, at)}
    found |= {at: "copy" for at, row in enumerate(rows) if row.kind == "crop" and copied(rows, at)}
    brackets = {at: inside(rows, at) for at, row in enumerate(rows) if row.kind == "container" and not row.cls}
    for at, inner in brackets.items():
        if len(inner) > 1 and _is_dense(rows[at], inner):
            found[at] = "dense"
    convolutions = {at: inner for at, inner in brackets.items() if len(inner) > 1 and _is_block(inner)}
    repeated = any(rows[at].repeat > 1 for at in convolutions)
    if repeated and conventions.blocks != "chain":
        found |= {at: "residual" for at in convolutions if at not in found and "output_size" in rows[at].stated}
    return found


def copied(rows: Sequence[PrintedRow], at: int) -> str:
    """Name of the row above that a row such as ``copy and crop conv4b`` copies; ``""`` where it is no such row."""
    words = set(re.findall(r"[\w.]+", rows[at].text))
    if "copy" not in words:
        return ""
    return next((row.name for row in reversed(rows[:at]) if row.name in words), "")


def inside(rows: Sequence[PrintedRow], at: int) -> list[PrintedRow]:
    """Rows below a container's, at any depth."""
    end = at + 1
    while end < len(rows) and rows[end].depth > rows[at].depth:
        end += 1
    return list(rows[at + 1 : end])


def _is_block(inner: Sequence[PrintedRow]) -> bool:
    return all(row.kind == "conv" and {"kernel", "out_channels"} <= row.stated.keys() for row in inner)


def _is_dense(row: PrintedRow, inner: Sequence[PrintedRow]) -> bool:
    bare = all(each.kind == "conv" and "kernel" in each.stated and "out_channels" not in each.stated for each in inner)
    return bare and "dense" in row.name.lower()


def style_of(table: Table, found: dict[int, str], conventions: Conventions) -> Style:
    """How the convolutions of the table are dressed; as printed where it prints normalizations itself."""
    kinds = set(found.values())
    printed = {row.kind for row in table.rows}
    norms = conventions.norms and not printed & {"batch_norm", "group_norm", "layer_norm"}
    if "inverted_residual" in kinds:
        squeezed = any("mbconv" in table.rows[at].cls.lower() for at in found)
        return Style(norms, "SiLU" if squeezed else "ReLU6")
    if kinds & {"residual", "dense", "transition"}:
        return Style(norms, "ReLU")
    return Style(norms=False, activation="ReLU" if "inception" in kinds else "")
