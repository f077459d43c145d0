"""Sizes that are names: PyTorch's symbolic integers made, and read back as sympy expressions.

The one adapter of ``ShapeEnv``, which PyTorch documents as experimental.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import sympy
import torch

from inspector.internals import fake_tensors
from inspector.places import place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch.fx.experimental.symbolic_shapes import ShapeEnv

#: A size that stands for each name while branches are taken: a multiple of usual strides and windows, another for
#: each name.
_HINT = 224
#: How many conditions a note prints.
_SHOWN = 8
#: Stands for PyTorch's logger of sizes, which warns of each error that a person is told of anyway.
_SILENT = logging.Logger("inspector.symbolic", logging.CRITICAL + 1)


class _Guards(list[Any]):
    """An environment's guards; of those that the model's own code asks for, not a rule, also the line that asks."""

    def __init__(self) -> None:
        super().__init__()
        self.in_a_rule = False
        self.asked: list[tuple[Any, str | None]] = []

    def append(self, guard: Any) -> None:
        if not self.in_a_rule:
            self.asked.append((guard.expr, place(sys._getframe(1))))
        super().append(guard)


class Symbols:
    """The symbols of one prediction."""

    def __init__(self) -> None:
        self._env: ShapeEnv | None = None
        self._sizes: dict[str, Any] = {}
        self._names: dict[sympy.Symbol, sympy.Symbol] = {}
        self._guards = _Guards()

    def size(self, name: str) -> Any:
        """The ``SymInt`` of this name, the same one each time."""
        from torch._dynamo.source import ConstantSource
        from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

        if name not in self._sizes:
            if self._env is None:
                self._env = ShapeEnv()
                self._env.guards, self._env.log = self._guards, _SILENT
            hint = _HINT * (len(self._sizes) + 1)
            source = ConstantSource(name)
            symbol = self._env.create_symbol(hint, source, DimDynamic.DYNAMIC, None)
            self._sizes[name] = self._env.create_symintnode(symbol, hint=hint, source=source)
            self._names[symbol] = sympy.Symbol(name)
        return self._sizes[name]

    @property
    def last(self) -> str:
        """The name that was given last."""
        return [*self._sizes][-1]

    def views(self) -> AbstractContextManager[Any]:
        """Inside, PyTorch's views of a tensor take symbols; without, some would fix them to numbers in silence."""
        if self._env is None:
            return nullcontext()
        from torch._dispatch.python import enable_python_dispatcher

        return enable_python_dispatcher()

    def named(self, text: str) -> str:
        """A message of PyTorch's with the names given in place of its own, such as ``s36``."""
        for symbol, name in self._names.items():
            text = re.sub(rf"\b{symbol}\b", str(name), text)
        return text

    def fake_mode(self) -> AbstractContextManager[Any]:
        """A mode whose fake tensors share these symbols; nothing where there are none."""
        if self._env is None:
            return nullcontext()
        from torch._dispatch.python import enable_python_dispatcher

        stack = ExitStack()
        stack.enter_context(enable_python_dispatcher())
        stack.enter_context(fake_tensors(self._env))
        return stack

    @contextmanager
    def in_a_rule(self) -> Iterator[None]:
        """What is asked of sizes inside is whether the call is valid, and no branch of the model's own."""
        guards = self._guards
        outside = guards.in_a_rule
        guards.in_a_rule = True
        try:
            yield
        finally:
            guards.in_a_rule = outside

    def __bool__(self) -> bool:
        return bool(self._sizes)

    def read(self, size: Any) -> Any:
        """An int as it is; a symbolic size as a sympy expression in the names given."""
        if not isinstance(size, torch.SymInt):
            return size
        assert self._env is not None
        expression = self._expression(size.node.expr)
        return int(expression) if expression.is_Integer else expression

    def _expression(self, found: Any) -> Any:
        """PyTorch's expression in sympy's words and the names given, with what is known of them put in."""
        assert self._env is not None
        return self._worded(self._env.replace(found))

    def _worded(self, expression: Any) -> Any:
        for function, meaning in _meanings().items():
            expression = expression.replace(function, meaning)
        return expression.xreplace(self._names)

    def fixed(self) -> list[str]:
        """What the forward demanded of a name: one line for each that was held to a number or another name."""
        told = {
            str(held): f"this forward holds only where {held} = {number}{f', at {where}' if where else ''}"
            for held, number, where in self.numbers()
        }
        for name, size in self._sizes.items():
            value = self.read(size)
            if value != sympy.Symbol(name):
                told.setdefault(name, f"this forward holds only where {name} = {value}")
        return [*told.values(), *self._branches()]

    def numbers(self) -> list[tuple[Any, Any, str | None]]:
        """(size, number, the user's line) of each size that the model's own code holds to a number, as ``int`` does.

        The number follows from the size that stands for each name, which nobody gave.
        """
        return [
            (self._worded(expr.lhs), expr.rhs, where)
            for expr, where in self._guards.asked
            if isinstance(expr, sympy.Eq) and expr.rhs.is_number
        ]

    def _branches(self) -> list[str]:
        """One line with the conditions under which the model's own code takes the branches that were followed."""
        asked = [
            self._expression(expr)
            for expr, _ in self._guards.asked
            if not (isinstance(expr, sympy.Eq) and expr.rhs.is_number)
        ]
        conditions = list(dict.fromkeys(str(condition) for condition in asked if condition != sympy.true))
        if not conditions:
            return []
        more = f" and {len(conditions) - _SHOWN} more conditions" if len(conditions) > _SHOWN else ""
        return [f"forward branches on sizes; this is the branch where {', '.join(conditions[:_SHOWN])}{more}"]


@cache
def _meanings() -> dict[Any, Any]:
    """PyTorch's own sympy functions in sympy's words."""
    from torch.utils._sympy import functions

    return {
        functions.FloorDiv: lambda a, b: sympy.floor(a / b),
        functions.CleanDiv: lambda a, b: a / b,
        functions.PythonMod: lambda a, b: a - b * sympy.floor(a / b),
        functions.Mod: lambda a, b: a - b * sympy.floor(a / b),
        functions.ModularIndexing: lambda a, b, c: sympy.floor(a / b) - c * sympy.floor(sympy.floor(a / b) / c),
        functions.CeilToInt: sympy.ceiling,
        functions.FloorToInt: sympy.floor,
        functions.TruncToInt: sympy.floor,
        functions.IntTrueDiv: lambda a, b: a / b,
        functions.FloatTrueDiv: lambda a, b: a / b,
        functions.ToFloat: lambda a: a,
        functions.FloatPow: lambda a, b: a**b,
        functions.Max: sympy.Max,
        functions.Min: sympy.Min,
    }
