"""Rules that users add, for each sort of function, and what becomes of these functions outside a prediction."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from inspector.rules import RULES, register, rule_for
from inspector.rules.common import ELEMENTWISE


class Seen(TorchFunctionMode):
    """Notes which calls are announced, and lets them run."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.functions.append(func)
        return func(*args, **(kwargs or {}))


def rule(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return x.shape, ELEMENTWISE(n=x.numel())


def other_rule(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return x.shape, None


def make_launcher(scale: float, shift: float) -> Any:
    def launcher(x: Tensor, times: int = 1, *, negate: bool = False) -> Tensor:
        """Launches."""
        result = x * scale * times + shift
        return -result if negate else result

    return launcher


def plain(x: Tensor, power: int = 2) -> Tensor:
    return x**power


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float = 2.0) -> Tensor:
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * ctx.factor, None


class DoubledToo(Doubled):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float = 2.0) -> Tensor:
        ctx.factor = 3.0
        return x * 3.0


@torch.library.custom_op("inspector_tests::halve", mutates_args=())
def halve(x: Tensor) -> Tensor:
    return x / 2


def test_a_python_function_is_seen_under_every_name() -> None:
    launcher = make_launcher(3.0, 1.0)
    imported_elsewhere = launcher
    signature = inspect.signature(launcher)
    x = torch.randn(4, requires_grad=True)
    before = launcher(x, 2, negate=True)
    (gradient,) = torch.autograd.grad(before.sum(), x)
    register(launcher, rule)
    assert RULES[launcher] is rule
    assert imported_elsewhere is launcher
    assert (launcher.__name__, launcher.__doc__) == ("launcher", "Launches.")
    assert inspect.signature(launcher) == signature
    with Seen() as seen:
        under = imported_elsewhere(x, 2, negate=True)
    assert launcher in seen.functions
    after = launcher(x, 2, negate=True)
    assert torch.equal(after, before)
    assert torch.equal(under, before)
    assert torch.equal(torch.autograd.grad(after.sum(), x)[0], gradient)
    with pytest.raises(TypeError, match="launcher"):
        launcher()


def test_a_second_registration_replaces_the_first() -> None:
    launcher = make_launcher(2.0, 0.0)
    register(launcher, rule)
    code = launcher.__code__
    register(launcher, other_rule)
    assert RULES[launcher] is other_rule
    assert launcher.__code__ is code
    assert torch.equal(launcher(torch.ones(2)), torch.full((2,), 2.0))


def test_a_function_without_closure() -> None:
    register(plain, rule)
    with Seen() as seen:
        assert torch.equal(plain(torch.full((2,), 3.0), power=3), torch.full((2,), 27.0))
    assert plain in seen.functions


def test_an_autograd_function_is_one_call() -> None:
    x = torch.randn(3, requires_grad=True)
    register(Doubled, rule)
    with Seen() as seen:
        Doubled.apply(x, 5.0)
    (announced,) = (function for function in seen.functions if getattr(function, "__name__", "") == "Doubled")
    assert RULES[announced] is rule
    register(Doubled, other_rule)
    assert RULES[announced] is other_rule
    output = Doubled.apply(x, 5.0)
    assert torch.equal(output, x * 5.0)
    assert torch.equal(torch.autograd.grad(output.sum(), x)[0], torch.full((3,), 5.0))
    with Seen() as seen:
        assert torch.equal(DoubledToo.apply(x), x * 3.0)  # a subclass keeps its own forward, and is not announced
    assert announced not in seen.functions


def test_a_custom_operator_is_known_by_all_its_names() -> None:
    register(halve, rule)
    assert rule_for(torch.ops.inspector_tests.halve) is rule
    assert rule_for(torch.ops.inspector_tests.halve.default) is rule
    with Seen() as seen:
        halve(torch.ones(2))
    assert RULES[seen.functions[-1]] is rule


def test_a_function_of_pytorch_gets_a_new_rule() -> None:
    former = RULES[torch.erfinv]
    try:
        register(torch.erfinv, rule)
        assert RULES[torch.erfinv] is rule
        register(Tensor.erfinv, rule)
        assert RULES[Tensor.erfinv] is rule
    finally:
        register(torch.erfinv, former)
        register(Tensor.erfinv, former)


@pytest.mark.parametrize("function", [len, 3, nn.ReLU(), object()], ids=["len", "3", "ReLU", "object"])
def test_what_cannot_be_seen_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match="cannot be seen"):
        register(function, rule)


@pytest.mark.parametrize(
    ("operator", "function"),
    [
        (torch.ops.aten.add, torch.add),
        (torch.ops.aten.add.Tensor, torch.add),
        (torch.ops.aten.add_.Tensor, Tensor.add_),
        (torch.ops.aten.relu.default, torch.relu),
        (torch.ops.aten.gelu, torch._C._nn.gelu),
        (torch.ops.aten.special_expit, torch.special.expit),
        (torch.ops.aten.sum.dim_IntList, torch.sum),
        (torch.ops.aten.uniform_, Tensor.uniform_),
    ],
    ids=lambda function: function.__name__,  # an id without an address is the same in every worker
)
def test_operators_have_the_rule_of_the_function_of_their_name(operator: Any, function: Any) -> None:
    assert rule_for(operator) is RULES[function]


def test_an_operator_of_others_has_no_rule() -> None:
    assert rule_for(torch.ops.prims.add) is None
    assert rule_for(torch.ops.aten.layer_norm) is not None or torch.layer_norm not in RULES
