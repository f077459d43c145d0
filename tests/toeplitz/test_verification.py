"""Kernels that are right pass; each planted fault is named by its name."""

from __future__ import annotations

from collections.abc import Callable
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

GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(4, 3, 3, 3, generator=GENERATOR)
GROUPED = torch.randn(4, 2, 3, 3, generator=GENERATOR)
BIAS = torch.randn(4, generator=GENERATOR)
COMPLEX = torch.complex(WEIGHT, WEIGHT.flip(0))
LONG = torch.randn(4, 3, 1, 5, generator=GENERATOR)
SIZE = (9, 8)


def in_half(x: Tensor, weight: Tensor) -> Tensor:
    """A direct convolution whose accumulator is float16."""
    columns, rows = F.unfold(x, 3).half(), weight.flatten(1).half()
    sums = torch.zeros(len(x), len(rows), columns.shape[2], dtype=torch.half)
    for term in range(rows.shape[1]):
        sums = sums + rows[:, term][None, :, None] * columns[:, term][:, None]
    return sums.float().reshape(len(x), len(rows), x.shape[2] - 2, x.shape[3] - 2)


def one_tap(x: Tensor, weight: Tensor) -> Tensor:
    weight = weight.clone()
    weight[2, 1, 0, 2] *= 0.5
    return F.conv2d(x, weight, padding=1)


def last_column_lost(x: Tensor, weight: Tensor) -> Tensor:
    y = F.conv2d(x, weight, padding=1)
    return torch.cat([y[..., :-1], torch.zeros_like(y[..., -1:])], -1)


def one_channel_scaled(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight) * torch.tensor([1.0, 1.0, 1.5, 1.0])[:, None, None]


def never_written(x: Tensor, weight: Tensor) -> Tensor:
    y = F.conv2d(x, weight)
    y[..., -1] = torch.nan
    return y


def edge_repeated(x: Tensor, weight: Tensor) -> Tensor:
    """What NumPy calls symmetric, where reflect leaves the edge itself out."""
    return F.conv2d(torch.cat([x[..., :2].flip(-1), x, x[..., -2:].flip(-1)], -1), weight)


class Racing:
    """Each call gives something else."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        self.calls += 1
        return F.conv2d(x, weight) * (1 + 0.01 * (self.calls % 3))


Kernel = Callable[..., Tensor]
#: name: (kernel, weight, arguments, kind of the fault, a word of the sentence)
PLANTED: dict[str, tuple[Kernel, Tensor, dict[str, Any], str, str]] = {
    "flipped taps": (lambda x, w: F.conv2d(x, w.flip(2, 3)), WEIGHT, {}, "tap", "flipped along H and W"),
    "flipped along one axis": (lambda x, w: F.conv2d(x, w.flip(3)), WEIGHT, {}, "tap", "flipped along W"),
    "exchanged axes": (lambda x, w: F.conv2d(x, w.mT), WEIGHT, {}, "tap", "H and W are exchanged"),
    "one tap": (one_tap, WEIGHT, {"padding": 1}, "tap", "tap (0, 2) at output channel 2 at input channel 1"),
    "shifted border": (
        lambda x, w: F.conv2d(F.pad(x, (0, 2, 1, 1)), w),
        WEIGHT,
        {"padding": 1},
        "border",
        "starts 1 later along W",
    ),
    "shifted the other way": (
        lambda x, w: F.conv2d(F.pad(x, (2, 0, 2, 0)), w),
        WEIGHT,
        {"padding": 1},
        "border",
        "starts 1 earlier along H and W",
    ),
    "lost border": (last_column_lost, WEIGHT, {"padding": 1}, "border", "W = 7"),
    "stride off by one": (
        lambda x, w: F.conv2d(F.pad(x, (1, 20, 1, 20)), w, stride=3)[..., :5, :4],
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride",
        "is 3, where 2",
    ),
    "stride off by one, and so the shape": (
        lambda x, w: F.conv2d(x, w, stride=3, padding=1),
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride",
        "is 3, where 2",
    ),
    "stride phase": (
        lambda x, w: F.conv2d(F.pad(x, (0, 3, 1, 1)), w, stride=2)[..., :4],
        WEIGHT,
        {"stride": 2, "padding": 1},
        "stride phase",
        "1 later along W",
    ),
    "wrong dilation": (
        lambda x, w: F.conv2d(F.pad(x, (2, 0, 2, 0)), w),
        WEIGHT,
        {"padding": 2, "dilation": 2},
        "dilation",
        "is 1, where 2",
    ),
    "wrong dilation, padded for it": (
        lambda x, w: F.conv2d(x, w, padding="same"),
        WEIGHT,
        {"padding": "same", "dilation": 2},
        "dilation",
        "is 1, where 2",
    ),
    "no padding": (lambda x, w: F.conv2d(x, w), WEIGHT, {"padding": 1}, "padding", "is 0, where 1"),
    "zeros for reflect": (
        lambda x, w: F.conv2d(x, w, padding=1),
        WEIGHT,
        {"padding": 1, "padding_mode": "reflect"},
        "padding",
        "zeros along H and W, where reflect",
    ),
    "swapped groups of the weight": (
        lambda x, w: F.conv2d(x, w.roll(2, 0), groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "exchanged",
    ),
    "swapped groups of the input": (
        lambda x, w: F.conv2d(x.roll(2, 1), w, groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "group 0's inputs",
    ),
    "swapped groups of the output": (
        lambda x, w: F.conv2d(x, w, groups=2).roll(2, 1),
        GROUPED,
        {"groups": 2},
        "group",
        "group 0's outputs",
    ),
    "swapped input channels": (
        lambda x, w: F.conv2d(x[:, [1, 0, 2]], w),
        WEIGHT,
        {},
        "channel",
        "input channel 0 stands where input channel 1",
    ),
    "scaled output channel": (one_channel_scaled, WEIGHT, {}, "channel", "output channel 2"),
    "missing bias": (lambda x, w, b: F.conv2d(x, w), WEIGHT, {"bias": BIAS}, "bias", "missing"),
    "doubled bias": (lambda x, w, b: F.conv2d(x, w, 2 * b), WEIGHT, {"bias": BIAS}, "bias", "twice"),
    "rolled bias": (lambda x, w, b: F.conv2d(x, w, b.roll(1)), WEIGHT, {"bias": BIAS}, "bias", "of channel 3"),
    "float16 accumulation": (in_half, WEIGHT, {}, "precision", "accumulation in float16"),
    "bfloat16 results": (
        lambda x, w: F.conv2d(x.bfloat16(), w.bfloat16()).float(),
        WEIGHT,
        {},
        "precision",
        "accumulation in bfloat16",
    ),
    "products of ten bits": (
        lambda x, w: F.conv2d(x.half().float(), w.half().float()),
        WEIGHT,
        {},
        "precision",
        "TF32 or float16",
    ),
    "float32 inside": (
        lambda x, w: F.conv2d(x.float(), w.float()).double(),
        WEIGHT.double(),
        {},
        "precision",
        "float32",
    ),
    "not linear": (lambda x, w: F.conv2d(x, w).relu(), WEIGHT, {}, "unknown", "not linear"),
    "results conjugated": (lambda x, w: F.conv2d(x, w).conj(), COMPLEX, {}, "unknown", "not linear"),
    "taps conjugated": (lambda x, w: F.conv2d(x, w.conj()), COMPLEX, {}, "tap", "conjugated"),
    "sign": (lambda x, w: -F.conv2d(x, w), WEIGHT, {}, "tap", "sign is turned"),
    "averaged": (lambda x, w: F.conv2d(x, w) / 9, WEIGHT, {}, "tap", "every tap is 0.111111 times"),
    "never written": (
        never_written,
        WEIGHT,
        {},
        "unknown",
        "56 of 336 results are not finite, nan at output (0, 0, 5)",
    ),
    "racing": (Racing(), WEIGHT, {}, "unknown", "not deterministic"),
    "deep border": (edge_repeated, LONG, {"padding": (0, 2), "padding_mode": "reflect"}, "border", "(W < 2, W ≥ 6)"),
    "exchanged strides": (
        lambda x, w: F.conv2d(x, w, stride=(1, 2)),
        WEIGHT,
        {"stride": (2, 1)},
        "stride",
        "of H and that of W are exchanged",
    ),
    "exchanged padding": (
        lambda x, w: F.conv2d(x, w, padding=(0, 1)),
        WEIGHT,
        {"padding": (1, 0)},
        "padding",
        "of H and that of W are exchanged",
    ),
    "output_padding forgotten": (
        lambda x, w: F.conv_transpose2d(x, w, None, 2, 1),
        WEIGHT,
        {"stride": 2, "padding": 1, "transposed": True, "output_padding": (1, 0)},
        "padding",
        "output_padding is (0, 0), where (1, 0)",
    ),
    "weights of eight bits": (
        lambda x, w: F.conv2d(x, w.bfloat16().float()),
        WEIGHT,
        {},
        "precision",
        "rounded to bfloat16",
    ),
    "interleaved groups": (
        lambda x, w: F.conv2d(x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2), w, groups=2),
        GROUPED,
        {"groups": 2},
        "group",
        "in the wrong group: input channel 1 stands where input channel 2",
    ),
    "samples mixed": (lambda x, w: F.conv2d(x[:1].expand_as(x), w), WEIGHT, {}, "unknown", "other samples"),
}


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
    with pytest.raises(InspectionError, match="batch must be at least 1"):
        verify_conv(F.conv2d, WEIGHT, SIZE, batch=0)


def test_a_wrong_shape_without_a_name_is_told_as_it_is() -> None:
    found = verify_conv(lambda x, w: F.conv2d(x, w)[:, :1], WEIGHT, SIZE)
    assert [fault.kind for fault in found.faults] == ["shape"]
    assert "[1, 7, 6], expected [4, 7, 6]" in found.faults[0].said


@pytest.mark.cuda
def test_pytorch_agrees_on_cuda_without_tf32() -> None:
    weight = WEIGHT.cuda()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        assert verify_conv(F.conv2d, weight, SIZE).ok
