"""Ten thousand configurations against PyTorch's convolution: values, gradients, adjoint, and the closed costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inspector.errors import InspectionError
from inspector.toeplitz import ConvOperator, conv_operator
from tests.toeplitz.drawing import Case, drawn
from tests.toeplitz.reference import channels_to_end, impulses, pytorch

RELATIVE = 1e-12
# F.conv says that it copies its input for "same" with an even kernel.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def held(ours: Tensor, theirs: Tensor) -> None:
    """To 1e-12 of the largest element."""
    assert ours.shape == theirs.shape
    largest = theirs.abs().max().item() if theirs.numel() else 0.0
    assert (ours - theirs).abs().max().item() <= RELATIVE * largest if theirs.numel() else True


def reorder(A: ConvOperator, matrix: Tensor) -> Tensor:
    """A matrix in channels-first order, in the order of the operator."""
    if A.rows.channels_last:
        matrix = matrix[channels_to_end(A.rows.channels, A.rows.size)]
    if A.columns.channels_last:
        matrix = matrix[:, channels_to_end(A.columns.channels, A.columns.size)]
    return matrix


def check(case: Case) -> None:
    weight = case.weight.clone().requires_grad_()
    A = conv_operator(weight, case.size, bias=case.bias, channels_last=case.order, **case.arguments)
    convolve, plain = pytorch(weight, case.bias, **case.arguments), pytorch(weight, **case.arguments)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, case.channels, *case.size, dtype=weight.dtype, generator=generator, requires_grad=True)
    with torch.no_grad():
        matrix = reorder(A, impulses(plain, case.channels, case.size, weight.dtype))
    check_layouts(A, matrix)

    out = plain(images)
    seed = torch.randn(out.shape, dtype=weight.dtype, generator=generator)
    theirs = torch.autograd.grad(out, (images, weight), seed)
    held(A(images), convolve(images))
    for matrix_free in (False, True):
        x = A.columns.to_vectors(images.detach()).requires_grad_()
        product = A.matmul(x, matrix_free=matrix_free)
        held(A.rows.to_images(product), out)
        to_x, to_weight = torch.autograd.grad(product, (x, weight), A.rows.to_vectors(seed))
        held(A.columns.to_images(to_x), theirs[0])
        held(to_weight, theirs[1])
    # The gradient in x of ⟨Ax, y⟩ is Aᴴy, so PyTorch's own backward says what the adjoint is.
    held(A.columns.to_images(A.H.matmul(A.rows.to_vectors(seed), matrix_free=True)), theirs[0])


def check_layouts(A: ConvOperator, matrix: Tensor) -> None:
    with torch.no_grad(), torch.sparse.check_sparse_tensor_invariants():
        built = {layout: A.to_sparse(layout) for layout in ("csr", "csc", "coo")} | {"dense": A.to_dense()}
        if A.rows.channels_last and A.columns.channels_last and A.weight.shape[:2] != (A.groups, 1):
            built["bsr"] = A.to_sparse("bsr")
    assert A.shape == tuple(matrix.shape)
    assert A.nnz == matrix.count_nonzero() == built["csr"].values().numel()
    for layout, found in built.items():
        held(found.to_dense(), matrix)
        assert A.nbytes(layout) == stored(found), layout
    held(A.T.to_dense().detach(), matrix.T)


def stored(matrix: Tensor) -> int:
    """Bytes of all tensors that the layout consists of."""
    names = {
        torch.sparse_csr: ("crow_indices", "col_indices", "values"),
        torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
        torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
        torch.sparse_coo: ("indices", "values"),
    }
    if matrix.layout == torch.strided:
        return matrix.numel() * matrix.element_size()
    return sum((part := getattr(matrix, name)()).numel() * part.element_size() for name in names[matrix.layout])


def run(seed: int, count: int) -> None:
    for case in drawn(seed, count):
        if case.refused:
            with pytest.raises(InspectionError):
                conv_operator(case.weight, case.size, bias=case.bias, **case.arguments)
            continue
        try:
            check(case)
        except Exception as error:
            error.add_note(f"weight {list(case.weight.shape)}, input {case.size}, {case.arguments}, {case.order}")
            raise


def test_some() -> None:
    run(seed=0, count=60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
def test_ten_thousand(seed: int) -> None:
    run(seed, count=500)
