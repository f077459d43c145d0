"""Where in the user's own source something happened."""

from __future__ import annotations

import linecache
import os
import sysconfig
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from types import FrameType

_NOT_THE_USERS = (
    os.path.dirname(torch.__file__) + os.sep,
    os.path.dirname(os.path.abspath(__file__)) + os.sep,
    "<frozen",
)
_LIBRARY = sysconfig.get_path("stdlib") + os.sep


def place(frame: FrameType | None) -> str | None:
    """``file:line: text`` of the innermost frame, from this one outward, that is not PyTorch's, Python's or ours."""
    while frame is not None:
        told = _line(frame.f_code.co_filename, frame.f_lineno)
        if told:
            return told
        frame = frame.f_back
    return None


def place_of(error: BaseException) -> str | None:
    """The same for the place where an exception was raised."""
    found = None
    step = error.__traceback__
    while step is not None:
        found = _line(step.tb_frame.f_code.co_filename, step.tb_lineno) or found
        step = step.tb_next
    return found


def _line(file: str, number: int) -> str | None:
    if file.startswith(_NOT_THE_USERS) or (file.startswith(_LIBRARY) and "site-packages" not in file):
        return None
    text = linecache.getline(file, number).strip()
    return f"{file}:{number}: {text}" if text else f"{file}:{number}"
