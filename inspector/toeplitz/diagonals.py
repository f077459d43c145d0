"""The matrix by its diagonals: few where the kernel is small, which is what rotations and crossbars multiply with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inspector.errors import ShapeError
from inspector.toeplitz import costs, layouts
from inspector.toeplitz.configuration import check_values
from inspector.toeplitz.pattern import column_numbers, row_numbers
from inspector.toeplitz.values import Spread

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.operator import ConvOperator


@dataclass(frozen=True, slots=True, eq=False)
class Diagonals:
    """Diagonals that hold entries.

    Attributes:
        offsets: (D,), ascending; int64.
        values: (D, n_out): ``values[d, r]`` is A[r, r + offsets[d]], zero where that lies outside.
        shape: (n_out, n_in).
        wrap: columns are taken modulo n_in, so that offsets lie in [0, n_in): the generalised diagonals of homomorphic
            encryption (Halevi & Shoup, "Algorithms in HElib", Crypto 2014), each met by one rotation of the vector.
    """

    offsets: Tensor
    values: Tensor
    shape: tuple[int, int]
    wrap: bool

    def __len__(self) -> int:
        return len(self.offsets)

    def __matmul__(self, x: Tensor) -> Tensor:
        """A·x for x (n_in,): every diagonal times the vector, moved by its offset."""
        rows, columns = self.shape
        if not isinstance(x, torch.Tensor) or x.shape != (columns,):
            got = list(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise ShapeError(f"diagonals @ x: expected one vector ({columns},), got {got}")
        out = x.new_zeros(rows)
        for offset, diagonal in zip(self.offsets.tolist(), self.values, strict=True):
            places = torch.arange(offset, offset + rows, device=x.device)
            places = places % columns if self.wrap else places.clamp(0, columns - 1)  # zeros stand where it is outside
            out = out + diagonal * x[places]
        return out


def diagonals(operator: ConvOperator, wrap: bool) -> Diagonals:
    """See `ConvOperator.diagonals`.

    Raises:
        InspectionError: the weight has no values (meta device).
        DoesNotFit: the entries with their coordinates, or all diagonals, take more memory than there is.
    """
    convolution, weight = operator.convolution, operator.weight
    check_values(weight, "diagonals")
    costs.require(convolution, "coo", weight.element_size(), weight.device)
    pattern = convolution.pattern()
    rows, columns = torch.empty(2, pattern.nnz, dtype=pattern.index_dtype, device=weight.device)
    row_numbers(pattern, rows)
    column_numbers(pattern, columns)
    apart = columns - rows
    offsets, which = torch.unique(apart % operator.shape[1] if wrap else apart, return_inverse=True)
    free, wanted = costs.available(weight.device), len(offsets) * operator.shape[0] * weight.element_size()
    if free is not None and wanted > free:
        raise costs.DoesNotFit(
            f"diagonals: {len(offsets)} diagonals of {operator.shape[0]} take {costs.in_bytes(wanted)}; "
            f"{costs.in_bytes(free)} are free on {weight.device}. csr takes {costs.in_bytes(operator.nbytes('csr'))}."
        )
    values = Spread.apply(layouts.kernel_by_group(convolution, weight), None, pattern, False, 0)
    laid = weight.new_zeros(len(offsets), operator.shape[0]).index_put((which, rows.long()), values)
    return Diagonals(offsets.long(), laid, operator.shape, wrap)
