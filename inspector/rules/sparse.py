"""Tensors that store some elements alone: made, taken apart, and multiplied with dense ones.

How many elements are stored is a size where they are given, and a value where they are found in a dense tensor.
PyTorch's counter counts a product ``A @ x`` as if ``A`` were dense, and ``torch.sparse.mm`` not at all; the latter's
work is one multiply-add for each stored element and column, outside the MACs.

Source: PyTorch documentation, ``torch.sparse``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.inputs import meta_twin
from inspector.rules.common import EACH_INPUT, Rule, ValuesNeeded, empty, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome

#: Layouts that store elements one by one, with an index for each axis.
_BY_ELEMENT = {torch.sparse_coo, torch.sparse_csr, torch.sparse_csc}
STORED_PRODUCT = Formula("n*P", counts="elementwise", source="each stored element of the matrix meets the P columns")


def _part(value: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Indices or values, given as a tensor or as numbers, without data."""
    return meta_twin(value if isinstance(value, Tensor) else torch.tensor(value, dtype=dtype))


def coo(
    indices: Any, values: Any, size: Any = None, *, dtype: Any = None, is_coalesced: Any = None, **_: Any
) -> Outcome:
    """torch.sparse_coo_tensor: (axes, n) indices and n values of a tensor of this size."""
    if size is None:
        raise ValuesNeeded  # the largest index of each axis
    made = torch.sparse_coo_tensor(
        _part(indices, torch.int64),
        _part(values).to(dtype),
        tuple(size),
        check_invariants=False,
        is_coalesced=is_coalesced,
    )
    return made, None


def compressed(layout: torch.layout) -> Rule:
    """The rule of torch.sparse_csr_tensor and its kin."""

    def made(outer: Any, inner: Any, values: Any, size: Any, dtype: torch.dtype | None) -> Outcome:
        if size is None:
            raise ValuesNeeded  # the largest inner index
        parts = (_part(outer, torch.int64), _part(inner, torch.int64), _part(values).to(dtype))
        return torch.sparse_compressed_tensor(*parts, tuple(size), layout=layout, check_invariants=False), None

    def by_rows(
        crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, **_: Any
    ) -> Outcome:
        """Where each row begins, the column of each stored element, and the elements."""
        return made(crow_indices, col_indices, values, size, dtype)

    def by_columns(
        ccol_indices: Any, row_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, **_: Any
    ) -> Outcome:
        """Where each column begins, the row of each stored element, and the elements."""
        return made(ccol_indices, row_indices, values, size, dtype)

    return by_rows if layout in (torch.sparse_csr, torch.sparse_bsr) else by_columns


def to_layout(layout: torch.layout) -> Rule:
    """The rule of Tensor.to_sparse_csr and its kin."""

    def rule(self: Tensor, *args: Any, **named: Any) -> Outcome:
        """The stored elements stay, unless the tensor is dense or has an element twice."""
        target = named.get("layout") or layout
        if self.layout is target:
            return self, None
        if args or self.layout is torch.strided or self.dim() != 2 or not {self.layout, target} <= _BY_ELEMENT:
            raise ValuesNeeded
        if self.layout is torch.sparse_coo and not self.is_coalesced():
            raise ValuesNeeded
        count, values = self._nnz(), empty((self._nnz(),), self.dtype)
        if target is torch.sparse_coo:
            return coo(empty((2, count), torch.int64), values, self.shape, is_coalesced=True)
        pointers = empty((self.shape[target is torch.sparse_csc] + 1,), torch.int64)
        return compressed(target)(pointers, empty((count,), torch.int64), values, self.shape)

    return rule


def coalesce(self: Tensor) -> Outcome:
    """Tensor.coalesce: elements of one place are added."""
    if not self.is_coalesced():
        raise ValuesNeeded
    return self, None


def part(name: str) -> Rule:
    """The rule of Tensor.values, indices, crow_indices, ...: what is stored, as it is stored."""

    def rule(self: Tensor) -> Outcome:
        if self.is_nested:
            raise TypeError("a nested tensor keeps its values elsewhere")
        return getattr(meta_twin(self), name)(), None

    return rule


def to_dense(self: Tensor, dtype: torch.dtype | None = None, *, masked_grad: Any = None) -> Outcome:
    """Tensor.to_dense: the whole tensor."""
    return (self, None) if self.layout is torch.strided else (empty(self.shape, dtype or self.dtype), None)


def mm(sparse: Tensor, dense: Tensor, reduce: str | None = None) -> Outcome:
    """torch.sparse.mm: (N, M) by (M, P) gives (N, P); the product of two sparse ones stores what their values say."""
    if sparse.dim() != 2 or dense.dim() != 2 or sparse.shape[1] != dense.shape[0]:
        raise ShapeError(f"sparse.mm takes (N, M) and (M, P), got {list(sparse.shape)} and {list(dense.shape)}")
    if dense.layout is not torch.strided:
        raise ValuesNeeded
    count = sparse.numel() if sparse.layout is torch.strided else sparse._nnz()
    return (sparse.shape[0], dense.shape[1]), STORED_PRODUCT(n=count, P=dense.shape[1])


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Outcome:
    """torch.sparse.addmm: a dense matrix and a sparse product."""
    shape, formula = mm(mat1, mat2)
    return empty(shape, mat.dtype), formula


def softmax(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Outcome:
    """torch.sparse.softmax, log_softmax: of the stored elements alone."""
    twin = meta_twin(input)
    values = empty(twin._values().shape, dtype or input.dtype)
    return coo(twin._indices(), values, input.shape, is_coalesced=input.is_coalesced())[0], EACH_INPUT(n=input._nnz())


def rows_to_pointers(input: Tensor, size: Any, *, out_int32: bool = False) -> Outcome:
    """torch._convert_indices_from_coo_to_csr: where each of ``size`` rows begins, and where the last one ends."""
    return empty((size + 1,), torch.int32 if out_int32 else torch.int64), None


def pointers_to_rows(crow: Tensor, col: Tensor, *, out_int32: bool = False, transpose: bool = False) -> Outcome:
    """torch._convert_indices_from_csr_to_coo: row and column of each element."""
    return empty((2, col.numel()), torch.int32 if out_int32 else torch.int64), None


_LAYOUTS = {
    "csr": torch.sparse_csr,
    "csc": torch.sparse_csc,
    "bsr": torch.sparse_bsr,
    "bsc": torch.sparse_bsc,
}
_PARTS = "values indices crow_indices col_indices ccol_indices row_indices _values _indices"

RULES: dict[Any, Rule] = {
    torch.sparse_coo_tensor: coo,
    **{getattr(torch, f"sparse_{name}_tensor"): compressed(layout) for name, layout in _LAYOUTS.items()},
    Tensor.to_sparse: to_layout(torch.sparse_coo),
    **{getattr(Tensor, f"to_sparse_{name}"): to_layout(layout) for name, layout in _LAYOUTS.items()},
    Tensor.coalesce: coalesce,
    Tensor.to_dense: to_dense,
    **{getattr(Tensor, name): part(name) for name in _PARTS.split()},
    torch.sparse.mm: mm,
    torch.sparse.addmm: addmm,
    **spread("_sparse_softmax _sparse_log_softmax", softmax, (torch,), known=False),
    torch._convert_indices_from_coo_to_csr: rows_to_pointers,
    torch._convert_indices_from_csr_to_coo: pointers_to_rows,
}
