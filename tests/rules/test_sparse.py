"""Tensors that store some elements alone, beside PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inspector.errors import ShapeError
from inspector.inputs import meta_twin
from inspector.rules import RULES, ValuesNeeded, sparse
from tests.held import held, kinds

INDICES = torch.tensor([[0, 1, 1], [2, 0, 2]])  # of 3 elements
VALUES = torch.tensor([1.0, 2.0, 3.0])
COO = torch.sparse_coo_tensor(INDICES, VALUES, (2, 4), is_coalesced=True, check_invariants=False)
X = torch.arange(20.0).reshape(4, 5)


@pytest.fixture(autouse=True)
def _beta():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse .* is in beta")
        yield


def in_layout(name: str) -> Tensor:
    return COO if name == "coo" else getattr(COO, f"to_sparse_{name}")()


def compare(predicted: Any, real: Tensor) -> None:
    assert predicted.is_meta
    assert (predicted.shape, predicted.dtype, predicted.layout) == (real.shape, real.dtype, real.layout)
    if real.layout is not torch.strided:
        assert predicted._nnz() == real._nnz()


@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
def test_a_twin_stores_as_many_elements(name: str) -> None:
    matrix = in_layout(name)
    compare(meta_twin(matrix), matrix)
    assert meta_twin(matrix.double().requires_grad_()).requires_grad


@pytest.mark.parametrize("name", ["coo", "csr"])
def test_products_are_dense_and_their_work_is_that_of_the_stored_elements(name: str) -> None:
    matrix = in_layout(name)
    for given in (matrix, meta_twin(matrix)):
        shape, formula = sparse.mm(given, X)
        assert shape == torch.sparse.mm(matrix, X).shape
        assert (formula.number, formula.formula.counts) == (3 * 5, "elementwise")
    output, formula = sparse.addmm(torch.ones(2, 5), matrix, X)
    compare(output, torch.sparse.addmm(torch.ones(2, 5), matrix, X))
    with pytest.raises(ShapeError, match=r"\[2, 4\] and \[5, 4\]"):
        sparse.mm(matrix, X.mT)
    with pytest.raises(ValuesNeeded):
        sparse.mm(matrix, in_layout("coo").t())


PARTS = {
    "coo": "indices values _indices _values",
    "csr": "crow_indices col_indices values",
    "csc": "ccol_indices row_indices values",
}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_stored(name: str) -> None:
    matrix = in_layout(name)
    for part in PARTS[name].split():
        compare(RULES[getattr(Tensor, part)](matrix)[0], getattr(matrix, part)())
    compare(RULES[Tensor.to_dense](matrix)[0], matrix.to_dense())
    for other in ("csr", "csc"):
        change = getattr(Tensor, f"to_sparse_{other}")
        compare(meta_twin(RULES[change](matrix)[0]), change(matrix))
    compare(meta_twin(RULES[Tensor.to_sparse](matrix)[0]), matrix.to_sparse())


def test_makers() -> None:
    makers = {torch.sparse_coo_tensor: (INDICES, VALUES)}
    csr, csc = in_layout("csr"), in_layout("csc")
    makers[torch.sparse_csr_tensor] = (csr.crow_indices(), csr.col_indices().tolist(), VALUES)
    makers[torch.sparse_csc_tensor] = (csc.ccol_indices(), csc.row_indices(), VALUES.tolist())
    for make, parts in makers.items():
        real = make(*parts, (2, 4), dtype=torch.float64, check_invariants=False)
        compare(RULES[make](*parts, (2, 4), dtype=torch.float64)[0], real)
        with pytest.raises(ValuesNeeded):
            RULES[make](*parts)
    rows = INDICES[0]
    compare(sparse.rows_to_pointers(rows, 2)[0], torch._convert_indices_from_coo_to_csr(rows, 2))
    pointers = torch._convert_indices_from_csr_to_coo(csr.crow_indices(), csr.col_indices())
    compare(sparse.pointers_to_rows(csr.crow_indices(), csr.col_indices())[0], pointers)


def test_softmax_of_what_is_stored() -> None:
    compare(sparse.softmax(COO, 1)[0], torch.sparse.softmax(COO, 1))


def test_how_many_are_stored_may_be_a_value() -> None:
    twice = torch.sparse_coo_tensor(INDICES[:, [0, 0, 1]], VALUES, (2, 4), check_invariants=False)
    assert sparse.coalesce(COO)[0] is COO
    for rule, given in ((sparse.coalesce, twice), (RULES[Tensor.to_sparse_csr], twice), (RULES[Tensor.to_sparse], X)):
        with pytest.raises(ValuesNeeded):
            rule(given)


class Propagate(nn.Module):
    """Graph convolution as users write it: features times weights, then along the edges."""

    def __init__(self, dense: bool) -> None:
        super().__init__()
        self.dense = dense
        self.linear = nn.Linear(3, 2)
        self.register_buffer("adjacency", torch.eye(4).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        if self.dense:
            return self.adjacency @ y
        weights = self.adjacency.values() * 2
        scaled = torch.sparse_coo_tensor(self.adjacency.indices(), weights, self.adjacency.shape)
        return torch.sparse.mm(scaled, y)


def test_a_graph_convolution() -> None:
    p = held(Propagate(dense=False), (4, 3))
    assert kinds(p) == ["linear", "values", "mul", "indices", "sparse_coo_tensor", "_sparse_mm"]
    assert p.total_macs == 4 * 3 * 2
    assert p.total_elementwise_ops == 4 + 4 * 2  # the weights of 4 edges, each of which meets 2 columns
    # Of an operator ``@`` PyTorch's counter says what a dense matrix would take.
    assert held(Propagate(dense=True), (4, 3)).total_macs == 4 * 3 * 2 + 4 * 4 * 2
