"""Tensors made, converted, copied, drawn at random; and what reads values. Against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RANDOM, RULES, ValuesNeeded, conversion, creation, random, values
from tests.rules.draw import ALL, EXAMPLES, FLOATING, agree, cases, full_shape, maybe, shape, smaller, tensor
from tests.rules.harness import check, refused

DTYPES = st.sampled_from((torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64))
FORMATS = st.sampled_from((torch.preserve_format, torch.contiguous_format))


def sizes(draw: Any, **named: Any) -> Any:
    size = shape(draw)
    return (size if size and draw(st.booleans()) else (size,)), maybe(draw, dtype=DTYPES, **named)


def floating_sizes(draw: Any) -> Any:
    return sizes(draw)[0], maybe(draw, dtype=st.sampled_from(FLOATING))


def filled(draw: Any) -> Any:
    return (shape(draw), draw(st.sampled_from((2, 0.5, True, 1 + 2j)))), maybe(draw, dtype=DTYPES)


def like(draw: Any) -> Any:
    return (tensor(draw, dtypes=FLOATING),), maybe(draw, dtype=st.sampled_from(FLOATING), memory_format=FORMATS)


def new(draw: Any) -> Any:
    args, kwargs = sizes(draw)
    return (tensor(draw), *args), kwargs


def bounds(draw: Any) -> Any:
    number = st.sampled_from((0, 1, 5, 7, 2.5, -3))
    form = draw(st.integers(0, 2))
    if form == 0:
        return (draw(number),), maybe(draw, dtype=st.sampled_from((torch.float32, torch.int64)))
    low = draw(st.sampled_from((0, -2, 0.5)))
    args = (
        low,
        low + draw(st.sampled_from((0, 3, 4.5))),
        *((draw(st.sampled_from((1, 2, 0.5))),) if form == 2 else ()),
    )
    whole = form < 2 or args[2] != 0.5  # some versions of PyTorch divide by a step cut down to 0
    return args, maybe(draw, dtype=st.sampled_from((torch.float32, torch.int64) if whole else (torch.float32,)))


def steps(draw: Any) -> Any:
    ends = st.sampled_from((0, 1.5, 1 + 1j, torch.tensor(2.0)))
    return (draw(ends), draw(ends), draw(st.integers(0, 6))), maybe(draw, dtype=st.just(torch.complex128))


def triangle(draw: Any) -> Any:
    return (draw(st.integers(0, 5)), draw(st.integers(0, 5))), maybe(draw, offset=st.integers(-5, 5))


DATA = st.sampled_from(
    (
        *(1, 1.5, True, 1j, [], [1, 2], [1, 2.5], [[1, 2], [3, 4]], [[1.0], [True]], (1, 2), range(3), [[], []]),
        *(np.zeros((2, 3), dtype=np.float32), [np.float64(1), 2], np.int32(3), [torch.tensor(1.0), torch.tensor(2)]),
        *([torch.ones(1, dtype=torch.float64), 2.0], [True, 1], [np.zeros(2), np.zeros(2)], torch.ones(2, 3)),
    )
)


def data(draw: Any) -> Any:
    return (draw(DATA),), maybe(draw, dtype=DTYPES)


CREATION: dict[Any, Any] = {
    creation.made: sizes,
    creation.full: filled,
    creation.made_like: like,
    creation.full_like: lambda draw: ((*like(draw)[0], draw(st.sampled_from((2, 0.5)))), maybe(draw, dtype=DTYPES)),
    creation.made_new: new,
    creation.new: lambda draw: ((tensor(draw), *draw(st.sampled_from(((), (2, 3), ([[1, 2], [3, 4]],), ([],))))), {}),
    creation.new_full: lambda draw: ((tensor(draw), *filled(draw)[0]), maybe(draw, dtype=DTYPES)),
    creation.strided: lambda draw: (((2, 3), draw(st.sampled_from(((3, 1), (1, 2))))), maybe(draw, dtype=DTYPES)),
    creation.new_strided: lambda draw: ((tensor(draw), (2, 3), (1, 2)), maybe(draw, dtype=DTYPES)),
    creation.permuted: lambda draw: (((2, 3, 4), draw(st.permutations(range(3)))), maybe(draw, dtype=DTYPES)),
    creation.arange: bounds,
    creation.range_: lambda draw: ((draw(st.integers(0, 3)), draw(st.integers(3, 9)), draw(st.integers(1, 3))), {}),
    creation.linspace: steps,
    creation.eye: lambda draw: (
        (draw(st.integers(0, 4)), *([3] if draw(st.booleans()) else [])),
        maybe(draw, dtype=DTYPES),
    ),
    creation.triangle: triangle,
    creation.upper_triangle: triangle,
    creation.window: lambda draw: ((draw(st.integers(0, 9)),), maybe(draw, periodic=st.booleans())),
    creation.scalar_tensor: lambda draw: ((draw(st.sampled_from((1, 2.5, True))),), maybe(draw, dtype=DTYPES)),
    creation.tensor: data,
    creation.as_tensor: data,
    creation.asarray: lambda draw: (data(draw)[0], maybe(draw, dtype=DTYPES, copy=st.just(True))),
    creation.new_tensor: lambda draw: ((tensor(draw), *data(draw)[0]), maybe(draw, dtype=DTYPES)),
    creation.vander: lambda draw: ((tensor(draw, full_shape(draw, 1, 1)),), maybe(draw, N=st.integers(1, 4))),
}


def converted(draw: Any) -> Any:
    x, other = tensor(draw), tensor(draw)
    dtype = draw(DTYPES)
    forms = (
        (dtype,),
        ("cpu", dtype),
        ("cpu",),
        (torch.device("cpu"),),
        (other,),
        (dtype, False, True),
        ("cpu", dtype, False, True),
        (),
    )
    return (x, *draw(st.sampled_from(forms))), maybe(draw, memory_format=FORMATS)


def converted_by_name(draw: Any) -> Any:
    return (tensor(draw),), maybe(draw, dtype=DTYPES, device=st.just("cpu"), copy=st.booleans(), memory_format=FORMATS)


CONVERSION: dict[Any, Any] = {
    Tensor.to: lambda draw: converted(draw) if draw(st.booleans()) else converted_by_name(draw),
    "cast": lambda draw: ((tensor(draw),), maybe(draw, memory_format=FORMATS)),
    conversion.moved: lambda draw: ((tensor(draw),), {}),
    Tensor.map_: lambda draw: ((torch.ones(2), torch.ones(2), lambda a, b: a + b), {}),
    Tensor.map2_: lambda draw: ((torch.ones(2), torch.ones(2), torch.ones(2), lambda a, b, c: a + b), {}),
    Tensor.apply_: lambda draw: ((torch.ones(2), lambda value: value + 1), {}),
    conversion.type_: lambda draw: (
        (tensor(draw), *draw(st.sampled_from(((), (torch.float64,), ("torch.LongTensor",), (torch.HalfTensor,))))),
        {},
    ),
    conversion.type_as: lambda draw: ((tensor(draw), tensor(draw)), {}),
    conversion.clone: lambda draw: ((tensor(draw),), maybe(draw, memory_format=FORMATS)),
    conversion.contiguous: lambda draw: ((tensor(draw),), {}),
    conversion.copy_: lambda draw: ((x := tensor(draw, full_shape(draw)), tensor(draw, smaller(draw, x.shape))), {}),
    conversion.filled: lambda draw: ((tensor(draw), draw(st.sampled_from((2, torch.tensor(1))))), {}),
    conversion.fill_: lambda draw: ((tensor(draw), draw(st.sampled_from((2, torch.tensor(1))))), {}),
    conversion.zero_: lambda draw: ((tensor(draw),), {}),
    conversion.fill_diagonal_: lambda draw: ((tensor(draw, (3,) * draw(st.integers(2, 3))), 1), {}),
}


def weights(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1, 2), FLOATING[:1])
    return (x, draw(st.integers(1, x.shape[-1]))), maybe(draw, replacement=st.booleans())


def normal(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), FLOATING[:1])
    other = tensor(draw, smaller(draw, x.shape), FLOATING[:1])
    return draw(st.sampled_from(((x, other), (x, 1.5), (0.0, x), (x,), (0.0, 1.0, (2, 3))))), {}


def probabilities(draw: Any) -> Any:
    return (tensor(draw, dtypes=FLOATING[:2]) / 2,), {}


IN_PLACE = {"geometric_": (0.5,), "random_": (5,), "uniform_": (0.0, 2.0), "normal_": (0.0, 2.0)}

RANDOM_STRATEGIES: dict[Any, Any] = {
    creation.made: floating_sizes,
    creation.made_like: like,
    random.randint: lambda draw: (
        (*draw(st.sampled_from(((5,), (1, 5)))), shape(draw)),
        maybe(draw, dtype=st.just(torch.int32)),
    ),
    random.randint_like: lambda draw: (
        (tensor(draw), *draw(st.sampled_from(((5,), (1, 5))))),
        maybe(draw, dtype=st.just(torch.int32)),
    ),
    random.randperm: lambda draw: ((draw(st.integers(0, 5)),), maybe(draw, dtype=st.just(torch.int32))),
    random.normal: normal,
    random.drawn: probabilities,
    random.binomial: lambda draw: (
        (torch.full((2, 3), 4.0), tensor(draw, smaller(draw, (2, 3)), FLOATING[:1]) / 2),
        {},
    ),
    random.multinomial: weights,
    random.drawn_in_place: lambda draw: ((tensor(draw, dtypes=FLOATING[:2]),), {}),
    **{
        name: lambda draw, options=options: (
            (tensor(draw, dtypes=FLOATING[:2]), *options[: draw(st.integers(1, len(options)))]),
            {},
        )
        for name, options in IN_PLACE.items()
    },
}

#: These need a device that need not be here.
ELSEWHERE = {getattr(Tensor, name, None) for name in ("cuda", "xpu", "ipu", "mtia", "pin_memory")}
CASES = [
    *cases(creation.RULES, CREATION),
    *cases({function: rule for function, rule in conversion.RULES.items() if function not in ELSEWHERE}, CONVERSION),
    *cases(random.RULES, RANDOM_STRATEGIES),
]


@pytest.mark.parametrize(("function", "strategy"), CASES)
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw), held=function not in (Tensor.map_, Tensor.map2_))


def test_images_converted_to_channels_last() -> None:
    image = torch.ones(2, 3, 4, 4)
    last = image.to(memory_format=torch.channels_last)
    for x in (image, last):
        for memory_format in (torch.channels_last, torch.contiguous_format, torch.preserve_format):
            check(Tensor.to, x, memory_format=memory_format, on="cpu")
            check(torch.clone, x, memory_format=memory_format, on="cpu")
            check(torch.zeros_like, x, memory_format=memory_format, on="cpu")
            check(Tensor.to, x, torch.float16, memory_format=memory_format, on="cpu")
        check(Tensor.contiguous, x, memory_format=torch.channels_last, on="cpu")
        check(Tensor.contiguous, x, on="cpu")


def test_data_that_holds_tensors_without_values() -> None:
    count = torch.empty((), dtype=torch.int32, device="meta")
    output, _ = RULES[torch.tensor]([count, count])
    assert (tuple(output.shape), output.dtype) == ((2,), torch.int32)
    output, _ = RULES[torch.tensor]([[count, 1.5]])
    assert (tuple(output.shape), output.dtype) == ((1, 2), torch.float32)


def test_a_size_that_is_a_tensor_asks_for_values() -> None:
    size = torch.empty((), dtype=torch.int64, device="meta")
    for function, arguments in (
        (torch.zeros, (2, size)),
        (torch.arange, (size,)),
        (Tensor.new_ones, (torch.ones(1), size)),
    ):
        with pytest.raises(ValuesNeeded):
            RULES[function](*arguments)


def test_randomness_is_named() -> None:
    for function in (
        torch.rand,
        torch.bernoulli,
        Tensor.normal_,
        torch.dropout,
        torch.nn.functional.dropout2d,
        torch.randperm,
    ):
        assert function in RANDOM
    for function in (torch.zeros, torch.arange, torch.add, torch.nn.functional.relu):
        assert function not in RANDOM


@pytest.mark.parametrize("function", list(values.RULES), ids=lambda function: function.__name__)
def test_what_reads_values_says_so(function: Any) -> None:
    if values.RULES[function] is values.nonzero_static:
        check(function, torch.ones(2, 3), size=4, on="cpu")
    elif values.RULES[function] is values.asserted:
        assert RULES[function](torch.ones(()), "message") == (None, None)
    else:
        with pytest.raises(ValuesNeeded):
            RULES[function](torch.empty(2, device="meta"))


def test_sizes_that_pytorch_refuses() -> None:
    assert "a size is not negative" in refused(torch.zeros, -1, on="cpu")
    assert "goes the wrong way" in refused(torch.arange, 3, 1)
    assert "make no tensor" in refused(torch.tensor, [[1, 2], [3]])
    assert "[2] and [3] do not broadcast" in refused(Tensor.copy_, torch.ones(2), torch.ones(3))
    assert "without replacement" in refused(torch.multinomial, torch.ones(3), 4, on="cpu")


def test_every_dtype_has_its_cast() -> None:
    for dtype in ALL:
        check(Tensor.to, torch.ones(2, 3).t(), dtype)
