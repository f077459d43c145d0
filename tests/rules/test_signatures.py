"""A rule takes its arguments under every name that PyTorch gives them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch.overrides import resolve_name

from inspector.calls import _OTHER_NAMES
from inspector.rules import TABLES

FAMILIES = (
    *("elementwise", "arithmetic", "view", "reduction", "scan", "ordering", "conversion", "creation", "random"),
    *("values", "join", "indexing", "scatter"),
)
#: Overloads of TorchScript, and of lists and named axes, which no tensor meets.
FOREIGN = {"a", "t", "l", "n", "x"}


def schemas(function: Any) -> list[Any]:
    """The overloads of the operator that a builtin function of PyTorch stands for."""
    packet = getattr(torch.ops.aten, getattr(function, "__name__", ""), None)
    if packet is None or inspect.isfunction(function) or function.__name__.startswith("__"):
        return []
    found = [getattr(packet, overload)._schema for overload in packet.overloads()]
    return [
        schema
        for schema in found
        if schema.arguments
        and not any(
            arg.is_out or "Dimname" in str(arg.type) or arg.name in ("reverse", "out_dim") for arg in schema.arguments
        )
        and schema.arguments[0].name not in FOREIGN
        and schema.overload_name not in ("dtype_layout", "prim_other")
        and "List" not in str(schema.arguments[0].type)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_argument_may_be_named(family: str) -> None:
    refused = []
    for function, rule in TABLES[family].items():
        parameters = inspect.signature(rule)
        for schema in schemas(function):
            first, *rest = schema.arguments
            names = {
                arg.name if arg.name in parameters.parameters else _OTHER_NAMES.get(arg.name, arg.name) for arg in rest
            }
            if first.name not in ("self", "input"):
                continue
            try:
                parameters.bind(None, **dict.fromkeys(names))
            except TypeError as error:
                if schema.name != "aten::where":  # x.where() takes its condition in x's place
                    refused.append(f"{resolve_name(function)}{schema}: {error}")
    assert not refused, "\n".join(refused)
