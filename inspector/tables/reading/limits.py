"""How much of a table is read before it is refused: bounds on text, rows, cells and numbers."""

from __future__ import annotations

import re
from typing import Final

from inspector.errors import InspectionError

MAX_CHARACTERS: Final = 4_000_000
MAX_LINES: Final = 40_000  # Keras prints up to three lines for each row
MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 200
MAX_CELL: Final = 2_000  # characters
MAX_LINE: Final = 20_000  # characters of a row in Markdown
MAX_PHRASE: Final = 300  # characters in which layers are looked for
MAX_SIZE: Final = 10**9  # one axis, kernel, stride, repeat
MAX_COUNT: Final = 10**15  # parameters, multiply-adds
MAX_REPEAT: Final = 1_000
MAX_NESTING: Final = 50  # braces, brackets, tables in tables


_HUGE = re.compile(r"(?<![\d.])\d{17,}")  # a share printed with many decimals is none


class HostileTable(InspectionError):
    """The text is larger, deeper or holds larger numbers than any table of a network."""


def check_text(text: str) -> None:
    """Refuse a text that is too long before anything looks at it.

    Raises:
        HostileTable: more than ``MAX_CHARACTERS`` characters or ``MAX_LINES`` lines.
    """
    if len(text) > MAX_CHARACTERS:
        raise HostileTable(
            f"the table has {len(text):,} characters, at most {MAX_CHARACTERS:,} are read; give the table alone"
        )
    lines = text.count("\n") + 1
    if lines > MAX_LINES and text.lstrip()[:1] not in ("{", "["):  # JSON spreads one row over many lines
        raise HostileTable(f"the table has {lines:,} lines, at most {MAX_LINES:,} are read; give the table alone")


def check_rows(rows: int) -> None:
    """Raises ``HostileTable`` for more than ``MAX_ROWS`` rows."""
    if rows > MAX_ROWS:
        raise HostileTable(f"the table has more than {MAX_ROWS:,} rows; split it, or print it with less depth")


def check_unread(lines: int) -> None:
    """Raises ``HostileTable`` for more than ``MAX_ROWS`` lines that are no rows: this is no table."""
    if lines > MAX_ROWS:
        raise HostileTable(f"more than {MAX_ROWS:,} lines are no rows of a table; give the table alone")


def check_columns(columns: int, line: int) -> None:
    """Raises ``HostileTable`` for more than ``MAX_COLUMNS`` cells in one row."""
    if columns > MAX_COLUMNS:
        raise HostileTable(f"line {line}: a row of more than {MAX_COLUMNS} cells; no table of layers has so many")


def check_cell(cell: str, line: int) -> str:
    """The cell itself; raises ``HostileTable`` where it has more than ``MAX_CELL`` characters, or a huge number."""
    if len(cell) > MAX_CELL:
        raise HostileTable(
            f"line {line}: a cell of {len(cell):,} characters, at most {MAX_CELL:,} are read: {cell[:40]!r}..."
        )
    if huge := _HUGE.search(cell):
        raise HostileTable(f"line {line}: {huge[0][:20]}... is a number of more digits than any table of layers holds")
    return cell


def bounded(digits: str, most: int = MAX_SIZE) -> int:
    """The integer, or ``HostileTable`` where it is above ``most``: checked by length first, so no huge int is made.

    >>> bounded("28")
    28
    """
    digits = digits.lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        shown = digits if len(digits) <= 20 else f"{digits[:17]}... ({len(digits)} digits)"
        raise HostileTable(f"the number {shown} is above {most:,}, the largest that a table is read with")
    return int(digits)
