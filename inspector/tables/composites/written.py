"""A table with its blocks written out: every layer a row, with its input by name and its output's shape.

Sizes and channels of the blocks' ends are the table's; what happens inside follows the papers, and every convention
that was used is said. The rows are then solved like any others, so that a printed size that no layer gives is found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables.composites import dense, inception, mobile, residual, transformer
from inspector.tables.composites.conventions import Conventions
from inspector.tables.composites.kinds import composites, copied, inside, style_of
from inspector.tables.composites.sizes import size_after
from inspector.tables.composites.writer import Writer

if TYPE_CHECKING:
    from inspector.tables.records import PrintedRow, Sizes, Table

_DEFAULT: Final = Conventions()


@dataclass(frozen=True, slots=True)
class Written:
    """A table without blocks.

    Attributes:
        table: its rows written out; the table itself where it has no block that stands for layers.
        notes: the conventions that were used.
        stages: rows that were written out and print a count for all that they stand for.
        residual: blocks in brackets were taken to add their input.
    """

    table: Table
    notes: tuple[str, ...] = ()
    stages: tuple[PrintedRow, ...] = ()
    residual: bool = False


def written_out(table: Table, input_shape: Sizes, conventions: Conventions = _DEFAULT) -> Written:
    """Write out every row that stands for a block.

    Raises:
        InspectionError: a block lacks a number that no convention gives; several networks in one table.
    """
    found = composites(table, conventions)
    if not found:
        return Written(table)
    networks = [table.rows[at].name for at, kind in found.items() if kind == "transformer"]
    if len(input_shape) == 3 and len(networks) > 1 and len(networks) == len(table.rows):
        raise InspectionError(
            f"each row is a network of its own: {', '.join(networks)}; say which one is meant: "
            "read(..., column='ViT-Base'), --column on the command line"
        )
    walk = _Walk(table, found, input_shape, conventions)
    walk.run()
    stages = tuple(walk.stages)
    counted = {stage.name for stage in stages}
    rows = tuple(
        replace(row, stated={**row.stated, "counted": True}) if row.stated.get("block") in counted else row
        for row in walk.writer.rows
    )
    return Written(replace(table, rows=rows), tuple(walk.writer.notes), stages, "residual" in found.values())


class _Walk:
    """Follows the printed rows and keeps where the network stands."""

    def __init__(self, table: Table, found: dict[int, str], input_shape: Sizes, conventions: Conventions) -> None:
        self.rows = table.rows
        self.found = found
        self.stages: list[PrintedRow] = []
        self.growth = dense.growth_of(table, conventions.growth)
        self.is_dense = "dense" in found.values()
        self.bare = {row.kind for row in table.rows}.isdisjoint(("activation", "batch_norm"))
        self.writer = Writer(input_shape, style_of(table, found, conventions), conventions, table.rows[0])

    def run(self) -> None:
        """All rows, then a classifier where a vision transformer prints none."""
        at = 0
        while at < len(self.rows):
            at = self._row(at)
        if "transformer" in self.found.values() and len(self.writer.shape) == 1 and self._final("linear"):
            self.writer.printed = replace(self.rows[-1], name="classifier")
            self.writer.printed = replace(self.rows[-1], name="classifier")
            self.writer.put("head", "linear", (self._classes(),))

    def _final(self, kind: str) -> bool:
        return all(row.kind != kind for row in self.rows)

    def _row(self, at: int) -> int:
        """Write one printed row; the index of the next."""
        row = self.rows[at]
        kind = self.found.get(at)
        inner = inside(self.rows, at) if kind or row.kind == "container" else []
        self.writer.printed = row
        if kind:
            self._composite(at, kind, inner)
            self._meets(at + 1 + len(inner))
        elif row.kind == "container":
            self._chain(at, inner)
        elif row.kind != "input":
            self._repeated(row, self._after(at + 1))
        return at + 1 + len(inner)

    def _after(self, at: int) -> PrintedRow | None:
        return self.rows[at] if at < len(self.rows) else None

    def _composite(self, at: int, kind: str, inner: list[PrintedRow]) -> None:
        row, writer = self.rows[at], self.writer
        size = size_after(row, writer.shape, self._after(at + 1 + len(inner)))
        if kind == "copy":
            self._copy(at)
        elif kind == "transformer":
            transformer.encoder(writer)
        elif kind == "inverted_residual":
            mobile.stage(writer, size)
        elif kind == "residual":
            residual.stage(writer, inner, size, row.repeat)
        elif kind == "inception":
            inception.module(writer, row.output_shape or (_joined(row), *size))
        elif kind == "dense":
            dense.stage(writer, inner, self.growth)
            if not any(later > at and what == "dense" for later, what in self.found.items()):
                writer.note("a last normalization and activation follow the last dense block")
                dense.before_convolution(writer, "", "")
        else:
            dense.before_convolution(writer, "", "")
            writer.convolution("conv", dense.transition_channels(writer), dressed="nothing", bias=False)
            halved = tuple(side // 2 for side in writer.shape[1:])
            writer.put("pool", "avg_pool", (writer.shape[0], *halved), kernel=(2, 2), stride=(2,), padding=(0,))
        self._stage(row)

    def _copy(self, at: int) -> None:
        """Crop what a row above gave to the size here, and put it before what came in: Ronneberger et al. 2015."""
        writer, row = self.writer, self.rows[at]
        source, entry, here = copied(self.rows, at), writer.last, writer.shape
        if source not in writer.shapes:
            raise writer.refuse(f"it copies {source}, which is not written out as one row")
        writer.note("what is copied is cropped to the size it joins, and comes first")
        writer.put("crop", "crop", (writer.shapes[source][0], *here[1:]), inputs=(source,))
        joined = row.output_shape or (writer.shapes[source][0] + here[0], *here[1:])
        writer.put("concat", "concat", joined, inputs=(writer.last, entry))

    def _stage(self, row: PrintedRow) -> None:
        if row.params is not None or "params_about" in row.stated:
            self.stages.append(row)

    def _meets(self, following: int) -> None:
        """Hold what a block leaves beside what the next row prints as its input."""
        after = self._after(following)
        if after is not None and after.input_shape and after.input_shape != self.writer.shape:
            raise self.writer.refuse(
                f"line {after.line} takes {'×'.join(map(str, after.input_shape))}, which is not what it leaves"
            )

    def _chain(self, at: int, inner: list[PrintedRow]) -> None:
        """A container that is a plain sequence: its rows, as often as it is repeated."""
        row = self.rows[at]
        after = self._after(at + 1 + len(inner))
        leaves = [each for each in inner if each.kind not in ("container", "input")]
        for _ in range(row.repeat):
            for number, each in enumerate(leaves, 1):
                last = number == len(leaves)
                shaped = replace(each, output_shape=each.output_shape or row.output_shape) if last else each
                stated = {**row.stated, **shaped.stated} if last else dict(shaped.stated)
                stated.pop("params_about", None)
                self._repeated(replace(shaped, stated={**stated, "block": row.name}), after if last else None)
        self._stage(row)

    def _repeated(self, row: PrintedRow, after: PrintedRow | None) -> None:
        if row.repeat == 1:
            self._plain(row, after)
            return
        counted = {name: value for name, value in row.stated.items() if name != "params_about"}
        for number in range(1, row.repeat + 1):
            stated = {**counted, "block": row.name} | ({"stride": (1,)} if number > 1 and "stride" in counted else {})
            once = replace(row, name=f"{row.name}.{number}", repeat=1, params=None, stated=stated)
            self._plain(once, after)
        self._stage(row)

    def _plain(self, row: PrintedRow, after: PrintedRow | None) -> None:
        writer = self.writer
        writer.printed = row
        before = writer.shape
        if row.kind == "linear":
            features = row.stated.get("out_features")
            if row.output_shape is None and not isinstance(features, int):
                row = replace(row, output_shape=(self._classes(),))
            elif row.output_shape is None and isinstance(features, int):
                row = replace(row, output_shape=(*before[:-1], features) if len(before) == 2 else (features,))
            elif set((row.output_shape or ())[1:]) == {1}:  # papers print 1×1×1000
                row = replace(row, output_shape=(row.output_shape or ())[:1])
        elif row.kind == "conv":
            self._convolution(row, after)
            return
        elif row.output_shape is None:
            row = replace(row, output_shape=(before[0], *size_after(row, before, after)) if before[1:] else before)
        elif len(before) == 1:
            row = replace(row, output_shape=before if prod(row.output_shape) == before[0] else row.output_shape)
        writer.add(row)

    def _convolution(self, row: PrintedRow, after: PrintedRow | None) -> None:
        writer = self.writer
        classifies = len(writer.shape) > 1 and prod(writer.shape[1:]) == 1
        size = size_after(row, writer.shape, after)
        first = self.is_dense and all(each.kind != "conv" for each in writer.rows)
        transition = self.is_dense and not first and "out_channels" not in row.stated
        if transition and writer.style.norms:
            dense.before_convolution(writer, "", "")
        channels = row.output_shape[0] if row.output_shape else row.stated.get("out_channels")
        if not isinstance(channels, int) and first and self.growth:
            channels = dense.stem_channels(self.growth)
            writer.note(f"the first convolution gives {channels} channels, twice the growth")
        elif not isinstance(channels, int) and transition:
            channels = dense.transition_channels(writer)
        elif not isinstance(channels, int) and classifies:
            channels = self._classes()
        if not isinstance(channels, int):
            raise writer.refuse("prints neither an output shape nor its channels")
        dressed = self.bare and not classifies
        stated = dict(row.stated)
        if dressed and writer.style.norms:
            stated.setdefault("bias", False)
        writer.add(replace(row, output_shape=(channels, *size), stated=stated))
        if dressed and not transition:
            if writer.style.norms:
                writer.norm("norm")
            writer.activation("act")

    def _classes(self) -> int:
        classes = self.writer.conventions.classes
        self.writer.note(f"{format_count(classes)} classes, whose number the table does not print")
        return classes


def _joined(row: PrintedRow) -> int:
    branches = row.stated.get("branches")
    named = branches.items() if isinstance(branches, dict) else ()
    return sum(channels for name, channels in named if not name.endswith("_reduce"))
