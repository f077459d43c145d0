"""The solutions of one row, kept as a product of what is free, so that millions of them are counted, tested and ranked.

A *family* holds everything fixed but the windows: its members are one option for each axis, whose kernels' product is
among ``products`` where a printed count asks for it. Parameters are a line in that product: ``per_tap·ΠK + constant``.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from inspector.tables.solving import ranking
from inspector.tables.solving.axis import Axis, Option

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


class Ways(NamedTuple):
    """How many solutions there are for one value, and the cost of the best."""

    ways: int
    cost: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One solution of one row.

    Attributes:
        fixed: hyperparameters that are no windows, by name: ``groups``, ``bias``, ``in_features``, ...
        windows: one option for each axis; none where the row has no window.
        params: its parameters.
        cost: its rank in the convention.
    """

    fixed: tuple[tuple[str, object], ...]
    windows: tuple[Option, ...]
    params: int
    cost: int

    @property
    def hyperparameters(self) -> dict[str, object]:
        """By name; values of windows are tuples, one entry for each axis.

        ``output_padding`` stands where it is not 0.
        """
        found: dict[str, object] = {}
        if self.windows:
            for name in ("kernel", "stride", "padding", "dilation"):
                found[name] = tuple(getattr(option, name) for option in self.windows)
            extra = tuple(option.output_padding for option in self.windows)
            if any(extra):
                found["output_padding"] = extra
        return {**found, **dict(self.fixed)}


@dataclass(frozen=True, slots=True)
class Family:
    """Solutions that share all but their windows; ``products`` None allows every product of kernels."""

    fixed: tuple[tuple[str, object], ...]
    constant: int = 0
    per_tap: int = 0
    axes: tuple[Axis, ...] = ()
    products: frozenset[int] | None = None
    cost: int = 0

    def values(self) -> dict[int, Ways]:
        """Parameters → how many solutions have them."""
        if not self.axes:
            return {self.constant: Ways(1, self.cost)}
        found: dict[int, Ways] = {}
        every = products_of(self.axes)
        for taps in every if self.products is None else self.products:
            params = self.per_tap * taps + self.constant
            _add(found, params, Ways(every[taps].ways, every[taps].cost + self.cost))
        return found

    def with_params(self, wanted: Collection[int]) -> Family | None:
        """The part whose parameters are among ``wanted``; None where there is none."""
        if not self.axes or not self.per_tap:
            return self if self.constant in wanted else None
        taps = products_of(self.axes).keys() if self.products is None else self.products
        asked = (divmod(value - self.constant, self.per_tap) for value in wanted)
        met = frozenset(tap for tap, rest in asked if not rest and tap in taps)
        if not met:
            return None
        return self if len(met) == len(taps) else replace(self, products=met)

    def ranked(self) -> Iterator[Choice]:
        """Every solution once, the best first."""
        if not self.axes:
            yield Choice(self.fixed, (), self.constant, self.cost)
            return
        yield from self._equal()
        if len(self.axes) > 1:
            yield from self._unequal()

    def _allowed(self, kernels: Iterable[int]) -> bool:
        return self.products is None or prod(kernels) in self.products

    def _choice(self, windows: tuple[Option, ...], extra: int = 0) -> Choice:
        taps = prod(option.kernel for option in windows)
        cost = sum(option.cost for option in windows) + self.cost + extra
        return Choice(self.fixed, windows, self.per_tap * taps + self.constant, cost)

    def _equal(self) -> Iterator[Choice]:
        found = [
            self._choice(windows)
            for windows in equal_windows(self.axes)
            if self._allowed(option.kernel for option in windows)
        ]
        yield from sorted(found, key=lambda choice: choice.cost)

    def _unequal(self) -> Iterator[Choice]:
        kernels: Iterable[tuple[int, ...]] | None = None
        if self.products is not None:
            kernels = [found for found in product(*(axis.by_kernel for axis in self.axes)) if self._allowed(found)]
        lists = (
            [tuple(axis.options for axis in self.axes)]
            if kernels is None
            else [tuple(axis.by_kernel[k] for axis, k in zip(self.axes, found, strict=True)) for found in kernels]
        )
        streams = (_best_first(options) for options in lists)
        for _, windows in heapq.merge(*streams):
            if not same_on_all(windows):
                yield self._choice(windows, ranking.UNEQUAL)

    def holds(self, windows: tuple[tuple[int, ...], ...]) -> bool:
        """Whether these windows, as (kernel, stride, padding, dilation, output_padding), are among the members."""
        if len(windows) != len(self.axes):
            return False
        inside = all(
            any(option[1:] == window for option in axis.by_kernel.get(window[0], ()))
            for axis, window in zip(self.axes, windows, strict=True)
        )
        return inside and self._allowed(window[0] for window in windows)


def same_on_all(windows: tuple[Option, ...]) -> bool:
    """Whether the window is the same on every axis."""
    return all(option[1:] == windows[0][1:] for option in windows)


def equal_windows(axes: tuple[Axis, ...]) -> Iterator[tuple[Option, ...]]:
    """The windows that are the same on every axis; their costs may differ, as the sizes do."""
    others = [{option[1:]: option for option in axis.options} for axis in axes[1:]]
    for option in axes[0].options:
        if all(option[1:] in other for other in others):
            yield (option, *(other[option[1:]] for other in others))


@lru_cache(maxsize=4096)
def products_of(axes: tuple[Axis, ...]) -> dict[int, Ways]:
    """Product of the kernels → how many windows have it, and the cost of the best."""
    found: dict[int, Ways] = {1: Ways(1, 0)}
    for axis in axes:
        following: dict[int, Ways] = {}
        for taps, ways in found.items():
            for kernel, options in axis.by_kernel.items():
                _add(following, taps * kernel, Ways(ways.ways * len(options), ways.cost + options[0].cost))
        found = following
    if len(axes) == 1:
        return found
    found = {taps: Ways(ways.ways, ways.cost + ranking.UNEQUAL) for taps, ways in found.items()}
    for windows in equal_windows(axes):
        taps = prod(option.kernel for option in windows)
        _add(found, taps, Ways(0, sum(option.cost for option in windows)))
    return found


def _add(found: dict[int, Ways], value: int, ways: Ways) -> None:
    before = found.get(value)
    found[value] = ways if before is None else Ways(before.ways + ways.ways, min(before.cost, ways.cost))


def _best_first(options: tuple[tuple[Option, ...], ...]) -> Iterator[tuple[int, tuple[Option, ...]]]:
    """One of each list, by rising sum of costs: the frontier of index vectors in a heap."""

    def at(places: tuple[int, ...]) -> tuple[Option, ...]:
        return tuple(choices[place] for choices, place in zip(options, places, strict=True))

    if not all(options):
        return
    start = (0,) * len(options)
    heap = [(sum(option.cost for option in at(start)), start)]
    seen = {start}
    while heap:
        cost, places = heapq.heappop(heap)
        yield cost, at(places)
        for number in range(len(places)):
            following = (*places[:number], places[number] + 1, *places[number + 1 :])
            if following[number] < len(options[number]) and following not in seen:
                seen.add(following)
                heapq.heappush(heap, (sum(option.cost for option in at(following)), following))


class Solutions:
    """All solutions of one row: counted by ``count``, listed best first by iteration, tested by ``in``.

    >>> pair = Solutions([Family((("bias", True),), constant=850), Family((("bias", False),), constant=840, cost=1)])
    >>> pair.count, [choice.params for choice in pair], {"bias": False} in pair, {"bias": None} in pair
    (2, [850, 840], True, False)
    """

    __slots__ = ("_best", "_values", "families")

    def __init__(self, families: Iterable[Family]) -> None:
        self.families = tuple(families)
        self._values: dict[int, Ways] | None = None
        self._best: Choice | None = None

    @property
    def best(self) -> Choice:
        """The first of them; there is at least one."""
        if self._best is None:
            self._best = next(iter(self))
        return self._best

    @property
    def values(self) -> dict[int, Ways]:
        """Parameters → how many solutions have them, and the cost of the best."""
        if self._values is None:
            self._values = {}
            for family in self.families:
                for params, ways in family.values().items():
                    _add(self._values, params, ways)
        return self._values

    @property
    def count(self) -> int:
        """How many solutions there are."""
        return sum(ways.ways for ways in self.values.values())

    def with_params(self, wanted: Collection[int]) -> Solutions:
        """Those whose parameters are among ``wanted``."""
        return Solutions(kept for family in self.families if (kept := family.with_params(wanted)) is not None)

    def count_with(self, name: str, value: object) -> int:
        """How many solutions have this value of one hyperparameter; of a window, a tuple with an entry for each
        axis.
        """
        number = 0
        for family in self.families:
            if name not in Option._fields:
                number += (
                    sum(ways.ways for ways in family.values().values()) if dict(family.fixed).get(name) == value else 0
                )
            elif family.axes and isinstance(value, tuple):
                place = Option._fields.index(name)
                axes = tuple(
                    Axis(option for option in axis.options if option[place] == entry)
                    for axis, entry in zip(family.axes, value, strict=True)
                )
                taps = products_of(axes)
                number += sum(
                    ways.ways for tap, ways in taps.items() if family.products is None or tap in family.products
                )
        return number

    def __iter__(self) -> Iterator[Choice]:
        yield from heapq.merge(*(family.ranked() for family in self.families), key=lambda choice: choice.cost)

    def __contains__(self, hyperparameters: object) -> bool:
        if not isinstance(hyperparameters, dict):
            return False
        named = dict(hyperparameters)
        windows: tuple[tuple[int, ...], ...] = ()
        if "kernel" in named:
            kernel = named.pop("kernel")
            names = (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))
            rest = [named.pop(name, (default,) * len(kernel)) for name, default in names]
            windows = tuple(zip(kernel, *rest, strict=True))
        return any(dict(family.fixed) == named and family.holds(windows) for family in self.families)
