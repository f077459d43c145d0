"""Writes the rows of a network one after the other, each with its input by name and its output's shape."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from inspector.errors import InspectionError
from inspector.tables.solving.expand import MOST_STEPS
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from inspector.tables.composites.conventions import Conventions
    from inspector.tables.records import PrintedRow, Sizes


#: Of convolutions inside blocks, unless the table or the block says otherwise.
PLAIN: Final[dict[str, Any]] = {"dilation": (1,), "groups": 1}


@dataclass(frozen=True, slots=True)
class Style:
    """How the convolutions of a table are dressed.

    Attributes:
        norms: a batch normalization stands after each, which then has no bias.
        activation: class of the activation after each, ``""`` for none.
    """

    norms: bool = False
    activation: str = "ReLU"


@dataclass(slots=True)
class Writer:
    """Rows written so far, and where the network stands.

    Attributes:
        shape: of the output so far, without the batch.
        style: of every convolution.
        conventions: what is taken where the table is silent.
        rows: written so far.
        last: name of the row that gave ``shape``; ``input`` for the network's input.
        printed: the row of the table that is being written out.
        notes: conventions that were used, each once.
        shapes: output shape of every row written, by name.
    """

    shape: Sizes
    style: Style
    conventions: Conventions
    printed: PrintedRow
    rows: list[PrintedRow] = field(default_factory=list)
    last: str = "input"
    notes: dict[str, None] = field(default_factory=dict)
    shapes: dict[str, Sizes] = field(default_factory=dict)

    def put(
        self, part: str, kind: str, shape: Sizes, *, cls: str = "", inputs: tuple[str, ...] = (), **stated: Any
    ) -> str:
        """Write a row that the table does not print; its name, made of the block's and ``part``.

        Args:
            part: what it is in the block: ``1.conv1``.
            kind: one of ``records.KINDS``.
            shape: its output.
            cls: class, where the kind does not say it.
            inputs: names of what feeds it; default: the row before.
            stated: its hyperparameters.

        Raises:
            InspectionError: more rows than are solved.
        """
        row = replace(
            self.printed,
            name=f"{self.printed.name}.{part}",
            kind=kind,
            cls=cls,
            output_shape=shape,
            params=None,
            stated={**stated, "block": self.printed.name, "implied": True},
            repeat=1,
            depth=0,
            input_names=inputs or (self.last,),
            input_shape=None,
            printed_shape=None,
        )
        return self.add(row)

    def add(self, row: PrintedRow) -> str:
        """Write a row; the network stands behind it."""
        assert row.output_shape is not None
        if len(self.rows) >= MOST_STEPS:
            raise InspectionError(f"line {row.line}: {row.name}: more than {MOST_STEPS:,} rows with all repeats")
        name, number = row.name, 2
        while name in self.shapes:
            name, number = f"{row.name}#{number}", number + 1
        self.shapes[name] = row.output_shape
        self.rows.append(row if name == row.name else replace(row, name=name))
        self.last, self.shape = name, row.output_shape
        return name

    def convolution(
        self,
        part: str,
        out: int,
        kernel: tuple[int, ...] = (1, 1),
        *,
        size: Sizes = (),
        stride: tuple[int, ...] | None = (1,),
        inputs: tuple[str, ...] = (),
        dressed: str = "all",
        **stated: Any,
    ) -> str:
        """A convolution that keeps the size at stride 1, with the normalization and activation of the style.

        Args:
            part: its name in the block.
            out: output channels.
            kernel: its sides.
            size: sizes that it leaves; default: those that come in.
            stride: None where the sizes decide it.
            inputs: names of what feeds it; default: the row before.
            dressed: what stands after it: ``all``, ``norm``, ``activation`` or ``nothing``.
            stated: further hyperparameters.
        """
        known: dict[str, Any] = {"kernel": kernel, "padding": tuple(k // 2 for k in kernel), **PLAIN, **stated}
        if stride is not None:
            known["stride"] = stride
        if self.style.norms and dressed in ("all", "norm"):
            known.setdefault("bias", False)
        self.put(part, "conv", (out, *(size or self.shape[1:])), inputs=inputs, **known)
        if self.style.norms and dressed in ("all", "norm"):
            self.norm(f"{part}_norm")
        if dressed in ("all", "activation"):
            self.activation(f"{part}_act")
        return self.last

    def norm(self, part: str) -> str:
        """A batch normalization."""
        self.note("batch normalizations beside convolutions, which then have no bias, are not printed")
        return self.put(part, "batch_norm", self.shape, affine=True)

    def activation(self, part: str) -> str:
        """The activation of the style."""
        return self.put(part, "activation", self.shape, cls=self.style.activation) if self.style.activation else ""

    def sum(self, part: str, one: str, other: str) -> str:
        """The sum of two rows of one shape."""
        return self.put(part, "add", self.shape, inputs=(one, other))

    def note(self, words: str) -> None:
        """Say a convention that was used, once."""
        self.notes.setdefault(f"by convention: {words}")

    def refuse(self, why: str) -> InspectionError:
        """The error that this printed row cannot be written out."""
        return InspectionError(
            f"line {self.printed.line}: {self.printed.name}: {why}; it stands at {shown(self.shape)}"
        )
