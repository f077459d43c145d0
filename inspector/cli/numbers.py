"""Numbers on the command line: rows separated by semicolons, numbers by spaces or commas."""

from __future__ import annotations

import math

from inspector.errors import InspectionError


def read_numbers(text: str, option: str) -> list[list[float]]:
    """The rows of a matrix, all of one length.

    Raises:
        InspectionError: something is no finite number, or the rows differ in length; with the row.

    >>> read_numbers("-1 0 1; -2 0 2", "--kernel")
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]]
    """
    rows = []
    for place, line in enumerate(text.strip().strip(";").split(";"), 1):
        row = []
        for word in line.replace(",", " ").replace("−", "-").split():
            try:
                value = float(word)
            except ValueError:
                raise InspectionError(
                    f"{option}: {word!r} in row {place} is no number; write rows as 1 0 1; 2 0 2"
                ) from None
            if not math.isfinite(value):
                raise InspectionError(f"{option}: {word!r} in row {place} is not finite")
            row.append(value)
        if not row:
            raise InspectionError(f"{option}: row {place} has no numbers; write rows as 1 0 1; 2 0 2")
        rows.append(row)
        if len(row) != len(rows[0]):
            raise InspectionError(
                f"{option}: row {place} has {len(row)} numbers, row 1 has {len(rows[0])}; all rows need the same"
            )
    return rows
