"""Derivatives in the vector and in the weight: against numbers, against F.conv, twice, and through torch.func."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.toeplitz import ConvOperator, conv_operator, layouts
from inspector.toeplitz.apply import weight_gradient
from inspector.toeplitz.product import multiplies

CASES = [
    {"stride": 2, "padding": 1},
    {"padding": 2, "padding_mode": "reflect"},
    {"padding": (1, 2), "padding_mode": "replicate", "dilation": 2},
    {"stride": 2, "transposed": True, "output_padding": 1, "groups": 2},
]


def built(weight: Tensor, arguments: dict[str, object], **more: object) -> ConvOperator:
    return conv_operator(weight, (4, 3), **arguments, **more)


def weight_of(arguments: dict[str, object], dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2 // arguments.get("groups", 1), 2, 2, dtype=dtype, generator=generator)


@pytest.mark.parametrize("matrix_free", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_product_twice_differentiable(arguments: dict[str, object], dtype: torch.dtype, matrix_free: bool) -> None:
    weight = weight_of(arguments, dtype).requires_grad_()
    x = torch.randn(built(weight, arguments).shape[1], 2, dtype=dtype, requires_grad=True)

    def product(weight: Tensor, x: Tensor) -> Tensor:
        return built(weight, arguments).matmul(x, matrix_free=matrix_free)

    assert torch.autograd.gradcheck(product, (weight, x), fast_mode=True)
    assert torch.autograd.gradgradcheck(product, (weight, x), fast_mode=True)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "dense"])
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_matrices_are_differentiable(arguments: dict[str, object], layout: str, channels_last: bool) -> None:
    """The gradient of ⟨A, S⟩ in the weight, and in the bias beside it, is that of ⟨conv(units), S⟩."""
    weight = weight_of(arguments).requires_grad_()
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    A = built(weight, arguments, bias=bias, channels_last=channels_last)
    matrix = A.to_dense(affine=True) if layout == "dense" else A.to_sparse(layout, affine=True).to_dense()
    seed = torch.randn(matrix.shape, dtype=torch.float64)
    ours = torch.autograd.grad(matrix, (weight, bias), seed)
    units = A.columns.to_images(torch.eye(A.shape[1], dtype=torch.float64))
    columns = A.rows.to_vectors(A.with_weight(weight)(units))
    expected = torch.autograd.grad(columns, weight, seed[:, :-1])[0]
    torch.testing.assert_close(ours[0], expected)
    torch.testing.assert_close(ours[1], A.rows.to_images(seed[:, -1:]).sum((0, 2, 3)))


@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_values_are_twice_differentiable(arguments: dict[str, object]) -> None:
    weight = weight_of(arguments).requires_grad_()

    def values(weight: Tensor) -> Tensor:
        return built(weight, arguments).diagonals().values ** 2

    def dense(weight: Tensor) -> Tensor:
        return built(weight, arguments).to_dense() ** 2

    for function in (values, dense):
        assert torch.autograd.gradcheck(function, weight, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, weight, fast_mode=True)


def test_a_pruned_tap_keeps_its_place_and_gradient() -> None:
    weight = torch.tensor([[[1.0, 0.0, 2.0]]], requires_grad=True)
    A = conv_operator(weight, 5)
    assert A.to_sparse("csr").values().numel() == A.nnz == 9
    (A @ torch.arange(1.0, 6)).sum().backward()
    # Tap k reads x[k], x[k + 1], x[k + 2]: 1 + 2 + 3, 2 + 3 + 4, 3 + 4 + 5.
    assert weight.grad.tolist() == [[[6.0, 9.0, 12.0]]]


def test_gathering_is_pytorchs_weight_gradient() -> None:
    weight = torch.randn(6, 2, 3, 2, dtype=torch.float64)
    A = conv_operator(weight, (7, 8), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=3)
    images = torch.randn(4, 6, 7, 8, dtype=torch.float64)
    seed = torch.randn_like(A(images))
    expected = torch.nn.grad.conv2d_weight(images, weight.shape, seed, (2, 1), (1, 0), (1, 2), 3)
    torch.testing.assert_close(weight_gradient(A.convolution, images, seed), expected)


def test_no_gradient_needs_the_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 35 MB of entries; the dense matrix, 4·490 000² bytes, would be 960 GB and is never asked for."""
    monkeypatch.setattr(layouts, "dense", lambda *_: pytest.fail("the dense matrix"))
    weight = torch.randn(1, 1, 3, 3, requires_grad=True)
    A = conv_operator(weight, (700, 700), padding=1)
    x = torch.randn(A.shape[1], 1, requires_grad=True)
    A.matmul(x, matrix_free=False).square().sum().backward()
    expected = torch.autograd.grad(F.conv2d(x.view(1, 1, 700, 700), weight, padding=1).square().sum(), (weight, x))
    torch.testing.assert_close(weight.grad, expected[0], rtol=1e-3, atol=1e-1)
    torch.testing.assert_close(x.grad, expected[1], rtol=1e-4, atol=1e-4)


def test_through_torch_func() -> None:
    x = torch.randn(12, dtype=torch.float64)
    weight = torch.randn(1, 1, 2, 2, dtype=torch.float64)

    def loss(weight: Tensor) -> Tensor:
        return (conv_operator(weight, (4, 3)).matmul(x) ** 2).sum()

    def plain(weight: Tensor) -> Tensor:
        return (F.conv2d(x.view(1, 1, 4, 3), weight) ** 2).sum()

    torch.testing.assert_close(torch.func.grad(loss)(weight), torch.func.grad(plain)(weight))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of PyTorch's own forward mode
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_forward_mode_and_batches_of_torch_func(arguments: dict[str, object]) -> None:
    """Beside the dense matrix: one for each of five weights and vectors."""
    weights = torch.stack([weight_of(arguments) * factor for factor in range(1, 6)])
    A = built(weights[0], arguments)
    dense, (n_out, n_in) = A.to_dense(), A.shape
    x = torch.randn(5, n_in, dtype=torch.float64)

    def product(weight: Tensor, x: Tensor) -> Tensor:
        return built(weight, arguments).matmul(x, matrix_free=False)

    torch.testing.assert_close(torch.vmap(A.__matmul__)(x), x @ dense.T)
    torch.testing.assert_close(torch.vmap(A.__matmul__, 1, 1)(x.T), dense @ x.T)
    assert torch.vmap(A.__matmul__)(x[:, :, None].expand(5, n_in, 2)).shape == (5, n_out, 2)
    by_factor = torch.arange(1.0, 6, dtype=torch.float64)[:, None] * (x @ dense.T)
    torch.testing.assert_close(torch.vmap(lambda weight, x: built(weight, arguments) @ x)(weights, x), by_factor)
    torch.testing.assert_close(torch.func.jacfwd(product, 1)(weights[0], x[0]), dense)
    by_weight = torch.func.jacrev(product)(weights[0], x[0])
    torch.testing.assert_close(torch.func.jacfwd(product)(weights[0], x[0]), by_weight)
    hessian = torch.func.hessian(lambda x: A.matmul(x, matrix_free=False).square().sum())(x[0])
    torch.testing.assert_close(hessian, 2 * dense.T @ dense)


def test_autocast_leaves_the_matrix_in_its_dtype() -> None:
    """bfloat16 has no product with CSR on the CPU."""
    A = conv_operator(torch.randn(1, 1, 3), 6)
    x = torch.randn(6)
    expected = A.matmul(x, matrix_free=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(A.matmul(x, matrix_free=False), expected)


def test_what_a_device_multiplies_is_asked_outside_of_transforms() -> None:
    """Under torch.func.grad PyTorch has no sparse tensors; that must not be remembered of the device."""
    asked = torch.float32, torch.device("cpu")
    multiplies.cache_clear()

    def inside(x: Tensor) -> Tensor:
        assert multiplies(*asked)
        return x.sum()

    torch.func.grad(inside)(torch.ones(2))
    assert multiplies(*asked)
