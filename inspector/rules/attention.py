"""Attention: scaled dot products and FlexAttention.

Scores multiply queries by keys over E features, results multiply scores by values over E_v: H_q·L·S·(E + E_v) for each
example. Nothing is saved by a causal mask or by shared key heads in this count, as in PyTorch's own counter.
``F.multi_head_attention_forward`` has no rule: its projections and products are calls of their own.

Sources: Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023, arXiv 2305.13245 (grouped queries); Dong et al.
2024, arXiv 2412.05496 (FlexAttention).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.internals import any_autocast_enabled
from inspector.rules.common import Rule, broadcast, empty, product

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome

MACS = Formula("N*H_q*L*S*(E + E_v)", source="Vaswani et al. 2017, arXiv 1706.03762: softmax(QKᵀ/√E)·V")


def _attended(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool) -> tuple[tuple[Any, ...], BoundFormula]:
    """(shape of the result, MACs), after queries, keys and values are held against each other."""
    q, k, v = query.shape, key.shape, value.shape
    if len(q) < 2 or len(k) < 2 or len(v) < 2:
        raise ShapeError(f"attention takes (*, positions, features), got {list(q)}, {list(k)} and {list(v)}")
    L, E = q[-2:]
    S, E_v = v[-2:]
    if k[-1] != E:
        raise ShapeError(f"queries {list(q)} have {E} features, keys {list(k)} have {k[-1]}")
    if k[-2] != S:
        raise ShapeError(f"keys {list(k)} have {k[-2]} positions, values {list(v)} have {S}")
    lead = tuple(q[:-2])
    if enable_gqa and len(q) > 2:
        if lead[-1] % k[-3] != 0 or lead[-1] % v[-3] != 0:
            raise ShapeError(f"{lead[-1]} query heads are no multiple of {k[-3]} key heads and {v[-3]} value heads")
        lead = broadcast(lead, (*k[:-3], lead[-1]), (*v[:-3], lead[-1]))
    elif not lead == k[:-2] == v[:-2]:
        lead = broadcast(lead, k[:-2], v[:-2])
    N, H_q = (product(lead[:-1]), lead[-1]) if lead else (1, 1)
    return (*lead, L, E_v), MACS(N=N, H_q=H_q, L=L, S=S, E=E, E_v=E_v)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Outcome:
    """F.scaled_dot_product_attention: (*, H_q, L, E) on (*, H, S, E) and (*, H, S, E_v) gives (*, H_q, L, E_v)."""
    shape, formula = _attended(query, key, value, enable_gqa)
    if not query.dtype is key.dtype is value.dtype and not any_autocast_enabled():
        raise ShapeError(f"queries, keys and values are of one dtype, got {query.dtype}, {key.dtype} and {value.dtype}")
    if attn_mask is not None:
        if is_causal:
            raise ShapeError("attention takes attn_mask or is_causal=True, not both")
        if attn_mask.dtype is not torch.bool and not attn_mask.dtype.is_floating_point:
            raise ShapeError(f"a mask is of truth values or of the queries' dtype, got {attn_mask.dtype}")
        scores, mask = (*shape[:-1], key.shape[-2]), attn_mask.shape
        fits = len(mask) <= len(scores) and all(
            have in (1, want) for have, want in zip(reversed(mask), reversed(scores), strict=False)
        )
        if not fits:
            raise ShapeError(f"the mask {list(attn_mask.shape)} does not broadcast to the scores {list(scores)}")
    return shape, formula


def _ordered_like(query: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """A dense result whose axes lie in memory in the order of the query's."""
    order = sorted(range(len(shape)), key=lambda axis: query.stride(axis), reverse=True)
    inverse = sorted(range(len(shape)), key=order.__getitem__)
    return empty([shape[axis] for axis in order], query.dtype).permute(inverse)


def flex_operator(
    query: Tensor, key: Tensor, value: Tensor, score_mod: Any, block_mask: Any, scale: Any, *settings: Any, **named: Any
) -> Outcome:
    """torch.ops.higher_order.flex_attention: the result, log-sum-exp and maximum of each query's scores."""
    shape, formula = _attended(query, key, value, enable_gqa=True)
    scores = shape[:-1]
    precise = torch.float64 if query.dtype is torch.float64 else torch.float32
    return (_ordered_like(query, shape), empty(scores, precise), empty(scores, precise)), formula


RULES: dict[Any, Rule] = {
    F.scaled_dot_product_attention: scaled_dot_product_attention,
    torch.ops.higher_order.flex_attention: flex_operator,
}
