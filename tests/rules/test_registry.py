"""Rules that users add, for each sort of function, and what becomes of these functions outside a prediction."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import inspector
from inspector.calls import name_of
from inspector.formula import Formula
from inspector.rules import RULES, TABLES, register, rule_for
from inspector.rules.common import ELEMENTWISE
from inspector.rules.registry import _ORIGINALS


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
    assert inspect.unwrap(RULES[launcher]) is rule
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
    assert inspect.unwrap(RULES[launcher]) is other_rule
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
    assert inspect.unwrap(RULES[announced]) is rule
    register(Doubled, other_rule)
    assert inspect.unwrap(RULES[announced]) is other_rule
    output = Doubled.apply(x, 5.0)
    assert torch.equal(output, x * 5.0)
    assert torch.equal(torch.autograd.grad(output.sum(), x)[0], torch.full((3,), 5.0))
    with Seen() as seen:
        assert torch.equal(DoubledToo.apply(x), x * 3.0)  # a subclass keeps its own forward, and is not announced
    assert announced not in seen.functions


def test_a_custom_operator_is_known_by_all_its_names() -> None:
    register(halve, rule)
    assert inspect.unwrap(rule_for(torch.ops.inspector_tests.halve)) is rule
    assert inspect.unwrap(rule_for(torch.ops.inspector_tests.halve.default)) is rule
    with Seen() as seen:
        halve(torch.ones(2))
    assert inspect.unwrap(RULES[seen.functions[-1]]) is rule


def test_a_function_of_pytorch_gets_a_new_rule() -> None:
    former = RULES[torch.erfinv]
    try:
        register(torch.erfinv, rule)
        assert inspect.unwrap(RULES[torch.erfinv]) is rule
        register(Tensor.erfinv, rule)
        assert inspect.unwrap(RULES[Tensor.erfinv]) is rule
    finally:
        RULES[torch.erfinv] = RULES[Tensor.erfinv] = former


class Once(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        (lambda x: x.shape, r"must return \(output, formula or None\).*; got torch.Size\(\[2, 3\]\)"),
        (lambda x: (x.shape, 5), r"got \(torch.Size\(\[2, 3\]\), 5\)"),
        (lambda x: (x.shape, Formula("N*M")), r"bound to its values; got .*Formula\('N\*M'"),
        (lambda x: "shape", "got 'shape'"),
        (lambda x: (x.shape, Formula("N*M")(N=1)), r"formula 'N\*M' is bound to N: 'M' is missing"),
        (lambda x: (x.shape, Formula("N")(N=1, M=2)), "formula 'N' is bound to N, M: 'M' is none of its symbols"),
        (lambda x: ("shape", None), r"got \('shape', None\)"),
        (lambda x: ([2, 3], None), r"got \(\[2, 3\], None\)"),
        (lambda x: None, "got None"),
    ],
    ids=[
        "no formula",
        "a number",
        "an unbound formula",
        "a word",
        "a missing symbol",
        "a strange symbol",
        "a word as output",
        "a list",
        "nothing",
    ],
)
@pytest.mark.parametrize("data", [False, True])
def test_a_rule_that_returns_something_else_is_named(returns: Any, told: str, data: bool) -> None:
    launcher = make_launcher(1.0, 0.0)
    register(launcher, returns)
    question: dict[str, Any] = {"input_data": torch.ones(2, 3)} if data else {"input_size": (2, 3)}
    with pytest.raises(inspector.InspectionError, match=told) as caught:
        inspector.predict(Once(launcher), **question)
    assert "the rule <lambda> for launcher" in str(caught.value)


@pytest.mark.parametrize(
    "output", [(), (2, 3), None, torch.empty(2, device="meta"), {"a": [torch.empty(2, device="meta")]}], ids=str
)
def test_what_a_rule_may_return(output: Any) -> None:
    launcher = make_launcher(1.0, 0.0)
    register(launcher, lambda x: (output, None))
    (row,) = inspector.predict(Once(lambda x: (launcher(x), x)), (2, 3)).rows
    assert (row.kind, row.source) == ("launcher", "formula")


def test_a_built_in_rule_keeps_its_parameters_where_it_is_registered() -> None:
    former = RULES[torch.nn.functional.linear]
    try:
        register(torch.nn.functional.linear, former)
        (row,) = inspector.predict(nn.Linear(3, 2), (1, 3)).rows
        assert row.params_formula is not None
        assert row.params_formula.number == 2 * (3 + 1)
    finally:
        RULES[torch.nn.functional.linear] = former


#: Functions in Python that announce their calls for subclasses of Tensor alone: none for a plain tensor.
FOR_SUBCLASSES = {torch._assert}


def announces(function: Any) -> bool:
    """Whether a mode sees some call of a function in Python, with one to seven tensors."""
    kind: Any = nn.Parameter if function in FOR_SUBCLASSES else torch.clone
    equation = ("ij",) if function is torch.einsum else ()
    for count in range(1, 8):
        with Seen() as seen, suppress(Exception):  # most counts are not the function's
            function(*equation, *(kind(torch.ones(2, 2, device="meta")) for _ in range(count)))
        if function in seen.functions:
            return True
    return False


@pytest.mark.filterwarnings("ignore")  # of functions called with any arguments
def test_every_rule_of_the_textbook_can_be_used() -> None:
    """A function in Python whose body never asks the mode is walked, whatever the table says of it."""
    written = [function for table in TABLES.values() for function in table if isinstance(function, FunctionType)]
    assert len(written) > 100
    assert [name_of(function) for function in written if not announces(function)] == []
    assert not announces(torch.nn.functional.tanh)  # which calls Tensor.tanh
    assert not announces(torch.svd_lowrank)


def test_a_function_of_pytorch_that_hides_from_modes_is_made_visible() -> None:
    """torch.svd_lowrank announces its calls for subclasses of Tensor alone, and so calls of a plain one were walked."""
    function = torch.svd_lowrank
    code = function.__code__
    x = torch.eye(4)
    torch.manual_seed(0)
    before = function(x, q=2)
    try:
        register(function, lambda A, q=6, niter=2, M=None: ((A[:, :q], A[0, :q], A[:, :q]), None))
        (row,) = inspector.predict(Once(torch.svd_lowrank), (8, 6)).rows
        assert (row.kind, row.output_shapes) == ("svd_lowrank", ((8, 6), (6,), (8, 6)))
        torch.manual_seed(0)
        assert all(map(torch.equal, function(x, q=2), before))
    finally:
        function.__code__ = code
        del RULES[function], _ORIGINALS[function], function.__signature__


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


def test_a_rule_of_the_textbook_serves_a_function_of_ones_own() -> None:
    launcher = make_launcher(1.0, 0.0)
    register(launcher, rule_for(torch.nn.functional.relu))
    (row,) = inspector.predict(Once(launcher), (2, 3)).rows
    assert (row.elementwise_ops, row.formula and row.formula.worked) == (6, "6")


def twice(x: Tensor) -> Tensor:
    return x + x


def test_a_rule_that_raises_is_named_with_its_line() -> None:
    def broken(x: Tensor) -> Any:
        return x.shap, None  # type: ignore[attr-defined]

    register(twice, broken)
    with pytest.raises(inspector.InspectionError) as caught:
        inspector.predict(Once(twice), (2, 3))
    assert "the rule broken for twice raised AttributeError" in str(caught.value)
    assert "return x.shap, None" in str(caught.value)


def test_a_rule_is_a_function() -> None:
    with pytest.raises(TypeError, match="a rule is a function of the call's arguments, not 5"):
        register(twice, 5)  # type: ignore[arg-type]
