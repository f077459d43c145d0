"""Inception modules: Szegedy et al. 2014, arXiv 1409.4842, figure 2(b): four branches, joined along the channels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspector.tables.composites.writer import Writer
    from inspector.tables.records import Sizes


def module(writer: Writer, output: Sizes) -> None:
    """1×1; 1×1 before n×n for every n; a 3×3 max pool of stride 1 before 1×1; all joined.

    Args:
        writer: stands at the module's input; its printed row names the branches' channels.
        output: the printed output, whose channels the branches must add up to.

    Raises:
        InspectionError: the row prints no channels of branches.
    """
    branches = writer.printed.stated.get("branches")
    if not isinstance(branches, dict) or not branches:
        raise writer.refuse("an inception module needs the channels of its branches (#1×1, #3×3 reduce, #3×3, ...)")
    writer.note("an inception module joins 1×1, 1×1 before 3×3, 1×1 before 5×5, and 3×3 max pool before 1×1")
    entry, before = writer.last, writer.shape
    ends: list[str] = []
    for name, channels in branches.items():
        if name.endswith("_reduce"):
            continue
        writer.last, writer.shape = entry, before
        if name == "pool_proj":
            writer.put("pool", "max_pool", before, kernel=(3, 3), stride=(1,), padding=(1, 1))
            ends.append(writer.convolution("pool_proj", channels))
        elif sides := re.fullmatch(r"(\d{1,2})x(\d{1,2})", name):
            if reduced := branches.get(f"{name}_reduce"):
                writer.convolution(f"{name}_reduce", reduced)
            ends.append(writer.convolution(name, channels, (int(sides[1]), int(sides[2]))))
        else:
            raise writer.refuse(f"{name!r} is no branch of an inception module that is known")
    writer.put("concat", "concat", output, inputs=tuple(ends))
