"""``torch._foreach_*``: the rule of one tensor's function for each tensor of a list.

The work is that of all tensors together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.formula import Formula
from inspector.rules import arithmetic, conversion, elementwise, reduction
from inspector.rules.common import ELEMENTWISE, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.rules.common import Outcome


def for_each(name: str, rule: Rule, replacing: bool) -> Rule:
    """The rule over lists: further lists go along, numbers and tensors go to each."""

    def over_lists(input: Sequence[Tensor], *args: Any, **kwargs: Any) -> Outcome:
        outputs = []
        n: Any = 0
        for place, tensor in enumerate(input):
            own = [arg[place] if isinstance(arg, (list, tuple)) else arg for arg in args]
            output, formula = rule(tensor, *own, **{key: value for key, value in kwargs.items() if key == "alpha"})
            outputs.append(output)
            if formula is not None:
                n = n + (output.numel() if isinstance(formula, Formula) else formula.number)
        return (list(input) if replacing else tuple(outputs)), ELEMENTWISE(n=n)

    over_lists.__name__ = f"foreach_{name}"
    over_lists.__doc__ = f"torch._foreach_{name}: {name} of each tensor of a list."
    return over_lists


def _third_is_a_number(rule: Rule) -> Rule:
    """What addcmul and addcdiv of lists do: their factor is a fourth argument."""

    def without_factor(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Outcome:
        return rule(input, tensor1, tensor2)

    return without_factor


def _norm(input: Tensor, ord: Any = 2, dtype: torch.dtype | None = None) -> Outcome:
    return reduction.norm(input, ord, dtype=dtype)


def _copied(input: Tensor, src: Tensor, non_blocking: bool = False) -> Outcome:
    return conversion.copy_(input, src)


def _rules() -> dict[Any, Rule]:
    table: dict[Any, Rule] = {}
    own: dict[str, Rule] = {
        "addcmul": _third_is_a_number(arithmetic.addcmul),
        "addcdiv": _third_is_a_number(arithmetic.addcmul),
        "norm": _norm,
        "copy": _copied,
        "zero": conversion.zero_,
        "clone": conversion.clone,
    }
    for spelled in dir(torch):
        if not spelled.startswith("_foreach_"):
            continue
        name = spelled.removeprefix("_foreach_")
        base = name.removesuffix("_")
        function = getattr(torch, base, None)
        rule = own.get(base)
        for family in (elementwise, arithmetic, reduction):
            rule = rule or family.RULES.get(function)
        if rule is None:
            continue
        over_lists = for_each(name, rule, name.endswith("_"))
        table[getattr(torch, spelled)] = over_lists
        public = getattr(getattr(torch, "foreach", None), name, None)
        if public is not None:
            table[public] = over_lists
    return table


RULES: dict[Any, Rule] = _rules()
