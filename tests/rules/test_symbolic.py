"""Rules on sizes that are symbols: the same formulas give expressions, and no rule turns a symbol into a number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.formula import Formula
from inspector.rules import RULES
from inspector.symbolic import Symbols

SIZES = {"N": 448, "C": 672}


def cases() -> list[Any]:
    def of(function: Any, *args: Any, expect: tuple[Any, ...], **kwargs: Any) -> Any:
        return pytest.param(function, args, kwargs, expect, id=f"{getattr(function, '__name__', function)}-{expect}")

    x = ("N", "C", 8)  # stands for a tensor of this shape
    return [
        of(torch.relu, x, expect=x),
        of(F.dropout, x, expect=x),
        of(torch.add, x, x, expect=x),
        of(torch.mul, x, ("C", 8), expect=x),
        of(torch.mul, ("N", 1, 8), ("C", 1), expect=x),
        of(torch.mul, x, 2.0, expect=x),
        of(torch.where, x, x, 0.0, expect=x),
        of(torch.clamp, x, 0, expect=x),
        of(F.softmax, x, dim=-1, expect=x),
        of(torch.sum, x, 1, expect=("N", 8)),
        of(torch.mean, x, (0, 2), keepdim=True, expect=(1, "C", 1)),
        of(torch.cumsum, x, 1, expect=x),
        of(torch.cat, [x, x], 1, expect=("N", ("C", "C"), 8)),
        of(torch.stack, [x, x], 1, expect=("N", 2, "C", 8)),
        of(torch.transpose, x, 0, 1, expect=("C", "N", 8)),
        of(Tensor.permute, x, 2, 0, 1, expect=(8, "N", "C")),
        of(torch.unsqueeze, x, 0, expect=(1, "N", "C", 8)),
        of(Tensor.expand, ("N", 1, 8), -1, 5, -1, expect=("N", 5, 8)),
        of(torch.flatten, ("N", 4, 8), 1, expect=("N", 32)),
        of(Tensor.view, ("N", 4, 8), -1, 32, expect=("N", 32)),
        of(Tensor.__getitem__, x, (slice(None), 0), expect=("N", 8)),
        of(Tensor.__getitem__, x, (Ellipsis, slice(2, 6)), expect=("N", "C", 4)),
        of(Tensor.__getitem__, x, (slice(None), None), expect=("N", 1, "C", 8)),
        of(torch.index_select, x, 2, torch.zeros(3, dtype=torch.int64), expect=("N", "C", 3)),
        of(Tensor.to, x, torch.float16, expect=x),
        of(torch.zeros_like, x, expect=x),
        of(torch.clone, x, expect=x),
        of(Tensor.masked_fill, x, ("N", 1, 1), 0.0, expect=x),
        of(torch.tril, x, expect=x),
        of(torch.flip, x, (0,), expect=x),
        of(Tensor.contiguous, x, expect=x),
        of(torch.topk, x, 2, expect=("N", "C", 2)),
        of(torch.sort, x, expect=x),
        of(Tensor.repeat, x, 1, 1, 2, expect=("N", "C", 16)),
    ]


@pytest.mark.parametrize(("function", "args", "kwargs", "expect"), cases())
def test_symbols_go_through(function: Any, args: Any, kwargs: Any, expect: Any) -> None:
    symbols = Symbols()

    def size(one: Any) -> Any:
        if isinstance(one, tuple):
            return sum(symbols.size(name) for name in one)
        return symbols.size(one) if isinstance(one, str) else one

    def made(argument: Any) -> Any:
        if isinstance(argument, list):
            return [made(item) for item in argument]
        if isinstance(argument, tuple) and any(isinstance(item, str) for item in argument):
            return torch.empty([size(one) for one in argument], device="meta")
        return argument

    arguments = [made(argument) for argument in args]
    if function in (torch.where, Tensor.masked_fill):
        mask = int(function is Tensor.masked_fill)
        arguments[mask] = torch.empty(arguments[mask].shape, dtype=torch.bool, device="meta")
    with symbols.views():
        output, formula = RULES[function](*arguments, **kwargs)
    shape = output.shape if isinstance(output, Tensor) else output[0].shape if isinstance(output[0], Tensor) else output
    for got, asked in zip(shape, expect, strict=True):
        wanted = size(asked)
        assert symbols.read(got) == symbols.read(wanted)
        assert isinstance(got, torch.SymInt) == isinstance(wanted, torch.SymInt), "a symbol became a number, or back"
    if isinstance(formula, Formula):
        formula = formula.of([symbols.read(size) for size in shape])
    if formula is not None:
        assert {str(symbol) for symbol in getattr(symbols.read(formula.number), "free_symbols", ())} <= {"N", "C"}


def test_creation_takes_symbols() -> None:
    symbols = Symbols()
    n = symbols.size("N")
    for function, args in (
        (torch.zeros, (n, 3)),
        (torch.arange, (n,)),
        (torch.full, ((n,), 1.0)),
        (torch.rand, (2, n)),
    ):
        output, _ = RULES[function](*args)
        assert any(isinstance(size, torch.SymInt) for size in output.shape)
    output, _ = RULES[torch.tensor]([n, 2])
    assert (tuple(output.shape), output.dtype) == ((2,), torch.int64)
