"""Linear algebra on whole matrices: determinants, inverses, solutions, powers, norms. Leading axes are a batch.

PyTorch's counter counts the products of ``matrix_power`` and nothing else here; elsewhere one operation is counted for
each element of the input. Source: PyTorch documentation of ``torch.linalg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.common import EACH_INPUT, Rule, axes_of, axis_of, broadcast, empty, like, product, real, spread
from inspector.rules.decomposition import columns, matrices, square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome

_TYPES: Any = torch.return_types  # the stubs list few of them
POWER_MACS = Formula(
    "n*N*M**3",
    source="torch.linalg.matrix_power: squares, and a product for each further binary digit of the exponent",
    symbols={"n": "matrix products", "M": "rows of each square matrix"},
)


def _work(A: Tensor) -> BoundFormula:
    return EACH_INPUT(n=A.numel())


def det(A: Tensor) -> Outcome:
    """torch.linalg.det, logdet: (*, M, M) gives (*)."""
    lead, _ = square("det", A)
    return empty(lead, A.dtype), _work(A)


def slogdet(A: Tensor) -> Outcome:
    """torch.linalg.slogdet: (*, M, M) gives signs and logarithms (*)."""
    lead, _ = square("slogdet", A)
    kind = _TYPES.linalg_slogdet
    return kind((empty(lead, A.dtype), empty(lead, real(A.dtype)))), _work(A)


def _slogdet_older(input: Tensor) -> Outcome:
    """torch.slogdet: linalg.slogdet under its older name."""
    parts, formula = slogdet(input)
    return _TYPES.slogdet(tuple(parts)), formula


def inverse(A: Tensor) -> Outcome:
    """torch.linalg.inv: (*, M, M) keeps its shape."""
    square("inv", A)
    return columns(A.shape, A.dtype), _work(A)


def inverse_ex(A: Tensor, *, check_errors: bool = False) -> Outcome:
    """torch.linalg.inv_ex: the inverse, and one number for each matrix that says where it failed."""
    lead, _ = square("inv_ex", A)
    return _TYPES.linalg_inv_ex((columns(A.shape, A.dtype), empty(lead, torch.int32))), _work(A)


def pseudo_inverse(input: Tensor, *tolerances: Any, **named: Any) -> Outcome:
    """torch.linalg.pinv: (*, M, P) gives (*, P, M)."""
    lead, M, P = matrices("pinv", input)
    return empty((*lead, P, M), input.dtype), _work(input)


def _solution(A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, BoundFormula]:
    lead, M = square("solve", A)
    is_vector = B.dim() == 1 or (A.dim() - 1 == B.dim() and tuple(B.shape) == tuple(A.shape[:-1]))
    if is_vector:
        if B.shape[-1] != M:
            raise ShapeError(f"solve: matrices {list(A.shape)} and right sides {list(B.shape)}")
        vectors = (*broadcast(lead, B.shape[:-1]), M)
        return (columns(vectors, B.dtype) if len(vectors) > 1 else empty(vectors, B.dtype)), _work(A)
    if B.shape[-2 if left else -1] != M:
        raise ShapeError(f"solve: matrices {list(A.shape)} and right sides {list(B.shape)}")
    shape = (*broadcast(lead, B.shape[:-2]), *B.shape[-2:])
    return (columns(shape, B.dtype) if left else empty(shape, B.dtype)), _work(A)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Outcome:
    """torch.linalg.solve: (*, M, M) and right sides (*, M, P) or (*, M) give the right sides' shape."""
    return _solution(A, B, left)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Outcome:
    """torch.linalg.solve_ex: the solution, and one number for each matrix that says where it failed."""
    solution, formula = _solution(A, B, left)
    return _TYPES.linalg_solve_ex((solution, empty(A.shape[:-2], torch.int32))), formula


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Outcome:
    """torch.linalg.solve_triangular: triangles (*, M, M) and right sides (*, M, P) give (*, M, P)."""
    lead, M = square("solve_triangular", A)
    if B.shape[-2 if left else -1] != M:
        raise ShapeError(f"solve_triangular: matrices {list(A.shape)} and right sides {list(B.shape)}")
    return columns((*broadcast(lead, B.shape[:-2]), *B.shape[-2:]), B.dtype), _work(A)


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Outcome:
    """torch.triangular_solve: the solution and a copy of A, both broadcast."""
    lead, M = square("triangular_solve", A)
    both = broadcast(lead, input.shape[:-2])
    solution = columns((*both, *input.shape[-2:]), input.dtype)
    return _TYPES.triangular_solve((solution, columns((*both, M, M), A.dtype))), _work(A)


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Outcome:
    """torch.cholesky_solve: right sides (*, M, P) and a factor (*, M, M) give (*, M, P)."""
    lead, M = square("cholesky_solve", L)
    if B.shape[-2] != M:
        raise ShapeError(f"cholesky_solve: factor {list(L.shape)} and right sides {list(B.shape)}")
    return columns((*broadcast(lead, B.shape[:-2]), *B.shape[-2:]), B.dtype), _work(L)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Outcome:
    """torch.cholesky_inverse: a factor (*, M, M) keeps its shape."""
    square("cholesky_inverse", L)
    return columns(L.shape, L.dtype), _work(L)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Outcome:
    """torch.linalg.lu_solve: what lu_factor gave for (*, M, M), and right sides (*, M, P), give (*, M, P)."""
    lead, _ = square("lu_solve", LU)
    shape = (*broadcast(lead, B.shape[:-2]), *B.shape[-2:])
    return (columns(shape, B.dtype) if left else empty(shape, B.dtype)), _work(LU)


def _lu_solve_older(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Outcome:
    """torch.lu_solve: linalg.lu_solve under its older name."""
    return lu_solve(LU_data, LU_pivots, b)


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Outcome:
    """torch.linalg.ldl_solve: what ldl_factor gave for (*, M, M), and right sides (*, M, P), give (*, M, P)."""
    return lu_solve(LD, pivots, B)


def lstsq(input: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Outcome:
    """torch.linalg.lstsq: (*, M, Q) and (*, M, P) give (*, Q, P), and what the driver knows of residuals and rank."""
    lead, M, Q = matrices("lstsq", input)
    is_vector = input.dim() - 1 == b.dim() and tuple(b.shape) == tuple(input.shape[:-1])
    rhs = b.unsqueeze(-1) if is_vector else b
    if rhs.shape[-2] != M:
        raise ShapeError(f"lstsq: matrices {list(input.shape)} and right sides {list(b.shape)}")
    both = broadcast(lead, rhs.shape[:-2])
    P = rhs.shape[-1]
    driver = driver or "gelsy"
    dtype = input.dtype
    solution = columns((*both, torch.sym_max(M, Q), P), dtype).narrow(-2, 0, Q)
    tall = M > Q and driver != "gelsy"
    residuals = empty((*both, P) if tall else (0,), real(dtype))
    rank = empty(lead if driver != "gels" else (0,), torch.int64)
    singular = empty((*lead, torch.sym_min(M, Q)) if driver in ("gelsd", "gelss") else (0,), real(dtype))
    if is_vector:
        solution = solution.squeeze(-1)
    return _TYPES.linalg_lstsq((solution, residuals, rank, singular)), _work(input)


def matrix_exp(A: Tensor) -> Outcome:
    """torch.linalg.matrix_exp: (*, M, M) keeps its shape."""
    square("matrix_exp", A)
    return A.shape, _work(A)


def matrix_power(A: Tensor, n: int) -> Outcome:
    """torch.linalg.matrix_power: (*, M, M) keeps its shape; a negative exponent inverts first."""
    lead, M = square("matrix_power", A)
    times = abs(n)
    products = times.bit_length() - 1 + times.bit_count() - 1 if times else 0
    output = columns(A.shape, A.dtype) if n == -1 else like(A) if n == 1 else empty(A.shape, A.dtype)
    return output, POWER_MACS(n=products, N=product(lead), M=M)


def matrix_rank(A: Tensor, *tolerances: Any, **named: Any) -> Outcome:
    """torch.linalg.matrix_rank: (*, M, P) gives one integer for each matrix."""
    lead, _, _ = matrices("matrix_rank", A)
    return empty(lead, torch.int64), _work(A)


def condition(A: Tensor, p: Any = None) -> Outcome:
    """torch.linalg.cond: (*, M, P) gives one real number for each matrix."""
    lead, _, _ = matrices("cond", A)
    return empty(lead, real(A.dtype)), _work(A)


def _reduced(x: Tensor, axes: Sequence[int], keepdim: bool, dtype: torch.dtype | None) -> Outcome:
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape) if keepdim or axis not in axes]
    return empty(shape, real(dtype or x.dtype)), _work(x)


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Outcome:
    """torch.linalg.vector_norm: the axes ``dim``, or all, become one real number."""
    return _reduced(x, axes_of(dim, x.dim()), keepdim, dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Outcome:
    """torch.linalg.matrix_norm: two axes become one real number."""
    matrices("matrix_norm", A)
    return _reduced(A, axes_of(dim, A.dim()), keepdim, dtype)


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Outcome:
    """torch.linalg.norm: one or two axes, or all, become one real number."""
    return _reduced(A, axes_of(dim, A.dim()), keepdim, dtype)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Outcome:
    """torch.linalg.cross: vectors of 3 along ``dim``, which broadcast."""
    shape = broadcast(input.shape, other.shape)
    if shape[axis_of(dim, len(shape))] != 3:
        raise ShapeError(f"cross takes vectors of 3 along axis {dim}, got {list(input.shape)} and {list(other.shape)}")
    return empty(shape, torch.promote_types(input.dtype, other.dtype)), EACH_INPUT(n=input.numel())


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Outcome:
    """torch.linalg.vecdot: vectors along ``dim``, which broadcast, become one number each."""
    shape = broadcast(x.shape, y.shape)
    axis = axis_of(dim, len(shape))
    return (*shape[:axis], *shape[axis + 1 :]), EACH_INPUT(n=x.numel())


def vander(x: Tensor, *, N: Any = None) -> Outcome:
    """torch.linalg.vander: (*, M) gives the powers 0 to N − 1 of each, (*, M, N)."""
    lead = tuple(x.shape) or (1,)
    shape = (*lead, lead[-1] if N is None else N)
    dtype = x.dtype if x.dtype.is_floating_point or x.dtype.is_complex else torch.int64
    return empty(shape, dtype), EACH_INPUT(n=product(shape))


def tensor_inverse(A: Tensor, ind: int = 2) -> Outcome:
    """torch.linalg.tensorinv: the first ``ind`` axes change places with the others."""
    rank = A.dim()
    return empty(A.shape, A.dtype).permute(*range(ind, rank), *range(ind)), _work(A)


def tensor_solve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Outcome:
    """torch.linalg.tensorsolve: A of B's axes and those of the solution gives the latter."""
    moved = {axis % A.dim() for axis in dims} if dims is not None else set()
    order = [axis for axis in range(A.dim()) if axis not in moved] + [axis % A.dim() for axis in dims or ()]
    return tuple(A.shape[axis] for axis in order[B.dim() :]), _work(A)


_LA = torch.linalg
RULES: dict[Any, Rule] = {
    _LA.det: det,
    _LA.slogdet: slogdet,
    _LA.inv: inverse,
    _LA.inv_ex: inverse_ex,
    _LA.pinv: pseudo_inverse,
    _LA.solve: solve,
    _LA.solve_ex: solve_ex,
    _LA.solve_triangular: solve_triangular,
    _LA.lu_solve: lu_solve,
    _LA.ldl_solve: ldl_solve,
    _LA.lstsq: lstsq,
    _LA.matrix_exp: matrix_exp,
    _LA.matrix_power: matrix_power,
    _LA.matrix_rank: matrix_rank,
    _LA.cond: condition,
    _LA.norm: norm,
    _LA.vector_norm: vector_norm,
    _LA.matrix_norm: matrix_norm,
    _LA.cross: cross,
    _LA.vecdot: vecdot,
    _LA.vander: vander,
    _LA.tensorinv: tensor_inverse,
    _LA.tensorsolve: tensor_solve,
    **spread("det logdet", det),
    **spread("slogdet", _slogdet_older),
    **spread("inverse", inverse),
    **spread("pinverse", pseudo_inverse),
    **spread("matrix_exp", matrix_exp),
    **spread("matrix_power", matrix_power),
    **spread("triangular_solve", triangular_solve),
    **spread("cholesky_solve", cholesky_solve),
    **spread("cholesky_inverse", cholesky_inverse),
    **spread("lu_solve", _lu_solve_older),
}
