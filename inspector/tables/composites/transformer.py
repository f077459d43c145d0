"""Transformer encoders, and the vision transformer around them: Vaswani et al. 2017, arXiv 1706.03762; Dosovitskiy et
al. 2020, arXiv 2010.11929, with normalization first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from inspector.tables.reading.limits import MAX_REPEAT

if TYPE_CHECKING:
    from inspector.tables.composites.writer import Writer


def encoder(writer: Writer) -> None:
    """Blocks of attention and a two-layer perceptron; of an image, patches and a class token before them.

    The printed row gives ``hidden``, ``mlp``, ``heads`` and ``layers``, as far as it prints them.

    Raises:
        InspectionError: the width is not printed, or the patches do not tile the image.
    """
    stated = writer.printed.stated
    image = len(writer.shape) == 3
    width = stated.get("hidden", None if image else writer.shape[-1])
    if not isinstance(width, int):
        raise writer.refuse("a transformer needs its hidden size")
    mlp, heads, layers = stated.get("mlp"), stated.get("heads"), stated.get("layers", writer.printed.repeat)
    if not isinstance(mlp, int):
        writer.note("the perceptron of a transformer block is 4 times as wide as its tokens")
        mlp = 4 * width
    if image:
        _patches(writer, width)
    elif writer.shape[-1] != width:
        raise writer.refuse(f"its hidden size {width} is not that of the tokens before it")
    assert isinstance(layers, int)
    if layers > MAX_REPEAT:
        raise writer.refuse(f"{layers} blocks are above {MAX_REPEAT}, the most that are written out")
    writer.note("a transformer block normalizes, attends and adds, then normalizes, widens with GELU, narrows and adds")
    for number in range(1, layers + 1):
        entry = writer.last
        writer.put(f"{number}.norm1", "layer_norm", writer.shape, normalized_shape=(width,), bias=True)
        known: dict[str, Any] = {"bias": True} | ({"heads": heads} if isinstance(heads, int) else {})
        writer.put(f"{number}.attention", "attention", writer.shape, **known)
        entry = writer.sum(f"{number}.add1", entry, writer.last)
        writer.put(f"{number}.norm2", "layer_norm", writer.shape, normalized_shape=(width,), bias=True)
        writer.put(f"{number}.widen", "linear", (*writer.shape[:-1], mlp), bias=True)
        writer.put(f"{number}.gelu", "activation", writer.shape, cls="GELU")
        writer.put(f"{number}.narrow", "linear", (*writer.shape[:-1], width), bias=True)
        writer.sum(f"{number}.add2", entry, writer.last)
    if image:
        writer.note("a last normalization follows the blocks, and the classifier takes the class token")
        writer.put("norm", "layer_norm", writer.shape, normalized_shape=(width,), bias=True)
        writer.put("token", "first_token", (width,))


def _patches(writer: Writer, width: int) -> None:
    named = re.search(r"/(\d{1,3})\b", writer.printed.name)
    side = int(named[1]) if named else writer.conventions.patch
    if named is None:
        writer.note(f"patches are {side}×{side}; give another side as patch")
    grid = tuple(size // side for size in writer.shape[1:])
    if any(size % side for size in writer.shape[1:]):
        raise writer.refuse(f"patches of {side}×{side} do not tile it")
    writer.note("a convolution makes the patches, a learned class token comes first, learned positions are added")
    sides = (side,) * len(grid)
    writer.put("patches", "conv", (width, *grid), kernel=sides, stride=sides, padding=(0,), bias=True)
    tokens = 1
    for size in grid:
        tokens *= size
    writer.put("tokens", "tokens", (tokens, width))
    writer.put("class_token", "class_token", (tokens + 1, width))
    writer.put("positions", "position_embedding", (tokens + 1, width))
