"""Rows of papers that stand for whole blocks, written out layer by layer under a stated convention."""

from inspector.tables.composites.conventions import Conventions
from inspector.tables.composites.written import Written, written_out

__all__ = ["Conventions", "Written", "written_out"]
