"""What reads values, or returns as many elements as values say: the trace answers with values where it has them.

Source: PyTorch documentation of each function; none of them runs on the meta device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.rules.common import ELEMENTWISE, Rule, ValuesNeeded, empty, spread

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def values_needed(*args: Any, **kwargs: Any) -> Outcome:
    """item, tolist, nonzero, unique, masked_select: only values can answer."""
    raise ValuesNeeded


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Outcome:
    """torch.bincount: as many counts as the largest value says."""
    raise ValuesNeeded


def nonzero_static(input: Tensor, *, size: Any, fill_value: int = -1) -> Outcome:
    """torch.nonzero_static: (size, axes), whatever the values."""
    return empty((size, input.dim()), torch.int64), ELEMENTWISE(n=input.numel())


def asserted(*args: Any, **kwargs: Any) -> Outcome:
    """torch._assert_async: a promise about values, taken on trust."""
    return None, None


_READERS = """
    item tolist __bool__ __nonzero__ __int__ __long__ __float__ __complex__ __index__ __contains__ numpy __array__
    is_nonzero equal allclose __array_wrap__ __dlpack__
"""
_SIZED_BY_VALUES = "nonzero argwhere masked_select unique unique_consecutive _unique _unique2"

RULES: dict[Any, Rule] = {
    **spread(_READERS, values_needed, known=False),
    **spread(_SIZED_BY_VALUES, values_needed, known=False),
    **spread("bincount", bincount),
    **spread("nonzero_static", nonzero_static),
    **spread("_assert _assert_async _functional_assert_async", asserted, (torch,), known=False),
}
