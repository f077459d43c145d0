"""The worked answer as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from inspector.formula import format_count
from inspector.tables.derivation.lines import lines, params_formula
from inspector.tables.solving.problem import shown
from inspector.tables.solving.ranking import CONVENTION

if TYPE_CHECKING:
    from inspector.tables.solving.solution import Solution, SolvedRow

_SHORT: Final = {"kernel": "kernel", "stride": "stride", "padding": "padding", "dilation": "dilation"}


def hyperparameters_text(row: SolvedRow) -> str:
    """What was found, in words: ``kernel 5×5, stride 1, padding 0``; what is PyTorch's default and plain is left out.

    A value that holds for all axes stands once, a kernel always with every axis.
    """
    words = []
    for name, value in row.hyperparameters.items():
        plain = {"dilation": 1, "groups": 1, "bias": True, "ceil_mode": False, "affine": True}.get(name)
        if isinstance(value, tuple) and value and all(isinstance(entry, int) for entry in value):
            if set(value) == {plain}:
                continue
            once = len(set(value)) == 1 and name != "kernel" and name in _SHORT
            words.append(f"{name} {value[0] if once else shown(value)}")
        elif name in ("in_channels", "out_channels", "in_features", "out_features") or value == plain:
            continue
        elif isinstance(value, bool):
            words.append(f"{name}={value}")
        elif name == "before":
            words.append(f"after a {value} that is not printed")
        else:
            words.append(f"{name} {value}")
    return ", ".join(words)


def open_text(row: SolvedRow) -> str:
    """What a row leaves open, or ``""``."""
    if not row.ambiguous:
        return ""
    number = row.solutions.count
    fact, left = row.decided_by
    second = row.alternatives[0] if row.alternatives else {}
    changed = ", ".join(
        f"{name} {shown(value) if isinstance(value, tuple) else value}"
        for name, value in second.items()
        if row.hyperparameters.get(name) != value
    )
    deciding = f"knowing its {fact} leaves {left}"
    return f"{format_count(number)} solutions within the bounds, next {changed or 'another'}; {deciding}"


def row_text(row: SolvedRow) -> str:
    """The worked answer for one row, as text."""
    takes = " and ".join(shown(shape) for shape in row.input_shapes) or "?"
    found = hyperparameters_text(row)
    text = [f"{row.name}: {takes} → {shown(row.output_shape)}" + (f"   {found}" if found else "")]
    for line in lines(row):
        what = {"size": "output", "kernel": "so K"}.get(line.what, line.what) + (f" ({line.axis})" if line.axis else "")
        text.append(f"  {what} = {line.symbolic} = {line.worked}")
    if row.params and params_formula(row) is None:
        text.append(f"  parameters as printed: {format_count(row.params)}")
    text += [f"  open: {open_text(row)}"] if row.ambiguous else []
    text += [f"  note: {row.note}"] if row.note else []
    return "\n".join(text)


def sum_text(solution: Solution) -> str:
    """All counts added up: ``156 + 2 416 + ... = 61 706``; ``≥ 156 + ... = 61 706`` where a row is not counted."""
    least = "≥ " if solution.uncounted else ""
    counts = [format_count(row.params) for row in solution.rows if row.params]
    shown_counts = counts if len(counts) <= 12 else [*counts[:10], "…", counts[-1]]
    if len(counts) < 2:
        return f"{least}{format_count(solution.total_params)}"
    return f"{least}{' + '.join(shown_counts)} = {format_count(solution.total_params)}"


def remarks(solution: Solution) -> list[str]:
    """What stands below an answer: what is open, what was assumed, the bounds."""
    found = []
    opened = solution.ambiguous
    if opened:
        weighty = [row for row in solution.rows if row.ambiguous and len(row.solutions.values) > 1]
        tell = "which of them it is changes the parameters of " + ", ".join(row.name for row in weighty[:5])
        names = ", ".join(opened[:8]) + (f" and {len(opened) - 8} more" if len(opened) > 8 else "")
        found.append(f"open: {names}; {tell if weighty else 'no solution of theirs changes the parameters'}")
        found.append(f"ranked by convention: {CONVENTION}")
    if solution.asked_total is not None and solution.joint:
        found.append(f"the total {format_count(solution.asked_total)} is met")
    found += solution.notes
    found.append(f"bounds: {solution.bounds}")
    table = solution.table
    others = [line for line in table.outside if not line.text]  # tables beside this one
    found += [f"not read, line {line.line}: {line.reason}: {line.text.strip()[:80]}" for line in table.unread]
    found += [f"line {line.line}: {line.reason}" for line in others]
    return found


def text(solution: Solution) -> str:
    """The whole worked answer."""
    rows = [row_text(row) for row in solution.rows]
    return "\n".join([*rows, "", f"parameters: {sum_text(solution)}", *(f"{remark}" for remark in remarks(solution))])
