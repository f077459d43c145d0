"""Published tables of architectures: read one, solve for what it hides, build the model."""

from inspector.tables.building import build
from inspector.tables.composites import Conventions
from inspector.tables.reading.reader import read
from inspector.tables.records import PrintedRow, Table, UnreadLine
from inspector.tables.solving import Bounds, Contradiction, Solution, SolvedRow, solve

__all__ = [
    "Bounds",
    "Contradiction",
    "Conventions",
    "PrintedRow",
    "Solution",
    "SolvedRow",
    "Table",
    "UnreadLine",
    "build",
    "read",
    "solve",
]
