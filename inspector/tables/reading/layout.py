"""Which entry of a printed shape is the batch and which the channels: decided for a whole table, not row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.tables.reading.shapes import PrintedShape
from inspector.tables.records import Sizes

_WITH_BATCH = frozenset({"torchsummary", "torchinfo", "keras", "inspector"})


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table prints its shapes.

    Attributes:
        batch: the first entry of every bracketed shape is the batch.
        channels_last: channels are printed after the sizes.
        sequences: two-entry shapes hold channels too (a Keras table with one-dimensional convolutions).
    """

    batch: bool
    channels_last: bool
    sequences: bool = False

    def without_batch(self, shape: PrintedShape) -> Sizes:
        sizes = shape.sizes
        if sizes[:1] == (None,) or (self.batch and shape.form in ("list", "product") and len(sizes) > 1):
            sizes = sizes[1:]
        return tuple(size for size in sizes if size is not None)

    def resolved(self, shape: PrintedShape) -> tuple[Sizes | None, Sizes | None]:
        """(shape without batch, channels first; or None), (sizes where no channels are printed; or None).

        >>> layout = Layout(batch=True, channels_last=True)
        >>> layout.resolved(PrintedShape((None, 28, 28, 6), "list"))
        ((6, 28, 28), None)
        >>> layout.resolved(PrintedShape((56, 56), "product"))
        (None, (56, 56))
        """
        named = shape.sizes[:1] == (None,)
        sizes = self.without_batch(shape) if named or shape.form == "list" else _whole(shape.sizes, self)
        if shape.form == "product" and not named and len(sizes) == 2:
            return None, sizes
        if shape.form != "maps" and self.channels_last and (len(sizes) >= 3 or (len(sizes) == 2 and self.sequences)):
            sizes = (sizes[-1], *sizes[:-1])
        return sizes, None


def _whole(sizes: Sequence[int | None], layout: Layout) -> Sizes:
    kept = tuple(size for size in sizes if size is not None)
    return kept[1:] if layout.batch and len(kept) >= 4 else kept


def layout_of(shapes: Sequence[PrintedShape], form: str, one_dimensional: bool, axes: int | None = None) -> Layout:
    """The layout that most shapes of a table speak for.

    Args:
        shapes: every shape of the table.
        form: the table's format.
        one_dimensional: the table holds convolutions or poolings along one axis.
        axes: axes of the convolutions where their names say so.
    """
    batch = form in _WITH_BATCH or _has_batch([shape for shape in shapes if shape.form in ("list", "product")], axes)
    layout = Layout(batch, channels_last=False)
    first = last = 0
    for shape in shapes:
        if shape.form in ("maps", "number"):
            continue
        sizes = layout.without_batch(shape) if shape.form == "list" else _whole(shape.sizes, layout)
        if len(sizes) >= 3 and len(set(sizes)) > 1:
            first += sizes[-1] == sizes[-2] and sizes[0] != sizes[1]
            last += sizes[0] == sizes[1] and sizes[-1] != sizes[-2]
    if form in ("torchsummary", "torchinfo", "inspector"):
        return layout
    if first == last:
        products = sum(shape.form == "product" and len(shape.sizes) >= 3 for shape in shapes)
        lists = sum(shape.form == "list" for shape in shapes)
        channels_last = form == "keras" or products > lists
    else:
        channels_last = last > first
    return Layout(batch, channels_last, sequences=channels_last and one_dimensional and form == "keras")


def _has_batch(shapes: Sequence[PrintedShape], axes: int | None) -> bool:
    """An unnamed first entry anywhere, or the same first entry everywhere with one entry more than a layer needs."""
    if any(shape.sizes[:1] == (None,) for shape in shapes):
        return True
    lists = [shape.sizes for shape in shapes if len(shape.sizes) > 1]
    if not lists or any(shape.form == "list" and len(shape.sizes) == 1 for shape in shapes):
        return False
    [(first, times)] = Counter(sizes[0] for sizes in lists).most_common(1)
    ranks = [len(sizes) for sizes in lists]
    if times != len(lists) or len(lists) < 2:
        return False
    return max(ranks) >= (axes or 2) + 2 or (2 in ranks and max(ranks) >= 4) or (first == 1 and max(ranks) == 2)
