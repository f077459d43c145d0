"""From the words of a table to names and docstrings of Python."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inspector.tables.solving.solution import SolvedRow

# Attributes of nn.Module and nn.Sequential, which a layer may not take.
_RESERVED: Final = {
    *("forward", "train", "eval", "parameters", "buffers", "modules", "children", "apply", "cuda", "cpu", "to", "type"),
    *("float", "double", "half", "add_module", "register_buffer", "state_dict", "training", "named_modules"),
    *(
        "zero_grad",
        "share_memory",
        "extra_repr",
        "compile",
        "keys",
        "values",
        "items",
        "pop",
        "append",
        "extend",
        "insert",
    ),
}


def quoted(words: str) -> str:
    """Words of the table as they may stand in a docstring: no quote or backslash that could end it."""
    return re.sub(r'[\\"]', "'", words)


def attributes(rows: tuple[SolvedRow, ...]) -> list[str]:
    """Attribute names from the table's own: ``Conv2d-1`` → ``conv2d_1``, ``layer1.0.conv2`` → ``layer1_0_conv2``."""
    found: list[str] = []
    seen: set[str] = set()
    for row in rows:
        plain = re.sub(r"\W+", "_", row.name, flags=re.ASCII).strip("_").lower() or row.kind
        if plain[0].isdigit() or keyword.iskeyword(plain) or plain in _RESERVED or plain.startswith("__"):
            plain = f"{row.kind}_{plain}".rstrip("_")
        unique, number = plain, 2
        while unique in seen:
            unique, number = f"{plain}_{number}", number + 1
        seen.add(unique)
        found.append(unique)
    return found
