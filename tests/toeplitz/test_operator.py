"""The operator as its users meet it: the worked example, modules, dtypes, orders, batches, empty and size-1 axes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inspector
from inspector.toeplitz import ConvOperator, conv_operator
from tests.toeplitz.reference import impulses, pytorch

KERNEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
#: Each row is the kernel laid on the flattened 4×4 input at one output position, written by hand.
WRITTEN = """
    -1 0 1 0  -2 0 2 0  -1 0 1 0   0 0 0 0
     0 -1 0 1  0 -2 0 2  0 -1 0 1   0 0 0 0
     0 0 0 0  -1 0 1 0  -2 0 2 0  -1 0 1 0
     0 0 0 0   0 -1 0 1  0 -2 0 2  0 -1 0 1
"""


def test_the_worked_example() -> None:
    A = inspector.toeplitz.conv_operator(KERNEL[None, None], input_size=(4, 4))
    written = torch.tensor([[float(entry) for entry in line.split()] for line in WRITTEN.strip().splitlines()])
    assert torch.equal(A.to_dense(), written)
    x = torch.tensor([[10.0, 10, 0, 0]] * 4)
    assert (A @ x.flatten()).tolist() == [-40.0] * 4  # 10·(−1 − 2 − 1), or 10·(0 − 4) with the zero column
    assert torch.equal(A(x[None])[0], torch.full((2, 2), -40.0))


def test_true_convolution_turns_the_kernel() -> None:
    """The kernel is odd under the turn: w(−y, −x) = −w(y, x)."""
    plain, turned = (conv_operator(KERNEL[None, None], (4, 4), flip=flip).to_dense() for flip in (False, True))
    assert torch.equal(turned, -plain)


MODULES = [
    nn.Conv1d(4, 6, 4, padding="same", groups=2),
    nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=1, padding_mode="circular"),
    nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect", groups=4, bias=False),
    nn.Conv3d(1, 2, 2, dilation=2, padding=1, padding_mode="replicate"),
    nn.ConvTranspose1d(2, 3, 3, stride=3, padding=1, output_padding=2),
    nn.ConvTranspose2d(4, 2, 3, stride=2, groups=2, dilation=(1, 2), output_padding=1),
    nn.ConvTranspose3d(1, 1, 2, stride=2),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("module", MODULES, ids=str)
def test_from_module_is_the_module(module: nn.Module) -> None:
    size = (5, 6, 4)[: module.weight.dim() - 2]
    images = torch.randn(2, module.in_channels, *size)
    A = ConvOperator.from_module(module, size)
    assert A.weight is module.weight
    expected = module(images)
    torch.testing.assert_close(A(images), expected)
    affine = A.to_sparse("csr", affine=True)
    ones = torch.cat([A.columns.to_vectors(images), torch.ones(1, 2)])
    torch.testing.assert_close(A.rows.to_images(affine.detach() @ ones), expected.detach())


def test_from_module_refuses_what_is_none() -> None:
    for module in (nn.Linear(2, 2), nn.LazyConv2d(3, 3)):
        with pytest.raises(inspector.InspectionError, match=f"got {type(module).__name__}"):
            ConvOperator.from_module(module, (4, 4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex64, torch.complex128])
def test_dtypes_that_csr_multiplies(dtype: torch.dtype) -> None:
    weight, x = torch.randn(2, 3, 3, dtype=dtype), torch.randn(3 * 7, 4, dtype=dtype)
    A = conv_operator(weight, 7, padding=1)
    assert not A.matrix_free
    torch.testing.assert_close(A @ x, A.to_dense() @ x)
    torch.testing.assert_close(A.H @ (A @ x), A.to_dense().mH @ (A.to_dense() @ x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_dtypes_convolve_where_csr_has_no_product(dtype: torch.dtype) -> None:
    """Small whole numbers, so that every dtype holds the sums exactly."""
    weight, x = torch.randint(-2, 3, (2, 3, 3)).to(dtype), torch.randint(-2, 3, (21,)).to(dtype)
    A = conv_operator(weight, 7, padding=1)
    assert A.to_sparse("csr").dtype == dtype
    expected = A.with_weight(weight.double()).to_dense() @ x.double()
    assert torch.equal((A @ x).double(), expected)
    if A.matrix_free:
        with pytest.raises(inspector.InspectionError, match=r"multiplies no CSR matrix of .* only of .*torch\.float32"):
            A.matmul(x, matrix_free=False)


def test_shapes_of_products() -> None:
    A = conv_operator(torch.randn(2, 1, 3), 6)
    dense = A.to_dense()
    for shape in ((6,), (6, 3), (2, 6, 3), (2, 0, 6, 3), (6, 0)):
        x = torch.randn(shape)
        for matrix_free in (False, True):
            torch.testing.assert_close(A.matmul(x, matrix_free=matrix_free), dense @ x)


def test_images_with_any_batch() -> None:
    A = conv_operator(torch.randn(2, 3, 3, 3), (4, 5), bias=torch.randn(2))
    images = torch.randn(2, 0, 3, 4, 5), torch.randn(3, 4, 5), torch.randn(2, 2, 3, 4, 5)
    for batch in images:
        out = A(batch)
        assert out.shape == (*batch.shape[:-3], 2, 2, 3)
        expected = F.conv2d(batch.reshape(-1, 3, 4, 5), A.weight, A.bias)
        torch.testing.assert_close(out.reshape(expected.shape), expected)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("weight_shape", [(0, 2, 3), (2, 0, 3), (2, 2, 3)])
def test_empty_channels(weight_shape: tuple[int, ...], transposed: bool) -> None:
    weight = torch.ones(weight_shape, requires_grad=True)
    A = conv_operator(weight, 5, transposed=transposed)
    assert A.to_sparse("csr").shape == A.shape
    for matrix_free in (False, True):
        x = torch.ones(A.shape[1], 2, requires_grad=True)
        out = A.matmul(x, matrix_free=matrix_free)
        torch.testing.assert_close(out, A.to_dense() @ x)
        grads = torch.autograd.grad(out.sum(), (weight, x))
        assert [grad.shape for grad in grads] == [weight.shape, x.shape]


def test_an_empty_axis_reads_padding_alone() -> None:
    """No input, padding 2 on both sides, kernel 3: two outputs, a matrix without columns."""
    A = conv_operator(torch.ones(1, 1, 3), 0, padding=2)
    assert (A.shape, A.nnz) == ((2, 0), 0)
    assert A(torch.zeros(1, 1, 0)).tolist() == [[[0.0, 0.0]]]
    assert (A @ torch.zeros(0)).tolist() == [0.0, 0.0]


def test_an_input_that_no_window_reads() -> None:
    """Stride 3 over two zeros and one input: the single window reads the first zero."""
    A = conv_operator(torch.ones(1, 1, 1), 1, stride=3, padding=[(2, 0)])
    assert (A.shape, A.nnz) == ((1, 1), 0)
    for matrix_free in (False, True):
        assert A.matmul(torch.ones(1), matrix_free=matrix_free).tolist() == [0.0]
        assert A.T.matmul(torch.ones(1), matrix_free=matrix_free).tolist() == [0.0]


def test_size_one_axes() -> None:
    weight = torch.randn(2, 2, 1, 3, dtype=torch.float64)
    A = conv_operator(weight, (1, 1), padding=(0, 1))
    assert torch.equal(A.to_dense(), impulses(pytorch(weight, padding=(0, 1)), 2, (1, 1)))


def test_the_matrix_follows_its_weight() -> None:
    """Also where the weight changes behind autograd's back."""
    weight, x = torch.randn(1, 1, 3), torch.randn(6)
    A = conv_operator(weight, 6)
    first = A @ x
    assert A.csr() is A.csr()
    assert A.T is A.T
    weight.data.mul_(2)
    assert torch.equal(A @ x, 2 * first)


def test_copies_and_pickles_leave_the_built_matrix_behind() -> None:
    A = conv_operator(torch.randn(2, 2, 3), 6, padding=1, padding_mode="circular", bias=torch.randn(2))
    images, x = torch.randn(3, 2, 6), torch.randn(12)
    expected = A(images), A @ x
    size = len(pickle.dumps(A))
    for again in (copy.copy(A), copy.deepcopy(A), pickle.loads(pickle.dumps(A))):
        assert torch.equal(again(images), expected[0])
        assert torch.equal(again @ x, expected[1])
    A.T @ torch.randn(12)
    assert len(pickle.dumps(A)) == size


def test_to_another_dtype_keeps_the_bias() -> None:
    A = conv_operator(torch.randn(2, 2, 3), 6, bias=torch.randn(2))
    images = torch.randn(3, 2, 6)
    wide = A.to(torch.float64)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide(images.double()), F.conv1d(images.double(), A.weight.double(), A.bias.double()))
    assert A.T.to(torch.float64).shape == A.shape[::-1]


def test_transpose_twice() -> None:
    A = conv_operator(torch.randn(2, 2, 3), 6, stride=2, padding=1, padding_mode="reflect", channels_last="rows")
    assert A.T.T.convolution == A.convolution
    assert A.T.shape == A.shape[::-1]
    assert str(A) == "ConvOperator(6 × 12, 32 entries, torch.float32 on cpu)"


def unfolded(images: Tensor, weight: Tensor) -> Tensor:
    """im2col: a second way to convolve, of PyTorch's own."""
    columns = F.unfold(images, weight.shape[2:])
    return (weight.flatten(1) @ columns).reshape(len(images), len(weight), images.shape[2] - 2, -1)


def test_beside_unfold() -> None:
    weight, images = torch.randn(4, 3, 3, 3, dtype=torch.float64), torch.randn(2, 3, 8, 7, dtype=torch.float64)
    A = conv_operator(weight, (8, 7))
    torch.testing.assert_close(A.rows.to_images(A @ A.columns.to_vectors(images)), unfolded(images, weight))


@pytest.mark.cuda
def test_on_the_device() -> None:
    """Built there, multiplied there, beside F.conv2d with TF32 off."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    weight = torch.randn(8, 4, 3, 3, device="cuda", requires_grad=True)
    images = torch.randn(2, 4, 9, 10, device="cuda")
    for arguments in (
        {"padding": 1, "stride": 2},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 2, "dilation": 2},
    ):
        A, theirs = conv_operator(weight, (9, 10), **arguments), pytorch(weight, **arguments)(images)
        for layout in ("csr", "csc", "coo"):
            assert A.to_sparse(layout).device.type == "cuda"
            torch.testing.assert_close(A.to_sparse(layout).to_dense().cpu(), A.to_dense().cpu())
        product = A.rows.to_images(A @ A.columns.to_vectors(images))
        torch.testing.assert_close(product, theirs)
        seed = torch.randn_like(theirs)
        ours, expected = (torch.autograd.grad(out, weight, seed)[0] for out in (product, theirs))
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
