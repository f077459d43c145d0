"""Functions of lists of tensors, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inspector.rules import foreach
from inspector.rules.foreach import RULES
from tests.rules.harness import check

NAMES = {function: function.__name__ for function in RULES}
TWO = ("add", "sub", "mul", "div", "maximum", "minimum", "clamp_max", "clamp_min", "pow", "copy")


def arguments(name: str) -> list[tuple[Any, ...]]:
    first = [torch.ones(2, 3), torch.ones(4), torch.ones(3, 2).t()]
    second = [torch.ones_like(x) for x in first]
    base = name.removesuffix("_")
    if base == "copy":
        return [(first, second)]
    if base in TWO:
        return [(first, second), (first, 2.0), (first, [1.0, 2.0, 3.0])]
    if base in ("addcmul", "addcdiv"):
        return [(first, second, second), (first, second, second, 2.0), (first, second, second, [1.0, 2.0, 3.0])]
    if base == "lerp":
        return [(first, second, second), (first, second, 0.5)]
    return [(first,)]


@pytest.mark.parametrize("function", list(RULES), ids=NAMES.get)
def test_agrees_with_pytorch(function: Any) -> None:
    public = not NAMES[function].startswith("_foreach_")
    for given in arguments(NAMES[function].removeprefix("_foreach_")):
        if public and len(given) > 3:  # there the factor has a name
            check(function, *given[:3], value=given[3], on="cpu")
        else:
            check(function, *given, on="cpu")


def test_the_work_is_that_of_all_tensors() -> None:
    _, formula = RULES[torch._foreach_exp]([torch.ones(2, 3), torch.ones(4)])
    assert formula.number == 10  # 2 · 3 + 4


def test_every_function_of_lists_has_a_rule() -> None:
    private = {name for name in NAMES.values() if name.startswith("_foreach_")}
    missing = {name for name in dir(torch) if name.startswith("_foreach_")} - private
    assert missing <= {"_foreach_mm", "_foreach_max", "_foreach_powsum"}
    assert foreach.for_each("exp", RULES[torch._foreach_exp], False).__doc__
