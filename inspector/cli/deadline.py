"""``--timeout``: a constructor or forward that never ends is interrupted, and told where it was."""

from __future__ import annotations

import importlib.util
import linecache
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_AGAIN = 0.5  # seconds until a model that swallowed the interruption is interrupted again


class _Expired(BaseException):
    """Not an Exception, so that a model's own ``except Exception`` lets it pass."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise InspectionError when the block takes longer; None waits for ever. For the main thread, on POSIX systems."""
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer"):
        raise InspectionError("--timeout needs a system with interval timers, and this one has none")
    places: list[str] = []

    def expired(_: int, frame: FrameType | None) -> None:
        if not places:
            places.append(_place(frame))
        raise _Expired

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    except _Expired:
        raise InspectionError(f"no answer within {seconds:g} s (--timeout); it was at {places[0]}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None) -> str:
    """The user's own line: the innermost one outside torch, this package and Python's own library.

    torch may be half imported here, so that nothing of it is used.
    """
    spec = importlib.util.find_spec("torch")
    not_theirs = tuple(
        str(Path(file).parent) + os.sep for file in (spec and spec.origin, Path(__file__).parent, os.__file__) if file
    )
    inner: str | None = None
    while frame is not None:
        file, line = frame.f_code.co_filename, frame.f_lineno
        told = f"{file}:{line}: {linecache.getline(file, line).strip()}"
        inner = inner or told
        installed = f"{os.sep}site-packages{os.sep}" in file and not file.startswith(not_theirs[0])
        if installed or not (file.startswith((*not_theirs, "<frozen"))):
            return told
        frame = frame.f_back
    return inner or "no line of Python"
