"""How many of a call's MACs no kernel gets around: fewer than the formula counts, where taps fall on padding.

The formulas count what the mathematics says; a floor of time must count what hardware cannot leave out.
Sources: Winograd 1980, Arithmetic Complexity of Computations (m outputs of an r-tap filter take m + r − 1
multiplications); Lavin & Gray 2016, arXiv 1509.09308 (tiles of 4 in cuDNN); Dao 2023, arXiv 2307.08691 (causal blocks
are skipped).
"""

from __future__ import annotations

import inspect
from fractions import Fraction
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from inspector import geometry
from inspector.rules.convolution import per_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inspector.rules.common import Rule

#: Outputs that a tile of the widest transform in use makes along an axis of three taps.
_TILE = 4


def shares(rule: Rule, args: Any, kwargs: Mapping[str, Any], output: Sequence[int]) -> tuple[Fraction, Fraction]:
    """Shares of a call's counted MACs that are left (directly, by the quickest transform known).

    Args:
        rule: of a function with MACs.
        args: positional arguments of the call; tensors need no values.
        kwargs: its keyword arguments.
        output: shape of its result.

    >>> import torch
    >>> from inspector.rules.convolution import convolution
    >>> x, w = torch.empty(1, 8, 4, device="meta"), torch.empty(8, 8, 3, device="meta")
    >>> shares(convolution, (x, w), {"padding": 1}, (1, 8, 4))  # of 12 taps along the axis, 2 fall on padding
    (Fraction(5, 6), Fraction(5, 12))
    """
    family = rule.__module__.rpartition(".")[2]
    count = _COUNTS.get((family, rule.__name__))
    if count is None:
        every = Fraction(0 if family in _UNKNOWN else 1)
        return every, every
    bound = _signature(rule).bind(*args, **kwargs)
    bound.apply_defaults()
    return count(bound.arguments, output)


@cache
def _signature(rule: Rule) -> inspect.Signature:
    return inspect.signature(rule)


def _convolution(given: Mapping[str, Any], output: Sequence[int]) -> tuple[Fraction, Fraction]:
    return _taps(given, given["input"].shape, output)


def _transposed(given: Mapping[str, Any], output: Sequence[int]) -> tuple[Fraction, Fraction]:
    # Every input is spread over the taps; what padding crops away need not be computed.
    return _taps(given, output, given["input"].shape)


def _taps(given: Mapping[str, Any], read: Sequence[int], moved: Sequence[int]) -> tuple[Fraction, Fraction]:
    """Windows at each place of ``moved`` over ``read``: the share of (place, tap) pairs that land inside."""
    kernel = given["weight"].shape[2:]
    rank = len(kernel)
    stride, dilation = per_axis(given["stride"], rank), per_axis(given["dilation"], rank)
    padding = given["padding"]
    if padding == "same":
        before = [geometry.same_padding(k, d)[0] for k, d in zip(kernel, dilation, strict=True)]
    else:
        before = [0] * rank if padding == "valid" else [*per_axis(padding, rank)]
    inside = [
        sum(geometry.outputs_reading(size, places, tap, s, p, d)[1] for tap in range(k))
        for size, places, k, s, p, d in zip(read[-rank:], moved[-rank:], kernel, stride, before, dilation, strict=True)
    ]
    counted = prod(kernel) * prod(moved[-rank:])
    direct = Fraction(prod(inside), counted) if counted else Fraction(0)
    plain = given["groups"] == 1 and set(stride) | set(dilation) == {1}
    return direct, direct / prod(map(_saved, kernel)) if plain else direct


def _saved(taps: int) -> Fraction:
    """How many times fewer multiplications a transform along one axis takes.

    Tiles of four outputs for three taps. Longer filters are transformed by FFTs of any length, which approach one
    multiplication for each output.
    """
    return Fraction(_TILE * taps, _TILE + taps - 1) if taps <= 3 else Fraction(taps)


def _attention(given: Mapping[str, Any], _: Sequence[int]) -> tuple[Fraction, Fraction]:
    if not given["is_causal"]:
        return Fraction(1), Fraction(1)
    queries, keys = given["query"].shape[-2], given["key"].shape[-2]
    seen = sum(min(position + 1, keys) for position in range(queries))
    share = Fraction(seen, queries * keys) if queries * keys else Fraction(0)
    return share, share


_COUNTS: dict[tuple[str, str], Callable[[Mapping[str, Any], Sequence[int]], tuple[Fraction, Fraction]]] = {
    ("convolution", "convolution"): _convolution,
    ("convolution", "transposed_convolution"): _transposed,
    ("attention", "scaled_dot_product_attention"): _attention,
}
#: Families whose other functions take padding or masks in a form of their own: nothing is claimed of these.
_UNKNOWN = frozenset({"convolution", "attention", "quantized", "vision"})
