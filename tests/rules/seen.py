"""Runs code for real and holds each call in it that has a rule against that rule."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode, resolve_name

from inspector.rules import RULES, ValuesNeeded, rule_for
from tests.rules.harness import compare, predict, twin


class Checked(TorchFunctionMode):
    """A difference is raised where it happens.

    Attributes:
        calls: names of the calls that were compared.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = RULES.get(func) or rule_for(func)
        if rule is None:
            return func(*args, **kwargs)
        twins = twin(list(args)), twin(kwargs)
        output = func(*args, **kwargs)
        try:
            predicted, _ = predict(func, *twins[0], **twins[1])
        except ValuesNeeded:
            return output
        compare(predicted, output, place=resolve_name(func) or "output")
        self.calls.append(resolve_name(func) or "")
        return output
