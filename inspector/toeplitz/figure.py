"""The matrix as a picture: each entry in the colour of its tap, blocks of one image line framed, words on hover."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import torch

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.toeplitz.configuration import check_values
from inspector.toeplitz.grid import unravelled
from inspector.toeplitz.layouts import kernel_by_group, places
from inspector.toeplitz.paper_text import extent, number, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.toeplitz.grid import Grid
    from inspector.toeplitz.operator import ConvOperator

#: Entries that are drawn at most, each with its words; rows or columns, so that one is seen; and lines of the grid.
_MOST, _LONGEST, _LINES = 20_000, 1000, 400
#: Entries of one pair of channels among which those that are drawn are looked up.
_FOLLOWED = 5_000_000
_SIDE, _MARGIN, _LEGEND = 900, 34, 26
_INK, _SEVERAL = "#333", "#8a8a8a"
_HOVER = f".e:hover{{stroke:{_INK};stroke-width:.15}}"


@dataclass(frozen=True, slots=True)
class _Part:
    """What of the matrix is drawn: channels and rows and columns of one pair of them."""

    out_channels: int
    in_channels: int
    rows: int
    columns: int
    said: str


def svg(operator: ConvOperator) -> str:
    """The matrix as an SVG that stands alone and needs no script.

    Every entry is coloured by its tap; hovering it shows output position, tap, input position and weight. Thin lines
    frame the blocks (one line of the output against one line of the input), thick ones the channels. A large matrix is
    folded to its first pair of channels, and a larger one to the corner of that; the title says so.

    Raises:
        InspectionError: a single pair of channels has millions of entries, or the weight no values (meta device).

    >>> from inspector.toeplitz import conv_operator
    >>> picture = svg(conv_operator(torch.ones(1, 1, 3), input_size=5))
    >>> picture.count('class="e"'), "tap (0)" in picture
    (9, True)
    """
    check_values(operator.weight, "svg")
    if operator.convolution.positions > _FOLLOWED:
        raise InspectionError(
            f"one pair of channels has {format_count(operator.convolution.positions)} entries: too many to draw; give "
            "a smaller input, the structure is the same"
        )
    taps = tuple(axis.kernel for axis in operator.axes)
    folded = tuple(axis.kernel + len(axis.collisions) for axis in operator.axes)
    rows, columns, numbers = (part.cpu() for part in places(operator.convolution, torch.device("cpu")))
    part = _part(operator, rows, columns)
    keep = (rows < part.rows) & (columns < part.columns)
    rows, columns, numbers = rows[keep], columns[keep], numbers[keep]
    kernel = kernel_by_group(operator.convolution, operator.weight.detach()).cpu()
    height, width = part.out_channels * part.rows, part.in_channels * part.columns
    scale = min(_SIDE / max(1, width), 2 * _SIDE / max(1, height), 40)
    drawn = []
    for out, into in product(range(part.out_channels), range(part.in_channels)):
        group, out_in_group = divmod(out, operator.rows.channels // operator.groups)
        if into // (operator.columns.channels // operator.groups) != group:
            continue
        block = kernel[group, out_in_group, into % (operator.columns.channels // operator.groups)].flatten()
        for row, column, tap in zip(rows.tolist(), columns.tolist(), numbers.tolist(), strict=True):
            place = unravelled(tap, folded)
            words = (
                f"output {_place(operator.rows, out, row)}, tap {_tap(place, operator)}, input "
                f"{_place(operator.columns, into, column)}: {number(block[tap].item())}"
            )
            x, y = (
                _at(operator.columns, into, column, part.in_channels, part.columns),
                _at(operator.rows, out, row, part.out_channels, part.rows),
            )
            drawn.append(
                f'<rect class="e" x="{x}" y="{y}" width="1" height="1" fill="{_color(place, taps)}">'
                f"<title>{escape(words)}</title></rect>"
            )
    upright = _lines(operator.columns, part.in_channels, part.columns, height, upright=True)
    across = _lines(operator.rows, part.out_channels, part.rows, width, upright=False)
    # Widths in units of an entry: not every reader of SVG knows of strokes that do not scale.
    for thickness, opacity, one, other in zip((0.8, 1.2), (0.5, 0.8), upright, across, strict=True):
        style = f'stroke="{_INK}" stroke-width="{thickness / scale:.4g}" opacity="{opacity}"'
        drawn.append(f"<g {style}>\n" + "\n".join([*one, *other]) + "\n</g>")
    return _page(operator, part, "\n".join(drawn), (width, height), scale)


def _part(operator: ConvOperator, rows: torch.Tensor, columns: torch.Tensor) -> _Part:
    """All of it, or one pair of channels, or of that the first lines of the output."""
    out, into = operator.rows, operator.columns
    if operator.nnz <= _MOST and max(operator.shape) <= _LONGEST:
        return _Part(out.channels, into.channels, out.places, into.places, "")
    words = [f"{word} channel 0 of {grid.channels}" for word, grid in (("output", out), ("input", into))]
    words = words if max(out.channels, into.channels) > 1 else []
    height, width = out.places, into.places
    if len(rows) > _MOST or max(height, width) > _LONGEST:
        near = (rows < _LONGEST) & (columns < _LONGEST)
        height = _whole_lines(rows[near][:_MOST], out)
        width = _whole_lines(columns[near & (rows < height)], into)
        words += [
            f"rows 0 to {height - 1} of {format_count(out.places)}",
            f"columns 0 to {width - 1} of {format_count(into.places)}",
        ]
    return _Part(min(1, out.channels), min(1, into.channels), height, width, f"folded: {', '.join(words)}")


def _whole_lines(places: torch.Tensor, grid: Grid) -> int:
    """Places up to the last of these, but for a line of the image that is cut: 1 at least."""
    last = int(places.max()) + 1 if len(places) else 1
    return last // grid.size[-1] * grid.size[-1] or last


def _at(grid: Grid, channel: int, place: int, channels: int, places: int) -> int:
    """Where an element stands in the vector, or in what is drawn of it."""
    return place * channels + channel if grid.channels_last else channel * places + place


def _place(grid: Grid, channel: int, place: int) -> str:
    position = ", ".join(map(str, unravelled(place, grid.size)))
    return f"({position})" if grid.channels == 1 else f"channel {channel} ({position})"


def _tap(place: Sequence[int], operator: ConvOperator) -> str:
    """A tap's place along the kernel; where padding folds several onto one input, all of them."""
    words = [
        str(at) if at < axis.kernel else "+".join(map(str, axis.collisions[at - axis.kernel]))
        for at, axis in zip(place, operator.axes, strict=True)
    ]
    return f"({', '.join(words)})"


def _color(place: Sequence[int], taps: Sequence[int]) -> str:
    """A hue for each line of the kernel, a lightness for each tap in it; grey where padding folds taps together."""
    if any(at >= length for at, length in zip(place, taps, strict=True)):
        return _SEVERAL
    line, lines = 0, prod(taps[:-1])
    for at, length in zip(place[:-1], taps[:-1], strict=True):
        line = line * length + at
    if lines == 1:
        return f"hsl({360 * place[-1] / taps[-1]:.0f},60%,55%)"
    return f"hsl({360 * line / lines:.0f},60%,{40 + 35 * place[-1] / max(1, taps[-1] - 1):.0f}%)"


def _lines(grid: Grid, channels: int, places: int, length: int, *, upright: bool) -> tuple[list[str], list[str]]:
    """A line after each line of the image, a thick one after each channel: (thin, thick)."""
    step = grid.size[-1] * (channels if grid.channels_last else 1)
    total = channels * places
    if total // step > _LINES:
        step = places
    thin: list[str] = []
    thick: list[str] = []
    for at in range(0, total + 1, step):
        ends = f'x1="{at}" x2="{at}" y1="0" y2="{length}"' if upright else f'x1="0" x2="{length}" y1="{at}" y2="{at}"'
        outer = at in (0, total) or (not grid.channels_last and at % places == 0)
        (thick if outer else thin).append(f"<line {ends}/>")
    return thin, thick


def _page(operator: ConvOperator, part: _Part, drawn: str, sides: tuple[int, int], scale: float) -> str:
    taps = [axis.kernel for axis in operator.axes]
    title = f"Matrix of {size(operator.columns.shape)} → {size(operator.rows.shape)}: {extent(operator)}"
    names = [(",".join(map(str, place)), _color(place, taps)) for place in product(*map(range, taps))]
    names = names if prod(taps) <= 64 else []
    if any(axis.collisions for axis in operator.axes):
        names.append(("several", _SEVERAL))
    keys = []
    for position, (name, color) in enumerate(names):
        x, y = _MARGIN + position % 16 * 56, _MARGIN + 18 + position // 16 * 18
        keys.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{color}"/>')
        keys.append(f'<text x="{x + 16}" y="{y + 10}">{name}</text>')
    top = _MARGIN + _LEGEND + 18 * -(-len(names) // 16)
    width = max(sides[0] * scale, 56 * min(16, len(names)), 8.0 * len(title)) + 2 * _MARGIN
    height = sides[1] * scale + top + _MARGIN
    said = escape(part.said or "colour: tap")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" fill="{_INK}" font-family="sans-serif" font-size="12">\n'
        f'<style>{_HOVER}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="{_MARGIN}" y="{_MARGIN - 6}">{escape(title)}</text>'
        f'<text x="{_MARGIN}" y="{_MARGIN + 12}">{said}</text>\n{"".join(keys)}\n'
        f'<g transform="translate({_MARGIN} {top}) scale({scale:.4f})">\n{drawn}\n</g>\n</svg>\n'
    )
