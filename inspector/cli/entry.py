"""The outermost command: how it ends when it is stopped, and when its arguments cannot be read."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import click

from inspector.cli import screen

#: What a shell gives for a command that Ctrl-C stopped.
INTERRUPTED = 130


class Entry(click.Group):
    """A group whose errors read as those of its commands, and which Ctrl-C ends with 130, in one line.

    click would end it with 1, which says that something differs.
    """

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        try:
            ended = super().main(*args, standalone_mode=False, **extra)  # type: ignore[call-overload]  # as it came
        except click.ClickException as error:
            if not standalone_mode:
                raise
            said = io.StringIO()
            error.show(said)
            screen.complain(re.sub(r"^Error: ", "error: ", said.getvalue(), flags=re.MULTILINE))
            sys.exit(error.exit_code)
        if standalone_mode:
            sys.exit(ended if isinstance(ended, int) else 0)
        return ended

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            screen.complain("stopped by ctrl-C")
            sys.exit(INTERRUPTED)
