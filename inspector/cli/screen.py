"""Standard output and error: their width, their colours, and keeping a model's own prints out of the answer."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def width(stream: TextIO) -> int | None:
    """Columns of the terminal; None for a pipe or file, where nothing need be left out."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def color(stream: TextIO) -> bool:
    """Whether to colour: ``NO_COLOR`` says no, ``FORCE_COLOR`` yes, else whether it is a terminal that can."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def answer(text: str) -> None:
    """Print the answer to standard output; what its encoding lacks becomes ``?``."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print to standard error."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(
        text.encode(encoding, "replace").decode(encoding), file=stream, color=color(stream), nl=not text.endswith("\n")
    )


@contextmanager
def models_own_prints_to_stderr() -> Iterator[None]:
    """While user code runs, what it writes to standard output goes to standard error, from C too."""
    saved: int | None = None
    try:
        if sys.stdout.fileno() == 1:
            sys.stdout.flush()
            saved = os.dup(1)
            os.dup2(2, 1)
    except OSError:  # a captured stream has no descriptor
        saved = None
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)
