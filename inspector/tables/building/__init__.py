"""The model that a solved table describes: as readable Python source, and as the module that this source defines.

Source is written, then run: what is built is what can be read. No torch until it is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.tables.building.source import source

if TYPE_CHECKING:
    from torch import nn

    from inspector.tables.solving.solution import Solution

__all__ = ["build", "source"]


def build(solution: Solution, name: str = "Network") -> nn.Module:
    """The module that ``source`` defines, with PyTorch's own initial weights.

    Raises:
        InspectionError: as ``source``.
    """
    written = source(solution, name)
    space: dict[str, Any] = {"__name__": "inspector_built_table"}
    exec(compile(written, f"<{name} built from a table>", "exec"), space)  # noqa: S102  written above, of names and integers
    model: nn.Module = space[name]()
    return model
