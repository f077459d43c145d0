"""What a run on GitHub Actions gets beside the answer: annotations at the model, and the job's summary page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.cli import screen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inspector.cli.target import Target

_MOST = 10  # GitHub shows no more annotations of one step


def on_github() -> bool:
    """Whether this runs as a step of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(messages: Iterable[str], target: Target | None) -> None:
    """Write ``::error file=...,line=...::message`` lines to standard error."""
    found = list(messages)
    if len(found) > _MOST:
        found = [*found[: _MOST - 1], f"and {len(found) - _MOST + 1} more differences"]
    where = f" {_place(target)}" if target is not None and target.file else ""
    for message in found:
        screen.complain(f"::error{where}::{_escaped(message)}")


def append_summary(markdown: str) -> None:
    """Append to the file that GitHub renders as the job's summary."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown + "\n")


def _place(target: Target) -> str:
    assert target.file is not None
    file = Path(target.file)
    root = Path(os.environ.get("GITHUB_WORKSPACE", Path.cwd()))
    shown = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
    line = f",line={target.line}" if target.line else ""
    return f"file={_escaped(shown).replace(':', '%3A').replace(',', '%2C')}{line}"


def _escaped(message: str) -> str:
    """As the runner reads workflow commands: percent signs and line breaks in percent encoding."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
