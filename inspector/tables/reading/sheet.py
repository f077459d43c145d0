"""What every reader hands on: rows of named cells, and the lines that are no rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.tables.records import UnreadLine


@dataclass(slots=True)
class Record:
    """One row as cells by column: ``layer``, ``type``, ``output``, ``params``, ... (``columns.FIELDS``).

    ``layer`` is a label in any words; ``name`` and ``cls`` are set by readers that know which is which.
    """

    line: int
    text: str
    cells: dict[str, str]
    depth: int = 0


@dataclass(slots=True)
class Sheet:
    """A table's rows before their cells are understood.

    Attributes:
        format: as in ``Table.format``.
        records: rows in printed order.
        unread: lines inside the table of which no row can be made.
        outside: lines before and after it.
        totals: ``total_params``, ``trainable_params``, ``total_mult_adds``, as printed.
        input: the shape of the input where a line beside the table prints it.
    """

    format: str
    records: list[Record] = field(default_factory=list)
    unread: list[UnreadLine] = field(default_factory=list)
    outside: list[UnreadLine] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    input: str = ""


@dataclass(slots=True)
class Grid:
    """A table as its container gives it: lists of cells, each with the line it stands in, headers among them."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    first_line: int = 1
    last_line: int = 1
