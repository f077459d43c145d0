"""The largest singular value from products alone: Golub–Kahan bidiagonalisation with reorthogonalised bases.

Source: Golub & Kahan 1965, "Calculating the singular values and pseudo-inverse of a matrix", SIAM J. Numer. Anal. 2(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Product: TypeAlias = Callable[[Tensor], Tensor]

#: Bytes that both bases may take together; the iteration begins anew from its best vector.
_BASES = 2**28
_LONGEST = 48
_ROUNDS = 4
#: A round that raises σ by less is the last one.
_WORTH = 1e-5
#: What remains after orthogonalisation and is not more than rounding, relative to what was there.
_NOTHING = 1e-14


def top_right_vector(matvec: Product, rmatvec: Product, start: Tensor, tolerance: float = 1e-6) -> Tensor:
    """A unit vector v with ‖Av‖ as near to ‖A‖ as the iteration comes: a witness, whatever its quality.

    Args:
        matvec: v ↦ Av.
        rmatvec: u ↦ Aᴴu.
        start: not zero; flat.
        tolerance: the iteration ends where σ's residual ‖Aᴴu − σv‖ falls below ``tolerance``·σ.
    """
    best: Tensor = start / torch.linalg.vector_norm(start)
    length = max(start.numel(), matvec(best).numel())
    steps = max(4, min(_LONGEST, length, _BASES // (2 * length * start.element_size())))
    before = 0.0
    for _ in range(_ROUNDS):
        best, sigma, done = _bidiagonalise(matvec, rmatvec, best, steps, tolerance)
        if done or sigma <= before * (1 + _WORTH):
            break
        before = sigma
    return best


def _bidiagonalise(
    matvec: Product, rmatvec: Product, start: Tensor, steps: int, tolerance: float
) -> tuple[Tensor, float, bool]:
    """The best right vector of ``steps`` steps from ``start``, its σ, and whether the iteration has converged."""
    rights = start.new_empty(steps, start.numel())
    rights[0] = start
    image = matvec(start)
    lefts = image.new_empty(steps, image.numel())
    alphas: list[float] = []
    betas: list[float] = []
    for step in range(steps):
        if step:
            image = _without(matvec(rights[step]) - betas[-1] * lefts[step - 1], lefts[:step])
        alpha = float(torch.linalg.vector_norm(image))
        if alpha <= _NOTHING * max(alphas, default=0.0):  # the bases span everything that A sees of the start
            return _ritz(rights[: step + 1], alphas, betas, converged=True)
        lefts[step] = image / alpha
        alphas.append(alpha)
        right = _without(rmatvec(lefts[step]) - alpha * rights[step], rights[: step + 1])
        beta = float(torch.linalg.vector_norm(right))
        u, sigmas, _ = torch.linalg.svd(_bidiagonal(alphas, betas))
        if beta * float(u[-1, 0].abs()) <= tolerance * float(sigmas[0]):
            return _ritz(rights[: step + 1], alphas, betas, converged=True)
        if step + 1 < steps:
            rights[step + 1] = right / beta
            betas.append(beta)
    return _ritz(rights, alphas, betas, converged=False)


def _without(vector: Tensor, basis: Tensor) -> Tensor:
    """The part orthogonal to the basis; twice is enough."""
    for _ in range(2):
        vector = vector - (basis @ vector.conj()).conj() @ basis
    return vector


def _bidiagonal(alphas: list[float], betas: list[float]) -> Tensor:
    """(k, k) of k alphas and k − 1 betas, (k, k + 1) of k betas."""
    matrix = torch.zeros(len(alphas), len(betas) + 1, dtype=torch.float64)
    matrix.diagonal().copy_(torch.tensor(alphas, dtype=torch.float64))
    matrix.diagonal(1).copy_(torch.tensor(betas, dtype=torch.float64))
    return matrix


def _ritz(rights: Tensor, alphas: list[float], betas: list[float], converged: bool) -> tuple[Tensor, float, bool]:
    if not alphas:  # the start itself is mapped to zero
        return rights[0], 0.0, converged
    _, sigmas, vh = torch.linalg.svd(_bidiagonal(alphas, betas))
    combined = vh[0].to(dtype=rights.dtype, device=rights.device) @ rights
    return combined / torch.linalg.vector_norm(combined), float(sigmas[0]), converged
