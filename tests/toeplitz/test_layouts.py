"""Every layout holds the same matrix, in the order and the index type that it says."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from inspector.allocations import Allocations
from inspector.errors import InspectionError
from inspector.toeplitz import ConvOperator, conv_operator, pattern, places
from tests.toeplitz.reference import channels_to_end, impulses, pytorch

CASES = [
    {"padding": 1, "stride": 2},
    {"padding": [(0, 2), (1, 0)], "padding_mode": "reflect"},
    {"stride": 2, "transposed": True, "output_padding": (0, 1)},
    {"padding": "same", "padding_mode": "circular", "groups": 2},
]


def operator(arguments: dict[str, object], channels_last: bool | str = False) -> tuple[ConvOperator, torch.Tensor]:
    """With its matrix by impulses, channels first."""
    groups = arguments.get("groups", 1)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 4 // groups, 3, 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(4, dtype=torch.float64, generator=generator)
    A = conv_operator(weight, (4, 5), bias=bias, channels_last=channels_last, **arguments)
    return A, impulses(pytorch(weight, **arguments), 4, (4, 5))


@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_indices_are_sorted_and_narrow(arguments: dict[str, object]) -> None:
    A, matrix = operator(arguments)
    with torch.sparse.check_sparse_tensor_invariants():  # PyTorch's own: sorted, distinct, in range
        csr, csc, coo = (A.to_sparse(layout) for layout in ("csr", "csc", "coo"))
    assert csr.crow_indices().dtype == csr.col_indices().dtype == torch.int32
    assert csc.ccol_indices().dtype == csc.row_indices().dtype == torch.int32
    assert coo.is_coalesced()
    assert torch.equal(coo.indices(), torch.sparse_coo_tensor(coo.indices(), coo.values()).coalesce().indices())
    for built in (csr, csc, coo):
        torch.testing.assert_close(built.to_dense(), matrix, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels_last", [True, "rows", "columns"])
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_channels_last_permutes_rows_and_columns(arguments: dict[str, object], channels_last: bool | str) -> None:
    A, matrix = operator(arguments, channels_last)
    if channels_last in (True, "rows"):
        matrix = matrix[channels_to_end(4, A.rows.size)]
    if channels_last in (True, "columns"):
        matrix = matrix[:, channels_to_end(4, (4, 5))]
    for built in (A.to_dense(), A.to_sparse("csr").to_dense(), A.T.to_dense().T):
        torch.testing.assert_close(built, matrix, rtol=1e-12, atol=1e-12)


def test_channels_last_is_the_order_of_channels_last_memory() -> None:
    A, _ = operator(CASES[0], channels_last=True)
    images = torch.randn(1, 4, 4, 5, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    in_memory = images.as_strided((images.numel(),), (1,))
    assert torch.equal(A.columns.to_vectors(images)[:, 0], in_memory)


@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_bsr_blocks_are_the_channels(arguments: dict[str, object]) -> None:
    A, _ = operator(arguments, channels_last=True)
    with torch.sparse.check_sparse_tensor_invariants():
        bsr = A.to_sparse("bsr")
    side = 4 // A.groups
    assert bsr.values().shape[1:] == (side, side)
    assert torch.equal(bsr.to_dense(), A.to_dense())
    assert A.nbytes("bsr") < A.nbytes("csr")


def test_bsr_says_where_it_does_not_pay() -> None:
    with pytest.raises(InspectionError, match="channels_last=True"):
        operator(CASES[0])[0].to_sparse("bsr")
    depthwise = conv_operator(torch.ones(3, 1, 3), 5, groups=3, channels_last=True)
    with pytest.raises(InspectionError, match=r"1 × 1 .* ask for csr"):
        depthwise.to_sparse("bsr")


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_the_affine_column(arguments: dict[str, object], channels_last: bool) -> None:
    A, _ = operator(arguments, channels_last)
    images = torch.randn(3, 4, 4, 5, dtype=torch.float64)
    x = torch.cat([A.columns.to_vectors(images), torch.ones(1, 3, dtype=torch.float64)])
    built = {"dense": A.to_dense(affine=True)}
    with torch.sparse.check_sparse_tensor_invariants():
        built |= {layout: A.to_sparse(layout, affine=True) for layout in ("csr", "csc", "coo")}
    for layout, matrix in built.items():
        assert matrix.shape == (A.shape[0], A.shape[1] + 1)
        torch.testing.assert_close(A.rows.to_images(matrix @ x), A(images), rtol=1e-12, atol=1e-12)
        stored = matrix.numel() if layout == "dense" else matrix.values().numel()
        entries = A.shape[0] * (A.shape[1] + 1) if layout == "dense" else A.nnz + A.shape[0]
        assert stored == entries


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize(
    ("layout", "affine"), [*product(["csr", "csc", "coo", "dense"], [False, True]), ("bsr", False)]
)
def test_nothing_takes_a_third_more_memory_than_its_result(layout: str, affine: bool, mode: str) -> None:
    """All that lives at once while it is built; only what a kernel takes inside itself is not seen."""
    weight, bias = torch.randn(16, 8, 3, 3), torch.randn(16)
    A = conv_operator(weight, (20, 20), padding=1, padding_mode=mode, bias=bias, channels_last=layout == "bsr")
    with Allocations("cpu", (weight, bias)) as allocations:
        A.to_dense(affine=affine) if layout == "dense" else A.to_sparse(layout, affine=affine)
    assert allocations.peak() <= 1.3 * A.nbytes(layout, affine=affine)


def test_without_bias_the_affine_column_is_zero() -> None:
    A = conv_operator(torch.ones(1, 1, 2), 3)
    assert A.to_dense(affine=True).tolist() == [[1, 1, 0, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr"])
def test_scipy_holds_the_same(layout: str) -> None:
    A, _ = operator(CASES[3], channels_last=True)
    found = A.to_scipy(layout)
    assert found.format == layout
    np.testing.assert_array_equal(found.toarray(), A.to_dense().numpy())


def test_scipy_shares_memory() -> None:
    A, _ = operator(CASES[0])
    csr = A.csr()
    from inspector.toeplitz.foreign import to_scipy

    assert np.shares_memory(to_scipy(csr).data, csr.values().numpy())


def test_scipy_says_which_dtypes_it_has() -> None:
    with pytest.raises(InspectionError, match=r"no torch\.bfloat16, only torch\.float32"):
        conv_operator(torch.ones(1, 1, 2, dtype=torch.bfloat16), 3).to_scipy()


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_diagonals_are_the_matrix(arguments: dict[str, object], wrap: bool) -> None:
    A, matrix = operator(arguments)
    found = A.diagonals(wrap=wrap)
    rows, columns = A.shape
    rebuilt = torch.zeros_like(matrix)
    for offset, diagonal in zip(found.offsets.tolist(), found.values, strict=True):
        reached = torch.arange(rows) + offset
        reached = reached % columns if wrap else reached
        inside = (reached >= 0) & (reached < columns)
        rebuilt[torch.arange(rows)[inside], reached[inside]] += diagonal[inside]
        assert not diagonal[~inside].any()
    torch.testing.assert_close(rebuilt, matrix, rtol=1e-12, atol=1e-12)
    x = torch.randn(columns, dtype=torch.float64)
    torch.testing.assert_close(found @ x, matrix @ x)
    assert found.offsets.tolist() == sorted(set(found.offsets.tolist()))


def test_a_small_kernel_has_few_diagonals() -> None:
    """3×3 on one channel, "same": nine taps, nine diagonals, whatever the size."""
    assert len(conv_operator(torch.ones(1, 1, 3, 3), (20, 30), padding="same").diagonals()) == 9


def test_places_name_the_tap_of_every_entry() -> None:
    A, _ = operator(CASES[0])
    rows, columns, taps = places(A.convolution, A.device)
    single = torch.zeros(A.rows.places, A.columns.places, dtype=torch.float64)
    single[rows, columns] = A.weight[1, 2].flatten()[taps]
    blocks = A.to_dense().reshape(4, A.rows.places, 4, A.columns.places)
    assert torch.equal(blocks[1, :, 2], single)


def test_wide_indices_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch itself, with the limit put where a test can reach it."""
    A, matrix = operator(CASES[0])
    monkeypatch.setattr(pattern, "INT32_LIMIT", A.nnz + 1)
    assert A.to_sparse("csr").col_indices().dtype == torch.int32
    narrow = A.nbytes("csr")
    monkeypatch.setattr(pattern, "INT32_LIMIT", A.nnz)
    wide = A.to_sparse("csr")
    assert wide.crow_indices().dtype == wide.col_indices().dtype == torch.int64
    assert A.nbytes("csr") - narrow == 4 * (A.nnz + A.shape[0] + 1)
    torch.testing.assert_close(wide.to_dense(), matrix)
