"""Dense blocks and transitions: Huang et al. 2016, arXiv 1608.06993 (DenseNet-BC), with normalization first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.composites.writer import Writer
    from inspector.tables.records import PrintedRow, Table

_GROWTH: Final = re.compile(r"\bk\s{0,3}=\s{0,3}(\d{1,4})\b")
#: A layer's 1×1 convolution gives as many times the growth.
_BOTTLENECK: Final = 4
#: The first convolution gives as many times the growth.
_STEM: Final = 2


def growth_of(table: Table, given: int) -> int:
    """Channels that each layer adds: given, printed in a row, or in words beside the table; 0 where nothing says it."""
    stated = (row.stated.get("growth") for row in table.rows)
    words = (match[1] for line in table.outside if (match := _GROWTH.search(line.text)))
    return given or next((value for value in stated if isinstance(value, int)), 0) or int(next(words, 0))


def stem_channels(growth: int) -> int:
    """Channels of the first convolution, which the table does not print."""
    return _STEM * growth


def stage(writer: Writer, inside: Sequence[PrintedRow], growth: int) -> None:
    """Layers that take everything before them and add ``growth`` channels each.

    Raises:
        InspectionError: nothing says by how many channels a layer grows.
    """
    _needs(writer, growth)
    writer.note(
        f"a layer of a dense block takes all channels before it and adds {growth}; "
        f"its 1×1 convolution gives {_BOTTLENECK * growth}; normalization and activation come first"
    )
    for number in range(1, writer.printed.repeat + 1):
        entry, before = writer.last, writer.shape
        for at, row in enumerate(inside, 1):
            kernel = row.stated["kernel"]
            assert isinstance(kernel, tuple)
            before_convolution(writer, f"{number}.", at)
            out = growth if at == len(inside) else _BOTTLENECK * growth
            writer.convolution(f"{number}.conv{at}", out, kernel, dressed="nothing", bias=False)
        writer.put(f"{number}.concat", "concat", (before[0] + growth, *before[1:]), inputs=(entry, writer.last))


def transition_channels(writer: Writer) -> int:
    """Channels that a transition leaves: half of those that come in."""
    writer.note("a transition's 1×1 convolution leaves half of the channels")
    return writer.shape[0] // 2


def before_convolution(writer: Writer, part: str, number: int | str) -> None:
    """Normalization and activation in front of a convolution."""
    if writer.style.norms:
        writer.norm(f"{part}norm{number}")
    writer.activation(f"{part}act{number}")


def _needs(writer: Writer, growth: int) -> None:
    if not growth:
        raise writer.refuse(
            "a dense block needs its growth rate: print 'k = 32' beside the table, or give growth "
            "(conventions=Conventions(growth=32), --assume growth=32)"
        )
