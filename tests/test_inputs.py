"""From sizes and data to arguments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from inspector.errors import InspectionError
from inspector.inputs import dtype_of, make_inputs


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, dtype=torch.float16))

    def forward(self, x, mask=None, *, scale=1.0):
        return x


class One(nn.Module):
    def forward(self, x):
        return x


class Nothing(nn.Module):
    def forward(self):
        return torch.zeros(1)


def shapes(inputs):
    return [tuple(value.shape) for value in inputs.args], {name: tuple(v.shape) for name, v in inputs.kwargs.items()}


@pytest.mark.parametrize(
    ("input_size", "expected"),
    [
        ((2, 3), ([(2, 3)], {})),
        ([2, 3], ([(2, 3)], {})),
        (torch.Size([2, 3]), ([(2, 3)], {})),
        ((np.int64(2), 3), ([(2, 3)], {})),
        ((), ([()], {})),
        ((0, 3), ([(0, 3)], {})),
        ([(2, 3), (4,)], ([(2, 3), (4,)], {})),
        (((2, 3), (4,)), ([(2, 3), (4,)], {})),
        ({"x": (2, 3), "mask": (4,)}, ([], {"x": (2, 3), "mask": (4,)})),
    ],
)
def test_forms_of_input_size(input_size, expected):
    inputs = make_inputs(Two(), input_size)
    assert shapes(inputs) == expected
    assert inputs.synthetic
    assert all(tensor.is_meta for tensor in (*inputs.args, *inputs.kwargs.values()))


def test_dtypes():
    assert make_inputs(Two(), (2,)).args[0].dtype is torch.float16  # that of the model's parameter
    assert make_inputs(One(), (2,)).args[0].dtype is torch.float32
    assert make_inputs(One(), (2,), input_dtypes="int64").args[0].dtype is torch.int64
    several = make_inputs(Two(), [(2,), (2,)], input_dtypes=["int64", torch.bool])
    assert [value.dtype for value in several.args] == [torch.int64, torch.bool]
    named = make_inputs(Two(), {"x": (2,), "mask": (2,)}, input_dtypes={"mask": "bool"})
    assert [value.dtype for value in named.kwargs.values()] == [torch.float16, torch.bool]


def test_a_tuple_is_several_arguments_and_all_else_is_one():
    data, packed = torch.zeros(2), pack_sequence([torch.zeros(2, 5)])
    assert make_inputs(Two(), input_data=(data, data)).args == (data, data)
    for one in (data, [data, data], packed):
        assert make_inputs(One(), input_data=one).args[0] is one
    assert make_inputs(One(), input_data=({"a": data},)).args == ({"a": data},)
    assert make_inputs(Two(), input_data={"x": data}).kwargs == {"x": data}


def test_keyword_arguments_alone():
    assert make_inputs(One(), input_kwargs={"x": 3}).kwargs == {"x": 3}
    assert make_inputs(Nothing()).args == ()


def test_names_of_sizes_need_somebody_who_knows_them():
    assert make_inputs(One(), ("N", 3), symbol=lambda name: {"N": 5}[name]).args[0].shape == (5, 3)
    with pytest.raises(InspectionError, match="names the size 'N'"):
        make_inputs(One(), ("N", 3))


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (One, {"input_size": (1,)}, "the class One; call it first"),
        (3, {"input_size": (1,)}, "must be a torch.nn.Module, and this is int"),
        (One(), {}, r"One.forward\(x\) needs input: give input_size or input_data"),
        (One(), {"input_size": (2,), "input_data": 1}, "not both"),
        (One(), {"input_data": 1, "input_dtypes": "bool"}, "belongs to input_size"),
        (One(), {"input_size": (-1, 2)}, r"-1 in \[-1, 2\] is no size"),
        (One(), {"input_size": (1.5,)}, "1.5 in .* is no size"),
        (One(), {"input_size": (True,)}, "True in .* is no size"),
        (One(), {"input_size": (10**12, 10**12)}, "more than memory can address"),
        (One(), {"input_size": 3}, "is a shape, a list of shapes or a dict"),
        (One(), {"input_size": {"x": 3}}, "x: a shape is a tuple of sizes"),
        (One(), {"input_size": (2,), "input_dtypes": "float33"}, "'float33' is no dtype; did you mean .*float32"),
        (One(), {"input_size": (2,), "input_dtypes": "number"}, "'number' is no dtype; the names are .*float32"),
        (One(), {"input_size": (2,), "input_dtypes": ["bool", "bool"]}, "2 entries for 1 shapes"),
        (One(), {"input_size": (2,), "input_dtypes": {"x": "bool"}}, "must be a dict with the same names"),
        (One(), {"input_size": {"x": (2,)}, "input_dtypes": {"y": "bool"}}, "names y, which input_size does not"),
        (One(), {"input_size": {"x": (2,)}, "input_dtypes": ["bool"]}, "must be a dtype or a dict"),
        (
            Two(),
            {"input_size": [(1,), (1,), (1,)]},
            r"Two.forward\(x, mask=None, \*, scale=1.0\) cannot take .* \(given: 3 positional\)",
        ),
        (
            Two(),
            {"input_size": {"y": (1,)}},
            r"Two.forward\(x, mask=None, \*, scale=1.0\) cannot take .* \(given: keywords y\)",
        ),
        (One(), {"input_size": {"x": (1,)}, "input_kwargs": {"x": 1}}, "x given twice"),
    ],
)
def test_what_cannot_be_asked(model, arguments, message):
    with pytest.raises(InspectionError, match=message):
        make_inputs(model, **arguments)


def test_values_for_sizes_are_valid_and_leave_the_random_state_alone():
    sizes = {"x": (50,), "mask": (50,), "scale": (50,)}
    inputs = make_inputs(Two(), sizes, input_dtypes={"x": "int64", "mask": "bool", "scale": "complex64"})
    before = torch.get_rng_state()
    _, values = inputs.on("cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert set(values["x"].tolist()) == {0, 1}
    assert values["mask"].all()
    assert values["scale"].dtype is torch.complex64
    _, again = inputs.on("cpu")
    assert torch.equal(values["scale"], again["scale"])


def test_meta_twins_keep_strides_and_identity():
    data = torch.zeros(3, 4).t()
    args, _ = make_inputs(Two(), input_data=(data, [data])).on("meta")
    assert (args[0].shape, args[0].stride(), args[0].is_meta) == ((4, 3), (1, 4), True)
    assert args[1][0] is args[0]
    assert not data.is_meta


def test_packed_sequences_keep_their_steps():
    args, _ = make_inputs(One(), input_data=pack_sequence([torch.zeros(2, 5), torch.zeros(1, 5)])).on("meta")
    assert isinstance(args[0], PackedSequence)
    assert args[0].data.is_meta
    assert args[0].batch_sizes.tolist() == [2, 1]


def test_data_on_its_own_device_is_itself():
    data = torch.zeros(2)
    assert make_inputs(One(), input_data=data).on("cpu")[0][0] is data


def test_descriptions():
    inputs = make_inputs(
        Two(), input_data=(torch.zeros(1, 2), [torch.zeros(3), torch.zeros(4)]), input_kwargs={"scale": 2.0}
    )
    assert inputs.describe() == ("x: [1, 2] float32", "mask: list of [3] float32, [4] float32", "scale: 2.0")


def test_dtype_of_takes_torch_names():
    assert dtype_of("torch.bfloat16") is torch.bfloat16
    assert dtype_of(torch.int8) is torch.int8


def test_a_hook_may_change_the_arguments():
    model = One()
    model.register_forward_pre_hook(lambda module, args: args[:1])
    assert len(make_inputs(model, [(1,), (1,)]).args) == 2


def test_a_compiled_model_has_its_own_signature():
    with pytest.raises(InspectionError, match=r"One.forward\(x\)"):
        make_inputs(torch.compile(One()), [(1,), (1,)])
