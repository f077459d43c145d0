"""What a printed table says, row by row, before anything is solved. No torch.

A shape here is torch's order without the batch: ``(None, 28, 28, 6)``, printed channels-last, gives ``(6, 28, 28)``.
What a table does not print is ``None`` or absent, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Sizes: TypeAlias = tuple[int, ...]

# Every word that ``PrintedRow.kind`` may be.
KINDS: Final = frozenset(
    {
        # a block whose inside the table may or may not print
        "container",
        "inception",
        "inverted_residual",
        "transition",
        "transformer",
        # with a kernel
        "conv",
        "conv_transpose",
        "separable_conv",
        "max_pool",
        "avg_pool",
        "lp_pool",
        # to a stated size
        "adaptive_max_pool",
        "adaptive_avg_pool",
        "global_max_pool",
        "global_avg_pool",
        "upsample",
        # with weights
        "linear",
        "embedding",
        "attention",
        "class_token",
        "position_embedding",
        "rnn",
        "lstm",
        "gru",
        "squeeze_excitation",
        # normalization
        "batch_norm",
        "group_norm",
        "layer_norm",
        "rms_norm",
        "instance_norm",
        "local_response_norm",
        # element by element
        "activation",
        "prelu",
        "softmax",
        "dropout",
        "identity",
        "add",
        "multiply",
        # layout
        "flatten",
        "reshape",
        "concat",
        "pad",
        "crop",
        "pixel_shuffle",
        "tokens",
        "first_token",
        # the rest
        "input",
        "unknown",
    }
)


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One row of a printed table.

    Attributes:
        line: line in the text, from 1.
        text: the row as printed.
        name: what the table calls it: ``Conv2d-1``, ``layer1.0.conv2``, ``C3``; never empty, and never twice in one
            table: the second ``Conv2d`` is ``Conv2d#2``.
        kind: one of ``KINDS``; ``unknown`` where the row is read but its layer is none that we know.
        cls: the class as printed where the table prints one: ``Conv2d``, ``LogSoftmax``, ``Conv2D``; else ``""``.
        output_shape: without the batch, channels first; None where it is not printed. Of several outputs, the first.
        params: printed parameter count, of all repeats together; None where none is printed.
        stated: printed hyperparameters, each only where printed. Of windows: ``kernel``, ``stride``, ``padding``,
            ``dilation``, ``output_padding``, tuples of one entry for each axis, or of one entry that holds for all
            (``padding`` may also be ``"same"`` or ``"valid"``), ``ceil_mode``, ``groups``, ``depthwise`` (one group for
            each channel), ``bias``, ``in_channels``, ``out_channels``, ``in_features``, ``out_features``, ``dims``
            (axes of the layer: 2 for ``Conv2d``). Sizes printed without channels: ``output_size``, ``input_size``,
            tuples (``56×56``). Of blocks: ``expansion``, ``growth``, ``branches`` (of an ``inception``: name to
            channels), ``heads``, ``layers``, ``hidden``, ``mlp``. Of normalizations: ``normalized_shape``,
            ``elementwise_affine``, ``affine``. Others: ``activation``, ``p``, ``scale``,
            ``params_about`` (lowest and highest count that prints as the rounded ``2.7K``), ``mult_adds``,
            ``trainable``, ``reused`` (name of the earlier row that is the same module), ``weights`` (printed tensors:
            name to shape), ``other_outputs`` (further output shapes), ``other`` (cells of columns without a name here).
            Of rows written out of a block: ``block`` (its name), ``implied`` (the table does not print them),
            ``counted`` (the table prints one count for all rows of the block); of a cell that names several layers
            with weights ``together`` (their count, exact or lowest and highest).
        repeat: times that the row stands in the network, one after the other: the 3 of ``× 3``.
        depth: nesting in the printed tree; a row of a block stands below its ``container`` row, one deeper.
        input_names: rows that feed this one, where the table says so (Keras's "Connected to").
        input_shape: like ``output_shape``, for tables that print what goes in.
        printed_shape: the output shape as printed, batch included, in the printed order; an entry printed as ``None``
            or ``-1`` is None.
    """

    line: int
    text: str
    name: str
    kind: str
    cls: str = ""
    output_shape: Sizes | None = None
    params: int | None = None
    stated: Mapping[str, object] = field(default_factory=dict)
    repeat: int = 1
    depth: int = 0
    input_names: tuple[str, ...] = ()
    input_shape: Sizes | None = None
    printed_shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class UnreadLine:
    """A line of the text from which no row was made.

    Attributes:
        line: line in the text, from 1.
        text: the line as printed.
        reason: what was expected there, for the reader.
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """A printed table, read.

    Attributes:
        rows: in printed order, blocks expanded below their ``container`` row.
        format: ``torchsummary`` (a block's row comes after what is inside it), ``torchinfo``, ``keras``, ``inspector``,
            ``repr`` (``print(model)``), ``markdown``, ``latex``, ``csv``, ``tsv``, ``html``, ``json``, or ``text``
            (columns set apart by spaces, or lost).
        input_shape: without the batch, channels first; None where the table has none.
        total_params: printed below the table; None where it is not.
        total_about: lowest and highest total that prints as the rounded ``0.58M``; None where none is printed.
        trainable_params: likewise.
        total_mult_adds: likewise.
        channels_last: the table prints its shapes channels-last.
        batch: the batch size printed in the shapes; None where there is none.
        unread: lines between the first and the last row that could not be read.
        outside: lines before and after the table that are no part of it: captions, prose.
        source: the file's name, or ``""``.
    """

    rows: tuple[PrintedRow, ...]
    format: str
    input_shape: Sizes | None = None
    total_params: int | None = None
    total_about: tuple[int, int] | None = None
    trainable_params: int | None = None
    total_mult_adds: int | None = None
    channels_last: bool = False
    batch: int | None = None
    unread: tuple[UnreadLine, ...] = ()
    outside: tuple[UnreadLine, ...] = ()
    source: str = ""
