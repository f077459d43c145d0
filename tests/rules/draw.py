"""Draws arguments for functions of PyTorch: shapes, layouts and dtypes of every sort, small enough to run for real."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.overrides import resolve_name

from inspector.structure import tensors
from tests.rules.harness import check, twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Draw = Callable[[st.SearchStrategy[Any]], Any]
    Arguments = tuple[tuple[Any, ...], dict[str, Any]]
    Strategy = Callable[[Draw], Arguments]

FLOATING = (torch.float32, torch.float64, torch.bfloat16)
INTEGER = (torch.int64, torch.int32, torch.uint8)
REAL = (*FLOATING, *INTEGER, torch.bool)
ALL = (*REAL, torch.complex64, torch.float16)

#: The same examples each time: a failure is a fault of today's change. Many drawn arguments are none that PyTorch
#: takes; Hypothesis still fails a test that finds no valid one.
EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def shape(draw: Draw, least: int = 0, most: int = 4, sizes: Sequence[int] = (1, 2, 3, 5)) -> tuple[int, ...]:
    """A shape of ``least`` to ``most`` axes; an axis is sometimes empty."""
    rank = draw(st.integers(least, most))
    return tuple([draw(st.sampled_from((*sizes, *sizes, *sizes, 0) if 0 not in sizes else sizes)) for _ in range(rank)])


def full_shape(draw: Draw, least: int = 0, most: int = 4) -> tuple[int, ...]:
    """A shape without empty axes."""
    return tuple([draw(st.sampled_from((1, 2, 3, 5))) for _ in range(draw(st.integers(least, most)))])


def smaller(draw: Draw, sizes: Sequence[int]) -> tuple[int, ...]:
    """A shape that broadcasts to ``sizes``."""
    kept = sizes[draw(st.integers(0, len(sizes))) :] if draw(st.booleans()) else sizes
    return tuple([1 if draw(st.integers(0, 3)) == 0 else size for size in kept])


def filled(sizes: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Small positive numbers, one like the next few."""
    count = 1
    for size in sizes:
        count *= size
    numbers = torch.arange(count).remainder(3).reshape(sizes)
    return (
        (numbers == 1)
        if dtype is torch.bool
        else (numbers * 0.25 + 0.25 if dtype.is_floating_point else numbers).to(dtype)
    )


def tensor(draw: Draw, sizes: Sequence[int] | None = None, dtypes: Sequence[torch.dtype] = ALL) -> Tensor:
    """A tensor of a drawn dtype and layout: contiguous, with axes exchanged, every second element, or expanded."""
    if sizes is None:
        sizes = shape(draw)
    dtype = draw(st.sampled_from(dtypes))
    layout = draw(st.sampled_from(("contiguous", "contiguous", "permuted", "strided", "expanded")))
    rank = len(sizes)
    if rank and layout == "permuted":
        order = draw(st.permutations(range(rank)))
        back = sorted(range(rank), key=order.__getitem__)
        return filled([sizes[axis] for axis in order], dtype).permute(*back)
    if rank and layout == "strided":
        return filled((*sizes[:-1], sizes[-1] * 2), dtype)[..., ::2]
    if rank and layout == "expanded":
        axis = draw(st.integers(0, rank - 1))
        return filled([1 if place == axis else size for place, size in enumerate(sizes)], dtype).expand(tuple(sizes))
    return filled(sizes, dtype)


def dim(draw: Draw, rank: int) -> int:
    """One axis, counted from either end."""
    return draw(st.integers(-max(rank, 1), max(rank, 1) - 1))


def dims(draw: Draw, rank: int, least: int = 0) -> list[int]:
    """Different axes in any order."""
    if not rank:
        return []
    chosen = draw(st.lists(st.integers(0, rank - 1), min_size=min(least, rank), max_size=rank, unique=True))
    return [axis - rank if draw(st.booleans()) else axis for axis in chosen]


def maybe(draw: Draw, **named: Any) -> dict[str, Any]:
    """Some of these keyword arguments, each drawn from its strategy."""
    return {name: draw(strategy) for name, strategy in named.items() if draw(st.booleans())}


def name_of(function: Any) -> str:
    return resolve_name(function) or getattr(function, "__name__", repr(function))


def cases(rules: Mapping[Any, Any], strategies: Mapping[Any, Strategy]) -> list[Any]:
    """Each function of a family with the strategy of its rule, or of its own name; KeyError where there is none."""
    found = []
    for function, rule in rules.items():
        plain = getattr(rule, "__wrapped__", rule)
        name = getattr(function, "__name__", "")
        base = name if name.startswith("__") else name.removeprefix("special_").removesuffix("_")
        for key in (
            function,
            name,
            base,
            rule,
            plain,
            getattr(plain, "__wrapped__", None),
            getattr(rule, "__name__", ""),
        ):
            if key in strategies:
                found.append(pytest.param(function, strategies[key], id=name_of(function)))
                break
        else:
            raise KeyError(f"no strategy draws arguments for {name_of(function)}, {rule}")
    return found


def agree(function: Any, arguments: Arguments, strides: bool = True, held: bool = True) -> None:
    """Hold the rule against PyTorch, where PyTorch takes these arguments at all."""
    args, kwargs = arguments
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what PyTorch says once of drawn arguments, such as a complex number cut short
        try:
            with torch.no_grad():
                function(*twin(list(args), "cpu"), **twin(kwargs, "cpu"))
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            reject()
        _compare(function, args, kwargs, strides, held)


def _compare(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], strides: bool, held: bool) -> None:
    # Where operands differ in dtype the CPU casts some of them first, into layouts that other devices do not see.
    dtypes = {value.dtype for value in tensors([args, kwargs])}
    check(function, *args, on="cpu", strides=len(dtypes) < 2 and strides, held=held, **kwargs)
