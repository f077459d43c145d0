"""Kernels that are right pass; each planted fault is named by its name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import inspector
from inspector.errors import InspectionError, ShapeError
from inspector.toeplitz import ConvVerification, apply, verify_conv
from inspector.toeplitz.faults import respond
from inspector.toeplitz.question import allowed_error
from tests.toeplitz.drawn import convolutions
from tests.toeplitz.planted import BIAS, PLANTED, SIZE, WEIGHT


def held(name: str) -> ConvVerification:
    kernel, weight, arguments, _, _ = PLANTED[name]
    return verify_conv(kernel, weight, SIZE, **arguments)


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_fault_is_named(name: str) -> None:
    found = held(name)
    _, _, _, kind, word = PLANTED[name]
    assert not found.ok
    assert [fault.kind for fault in found.faults] == [kind], found
    assert word in found.faults[0].said
    assert str(found.faults[0]) in str(found)


def test_transposed_and_one_dimensional_faults_are_named() -> None:
    weight = torch.randn(3, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    arguments: dict[str, Any] = {"stride": 2, "padding": 1, "transposed": True}
    flipped = verify_conv(lambda x, w: F.conv_transpose2d(x, w.flip(2, 3), None, 2, 1), weight, (5, 5), **arguments)
    assert [fault.kind for fault in flipped.faults] == ["tap"]
    wider = verify_conv(lambda x, w: F.conv_transpose2d(x, w, None, 3, 1), weight, (5, 5), **arguments)
    assert [fault.kind for fault in wider.faults] == ["stride"]
    line = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(2))
    late = verify_conv(lambda x, w: F.conv1d(F.pad(x, (0, 2)), w), line, 10, padding=1)
    assert [fault.kind for fault in late.faults] == ["border"]


def test_a_fault_that_symmetric_weights_hide_shows_by_the_kernel_s_own() -> None:
    """With all taps alike a flip changes nothing; a kernel that takes the weight is asked with others too."""
    found = verify_conv(lambda x, w: F.conv2d(x, w.flip(2, 3)), torch.ones(1, 1, 3, 3), (6, 6))
    assert [check.name for check in found.checks if not check.ok] == ["impulse response"]
    assert found.faults[0].kind == "tap"
    weight = torch.ones(1, 1, 3, 3)
    assert verify_conv(lambda x: F.conv2d(x, weight.flip(2, 3)), weight, (6, 6)).ok


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64])
def test_pytorch_itself_agrees_in_every_dtype(dtype: torch.dtype) -> None:
    assert (found := verify_conv(F.conv2d, WEIGHT.to(dtype), SIZE)).ok, found
    assert found.faults == ()


def test_pytorch_agrees_for_drawn_convolutions() -> None:
    """Through the matrix-free way of this project, which the tests of the operator hold against PyTorch."""
    for A in convolutions(40, seed=11, dtypes=(torch.float64, torch.float32, torch.complex64)):
        axes, convolution = A.axes, A.convolution
        extra = 0
        if A.transposed:  # the image's size says how much output padding there was
            plain = [(a.outputs - 1) * a.stride - a.before - a.after + a.dilation * (a.kernel - 1) + 1 for a in axes]
            extra = [a.size - length for a, length in zip(axes, plain, strict=True)]
        found = verify_conv(
            lambda x, w, convolution=convolution: apply.forward(convolution, w, x),
            A.weight,
            A.columns.size,
            [a.stride for a in axes],
            [(a.before, a.after) for a in axes],
            [a.dilation for a in axes],
            A.groups,
            axes[0].mode,
            A.transposed,
            extra,
        )
        assert found.ok, found


def test_the_diagnosis_s_own_convolution_equals_pytorch_s() -> None:
    """`respond` goes tap by tap through the index core, `apply.forward` through PyTorch's kernels."""
    for A in convolutions(60, seed=12, dtypes=(torch.float64, torch.complex128)):
        images = torch.randn(2, *A.columns.shape, dtype=A.dtype, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(respond(A.convolution, A.weight, images), A(images), rtol=1e-12, atol=1e-12)


def test_tolerance_follows_dtype_and_length() -> None:
    """γₙ·Σ|w·x| by hand: n = 9 terms and one more, u = 2⁻²⁴, all ones: 10u/(1 − 10u)·9, and the result's rounding."""
    A = inspector.toeplitz.conv_operator(torch.ones(1, 1, 3, 3), (3, 3))
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    unit = 2.0**-24
    gamma = 10 * unit / (1 - 10 * unit)
    expected = gamma * 9 + 2 * unit * (9 + gamma * 9)
    found = float(allowed_error(A, ones, torch.float32, 9, torch.zeros(())))
    assert found == pytest.approx(expected, rel=1e-9)
    # A bias of 1 may come after a rounding: 2u·9 for that, its own term in the sum, and 10 instead of 9 to be rounded.
    shifted = float(allowed_error(A, ones, torch.float32, 9, torch.ones(())))
    assert shifted == pytest.approx(gamma * 10 + 2 * unit * (10 + 9 + gamma * 10), rel=1e-9)
    longer = float(allowed_error(A, ones, torch.float32, 900, torch.zeros(())))
    assert longer > 50 * found


def test_a_backward_of_one_s_own_is_held_too() -> None:
    def right(y: Tensor) -> Tensor:
        return F.conv_transpose2d(y, WEIGHT)

    def wrong(y: Tensor) -> Tensor:
        return F.conv_transpose2d(y, WEIGHT.flip(2, 3))

    forward = torch.no_grad()(lambda x, w: F.conv2d(x, w))
    assert verify_conv(forward, WEIGHT, SIZE, adjoint=right).ok
    found = verify_conv(forward, WEIGHT, SIZE, adjoint=wrong)
    assert [check.name for check in found.checks if not check.ok] == ["own adjoint"]
    assert found.faults[0].kind == "adjoint"


def test_large_inputs_are_asked_at_chosen_places() -> None:
    weight = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(4))
    found = verify_conv(lambda x, w: F.conv2d(F.pad(x, (0, 2, 1, 1)), w), weight, (64, 64), padding=1, batch=1)
    assert found.faults[0].kind == "border"
    assert "of 32768, chosen" in found.checks[-1].said


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        (lambda x, w: 1, InspectionError, "returned int, expected a tensor"),
        (lambda x, w: x @ w, InspectionError, "the kernel raised for an input of shape"),
        (3, InspectionError, "must be callable, got int"),
        (lambda x, w: F.conv2d(x, w).to("meta"), InspectionError, "returned a tensor on meta, for an input on cpu"),
    ],
)
def test_kernels_that_are_none_say_why(kernel: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        verify_conv(kernel, WEIGHT, SIZE)


def test_bad_arguments_say_why() -> None:
    with pytest.raises(ShapeError, match="groups"):
        verify_conv(F.conv2d, WEIGHT, SIZE, groups=3)
    with pytest.raises(InspectionError, match="floating or complex"):
        verify_conv(F.conv2d, WEIGHT.long(), SIZE)
    for batch in (0, 1.5):
        with pytest.raises(InspectionError, match=f"batch must be an integer of at least 1, got {batch}"):
            verify_conv(F.conv2d, WEIGHT, SIZE, batch=batch)  # type: ignore[arg-type]
    with pytest.raises(InspectionError, match=r"accumulate must be a floating dtype as torch.float32, got 'float16'"):
        verify_conv(F.conv2d, WEIGHT, SIZE, accumulate="float16")  # type: ignore[arg-type]
    with pytest.raises(InspectionError, match="meta device and has no values"):
        verify_conv(F.conv2d, WEIGHT.to("meta"), SIZE)
    with pytest.raises(InspectionError, match="the bias has values that are not finite"):
        verify_conv(F.conv2d, WEIGHT, SIZE, bias=BIAS / 0)
    with pytest.raises(ShapeError, match="bias: expected shape"):
        verify_conv(F.conv2d, WEIGHT, SIZE, bias=[0.0] * 4)  # type: ignore[arg-type]


def test_a_default_is_ours_where_it_stands_for_the_bias() -> None:
    def with_bias(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return F.conv2d(x, w, b)

    def with_block(x: Tensor, w: Tensor, block: int = 32) -> Tensor:
        assert block == 32
        return F.conv2d(x, w, BIAS)

    for kernel in (with_bias, with_block):
        assert verify_conv(kernel, WEIGHT, SIZE, bias=BIAS).ok


@pytest.mark.parametrize("name", ["x", "weight"])
def test_a_kernel_that_writes_into_its_arguments_is_told_and_undone(name: str) -> None:
    def in_place(x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x.mul_(2) if name == "x" else x, weight.mul_(2) if name == "weight" else weight)

    weight = WEIGHT.clone()
    found = verify_conv(in_place, weight, SIZE)
    assert not found.ok
    assert f"writes into {name}" in found.faults[0].said
    assert torch.equal(weight, WEIGHT)


def test_a_module_is_a_kernel_with_its_weight_inside() -> None:
    conv = torch.nn.Conv2d(3, 4, 3)
    assert verify_conv(conv, conv.weight, SIZE, bias=conv.bias).ok
    assert not verify_conv(conv, WEIGHT, SIZE, bias=BIAS).ok


def test_a_wrong_shape_without_a_name_is_told_as_it_is() -> None:
    found = verify_conv(lambda x, w: F.conv2d(x, w)[:, :1], WEIGHT, SIZE)
    assert [fault.kind for fault in found.faults] == ["shape"]
    assert "[1, 7, 6], expected [4, 7, 6]" in found.faults[0].said


@pytest.mark.cuda
def test_pytorch_agrees_on_cuda_without_tf32() -> None:
    weight = WEIGHT.cuda()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        assert verify_conv(F.conv2d, weight, SIZE).ok
