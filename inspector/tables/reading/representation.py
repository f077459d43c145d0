"""What ``print(model)`` prints: the modules as a tree of calls, with hyperparameters and without shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inspector.tables.reading.calls import read_call
from inspector.tables.reading.limits import check_cell, check_rows
from inspector.tables.reading.sheet import Record, Sheet
from inspector.tables.records import UnreadLine

_CHILD = re.compile(r"(\s{0,400})\(([\w.\-]{1,200})\): (?:(\d{1,9}) x )?([A-Za-z_][\w.]{0,100})\((.{0,2000})")
_ROOT = re.compile(r"()()()([A-Za-z_][\w.]{0,100})\((.{0,200})")
_STEP: Final = 2  # nn.Module indents what it holds by two spaces
#: PyTorch leaves out of a convolution's print what is the default.
_DEFAULTS: Final = {"padding": "0", "dilation": "1", "groups": "1", "bias": "true"}


def has_representation(lines: Sequence[str]) -> bool:
    """Whether a module stands in these lines as PyTorch prints it.

    >>> has_representation(["Net(", "  (fc): Linear(in_features=4, out_features=2, bias=True)", ")"])
    True
    """
    first = next((at for at, line in enumerate(lines[:200]) if _ROOT.fullmatch(line.rstrip())), None)
    return first is not None and any(_CHILD.fullmatch(line.rstrip()) for line in lines[first + 1 : first + 50])


def read_representation(lines: Sequence[str]) -> Sheet:
    """One record for each module, containers before what they hold."""
    sheet = Sheet("repr")
    above: list[str] = []
    attention = -1  # depth of an attention whose inside is its own
    for number, line in enumerate(lines, 1):
        line = check_cell(line.rstrip(), number)
        match = _CHILD.fullmatch(line) or (None if sheet.records else _ROOT.fullmatch(line))
        if match is None:
            if line.strip(" )") and line.strip() not in ("```", "~~~"):
                into = sheet.unread if sheet.records else sheet.outside
                into.append(UnreadLine(number, line, "expected a module such as (conv1): Conv2d(1, 6, ...)"))
            continue
        depth = len(match[1]) // _STEP
        del above[max(depth - 1, 0) :]
        path = ".".join([*above, match[2]]) if depth else match[4]
        if depth:
            above.append(match[2])
        attention = attention if 0 <= attention < depth else -1
        if attention >= 0:  # its output projection: the attention's own row counts it, and takes its width from it
            if match[2] == "out_proj" and "bias=False" in match[5]:
                sheet.records[-1].cells["bias"] = "false"
            continue
        if match[4] == "MultiheadAttention":
            attention = depth
        sheet.records.append(Record(number, line, _cells(path, match), depth))
        check_rows(len(sheet.records))
    return sheet


def _cells(path: str, match: re.Match[str]) -> dict[str, str]:
    call = f"{match[4]}({match[5]}"
    found = read_call(call) if call.endswith(")") else None
    cells = {"name": path, "type": call} if found else {"name": path, "cls": match[4]}
    if found and found[1] in ("conv", "conv_transpose"):
        cells |= _DEFAULTS
    if match[3]:
        cells["repeat"] = match[3]
    return cells
