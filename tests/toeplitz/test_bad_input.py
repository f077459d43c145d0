"""What cannot be is refused with where, what was expected, what came and what to do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inspector.errors import InspectionError, ShapeError
from inspector.toeplitz import conv_operator, steps, svg

ONE, TWO = torch.ones(4, 2, 3), torch.ones(4, 2, 3, 3)

REFUSED: list[tuple[torch.Tensor, Any, dict[str, Any], str]] = [
    (torch.ones(3, 3), (5, 5), {}, r"weight: expected 3, 4 or 5 axes .* got shape \[3, 3\]; a single 2-D kernel is"),
    (torch.ones(1, 1, 0), 5, {}, r"weight: expected a kernel of at least one tap .* got \[0\]"),
    (torch.ones(1, 1, 3, dtype=torch.bool), 5, {}, r"weight: expected a dense tensor of numbers, got .*torch.bool"),
    (torch.ones(3, 3).to_sparse(), 5, {}, r"weight: expected a dense tensor of numbers, got torch.sparse_coo"),
    (ONE, 5, {"groups": 3}, r"groups: expected a divisor of the 4 output channels, got 3"),
    (ONE, 5, {"groups": 3, "transposed": True}, r"groups: expected a divisor of the 4 input channels, got 3"),
    (ONE, 5, {"groups": 0}, r"groups: expected an integer ≥ 1, got 0"),
    (TWO, (2, 5, 5), {}, r"input_size: expected the 2 sizes .* leave batch and channels away: \(5, 5\)"),
    (TWO, (1, 2, 5, 5), {}, r"leave batch and channels away: \(5, 5\)"),
    (TWO, 5, {}, r"input_size: expected 2 sizes, one for each axis of the kernel, got 5"),
    (TWO, (5, -5), {}, r"input_size: expected an integer ≥ 0 or 2 of them, got \(5, -5\)"),
    (TWO, (5, 5.5), {}, r"input_size: expected an integer ≥ 0 or 2 of them, got \(5, 5.5\)"),
    (ONE, 5, {"stride": 0}, r"stride: expected an integer ≥ 1, got 0"),
    (TWO, (5, 5), {"stride": (1, 2, 3)}, r"stride: expected an integer ≥ 1 or 2 of them, got \(1, 2, 3\)"),
    (TWO, (5, 5), {"dilation": "2"}, r"dilation: expected an integer ≥ 1 or 2 of them, got '2'"),
    (ONE, 5, {"padding": -1}, r"padding: expected an integer ≥ 0, got -1"),
    (ONE, 5, {"padding": "full"}, r"padding: expected integers, 'same' or 'valid', got 'full'"),
    (ONE, 5, {"padding": "same", "stride": 2}, r"padding: 'same' needs stride 1, got stride \(2,\)"),
    (ONE, 5, {"padding": "same", "transposed": True}, r"padding: expected integers, got 'same'"),
    (TWO, (5, 5), {"padding": [(1, 1)]}, r"padding: expected 2 pairs \(before, after\)"),
    (
        TWO,
        (5, 5),
        {"padding": [(1, 1), (1,)]},
        r"padding of one axis: expected an integer ≥ 0 or 2 of them, got \(1,\)",
    ),
    (
        ONE,
        5,
        {"padding": 5, "padding_mode": "reflect"},
        r"padding of axis 0: reflect takes less than the input's 5, got 5",
    ),
    (ONE, 5, {"padding": 6, "padding_mode": "circular"}, r"circular takes at most the input's 5, got 6"),
    (ONE, 0, {"padding": 2, "padding_mode": "replicate"}, r"replicate takes at most the input's 0, got 2"),
    (
        ONE,
        5,
        {"padding_mode": "mirror"},
        r"padding_mode: expected one of zeros, circular, reflect, replicate, got 'mir",
    ),
    (
        ONE,
        5,
        {"padding_mode": "reflect", "transposed": True},
        r"a transposed convolution has zeros only, got 'reflect'",
    ),
    (
        ONE,
        2,
        {},
        r"axis 0: the kernel reaches over 3 inputs \(K = 3, dilation 1\), the padded input has 2 \+ 0 \+ 0 = 2",
    ),
    (ONE, 5, {"dilation": 3}, r"axis 0: the kernel reaches over 7 inputs .* pad more or use a smaller kernel"),
    (ONE, 5, {"output_padding": 1}, r"output_padding: belongs to transposed=True, got 1"),
    (
        ONE,
        5,
        {"output_padding": 2, "stride": 2, "transposed": True},
        r"expected less than the stride 2 or the dilation 1",
    ),
    (ONE, 1, {"padding": 2, "transposed": True}, r"axis 0: 1 inputs give an output of -1; the padding \(2, 2\) cuts"),
    (ONE, 5, {"bias": torch.ones(3)}, r"bias: expected shape \[4\], one value for each output channel, got \[3\]"),
    (
        ONE,
        5,
        {"bias": torch.ones(4).double()},
        r"bias: expected torch.float32 on cpu as the weight is, got torch.float64",
    ),
    (ONE, 5, {"channels_last": "both"}, r"channels_last: expected True, False, 'rows' or 'columns', got 'both'"),
]


@pytest.mark.parametrize(("weight", "size", "arguments", "message"), REFUSED, ids=[case[3][:40] for case in REFUSED])
def test_refused(weight: torch.Tensor, size: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        conv_operator(weight, size, **arguments)


def test_steps_of_what_is_no_tensor() -> None:
    with pytest.raises(ShapeError, match=r"steps: expected one input of shape \[2, 5\], got list"):
        steps(conv_operator(ONE, 5), [1.0])  # type: ignore[arg-type]


def test_a_weight_that_is_no_tensor() -> None:
    with pytest.raises(ShapeError, match="weight: expected a dense tensor of numbers, got list"):
        conv_operator([[[1.0]]], 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(9), r"A @ x: expected \(10,\) or \(\*batch, 10, k\), got \[9\]"),
        (torch.ones(3, 10), r"got \[3, 10\]"),
        (torch.tensor(1.0), r"got \[\]"),
        (torch.ones(10).double(), r"A @ x: expected torch.float32 on cpu as the weight is, got torch.float64 on cpu"),
        (torch.ones(10, device="meta"), r"got torch.float32 on meta"),
        ([1.0] * 10, r"A @ x: expected a tensor, got list"),
    ],
)
def test_a_vector_that_does_not_fit(x: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        conv_operator(ONE, 5) @ x


def test_images_that_do_not_fit() -> None:
    A = conv_operator(TWO, (5, 6))
    with pytest.raises(ShapeError, match=r"A\(images\): expected \(\*batch, 2, 5, 6\), got \[1, 2, 6, 5\]"):
        A(torch.ones(1, 2, 6, 5))


def test_a_dtype_that_pytorch_does_not_convolve() -> None:
    """What there is, as the rows of the matrix, is there still; the error names a way."""
    A = conv_operator(torch.tensor([[[1, 2]]], dtype=torch.int32), 3)
    assert A.T.to_dense().tolist() == [[1, 0], [2, 1], [0, 2]]
    with pytest.raises(
        InspectionError, match=r"transposes no convolution of torch.int32 on cpu; .* A\.to\(torch\.float32"
    ):
        A.T @ torch.ones(2, dtype=torch.int32)
    with pytest.raises(InspectionError, match=r"convolves nothing of torch.float8_e5m2 on cpu"):
        A.to(torch.float8_e5m2)(torch.ones(1, 3).to(torch.float8_e5m2))


def test_a_layout_that_is_not_there() -> None:
    A = conv_operator(ONE, 5)
    for ask in (A.to_sparse, A.nbytes, A.to_scipy):
        with pytest.raises(InspectionError, match=r"layout: expected one of csr, csc, coo, bsr, dense, got 'dia'"):
            ask("dia")
    with pytest.raises(InspectionError, match=r"'dense' is to_dense\(\)"):
        A.to_sparse("dense")
    with pytest.raises(InspectionError, match="no dense block of channels; ask for csr, csc or coo"):
        A.to_sparse("bsr", affine=True)


def test_another_weight_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"weight: expected shape \[4, 2, 3\], got \[4, 2, 5\]"):
        conv_operator(ONE, 5).with_weight(torch.ones(4, 2, 5))
    with pytest.raises(ShapeError, match=r"weight: expected shape \[4, 2, 3\], got int"):
        conv_operator(ONE, 5).with_weight(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("x", "got"), [(torch.ones(4), r"\[4\]"), (torch.ones(10, 2), r"\[10, 2\]"), ([1.0], "list")])
def test_a_vector_that_does_not_fit_diagonals(x: Any, got: str) -> None:
    with pytest.raises(ShapeError, match=rf"diagonals @ x: expected one vector \(10,\), got {got}"):
        conv_operator(ONE, 5).diagonals() @ x


def test_a_weight_without_values() -> None:
    A = conv_operator(ONE.to("meta"), 5)
    assert A.to_sparse("csr").is_meta
    for ask in (A.diagonals, A.to_scipy, A.operator_norm, lambda: steps(A), lambda: svg(A)):
        with pytest.raises(InspectionError, match="the weight is on the meta device and has no values"):
            ask()
