"""Published tables of architectures: read one, solve for what it hides, build the model."""

from inspector.tables.reading.reader import read
from inspector.tables.records import PrintedRow, Table, UnreadLine

__all__ = ["PrintedRow", "Table", "UnreadLine", "read"]
