"""Kinds of numbers that PyTorch has no kernel for: what is refused, in which words, and that PyTorch refuses it too."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspector import InspectionError, predict
from inspector.calls import shaped
from inspector.errors import ShapeError
from inspector.rules import RULES
from inspector.rules.dtypes import REFUSED, refuse_kinds
from inspector.structure import map_tensors, tensors

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch's own test tools warn of what this machine lacks
    op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations", exc_type=ImportError).op_db

KINDS = {"bool": torch.bool, "int": torch.int64, "float": torch.float32, "complex": torch.complex64}
BASES = (torch.float32, torch.int64, torch.complex64)
#: Whose kinds hang on a mode, a number, a layout or the rank beside; these are left to PyTorch.
LEFT = (
    *("clamp", "cummax", "cummin", "div", "index_reduce", "inner", "kthvalue", "mode", "round", "scatter_reduce"),
    *("sparse.mm", "tensordot", "_segment_reduce", "linalg.matrix_power", "nn.functional.adaptive_avg_pool"),
    *("nn.functional.interpolate", "nn.functional.max_pool1d", "nn.functional.pad"),
)
#: Operators with a rule whose samples come in one of these dtypes, none of them with a dtype to cast to.
SPOKEN_FOR = [
    op
    for op in op_db
    if op.op in RULES
    and not op.name.startswith(LEFT)
    and "with_dtype" not in op.variant_test_name
    and any(op.supports_dtype(dtype, "cpu") for dtype in BASES)
]
LISTED = [op for op in SPOKEN_FOR if op.op in REFUSED]
SAMPLES = 8


class Apply(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def told(function: Any, *dtypes: torch.dtype) -> str:
    """What is said of the function on tensors (2, 3) of these dtypes."""
    with pytest.raises(InspectionError) as caught:
        predict(Apply(function), [(2, 3)] * len(dtypes), input_dtypes=list(dtypes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("function", "dtypes", "words"),
    [
        (
            lambda x: x.mean(),
            (torch.int64,),
            "no mean of torch.int64: it takes floating numbers, complex numbers; x.float()",
        ),
        (lambda x: -x, (torch.bool,), "no neg of torch.bool"),
        (lambda x: 1 - x, (torch.bool,), "~mask inverts a mask"),
        (lambda x, mask: x - mask, (torch.float32, torch.bool), "subtracts no truth values"),
        (lambda x: F.softmax(x, 1), (torch.int64,), "no softmax of torch.int64"),
        (nn.GELU(), (torch.int64,), "no gelu of torch.int64"),
        (nn.LayerNorm(3), (torch.int64,), "no layer_norm of torch.int64"),
        (lambda x, y: x & y, (torch.int64, torch.float32), "whole numbers or truth values here, got torch.float32"),
        (lambda x: ~x, (torch.float32,), "~ inverts whole numbers and truth values"),
        (lambda x, mask: x.masked_fill(mask, 0.0), (torch.float32, torch.int64), "masked_fill takes truth values"),
        (lambda x, mask: torch.where(mask, x, 0.0), (torch.float32, torch.float32), "where takes truth values"),
        (lambda x, index: x.gather(1, index), (torch.float32, torch.float32), "gather takes whole numbers for indices"),
        (lambda x: F.one_hot(x, 3), (torch.float32,), "one_hot takes whole numbers"),
        (lambda x: x.div_(2), (torch.int64,), "does not fit into torch.int64"),
        (lambda x: x.sigmoid().lt(0).logical_not().sum() - x.relu_().bool(), (torch.float32,), "truth values"),
    ],
)
def test_the_message_names_function_and_dtype(function: Any, dtypes: Any, words: str) -> None:
    assert words in told(function, *dtypes)


@pytest.mark.parametrize(
    ("function", "dtypes"),
    [
        (lambda x: x.pow(2), (torch.bool,)),
        (lambda x, y: torch.pow(x, y), (torch.bool, torch.float32)),
        (lambda x: x.clamp(0, 1), (torch.bool,)),
        (lambda x: x.cumsum(0), (torch.bool,)),
        (lambda x: x.mean(dtype=torch.float32), (torch.int64,)),
        (lambda x: F.softmax(x, 1, dtype=torch.float32), (torch.int64,)),
        (lambda x, y: torch.hypot(x, y), (torch.int64, torch.float32)),
        (lambda x: x.clamp(max=1), (torch.bool,)),
        (lambda x: x[:0].softmax(1), (torch.int64,)),
        (lambda x: x % 2, (torch.bool,)),
        (lambda x: x.add_(True), (torch.int64,)),
    ],
)
def test_what_promotes_or_is_cast_is_taken(function: Any, dtypes: Any) -> None:
    data = tuple(torch.ones(2, 3, dtype=dtype) for dtype in dtypes)
    measured = function(*[tensor.clone() for tensor in data])  # PyTorch takes it
    row = predict(Apply(function), [(2, 3)] * len(dtypes), input_dtypes=list(dtypes)).rows[-1]
    assert (row.output_shapes, row.dtype) == ((tuple(measured.shape),), str(measured.dtype).removeprefix("torch."))


def of_kind(value: Any, kind: str, base: torch.dtype, device: str) -> Any:
    """The arguments with each tensor of the sample's dtype in another kind."""

    def changed(tensor: Tensor) -> Tensor:
        return torch.ones(tensor.shape, dtype=KINDS[kind] if tensor.dtype is base else tensor.dtype, device=device)

    return map_tensors(value, changed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of PyTorch about kinds that it discards
@pytest.mark.parametrize("op", LISTED, ids=[op.formatted_name for op in LISTED])
def test_pytorch_refuses_what_the_table_refuses(op: Any) -> None:
    base = next(dtype for dtype in BASES if op.supports_dtype(dtype, "cpu"))
    for sample in list(op.sample_inputs("cpu", base))[:SAMPLES]:
        for kind in REFUSED[op.op]:
            args, kwargs = of_kind(((sample.input, *sample.args), sample.kwargs), kind, base, "cpu")
            try:
                refuse_kinds(op.op, args, kwargs)
            except ShapeError:
                with pytest.raises((RuntimeError, TypeError, ValueError, AssertionError)):
                    op.op(*args, **kwargs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", SPOKEN_FOR, ids=[op.formatted_name for op in SPOKEN_FOR])
def test_what_no_device_takes_is_refused(op: Any) -> None:
    """Kinds that PyTorch's tests leave out on CPU and CUDA, and that the CPU refuses in this very sample."""
    base = next(dtype for dtype in BASES if op.supports_dtype(dtype, "cpu"))
    stated = {*op.dtypes, *(op.dtypesIfCUDA or ())}
    accepted = []
    for kind in [kind for kind, dtype in KINDS.items() if dtype not in stated]:
        for sample in list(op.sample_inputs("cpu", base))[:SAMPLES]:
            given = ((sample.input, *sample.args), sample.kwargs)
            args, kwargs = of_kind(given, kind, base, "meta")
            try:
                refuse_kinds(op.op, args, kwargs)
                output, _ = shaped(RULES[op.op], args, kwargs)
            except Exception:  # refused, or left to PyTorch
                continue
            found = tensors(output)
            if not found or found[0].dtype.is_floating_point or not all(map(Tensor.numel, tensors(args))):
                continue
            real, named = of_kind(given, kind, base, "cpu")
            try:
                op.op(*real, **named)
            except (RuntimeError, TypeError, ValueError, AssertionError) as error:
                accepted.append(f"{kind}: {error}")
    assert not accepted, accepted


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (lambda x: F.linear(x, torch.ones(5, 3), torch.ones(4)), [(2, 3)], "gives 5 outputs, the bias is [4]"),
        (lambda x: F.conv1d(x, torch.ones(5, 3, 1), torch.ones(4)), [(2, 3, 4)], "gives 5 outputs, the bias is [4]"),
        (lambda x: F.conv_transpose1d(x, torch.ones(3, 5, 1), torch.ones(4)), [(2, 3, 4)], "gives 5 outputs"),
        (torch.bmm, [(2, 3), (3, 4)], "bmm takes tensors of 3 and of 3 axes"),
        (torch.bmm, [(2, 3, 4), (1, 4, 5)], "bmm takes batches of one size"),
        (torch.mv, [(2, 3), (3, 1)], "mv takes tensors of 2 and of 1 axes"),
        (lambda x, i: x[i], [(2, 3), (2,)], "an index is of whole numbers or truth values, got torch.float32"),
        (lambda x: x["a"], [(2, 3)], "does the forward expect a mapping here?"),
        (lambda x: F.cross_entropy(x, torch.zeros(2, dtype=torch.int32)), [(2, 3)], "target.long() makes them so"),
        (
            lambda x: F.scaled_dot_product_attention(x, x, x, torch.ones(2, 2, dtype=torch.int64)),
            [(1, 2, 4)],
            "a mask is of truth values or of the queries' dtype, got torch.int64",
        ),
        (
            lambda x: F.scaled_dot_product_attention(x, x, x, torch.ones(2, 2), is_causal=True),
            [(1, 2, 4)],
            "attn_mask or is_causal=True, not both",
        ),
    ],
)
def test_what_stands_beside_the_first_operand_is_held_too(function: Any, given: Any, words: str) -> None:
    with pytest.raises(InspectionError) as caught:
        predict(Apply(function), given)
    assert words in str(caught.value)
    with pytest.raises((RuntimeError, IndexError, TypeError)):  # and PyTorch refuses it
        function(*[torch.ones(size) for size in given])


def test_what_promotes_gives_the_promoted_dtype() -> None:
    given = [torch.arange(4), torch.ones(3)]
    for function in (torch.outer, torch.ger):
        (row,) = predict(Apply(function), input_data=tuple(given)).rows
        assert row.dtype == "float32"
    (row,) = predict(Apply(lambda a: torch.einsum("ij->i", a)), (2, 3), input_dtypes=torch.int32).rows
    assert row.dtype == "int64"
