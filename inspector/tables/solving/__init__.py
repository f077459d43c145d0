"""Finds what a printed table leaves hidden: integers alone, every solution within stated bounds. No torch."""

from inspector.tables.solving.bounds import Bounds
from inspector.tables.solving.contradiction import Change, Conflict, Contradiction
from inspector.tables.solving.solution import Solution, SolvedRow
from inspector.tables.solving.solve import solve

__all__ = ["Bounds", "Change", "Conflict", "Contradiction", "Solution", "SolvedRow", "solve"]
