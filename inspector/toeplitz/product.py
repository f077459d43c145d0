"""The product with the CSR matrix, differentiable in the vector and in the weight without the dense matrix's memory."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from inspector.errors import InspectionError
from inspector.toeplitz.apply import weight_gradient

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.operator import ConvOperator


class Product(torch.autograd.Function):
    """A·x for x (n_in, k). Backward: Aᴴ·ḡ, again a product, and the gathered gradient of the weight."""

    @staticmethod
    def forward(weight: Tensor, x: Tensor, operator: ConvOperator) -> Tensor:  # noqa: ARG004  autograd passes it
        with torch.autocast(x.device.type, enabled=False):  # which would multiply in a type that CSR may not have
            product: Tensor = operator.csr() @ x
        return product

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, ConvOperator], output: Tensor) -> None:  # noqa: ARG004  autograd passes it
        weight, x, operator = inputs
        ctx.save_for_backward(weight, x)
        ctx.save_for_forward(weight, x)
        ctx.operator = operator

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, x = ctx.saved_tensors
        operator, grad = ctx.operator, grads[0]
        if weight is not operator.weight:
            operator = operator.with_weight(weight)
        to_weight = to_x = None
        if ctx.needs_input_grad[1]:
            to_x = operator.H @ grad
        if ctx.needs_input_grad[0]:
            read, written = operator.columns.to_images(x), operator.rows.to_images(grad)
            if operator.transposed:
                # ⟨g, Aᵀx⟩ = ⟨x, A·g⟩, so that x and g change places; conjugated, for the gradient is.
                to_weight = weight_gradient(operator.convolution, written, read.conj())
            else:
                to_weight = weight_gradient(operator.convolution, read.conj(), written)
        return to_weight, to_x, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        """A·ẋ + Ȧ·x."""
        (weight, x), (to_weight, to_x, _) = ctx.saved_tensors, tangents
        operator = ctx.operator if weight is ctx.operator.weight else ctx.operator.with_weight(weight)
        parts = [] if to_x is None else [operator.matmul(to_x)]
        if to_weight is not None:
            parts.append(operator.with_weight(to_weight).matmul(x, matrix_free=True))
        total: Tensor = sum(parts[1:], parts[0])
        return total

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], weight: Tensor, x: Tensor, operator: ConvOperator) -> Any:  # noqa: ARG004
        """Vectors of a batch are further columns of one product; a batch of weights convolves, each with its own."""
        if in_dims[0] is not None:

            def convolve(weight: Tensor, x: Tensor) -> Tensor:
                return operator.with_weight(weight).matmul(x, matrix_free=True)

            return torch.vmap(convolve, in_dims[:2])(weight, x), 0
        columns = x.movedim(in_dims[1], -1)
        found = Product.apply(weight, columns.flatten(1), operator)
        return found.unflatten(1, columns.shape[1:]), 2


@cache
def multiplies(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether this PyTorch multiplies CSR matrices of the dtype on the device: tried once, on one number."""
    if device.type == "meta":
        return False
    # In a thread of its own, where neither a transform of torch.func nor a mode of the caller's is active: under some
    # of these PyTorch has no sparse tensors at all, which would be remembered as the answer.
    with ThreadPoolExecutor(1) as own:
        return own.submit(_multiplies_one, dtype, device).result()


def _multiplies_one(dtype: torch.dtype, device: torch.device) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the layout is in beta
        index = torch.tensor([0, 1], dtype=torch.int32, device=device)
        try:
            one = torch.ones(1, dtype=dtype, device=device)
            matrix = torch.sparse_csr_tensor(index, index[:1], one, (1, 1), check_invariants=False)
            return bool((matrix @ one[:, None]).eq(1).all())
        except (RuntimeError, NotImplementedError):
            return False


_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128)


def require_product(dtype: torch.dtype, device: torch.device) -> None:
    """Refuse what PyTorch cannot multiply.

    Raises:
        InspectionError: with the dtypes that it can.
    """
    if not multiplies(dtype, device):
        able = ", ".join(str(each) for each in _DTYPES if multiplies(each, device)) or "none"
        raise InspectionError(
            f"A @ x: PyTorch multiplies no CSR matrix of {dtype} on {device.type}, only of {able}; convert the weight, "
            "or leave matrix_free away to convolve"
        )
