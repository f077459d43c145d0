"""Printed totals: which counts of each row can add up to them. Sums are built row by row, never as a product of all
rows.

After each row every reachable sum is kept once, pruned by what the rows after it can still add: exact integer
arithmetic, as in a knapsack.
"""

from __future__ import annotations

import heapq
from itertools import count as counter
from typing import TYPE_CHECKING, Final

from inspector.tables.solving.families import Ways

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Values = Mapping[int, Ways]


#: Additions for each intermediate result that is allowed.
_STEPS_EACH: Final = 40


class TooMany(Exception):
    """More intermediate sums than the bound allows."""


def suffix_sums(rows: Sequence[Values], total: int, states: int) -> list[dict[int, Ways]]:
    """For each row, what it and the rows after it may add up to, by what is left for them: how often, and at which
    cost.

    ``result[i][r]`` tells of rows i, i + 1, ... that add up to r, for every r that rows before i can leave of
    ``total``.

    Raises:
        TooMany: more than ``states`` sums for one row, or 40 times as many additions in all.
    """
    least = [0] * (len(rows) + 1)
    most = [0] * (len(rows) + 1)
    for i in reversed(range(len(rows))):
        least[i], most[i] = least[i + 1] + min(rows[i]), most[i + 1] + max(rows[i])
    left = [{total}] if least[0] <= total <= most[0] else [set()]
    work = 0
    for i, values in enumerate(rows):
        low, high = least[i + 1], most[i + 1]
        following: set[int] = set()
        work += len(left[-1]) * len(values)
        if work > _STEPS_EACH * states:
            raise TooMany
        for rest in left[-1]:
            following.update(rest - value for value in values if low <= rest - value <= high)
            if len(following) > states:
                raise TooMany
        left.append(following)
    found: list[dict[int, Ways]] = [{} for _ in rows] + [{0: Ways(1, 0)} if 0 in left[-1] else {}]
    for i in reversed(range(len(rows))):
        after = found[i + 1]
        for rest in left[i]:
            ways = [(value, after[rest - value]) for value in rows[i] if rest - value in after]
            if ways:
                found[i][rest] = Ways(
                    sum(rows[i][value].ways * way.ways for value, way in ways),
                    min(rows[i][value].cost + way.cost for value, way in ways),
                )
    return found


def best_sums(rows: Sequence[Values], total: int, states: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Every choice of one count from each row that adds up to ``total``, the cheapest first, with its cost.

    The cost still to come is known exactly, so that each step taken leads to an answer.

    >>> rows = [{156: Ways(1, 0), 150: Ways(1, 1)}, {850: Ways(1, 0), 840: Ways(1, 1)}]
    >>> list(best_sums(rows, 990, 100)), list(best_sums(rows, 991, 100))
    ([(2, (150, 840))], [])
    """
    after = suffix_sums(rows, total, states)
    if total not in after[0]:
        return
    ticket = counter()
    heap: list[tuple[int, int, int, tuple[int, ...], int]] = [(after[0][total].cost, next(ticket), 0, (), total)]
    while heap:
        estimate, _, spent, counts, rest = heapq.heappop(heap)
        i = len(counts)
        if i == len(rows):
            yield estimate, counts
            continue
        for value, ways in rows[i].items():
            way = after[i + 1].get(rest - value)
            if way is not None:
                cost = spent + ways.cost
                heapq.heappush(heap, (cost + way.cost, next(ticket), cost, (*counts, value), rest - value))


def kept_counts(rows: Sequence[Values], total: int, states: int) -> tuple[list[set[int]], int]:
    """(for each row the counts that are part of some sum to ``total``, how many combinations of solutions there
    are).
    """
    after = suffix_sums(rows, total, states)
    kept: list[set[int]] = []
    left = {total} & after[0].keys()
    for i, values in enumerate(rows):
        pairs = [(value, rest - value) for rest in left for value in values if rest - value in after[i + 1]]
        kept.append({value for value, _ in pairs})
        left = {rest for _, rest in pairs}
    return kept, after[0][total].ways if total in after[0] else 0


def nearest(rows: Sequence[Values], total: int) -> int:
    """A reachable sum near ``total``: each row, the one with the largest steps first, takes what brings the rest
    closest.
    """
    order = sorted(rows, key=lambda values: max(values) - min(values), reverse=True)
    rest = total - sum(min(values) for values in order)
    reached = total - rest
    for values in order:
        least = min(values)
        step = min((value - least for value in values), key=lambda step: abs(rest - step))
        rest, reached = rest - step, reached + step
    return reached
