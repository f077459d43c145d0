"""A verification in print: what differs, what no witness could confirm, then each witness's summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from inspector.formula import format_count
from inspector.report.text import shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inspector.records import Check, Measurement

#: The witnesses' names in print.
WITNESSES = {
    "registered": "registered tensors",
    "execution": "PyTorch execution",
    "flop_counter": "PyTorch's FLOP counter",
    "torchinfo": "torchinfo",
}
#: How many differences, and how many kinds of unconfirmed figures, are printed before the rest is only counted.
_SHOWN = 20


def verification_text(
    model: str, checks: Sequence[Check], measurements: Sequence[Measurement], notes: Sequence[str]
) -> str:
    """The whole text.

    Args:
        model: its class name.
        checks: all of them.
        measurements: one for each witness.
        notes: what a reader must know beside the checks.
    """
    different = [check for check in checks if check.verdict == "differ"]
    lines = [f"{model}: {len(different)} of {len(checks)} checks differ" if different else f"{model}: nothing differs"]
    lines += _limited([line for check in different for line in difference_lines(check)], 2 * _SHOWN)
    alone = unconfirmed(checks)
    if alone:
        lines.append("Confirmed by no witness:")
        lines += _limited([f"  {line}" for line in _grouped(alone)], _SHOWN)
    lines.append("Witnesses:")
    lines += [f"  {line}" for line in witness_lines(checks, measurements)]
    if notes:
        lines.append("Notes:")
        lines += [f"  {note}" for note in notes]
    return "\n".join(lines)


def difference_lines(check: Check) -> list[str]:
    """Place, quantity, both values; and what is known of the difference."""
    reason = f" ({check.reason})" if check.reason else ""
    witness = WITNESSES.get(check.reference, check.reference)
    return [
        f"  {place(check)}: {check.what.replace('_', ' ')} differ{reason}",
        f"    predicted {_predicted(check)}, {witness} {value(check.measured)}",
    ]


def place(check: Check) -> str:
    """``layer1.0.conv1 (Conv2d)``, with the number of the call from the second on."""
    if check.call == 0:
        return "whole model"
    kind = f" ({check.kind})" if check.kind else ""
    return f"{check.path or 'root'}{kind}" + (f", call {check.call}" if check.call > 1 else "")


def value(found: object) -> str:
    """A count, shapes, dtypes or a word."""
    if found is None:
        return "nothing"
    if isinstance(found, int):
        return format_count(found)
    if isinstance(found, tuple) and all(isinstance(item, tuple) for item in found):
        return shapes(found, most=8)
    if isinstance(found, tuple):
        return ", ".join(map(str, found)) or "none"
    return str(found)


def _predicted(check: Check) -> str:
    """What we say of it; where we say nothing we do not know."""
    return "unknown" if check.predicted is None else value(check.predicted)


def unconfirmed(checks: Iterable[Check]) -> list[Check]:
    """One check for each figure with which no witness agrees and none differs."""
    best: dict[tuple[str, str, int], Check] = {}
    confirmed = set()
    for check in checks:
        key = (check.what, check.path, check.call)
        if check.verdict == "not counted":
            best.setdefault(key, check)
        else:
            confirmed.add(key)
    return [check for key, check in best.items() if key not in confirmed]


def _grouped(checks: Sequence[Check]) -> list[str]:
    """Equal reasons joined: the first place, and how many more there are."""
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.reference, check.what, check.reason), []).append(check)
    lines = []
    for (reference, what, reason), members in groups.items():
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        first = members[0]
        figure = f" = {_predicted(first)}" if what != "run" else ""
        lines.append(
            f"{place(first)}{more}: {what.replace('_', ' ')}{figure}; {WITNESSES.get(reference, reference)} {reason}"
        )
    return lines


def witness_lines(checks: Sequence[Check], measurements: Sequence[Measurement]) -> list[str]:
    """For each witness how its checks went, under which conditions, and what it does not count."""
    lines = []
    for measurement in measurements:
        mine = [check for check in checks if check.reference == measurement.reference]
        verdicts = Counter(check.verdict for check in mine)
        counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in ("agree", "differ", "not counted"))
        name = WITNESSES.get(measurement.reference, measurement.reference)
        lines.append(f"{name}: {counts} ({_conditions(measurement.conditions)})")
        if note := measurement.conditions.get("note"):
            lines.append(f"  {note}")
        reasons = Counter(check.reason for check in mine if check.verdict == "not counted")
        lines += _limited([f"  not counted ×{times}: {reason}" for reason, times in reasons.most_common()], 8)
    return lines


def _conditions(stated: Mapping[str, str]) -> str:
    """``meta device, eval mode, torch 2.9.0``."""
    parts = [f"{stated[name]} {name}" for name in ("device", "mode") if name in stated]
    parts += [f"{name} {text}" for name, text in stated.items() if name not in ("device", "mode", "note", "refused")]
    return ", ".join(parts)


def _limited(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"  … {len(lines) - most} more lines"]
