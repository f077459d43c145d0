"""Linear algebra with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, decomposition, linalg
from tests.rules.draw import EXAMPLES, agree, cases, dim, dims, full_shape, maybe, smaller
from tests.rules.harness import check, refused

KINDS = (torch.float32, torch.float64, torch.complex64)
LA = torch.linalg


def lead(draw: Any) -> tuple[int, ...]:
    return full_shape(draw, 0, 2)


def matrix(draw: Any, front: tuple[int, ...] | None = None, square: bool = False) -> Tensor:
    """Well-conditioned matrices: twice the identity, and small numbers."""
    front = lead(draw) if front is None else front
    M = draw(st.integers(1, 4))
    P = M if square else draw(st.integers(1, 4))
    numbers = torch.linspace(0, 0.1, M * P).reshape(M, P) + 2 * torch.eye(M, P)
    made = numbers.to(draw(st.sampled_from(KINDS))).expand(*front, M, P)
    return made.contiguous() if draw(st.booleans()) else made.mT.contiguous().mT


def positive(draw: Any) -> Tensor:
    A = matrix(draw, square=True)
    return A @ A.mH


def alone(draw: Any, **named: Any) -> Any:
    return (matrix(draw),), maybe(draw, **named)


def squared(draw: Any, **named: Any) -> Any:
    return (matrix(draw, square=True),), maybe(draw, **named)


def definite(draw: Any, **named: Any) -> Any:
    return (positive(draw),), maybe(draw, **named)


def right_side(draw: Any, A: Tensor, left: bool = True) -> Tensor:
    front, K = smaller(draw, A.shape[:-2]), draw(st.integers(1, 3))
    return torch.ones(*front, *((A.shape[-1], K) if left else (K, A.shape[-1])), dtype=A.dtype)


def system(draw: Any, sided: bool = True, vectors: bool = False, **fixed: Any) -> Any:
    A = matrix(draw, square=True)
    if vectors and draw(st.booleans()):
        return (A, torch.ones(A.shape[:-1], dtype=A.dtype)), fixed
    left = {"left": draw(st.booleans())} if sided and draw(st.booleans()) else {}
    return (A, right_side(draw, A, left.get("left", True))), {**fixed, **left}


def swapped(draw: Any) -> Any:
    (A, B), _ = system(draw, sided=False)
    return (B, A), {}


def least_squares(draw: Any) -> Any:
    A = matrix(draw)
    B = torch.ones(*A.shape[:-1], draw(st.integers(1, 3)), dtype=A.dtype)
    driver = draw(st.sampled_from((None, "gels", "gelsy", "gelsd", "gelss")))
    return (A, B), ({} if driver is None else {"driver": driver})


def factored(draw: Any) -> Any:
    A = matrix(draw, square=True)
    LU, pivots = LA.lu_factor(A)
    return LU, pivots, right_side(draw, A)


def reflected(draw: Any) -> Any:
    A = matrix(draw)
    return torch.geqrf(A) if A.shape[-2] >= A.shape[-1] else torch.geqrf(A.mT.contiguous())


def multiplied(draw: Any) -> Any:
    reflections, factors = reflected(draw)
    M = reflections.shape[-2]
    left = draw(st.booleans())
    other = torch.ones(*reflections.shape[:-2], *((M, 3) if left else (3, M)), dtype=reflections.dtype)
    return (reflections, factors, other), {"left": left, "transpose": draw(st.booleans()) and not other.is_complex()}


def norms(draw: Any, orders: Any) -> Any:
    x = matrix(draw)
    named = maybe(draw, ord=st.sampled_from(orders), keepdim=st.booleans())
    if x.dtype is torch.float32:
        named |= maybe(draw, dtype=st.just(torch.float64))
    return x, named


def vector_norm(draw: Any) -> Any:
    x, named = norms(draw, (0, 1, 2, float("inf")))
    return (x,), {**named, **maybe(draw, dim=st.sampled_from((dim(draw, x.dim()), dims(draw, x.dim(), 1))))}


def matrix_norm(draw: Any) -> Any:
    x, named = norms(draw, ("fro", "nuc", 1, -2, float("inf")))
    return (x,), {**named, **maybe(draw, dim=st.just((-1, -2)))}


def either_norm(draw: Any) -> Any:
    x, named = norms(draw, (1, 2, float("inf")))
    return (x,), {**named, "dim": draw(st.sampled_from((dim(draw, x.dim()), (-2, -1))))}


def crossed(draw: Any) -> Any:
    sizes = (*full_shape(draw, 0, 2), 3)
    dtype = draw(st.sampled_from(KINDS))
    return (torch.ones(sizes, dtype=dtype), torch.ones(sizes, dtype=dtype)), maybe(draw, dim=st.just(-1))


def vectors(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    dtype = draw(st.sampled_from(KINDS))
    return (torch.ones(sizes, dtype=dtype), torch.ones(sizes, dtype=dtype)), maybe(
        draw, dim=st.just(dim(draw, len(sizes)))
    )


STRATEGIES: dict[Any, Any] = {
    LA.qr: lambda draw: alone(draw, mode=st.sampled_from(("reduced", "complete", "r"))),
    LA.svd: lambda draw: alone(draw, full_matrices=st.booleans()),
    "svd": lambda draw: alone(draw, some=st.booleans(), compute_uv=st.booleans()),
    LA.svdvals: alone,
    LA.eig: squared,
    LA.eigvals: squared,
    LA.eigh: lambda draw: definite(draw, UPLO=st.just("U")),
    LA.eigvalsh: definite,
    decomposition.cholesky: lambda draw: definite(draw, upper=st.booleans()),
    decomposition.cholesky_ex: definite,
    decomposition.lu_factor: alone,
    decomposition.lu_factor_ex: alone,
    torch._lu_with_info: alone,
    decomposition.lu: alone,
    decomposition.lu_unpack: lambda draw: (
        tuple(LA.lu_factor(matrix(draw))),
        maybe(draw, unpack_data=st.booleans(), unpack_pivots=st.booleans()),
    ),
    decomposition.ldl_factor: definite,
    decomposition.ldl_factor_ex: definite,
    decomposition.geqrf: alone,
    decomposition.householder_product: lambda draw: (tuple(reflected(draw)), {}),
    decomposition.ormqr: multiplied,
    decomposition.polar: alone,
    decomposition.matrix_sqrth: definite,
    linalg.det: squared,
    LA.slogdet: squared,
    "slogdet": squared,
    linalg.inverse: squared,
    linalg.inverse_ex: squared,
    linalg.pseudo_inverse: alone,
    linalg.solve: lambda draw: system(draw, vectors=True),
    linalg.solve_ex: lambda draw: system(draw, vectors=True),
    linalg.solve_triangular: lambda draw: system(draw, upper=draw(st.booleans())),
    linalg.triangular_solve: swapped,
    linalg.cholesky_solve: swapped,
    linalg.cholesky_inverse: squared,
    LA.lu_solve: lambda draw: (factored(draw), {}),
    "lu_solve": lambda draw: ((lambda LU, pivots, B: (B, LU, pivots))(*factored(draw)), {}),
    linalg.ldl_solve: lambda draw: (
        ((A := positive(draw)), (*LA.ldl_factor(A), right_side(draw, A)))[1],
        {},
    ),
    linalg.lstsq: least_squares,
    linalg.matrix_exp: squared,
    linalg.matrix_power: lambda draw: ((matrix(draw, square=True), draw(st.integers(-3, 9))), {}),
    linalg.matrix_rank: alone,
    linalg.condition: lambda draw: squared(draw, p=st.sampled_from((None, 2, "fro", 1))),
    linalg.norm: either_norm,
    linalg.vector_norm: vector_norm,
    linalg.matrix_norm: matrix_norm,
    linalg.cross: crossed,
    linalg.vecdot: vectors,
    linalg.vander: lambda draw: ((torch.ones(full_shape(draw, 1)),), maybe(draw, N=st.integers(2, 4))),
    linalg.tensor_inverse: lambda draw: ((torch.eye(6).reshape(2, 3, 6) + 0.1,), {"ind": 2}),
    linalg.tensor_solve: lambda draw: ((torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)), {}),
}


@pytest.mark.parametrize(("function", "strategy"), cases({**decomposition.RULES, **linalg.RULES}, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw), strides=False)


@pytest.mark.parametrize("function", [LA.inv, LA.qr, LA.cholesky_ex, LA.lu_factor_ex, LA.det, LA.solve])
def test_layouts(function: Any) -> None:
    A = torch.eye(3).expand(2, 3, 3).contiguous()
    check(function, *([A, torch.ones(2, 3, 4)] if function is LA.solve else [A]), on="cpu")


def test_products_of_a_power_worked_by_hand() -> None:
    A = torch.empty(5, 3, 3, device="meta")
    for exponent, products in {0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 7: 4, 10: 4, -3: 2}.items():
        # 10 = 1010 in binary: 3 squares, and 1 product for its second digit.
        assert RULES[LA.matrix_power](A, exponent)[1].number == products * 5 * 27


def test_sizes_that_pytorch_refuses() -> None:
    A = torch.ones(2, 3)
    assert "inv takes square matrices, got [2, 3]" in refused(LA.inv, A)
    assert "det takes square matrices" in refused(torch.det, A)
    assert "svd takes matrices" in refused(LA.svd, torch.ones(3))
    assert "right sides [2, 4]" in refused(LA.solve, torch.ones(3, 3), torch.ones(2, 4))
    assert "right sides [2, 4]" in refused(LA.solve_triangular, torch.ones(3, 3), torch.ones(2, 4), upper=True)
    assert "takes vectors of 3" in refused(LA.cross, A.mT, A.mT)
    assert "lstsq: matrices [2, 3]" in refused(LA.lstsq, A, torch.ones(4, 1), on="cpu")
    assert "M ≥ P" in refused(LA.householder_product, A, torch.ones(2), on="cpu")
