"""Files of records, and a record held against an earlier one: of the same question and machine only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.bench.comparing import compare
from inspector.bench.records import Record
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.bench.comparing import Comparison

#: What must be the same where times are compared.
_QUESTION = ("model", "input", "dtype", "mode", "backward")
_MACHINE = ("device", "name", "driver", "threads")
#: What may differ, and is said: an upgrade is a reason to compare.
_TOLD = ("torch", "cuda", "cudnn", "cudnn_benchmark", "float32")


def write_records(file: Path, records: Sequence[Record]) -> None:
    """Write records as one JSON file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps({"records": [record.to_json() for record in records]}, indent=1, ensure_ascii=False)
    file.write_text(written, encoding="utf-8")


def read_records(file: str | Path) -> tuple[Record, ...]:
    """Read what ``write_records`` wrote.

    Raises:
        InspectionError: there is no such file, or it holds no records of this version.
    """
    path = Path(file)
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InspectionError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InspectionError(f"{path} is no JSON: {error}") from None
    listed = found.get("records") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not listed:
        raise InspectionError(f"{path} holds no records; write one with inspector bench TARGET --save {path}")
    try:
        return tuple(map(Record.from_json, listed))
    except InspectionError as error:
        raise InspectionError(f"{path}: {error}") from None
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise InspectionError(f"{path}: a record is malformed ({type(error).__name__}: {error})") from None


def compare_records(before: Record, now: Record, *, across: bool = False) -> Comparison:
    """Decide by the intervals whether ``now`` is slower.

    Args:
        before: the baseline.
        now: what is held against it.
        across: allow other devices, drivers and numbers of threads.

    Raises:
        InspectionError: they answer different questions, or were measured on different machines.
    """
    other = [name for name in _QUESTION if getattr(before, name) != getattr(now, name)]
    if other:
        told = "; ".join(f"{name} {getattr(before, name)} and {getattr(now, name)}" for name in other)
        raise InspectionError(f"these records answer different questions: {told}")
    places = [name for name in _MACHINE if before.environment.get(name) != now.environment.get(name)]
    if places and not across:
        raise InspectionError(
            f"these records come from different machines: {_both(places, before, now)}. Measure the baseline here, or "
            "allow it (--across)"
        )
    found = compare(before.timing, now.timing)
    said = _both([name for name in _TOLD if before.environment.get(name) != now.environment.get(name)], before, now)
    return replace(found, reason="; ".join(filter(None, (found.reason, said))))


def _both(names: Sequence[str], before: Record, now: Record) -> str:
    return "; ".join(f"{name} {before.environment.get(name)} and {now.environment.get(name)}" for name in names)


def counterpart(record: Record, among: Sequence[Record]) -> Record:
    """The record that answers the same question.

    Raises:
        InspectionError: there is none.
    """
    for other in among:
        if all(getattr(other, name) == getattr(record, name) for name in _QUESTION):
            return other
    have = "; ".join(f"{other.model}, {other.mode}, {other.dtype}, {', '.join(other.input)}" for other in among)
    raise InspectionError(
        f"the baseline has no record of {record.model}, {record.mode}, {record.dtype}, {', '.join(record.input)}"
        f"{', training' if record.backward else ''}; it has {have}"
    )
