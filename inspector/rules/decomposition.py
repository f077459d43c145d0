"""Matrices taken apart: QR, singular values, eigenvalues, Cholesky, LU, LDL. Leading axes are a batch.

PyTorch's counter counts no multiplications in these algorithms; one operation is counted for each element of the input.
Source: PyTorch documentation of ``torch.linalg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import EACH_INPUT, Rule, empty, real, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome

_TYPES: Any = torch.return_types  # the stubs list few of them


def columns(shape: Sequence[Any], dtype: torch.dtype) -> Tensor:
    """A meta tensor of matrices stored by columns, as LAPACK leaves them."""
    return empty((*shape[:-2], shape[-1], shape[-2]), dtype).mT


def matrices(name: str, A: Tensor) -> tuple[tuple[Any, ...], Any, Any]:
    """(batch axes, rows, columns)."""
    if A.dim() < 2:
        raise ShapeError(f"{name} takes matrices (*, M, P), got {list(A.shape)}")
    *lead, M, P = A.shape
    return tuple(lead), M, P


def square(name: str, A: Tensor) -> tuple[tuple[Any, ...], Any]:
    """(batch axes, size)."""
    lead, M, P = matrices(name, A)
    if M != P:
        raise ShapeError(f"{name} takes square matrices, got {list(A.shape)}")
    return lead, M


def _work(A: Tensor) -> BoundFormula:
    return EACH_INPUT(n=A.numel())


def qr(A: Tensor, mode: str = "reduced") -> Outcome:
    """torch.linalg.qr: (*, M, P) gives Q (*, M, K) and R (*, K, P), K the smaller one unless complete."""
    lead, M, P = matrices("qr", A)
    small = torch.sym_min(M, P)
    K = M if mode == "complete" else small
    Q = empty((0,), A.dtype) if mode == "r" else columns((*lead, M, K), A.dtype)
    return _TYPES.linalg_qr((Q, columns((*lead, small if mode == "r" else K, P), A.dtype))), _work(A)


def _singular(A: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
    lead, M, P = matrices("svd", A)
    K = torch.sym_min(M, P)
    U = columns((*lead, M, M if full else K), A.dtype)
    return U, empty((*lead, K), real(A.dtype)), columns((*lead, P if full else K, P), A.dtype)


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Outcome:
    """torch.linalg.svd: (*, M, P) gives U (*, M, M), K singular values, V* (*, P, P), or the first K of each."""
    return _TYPES.linalg_svd(_singular(A, full_matrices)), _work(A)


def _svd_older(input: Tensor, some: bool = True, compute_uv: bool = True) -> Outcome:
    """torch.svd: linalg.svd under its older name, V not transposed."""
    U, S, Vh = _singular(input, not some)
    if not compute_uv:  # zeros of the full sizes
        lead, M, P = matrices("svd", input)
        return _TYPES.svd((empty((*lead, M, M), input.dtype), S, empty((*lead, P, P), input.dtype))), _work(input)
    return _TYPES.svd((U, S, Vh.mH)), _work(input)


def svdvals(A: Tensor, *, driver: str | None = None) -> Outcome:
    """torch.linalg.svdvals: (*, M, P) gives the smaller of M and P singular values."""
    lead, M, P = matrices("svdvals", A)
    return empty((*lead, torch.sym_min(M, P)), real(A.dtype)), _work(A)


def eig(A: Tensor) -> Outcome:
    """torch.linalg.eig: (*, M, M) gives M complex eigenvalues and eigenvectors (*, M, M)."""
    lead, M = square("eig", A)
    dtype = A.dtype.to_complex()
    return _TYPES.linalg_eig((empty((*lead, M), dtype), columns(A.shape, dtype))), _work(A)


def eigvals(A: Tensor) -> Outcome:
    """torch.linalg.eigvals: (*, M, M) gives M complex eigenvalues."""
    lead, M = square("eigvals", A)
    return empty((*lead, M), A.dtype.to_complex()), _work(A)


def eigh(A: Tensor, UPLO: str = "L") -> Outcome:
    """torch.linalg.eigh: (*, M, M) gives M real eigenvalues and eigenvectors (*, M, M)."""
    lead, M = square("eigh", A)
    return _TYPES.linalg_eigh((empty((*lead, M), real(A.dtype)), columns(A.shape, A.dtype))), _work(A)


def eigvalsh(A: Tensor, UPLO: str = "L") -> Outcome:
    """torch.linalg.eigvalsh: (*, M, M) gives M real eigenvalues."""
    lead, M = square("eigvalsh", A)
    return empty((*lead, M), real(A.dtype)), _work(A)


def cholesky(A: Tensor, *, upper: bool = False) -> Outcome:
    """torch.linalg.cholesky: (*, M, M) gives its triangular factor."""
    square("cholesky", A)
    return columns(A.shape, A.dtype), _work(A)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Outcome:
    """torch.linalg.cholesky_ex: the factor, and one number for each matrix that says where it failed."""
    lead, _ = square("cholesky_ex", A)
    return _TYPES.linalg_cholesky_ex((columns(A.shape, A.dtype), empty(lead, torch.int32))), _work(A)


def _factored(A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    lead, M, P = matrices("lu", A)
    pivots = empty((*lead, torch.sym_min(M, P)), torch.int32)
    return columns(A.shape, A.dtype), pivots, empty(lead, torch.int32)


def lu_factor(A: Tensor, *, pivot: bool = True) -> Outcome:
    """torch.linalg.lu_factor: both factors in one matrix of A's shape, and pivots."""
    LU, pivots, _ = _factored(A)
    return _TYPES.linalg_lu_factor((LU, pivots)), _work(A)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Outcome:
    """torch.linalg.lu_factor_ex: as lu_factor, and one number for each matrix that says where it failed."""
    return _TYPES.linalg_lu_factor_ex(_factored(A)), _work(A)


def _lu_with_info(A: Tensor, pivot: bool = True, check_errors: bool = True) -> Outcome:
    """torch._lu_with_info: what torch.lu and Tensor.lu are made of."""
    return _TYPES._lu_with_info(_factored(A)), _work(A)


def lu(A: Tensor, *, pivot: bool = True) -> Outcome:
    """torch.linalg.lu: (*, M, P) gives P (*, M, M), L (*, M, K) and U (*, K, P), K the smaller of M and P."""
    lead, M, P = matrices("lu", A)
    K = torch.sym_min(M, P)
    order = empty((*lead, M, M), A.dtype) if pivot else empty((0,), A.dtype)
    return _TYPES.linalg_lu((order, empty((*lead, M, K), A.dtype), empty((*lead, K, P), A.dtype))), _work(A)


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Outcome:
    """torch.lu_unpack: the three factors of what lu_factor gives; empty where they are not asked for."""
    lead, M, P = matrices("lu_unpack", LU_data)
    K = torch.sym_min(M, P)
    dtype = LU_data.dtype
    none = empty((0,), dtype)
    order = empty((*lead, M, M), dtype) if unpack_pivots else none
    L, U = (empty((*lead, M, K), dtype), empty((*lead, K, P), dtype)) if unpack_data else (none, none)
    return _TYPES.lu_unpack((order, L, U)), _work(LU_data)


def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Outcome:
    """torch.linalg.ldl_factor: both factors in one matrix, and pivots."""
    lead, M = square("ldl_factor", A)
    return _TYPES.linalg_ldl_factor((columns(A.shape, A.dtype), empty((*lead, M), torch.int32))), _work(A)


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Outcome:
    """torch.linalg.ldl_factor_ex: as ldl_factor, and one number for each matrix that says where it failed."""
    (LD, pivots), formula = ldl_factor(A)
    return _TYPES.linalg_ldl_factor_ex((LD, pivots, empty(A.shape[:-2], torch.int32))), formula


def geqrf(input: Tensor) -> Outcome:
    """torch.geqrf: reflections in one matrix of the input's shape, and their K factors."""
    lead, M, P = matrices("geqrf", input)
    return _TYPES.geqrf((columns(input.shape, input.dtype), empty((*lead, torch.sym_min(M, P)), input.dtype))), _work(
        input
    )


def householder_product(input: Tensor, tau: Tensor) -> Outcome:
    """torch.linalg.householder_product, orgqr: reflections (*, M, P) multiplied out."""
    _, M, P = matrices("householder_product", input)
    if M < P or tau.shape[-1] > P:
        raise ShapeError(
            f"householder_product takes (*, M, P) with M ≥ P ≥ factors, got {list(input.shape)}, {list(tau.shape)}"
        )
    return columns(input.shape, input.dtype), _work(input)


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Outcome:
    """torch.ormqr: the product of reflections times ``other``."""
    return columns(other.shape, other.dtype), _work(other)


def polar(A: Tensor) -> Outcome:
    """torch.linalg.polar: (*, M, P) gives U (*, M, P) and H (*, P, P)."""
    lead, _, P = matrices("polar", A)
    return _TYPES.linalg_polar((empty(A.shape, A.dtype), empty((*lead, P, P), A.dtype))), _work(A)


def matrix_sqrth(A: Tensor) -> Outcome:
    """torch.linalg.matrix_sqrth: (*, M, M) keeps its shape."""
    square("matrix_sqrth", A)
    return empty(A.shape, A.dtype), _work(A)


_LA = torch.linalg
RULES: dict[Any, Rule] = {
    _LA.qr: qr,
    _LA.svd: svd,
    _LA.svdvals: svdvals,
    _LA.eig: eig,
    _LA.eigvals: eigvals,
    _LA.eigh: eigh,
    _LA.eigvalsh: eigvalsh,
    _LA.cholesky: cholesky,
    _LA.cholesky_ex: cholesky_ex,
    _LA.lu_factor: lu_factor,
    _LA.lu_factor_ex: lu_factor_ex,
    _LA.lu: lu,
    _LA.ldl_factor: ldl_factor,
    _LA.ldl_factor_ex: ldl_factor_ex,
    _LA.householder_product: householder_product,
    torch._lu_with_info: _lu_with_info,
    **spread("svd", _svd_older),
    **spread("lu_unpack", lu_unpack),
    **spread("geqrf", geqrf),
    **spread("orgqr", householder_product),
    **spread("ormqr", ormqr),
}
#: Functions that only some versions of PyTorch have.
for _name, _rule in (("polar", polar), ("matrix_sqrth", matrix_sqrth)):
    if hasattr(_LA, _name):
        RULES[getattr(_LA, _name)] = _rule
