"""Functions of several operands, with numbers and tensors on either side, against PyTorch's own run."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, ValuesNeeded, arithmetic
from tests.rules.draw import (
    ALL,
    EXAMPLES,
    FLOATING,
    INTEGER,
    REAL,
    agree,
    cases,
    full_shape,
    maybe,
    shape,
    smaller,
    tensor,
)
from tests.rules.harness import check, refused
from tests.rules.seen import Checked

NUMBERS = st.sampled_from((2, 0.5, True, 1 + 2j, 3, 1.0))


def operands(draw: Any, dtypes: Any = ALL, numbers: bool = True) -> tuple[Any, Any]:
    """Two operands that broadcast to the first's shape."""
    sizes = shape(draw)
    first = tensor(draw, sizes, dtypes)
    if numbers and draw(st.integers(0, 3)) == 0:
        return first, draw(NUMBERS)
    return first, tensor(draw, smaller(draw, sizes), dtypes)


def pair(draw: Any) -> Any:
    return operands(draw), {}


def either_way(draw: Any) -> Any:
    first, second = operands(draw)
    return ((second, first) if draw(st.booleans()) else (first, second)), {}


def integers(draw: Any) -> Any:
    return operands(draw, (*INTEGER, torch.bool)), {}


def real(draw: Any) -> Any:
    return operands(draw, REAL), {}


def tensors_alone(draw: Any) -> Any:
    return operands(draw, FLOATING, numbers=False), {}


def same_dtype(draw: Any) -> Any:
    return operands(draw, (draw(st.sampled_from(REAL)),), numbers=False), {}


def with_alpha(draw: Any) -> Any:
    return operands(draw), maybe(draw, alpha=st.sampled_from((2, 0.5)))


def division(draw: Any) -> Any:
    return operands(draw), maybe(draw, rounding_mode=st.sampled_from(("floor", "trunc", None)))


def close(draw: Any) -> Any:
    return operands(draw, (draw(st.sampled_from(ALL)),), numbers=False), maybe(draw, equal_nan=st.booleans())


def three(draw: Any, dtypes: Any = ALL) -> tuple[Tensor, Tensor, Tensor]:
    sizes = shape(draw)
    return (
        tensor(draw, sizes, dtypes),
        tensor(draw, smaller(draw, sizes), dtypes),
        tensor(draw, smaller(draw, sizes), dtypes),
    )


def where(draw: Any) -> Any:
    x, y, mask = three(draw)
    return (mask > 0.3 if not mask.is_complex() else mask != 0, draw(st.sampled_from((x, 2, 0.5))), y), {}


def where_method(draw: Any) -> Any:
    x, y, mask = three(draw)
    return (x, mask != 0, draw(st.sampled_from((y, 2, 0.5)))), {}


def clamp(draw: Any) -> Any:
    low, x, high = three(draw, REAL)
    bounds = st.sampled_from((low, high)) if draw(st.booleans()) else st.sampled_from((1, 0.5))
    return (x,), maybe(draw, min=bounds, max=bounds)


def clamp_one(draw: Any) -> Any:
    x, bound = operands(draw, REAL)
    return (x, bound), {}


def addcmul(draw: Any) -> Any:
    return three(draw), maybe(draw, value=st.sampled_from((2, 3)))


def lerp(draw: Any) -> Any:
    x, y, weight = three(draw, (draw(st.sampled_from(FLOATING)),))
    return (x, y, draw(st.sampled_from((weight, 0.5)))), {}


def masked_fill(draw: Any) -> Any:
    x, mask, _ = three(draw)
    return (x, mask != 0, draw(st.sampled_from((2, 1.5)))), {}


def addr(draw: Any) -> Any:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dtype = (draw(st.sampled_from(REAL)),)
    x = tensor(draw, smaller(draw, (rows, columns)), dtype)
    return (x, tensor(draw, (rows,), dtype), tensor(draw, (columns,), dtype)), maybe(draw, alpha=st.just(2))


def cross(draw: Any) -> Any:
    sizes = [*full_shape(draw, 0, 2), 3]
    dtype = (draw(st.sampled_from(FLOATING)),)
    return (tensor(draw, sizes, dtype), tensor(draw, sizes, dtype)), maybe(draw, dim=st.just(-1))


STRATEGIES: dict[Any, Any] = {
    arithmetic.binary: pair,
    arithmetic.bitwise: integers,
    arithmetic.reflected_bitwise: integers,
    "nextafter": tensors_alone,
    "maximum": either_way,
    arithmetic.reflected: pair,
    arithmetic.reflected_difference: pair,
    arithmetic.reflected_power: pair,
    "rsub": with_alpha,
    arithmetic.addition: with_alpha,
    arithmetic.difference: with_alpha,
    **dict.fromkeys(("__add__", "__sub__", "__radd__", "__iadd__", "__isub__", "__itruediv__"), pair),
    arithmetic.power: pair,
    arithmetic.float_power: pair,
    arithmetic.division: division,
    **dict.fromkeys(("__truediv__", "__rdiv__", "__rtruediv__", "__div__"), pair),
    "true_divide": pair,
    arithmetic.floating_binary: real,
    arithmetic.polynomial: real,
    arithmetic.heaviside: same_dtype,
    arithmetic.ldexp: lambda draw: ((tensor(draw, dtypes=FLOATING), torch.tensor(2)), {}),
    arithmetic.comparison: pair,
    arithmetic.isclose: close,
    arithmetic.complex_parts: tensors_alone,
    arithmetic.polar: tensors_alone,
    arithmetic.where: where,
    arithmetic.where_method: where_method,
    arithmetic.clamp: clamp,
    arithmetic.clamp_one: clamp_one,
    arithmetic.addcmul: addcmul,
    arithmetic.lerp: lerp,
    arithmetic.masked_fill: masked_fill,
    arithmetic.masked_fill_in_place: masked_fill,
    arithmetic.addr: addr,
    arithmetic.cross: cross,
}


@pytest.mark.parametrize(("function", "strategy"), cases(arithmetic.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw))


OPERATORS = (
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift),
    *(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.imod, operator.ipow),
    *(operator.iand, operator.ior, operator.ixor, operator.ilshift, operator.irshift),
)


@pytest.mark.parametrize("symbol", OPERATORS, ids=lambda symbol: symbol.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32], ids=str)
@pytest.mark.parametrize(
    "other",
    [2, 0.5, np.float32(2), np.int64(2), torch.tensor(3), torch.tensor([1.0, 2.0]), torch.tensor([[1], [2]])],
    ids=repr,
)
def test_every_operator_of_python(symbol: Any, dtype: torch.dtype, other: Any) -> None:
    x = torch.full((2, 2), 3, dtype=dtype)
    checked = Checked()
    for left, right in ((x, other), (other, x)):
        try:
            with checked:
                symbol(left.clone() if isinstance(left, Tensor) else left, right)
        except (RuntimeError, TypeError):
            continue  # floats have no bits, and a small tensor takes no large one
    assert checked.calls or not isinstance(other, int)


def test_a_scalar_tensor_does_not_widen_a_tensor_of_its_kind() -> None:
    check(torch.mul, torch.ones(2, dtype=torch.float16), torch.tensor(2.0, dtype=torch.float64))
    check(torch.mul, torch.tensor(2.0, dtype=torch.float64), torch.ones(2, dtype=torch.float16))
    check(torch.add, torch.ones(2, dtype=torch.int32), torch.tensor(2.0))
    check(torch.mul, torch.ones(2, dtype=torch.float16), 2.0)
    check(torch.mul, torch.ones(2, dtype=torch.int32), 2.0)
    check(torch.mul, torch.ones(2), 2j)


def test_layouts_follow_the_first_operand_that_has_one() -> None:
    transposed, plain = torch.ones(3, 4).t(), torch.ones(4, 3)
    for function in (torch.add, torch.lt, torch.pow, torch.atan2, torch.maximum):
        check(function, transposed, plain, on="cpu")
        check(function, plain, transposed, on="cpu")
        check(function, transposed, torch.ones(3), on="cpu")
        check(function, torch.ones(3), transposed, on="cpu")
    image = torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last)
    check(torch.add, image, torch.ones(1, 3, 1, 1), on="cpu")
    check(torch.add, torch.ones(3, 1, 1), image, on="cpu")


def test_a_condition_alone_asks_for_values() -> None:
    with pytest.raises(ValuesNeeded):
        RULES[torch.where](torch.ones(2, dtype=torch.bool))


def test_what_is_no_number_is_left_to_pytorch() -> None:
    with pytest.raises(TypeError, match="neither a number nor a tensor"):
        RULES[Tensor.__eq__](torch.ones(2), None)


def test_sizes_that_pytorch_refuses() -> None:
    assert "[2, 3] and [2, 4] do not broadcast: 3 against 4 at axis -1" in refused(
        torch.add, torch.ones(2, 3), torch.ones(2, 4)
    )
    assert "does not fit into [3]" in refused(Tensor.add_, torch.ones(3), torch.ones(2, 3))
    assert "do not broadcast" in refused(Tensor.masked_fill_, torch.ones(3), torch.ones(2, dtype=torch.bool), 0)
    assert "axis of three" in refused(torch.cross, torch.ones(2, 4), torch.ones(2, 4))
    assert "do not broadcast" in refused(torch.lerp, torch.ones(2), torch.ones(3), 0.5)
