"""Inverted residuals: Sandler et al. 2018, arXiv 1801.04381; with squeeze-and-excitation as MBConv of EfficientNet
(Tan & Le 2019, arXiv 1905.11946); fused (Tan & Le 2021, arXiv 2104.00298).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspector.tables.composites.writer import Writer
    from inspector.tables.records import Sizes


def stage(writer: Writer, size: Sizes) -> None:
    """Blocks that widen ``expansion`` times, convolve each channel alone, and narrow; the first has the stride.

    Args:
        writer: stands at the stage's input; its printed row is the stage.
        size: sizes that the stage leaves.

    Raises:
        InspectionError: the row prints no channels.
    """
    row = writer.printed
    out, times = row.stated.get("out_channels"), row.stated.get("expansion", 6)
    if not isinstance(out, int) or not isinstance(times, int):
        raise writer.refuse("an inverted residual needs its channels")
    kernel = row.stated.get("kernel", (3, 3))
    assert isinstance(kernel, tuple)
    fused, squeezed = row.cls.lower().startswith("fused"), row.cls.lower().startswith("mbconv")
    if "kernel" not in row.stated:
        writer.note("the convolution inside an inverted residual is 3×3")
    if "expansion" not in row.stated:
        writer.note("an inverted residual widens 6 times")
    writer.note("an inverted residual of stride 1 adds its input where the channels are the same")
    for number in range(1, row.repeat + 1):
        stride = row.stated.get("stride") if number == 1 else (1,)
        _block(writer, f"{number}.", out, times, kernel, size, stride, fused=fused, squeezed=squeezed)


def _block(
    writer: Writer,
    part: str,
    out: int,
    times: int,
    kernel: tuple[int, ...],
    size: Sizes,
    stride: object,
    *,
    fused: bool,
    squeezed: bool,
) -> None:
    entry, before = writer.last, writer.shape
    wide = before[0] * times
    strides = stride if isinstance(stride, tuple) else None
    if fused:
        single = times == 1
        writer.convolution(f"{part}fused", out if single else wide, kernel, size=size, stride=strides)
        if not single:
            writer.convolution(f"{part}project", out, dressed="norm")
    else:
        if times != 1:
            writer.convolution(f"{part}expand", wide)
        writer.convolution(f"{part}depthwise", wide, kernel, size=size, stride=strides, groups=wide)
        if squeezed:
            _squeeze(writer, part, before[0])
        writer.convolution(f"{part}project", out, dressed="norm")
    if writer.shape == before:
        writer.sum(f"{part}add", entry, writer.last)


def _squeeze(writer: Writer, part: str, channels: int) -> None:
    """Every channel times a weight from their means: Hu et al. 2017, arXiv 1709.01507."""
    by = writer.conventions.squeeze
    writer.note(f"MBConv squeezes to a {by}th of its input channels, with biases, as EfficientNet does")
    whole, shape = writer.last, writer.shape
    rank = len(shape) - 1
    writer.put(f"{part}mean", "adaptive_avg_pool", (shape[0], *(1,) * rank))
    writer.convolution(f"{part}squeeze", max(1, channels // by), dressed="activation", bias=True)
    writer.convolution(f"{part}excite", shape[0], dressed="nothing", bias=True)
    scale = writer.put(f"{part}gate", "activation", writer.shape, cls="Sigmoid")
    writer.put(f"{part}scale", "multiply", shape, inputs=(whole, scale))
