"""Flags of which at most one may be given."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")


def in_forms(**flags: str) -> Callable[[_F], _F]:
    """Give a command the forms that its answer can take besides text; it is handed ``form``."""
    return one_of("form", "forms of one answer", **flags)


def one_of(name: str, meaning: str, **flags: str) -> Callable[[_F], _F]:
    """Give a command these flags; it is handed the word of the one that was given as ``name``, or None.

    click alone would take the last of them in silence. To stand below what guards the command.

    Args:
        name: of the command's parameter.
        meaning: what two of them would be, such as ``forms of one answer``.
        flags: each with its help.

    Raises:
        InspectionError: two of them are given; raised when the command runs.
    """

    def give(command: _F) -> _F:
        @functools.wraps(command)
        def runs(*args: Any, **options: Any) -> Any:
            asked = [flag for flag in flags if options.pop(f"_{flag}")]
            if len(asked) > 1:
                raise InspectionError(f"--{asked[0]} and --{asked[1]} are two {meaning}; give one of them")
            return command(*args, **{name: asked[0] if asked else None}, **options)

        for flag, words in reversed(flags.items()):
            runs = click.option(f"--{flag}", f"_{flag}", is_flag=True, help=words)(runs)
        return runs  # type: ignore[return-value]  # functools.wraps keeps the signature that click reads

    return give
