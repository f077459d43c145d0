"""A printed table beside a model, row by row, aligned as a diff aligns: one slip does not shift what follows.

The alignment is that of Needleman & Wunsch 1970, "A general method applicable to the search for similarities in the
amino acid sequence of two proteins": of all ways to pair the rows in order, the one with the highest score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inspector.tables.records import Sizes

_KIND: Final = 4
_SHAPE: Final = 3
_PARAMS: Final = 2
_NAME: Final = 1
_OTHER_KIND: Final = -6
#: What an unpaired row costs: one without parameters (an activation that a table leaves out) less than a layer.
_LIGHT_GAP, _GAP = -1, -2
_MOST_CELLS: Final = 4_000_000
#: Kinds that are one thing to a reader of tables.
_ALIKE: Final = {
    "global_avg_pool": "adaptive_avg_pool",
    "global_max_pool": "adaptive_max_pool",
    "reshape": "flatten",
    "crop": "pad",  # PyTorch crops by padding with less than nothing
}
_OVER_ALL: Final = frozenset({"global_avg_pool", "global_max_pool", "adaptive_avg_pool", "adaptive_max_pool"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of either side.

    Attributes:
        name: in the table, or the path in the model.
        kind: one of ``records.KINDS``.
        shape: output shape without the batch; None where it is not printed.
        params: parameters; None where they are not printed.
        kernel: taps of each axis; None where not known.
        line: line of the table; 0 in a model.
    """

    name: str
    kind: str
    shape: Sizes | None
    params: int | None
    kernel: Sizes | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A printed row beside the model's, or one of them alone.

    Attributes:
        printed: of the table; None where the table does not print it.
        actual: of the model; None where the model has no such row.
        differences: what of it differs, in words.
    """

    printed: Layer | None
    actual: Layer | None
    differences: tuple[str, ...] = ()

    @property
    def breaks(self) -> bool:
        """The model is not what is printed here; a row without parameters that the table leaves out breaks nothing."""
        if self.printed is None:
            return bool(self.actual and self.actual.params)
        return self.actual is None or bool(self.differences)


def align(printed: Sequence[Layer], actual: Sequence[Layer]) -> tuple[Pair, ...]:
    """Pair the rows of a table with those of a model.

    Raises:
        InspectionError: too many rows on both sides.

    >>> conv, relu = Layer("C1", "conv", (6, 28, 28), 156), Layer("relu", "activation", (6, 28, 28), 0)
    >>> [(bool(pair.printed), bool(pair.actual), pair.breaks) for pair in align([conv], [conv, relu])]
    [(True, True, False), (False, True, False)]
    """
    rows, columns = len(printed), len(actual)
    if rows * columns > _MOST_CELLS:
        raise InspectionError(
            f"{rows} printed rows beside {columns} of the model are too many to align; give a part of the table"
        )
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        best[i][columns] = best[i + 1][columns] + _gap(printed[i])
    for j in range(columns - 1, -1, -1):
        best[rows][j] = best[rows][j + 1] + _gap(actual[j])
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i][j] = max(
                best[i + 1][j + 1] + _score(printed[i], actual[j]),
                best[i + 1][j] + _gap(printed[i]),
                best[i][j + 1] + _gap(actual[j]),
            )
    pairs: list[Pair] = []
    i = j = 0
    while i < rows or j < columns:
        if i < rows and j < columns and best[i][j] == best[i + 1][j + 1] + _score(printed[i], actual[j]):
            pairs.append(Pair(printed[i], actual[j], tuple(_differences(printed[i], actual[j]))))
            i, j = i + 1, j + 1
        elif j < columns and best[i][j] == best[i][j + 1] + _gap(actual[j]):
            pairs.append(Pair(None, actual[j]))
            j += 1
        else:
            pairs.append(Pair(printed[i], None))
            i += 1
    return tuple(pairs)


def _gap(layer: Layer) -> int:
    return _GAP if layer.params or layer.kind in ("conv", "conv_transpose", "linear") else _LIGHT_GAP


def _score(one: Layer, other: Layer) -> int:
    if _ALIKE.get(one.kind, one.kind) != _ALIKE.get(other.kind, other.kind):
        return _OTHER_KIND
    score = _KIND
    if one.shape is not None and other.shape is not None:
        score += _SHAPE if _same_shape(one, other) else -1
    if one.params is not None and other.params is not None:
        score += _PARAMS if one.params == other.params else -1
    return score + (_NAME if one.name == other.name else 0)


def _same_shape(one: Layer, other: Layer) -> bool:
    """Whether the shapes are equal; of a pool over everything 64 is 64×1×1, which Keras flattens."""
    if one.shape == other.shape:
        return True
    shapes = (one.shape or (), other.shape or ())
    return one.kind in _OVER_ALL and shapes[0][:1] == shapes[1][:1] and all(set(shape[1:]) <= {1} for shape in shapes)


def _differences(printed: Layer, actual: Layer) -> Iterable[str]:
    for what in ("shape", "kernel"):
        ours, theirs = getattr(printed, what), getattr(actual, what)
        same = ours == theirs or (what == "shape" and _same_shape(printed, actual))
        if ours is not None and theirs is not None and not same:
            yield f"{what} printed {shown(ours)}, the model has {shown(theirs)}"
    if printed.params is not None and actual.params is not None and printed.params != actual.params:
        yield f"parameters printed {format_count(printed.params)}, the model has {format_count(actual.params)}"


def text(pairs: Sequence[Pair]) -> str:
    """The pairs as a diff: ``~`` differs, ``-`` printed alone, ``+`` in the model alone."""
    lines = []
    for pair in pairs:
        printed, actual = pair.printed, pair.actual
        if printed is not None and actual is not None:
            sign, said = ("~", "; ".join(pair.differences)) if pair.differences else (" ", "agree")
            lines.append(f"{sign} {printed.name}  =  {actual.name or 'the model'}: {said}")
        elif printed is not None:
            where = f"line {printed.line}: " if printed.line else ""
            lines.append(f"- {printed.name}: {where}the model has no such row")
        elif actual is not None:
            weight = f", {format_count(actual.params)} parameters" if actual.params else ""
            lines.append(
                f"+ {actual.name}: {actual.kind}, {shown(actual.shape or ())}{weight}; the table prints no such row"
            )
    breaks = sum(pair.breaks for pair in pairs)
    return "\n".join([*lines, "", f"{breaks or 'no'} {'row breaks' if breaks == 1 else 'rows break'}"])
