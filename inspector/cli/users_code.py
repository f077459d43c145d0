"""What holds while code of the user runs: a model's file, its constructor, its forward."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from inspector.cli.screen import models_own_prints_to_stderr
from inspector.cli.target import raised

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def users_code() -> Iterator[None]:
    """Its prints go to standard error, and its exits are an error: their code would stand for our verdict.

    Raises:
        InspectionError: it called ``sys.exit``, or ``os._exit``, which would end this process at once and in silence.
    """
    leave, process = os._exit, os.getpid()

    def exits(status: int) -> NoReturn:
        # A child that the user forked ends so, and so does what kept this function beyond its time.
        if os.getpid() != process or os._exit is not exits:
            leave(status)
        raise SystemExit(status)

    os._exit = exits
    try:
        with models_own_prints_to_stderr():
            yield
    except SystemExit as error:
        raise raised("the code of the model", error) from error
    finally:
        os._exit = leave
