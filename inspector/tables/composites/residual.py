"""Bracketed blocks that add their input again: He et al. 2015, arXiv 1512.03385, basic blocks and bottlenecks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspector.tables.composites.writer import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.tables.composites.writer import Writer
    from inspector.tables.records import PrintedRow, Sizes


def stage(writer: Writer, inside: Sequence[PrintedRow], size: Sizes, repeat: int) -> None:
    """A block, repeated; where its output has not its input's shape, a 1×1 convolution projects the input.

    Args:
        writer: stands at the stage's input.
        inside: the printed convolutions of one block.
        size: sizes that the stage leaves.
        repeat: blocks, one after the other.
    """
    strided = next((at for at, row in enumerate(inside) if set(_kernel(row)) != {1}), 0)
    writer.note("every block in brackets adds its input to its output, as residual networks do")
    for number in range(1, repeat + 1):
        entry, before = writer.last, writer.shape
        for at, row in enumerate(inside):
            _convolution(writer, row, f"{number}.conv{at + 1}", size if at >= strided else before[1:], at == strided)
            if writer.style.norms:
                writer.norm(f"{number}.norm{at + 1}")
            if at + 1 < len(inside):
                writer.activation(f"{number}.act{at + 1}")
        main, after = writer.last, writer.shape
        if after != before:
            writer.note("a 1×1 convolution projects a block's input where its shape changes")
            if after[1:] != before[1:]:
                writer.note("a block's first convolution with a kernel above 1 has the stride (torchvision's choice)")
            entry = writer.convolution(
                f"{number}.projection", after[0], inputs=(entry,), size=after[1:], stride=None, dressed="norm"
            )
        writer.sum(f"{number}.add", main, entry)
        writer.activation(f"{number}.act{len(inside)}")


def _kernel(row: PrintedRow) -> tuple[int, ...]:
    kernel = row.stated["kernel"]
    assert isinstance(kernel, tuple)
    return kernel


def _convolution(writer: Writer, row: PrintedRow, part: str, size: Sizes, strides: bool) -> None:
    """One printed convolution of the block; only the one that strides leaves its stride to the sizes."""
    out = row.stated["out_channels"]
    assert isinstance(out, int)
    stated: dict[str, Any] = {**PLAIN, **row.stated, "block": writer.printed.name}
    stated.pop("output_size", None)
    stated.setdefault("padding", tuple(side // 2 for side in _kernel(row)))
    if not strides or size == writer.shape[1:]:
        stated["stride"] = (1,)
    if writer.style.norms:
        stated.setdefault("bias", False)
    name = f"{writer.printed.name}.{part}"
    writer.add(
        replace(
            row, name=name, output_shape=(out, *size), stated=stated, depth=0, params=None, input_names=(writer.last,)
        )
    )
