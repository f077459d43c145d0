"""Operators of PyTorch that have no function of the same name, or one with other arguments: ``torch.ops.aten.*``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inspector.rules.common import Rule, axis_of, like
from inspector.rules.conversion import converted
from inspector.rules.indexing import chosen
from inspector.rules.scan import softmax
from inspector.rules.view import reshaped

if TYPE_CHECKING:
    from inspector.rules.common import Outcome


def to_copy(self: Tensor, *, dtype: torch.dtype | None = None, memory_format: Any = None, **named: Any) -> Outcome:
    """aten._to_copy: a copy, in another dtype."""
    return converted(self, dtype or self.dtype, True, memory_format), None


def index(self: Tensor, indices: Any) -> Outcome:
    """aten.index: as ``self[indices]``, where None keeps an axis."""
    return chosen(self, tuple([slice(None) if index is None else index for index in indices])), None


def slice_(self: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: Any = 1) -> Outcome:
    """aten.slice: a range along one axis."""
    axis = axis_of(dim, self.dim())
    return self[(slice(None),) * axis + (slice(start, end, step),)], None


def unsafe_view(self: Tensor, size: Any) -> Outcome:
    """aten._unsafe_view: another shape."""
    return reshaped(self, size), None


def same(self: Tensor) -> Outcome:
    """aten.alias, lift_fresh: the same memory."""
    return self.detach(), None


def softmax_of(self: Tensor, dim: int, half_to_float: bool) -> Outcome:
    """aten._softmax, _log_softmax: the last argument widens half precision."""
    return softmax(self, dim, torch.float32 if half_to_float else None)


def unsafe_index_put(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Outcome:
    """aten._unsafe_index_put: a copy with values put."""
    return like(self), None


#: Operator's name -> rule.
RULES: dict[str, Rule] = {
    "_to_copy": to_copy,
    "index": index,
    "_unsafe_index": index,
    "_unsafe_index_put": unsafe_index_put,
    "slice": slice_,
    "_unsafe_view": unsafe_view,
    "_reshape_alias": unsafe_view,
    "alias": same,
    "lift_fresh": same,
    "_softmax": softmax_of,
    "_log_softmax": softmax_of,
}
#: Functions written in Python that take the arguments of the operator of their name.
SAME_ARGUMENTS = frozenset(("split", "norm", "einsum", "cdist", "__rsub__", "unflatten"))
