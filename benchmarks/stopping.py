"""Ctrl-C that loses nothing: it ends a measurement and then the suite, and what is written is whole."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write(file: Path, report: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)


@contextmanager
def interrupts() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt once one came, also if what it fell into kept it to itself."""
    came = False

    def ring(*_: object) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one finds this one at work
        raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ring)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
