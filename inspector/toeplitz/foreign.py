"""Sparse tensors as SciPy's arrays, which share their memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import InspectionError
from inspector.toeplitz.configuration import check_values

if TYPE_CHECKING:
    from torch import Tensor

#: What scipy.sparse computes with.
_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128, torch.int32, torch.int64)


def to_scipy(matrix: Tensor) -> Any:
    """The `scipy.sparse` array of the same layout, without gradient, in main memory.

    Raises:
        InspectionError: SciPy is not installed, or has no arrays of this dtype, or there are no values (meta device).
    """
    try:
        from scipy import sparse
    except ImportError as error:
        raise InspectionError("to_scipy: SciPy is not installed; pip install scipy") from error
    if matrix.dtype not in _DTYPES:
        able = ", ".join(map(str, _DTYPES))
        raise InspectionError(f"to_scipy: scipy.sparse has no {matrix.dtype}, only {able}; convert the weight first")
    check_values(matrix, "to_scipy")
    matrix = matrix.detach().cpu()
    if matrix.layout == torch.sparse_coo:
        rows, columns = matrix.indices().numpy()
        return sparse.coo_array((matrix.values().resolve_conj().numpy(), (rows, columns)), shape=matrix.shape)
    kind, starts, indices = {
        torch.sparse_csr: (sparse.csr_array, "crow_indices", "col_indices"),
        torch.sparse_csc: (sparse.csc_array, "ccol_indices", "row_indices"),
        torch.sparse_bsr: (sparse.bsr_array, "crow_indices", "col_indices"),
    }[matrix.layout]
    parts = matrix.values().resolve_conj(), getattr(matrix, indices)(), getattr(matrix, starts)()
    return kind(tuple(part.numpy() for part in parts), shape=matrix.shape)
