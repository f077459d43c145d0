"""Orders: sort, topk, searchsorted. One operation for each element of the input, whatever sort PyTorch chooses.

Source: PyTorch documentation of each function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.rules.common import EACH_INPUT, ELEMENTWISE, Rule, axis_of, empty, like, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = False) -> Outcome:
    """torch.sort: the values in order, and where they were."""
    axis_of(dim, input.dim())
    return torch.return_types.sort((like(input), like(input, torch.int64))), EACH_INPUT(n=input.numel())


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Outcome:
    """torch.argsort: where the values in order were."""
    axis_of(dim, input.dim())
    return like(input, torch.int64), EACH_INPUT(n=input.numel())


def msort(input: Tensor) -> Outcome:
    """torch.msort: sorted along the first axis."""
    return like(input), EACH_INPUT(n=input.numel())


def topk(input: Tensor, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Outcome:
    """torch.topk: (*, n, *) gives (*, k, *), values and where they were."""
    shape = list(input.shape)
    axis = axis_of(dim, len(shape))
    if k > (shape[axis] if shape else 1):
        raise ShapeError(f"topk takes {k} of axis {dim} of {shape}, which has fewer")
    if shape:
        shape[axis] = k
    output = torch.return_types.topk((empty(shape, input.dtype), empty(shape, torch.int64)))
    return output, EACH_INPUT(n=input.numel())


def searchsorted(
    sorted_sequence: Tensor,
    input: Any = None,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    self: Any = None,
) -> Outcome:
    """torch.searchsorted: for each value, where it belongs."""
    values = self if input is None else input
    return _places(values, out_int32)


def bucketize(
    input: Any = None,
    boundaries: Tensor | None = None,
    *,
    out_int32: bool = False,
    right: bool = False,
    self: Any = None,
) -> Outcome:
    """torch.bucketize: for each value, the bucket it belongs to."""
    return _places(self if input is None else input, out_int32)


def _places(values: Any, out_int32: bool) -> Outcome:
    output = empty(values.shape if isinstance(values, Tensor) else (), torch.int32 if out_int32 else torch.int64)
    return output, ELEMENTWISE


def isin(
    elements: Any = None,
    test_elements: Any = None,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    element: Any = None,
    test_element: Any = None,
) -> Outcome:
    """torch.isin: for each element, whether it is among the others."""
    asked = element if elements is None else elements
    output = empty(asked.shape if isinstance(asked, Tensor) else (), torch.bool)
    return output, ELEMENTWISE


RULES: dict[Any, Rule] = {
    **spread("sort", sort),
    **spread("argsort", argsort),
    **spread("msort", msort),
    **spread("topk", topk),
    **spread("searchsorted", searchsorted),
    **spread("bucketize", bucketize),
    **spread("isin", isin),
}
