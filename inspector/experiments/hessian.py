"""Curvature of a loss without its Hessian: products with vectors, top eigenvalue (Lanczos), trace (Hutchinson)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """Products of a loss's Hessian with vectors, by differentiating the gradient (Pearlmutter 1994).

    Args:
        loss: a scalar, computed from the parameters.
        parameters: what it is differentiated by; the rows and columns of H in their order.

    Returns:
        From v, (P,), to Hv, (P,), for all P entries of the parameters; each costs about two backward passes.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> hessian_product((x**3).sum(), [x])(torch.tensor([1.0, 1.0]))  # H = diag(6x)
    tensor([ 6., 12.])
    """
    gradient = flat(torch.autograd.grad(loss, parameters, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        rows = torch.autograd.grad(
            gradient, parameters, vector, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return flat(rows)

    return product


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All entries, (P,), in order; of any strides, which PyTorch's ``parameters_to_vector`` does not take."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def top_eigenvalue(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int = 20, tolerance: float = 1e-3
) -> tuple[float, float]:
    """Largest eigenvalue of a symmetric matrix, by Lanczos iteration with full reorthogonalisation.

    Args:
        product: multiplies by the matrix.
        start: (P,) not zero; a random one, lest it lie across the eigenvector.
        steps: products, at most; P give the exact eigenvalue.
        tolerance: stop where the residual is this small beside the eigenvalue.

    Returns:
        The Ritz value θ, a lower bound of the largest eigenvalue, and its residual ‖Au − θu‖: some eigenvalue lies
        no farther from θ (Parlett 1980).

    >>> top_eigenvalue(lambda v: torch.tensor([1.0, 5.0]) * v, torch.ones(2))
    (5.0, 0.0)
    """
    basis = (start / start.norm())[None]
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    while True:
        found = product(basis[-1])
        diagonal.append(found @ basis[-1])
        for _ in range(2):  # once leaves rounding that grows from step to step
            found = found - basis.T @ (basis @ found)
        size = found.norm()
        tri = torch.diag(torch.stack(diagonal))
        if beside:
            tri = tri + torch.diag(torch.stack(beside), 1) + torch.diag(torch.stack(beside), -1)
        values, vectors = torch.linalg.eigh(tri)
        top, residual = float(values[-1]), float(size * vectors[-1, -1].abs())
        if residual <= tolerance * abs(top) or len(diagonal) == min(steps, len(start)):
            return top, residual if len(diagonal) < len(start) else 0.0
        beside.append(size)
        basis = torch.cat([basis, (found / size)[None]])


def trace_samples(product: Callable[[Tensor], Tensor], probes: Tensor) -> Tensor:
    """zᵀAz for each probe z: of random signs its mean is tr A (Hutchinson 1990).

    Args:
        product: multiplies by the matrix A, (P, P).
        probes: (m, P) of independent ±1. Where only a block's entries are not 0, that block's trace.

    Returns:
        (m,) samples, of variance 2·Σ_{i≠j} A_ij².

    >>> trace_samples(lambda v: torch.tensor([1.0, 5.0]) * v, torch.tensor([[1.0, -1.0], [0.0, 1.0]]))
    tensor([6., 5.])
    """
    return torch.stack([probe @ product(probe) for probe in probes])
