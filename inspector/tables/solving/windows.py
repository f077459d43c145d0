"""Convolutions, transposed convolutions and pools: the size equation of each axis, and the count of the kernel's
taps.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Final

from inspector import geometry, layers
from inspector.tables.solving import ranking
from inspector.tables.solving.axis import Axis, Mode, Wanted, axis
from inspector.tables.solving.families import Family
from inspector.tables.solving.problem import Problem, Unsolvable, divisors, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspector.formula import BoundFormula
    from inspector.tables.solving.bounds import Asked


def convolution(problem: Problem) -> Iterator[Family]:
    """Convolutions and transposed ones."""
    transposed = problem.row.kind == "conv_transpose"
    mode: Mode = "transposed" if transposed else "conv"
    _same_rank(problem)
    C_in, C_out = problem.input[0], problem.output[0]
    _channels(problem, C_in, C_out)
    axes = axes_of(problem, mode, ceil_mode=False)
    _all_open(problem, mode, axes)
    for groups in _groups(problem, C_in, C_out):
        for bias in _biases(problem):
            per_tap = C_in * (C_out // groups) if transposed else C_out * (C_in // groups)
            cost = 0 if groups == 1 else ranking.DEPTHWISE if groups == C_in else ranking.GROUPED + groups.bit_length()
            fixed = (("in_channels", C_in), ("out_channels", C_out), ("groups", groups), ("bias", bias))
            yield Family(fixed, C_out * bias, per_tap, axes, None, cost + (0 if bias else ranking.NO_BIAS))


def pool(problem: Problem) -> Iterator[Family]:
    """Max, average and power-average pools with a kernel."""
    _same_rank(problem)
    if problem.input[0] != problem.output[0]:
        raise Unsolvable(
            f"channels out = channels in: {problem.output[0]} ≠ {problem.input[0]}", "a pool keeps the channels"
        )
    asked = problem.asked.ceil_mode
    modes = (asked,) if asked is not None else (False, True) if problem.tier.rest else (False,)
    found = [(ceil_mode, axes_of(problem, "pool", ceil_mode=ceil_mode)) for ceil_mode in modes]
    if not any(all(axis.options for axis in axes) for _, axes in found):
        _all_open(problem, "pool", found[0][1])
    for ceil_mode, axes in found:
        if all(axis.options for axis in axes):
            yield Family((("ceil_mode", ceil_mode),), axes=axes, cost=ranking.CEILED if ceil_mode else 0)


def axes_of(problem: Problem, mode: Mode, *, ceil_mode: bool) -> tuple[Axis, ...]:
    """The options of every axis."""
    asked = problem.asked
    return tuple(
        axis(
            mode,
            size,
            output,
            _taken(problem.row.kind, wanted_of(asked, number)),
            problem.bounds,
            ceil_mode=ceil_mode,
            plain=not problem.tier.rest,
        )
        for number, (size, output) in enumerate(zip(problem.input[1:], problem.output[1:], strict=True))
    )


def _taken(kind: str, wanted: Wanted) -> Wanted:
    """What PyTorch's classes take: AvgPool has no dilation, LPPool no padding either."""
    if kind == "lp_pool":
        return wanted._replace(dilation=1, padding=0)
    return wanted._replace(dilation=1) if kind == "avg_pool" else wanted


def wanted_of(asked: Asked, number: int) -> Wanted:
    """What is asked of one axis."""
    return Wanted(
        kernel=asked.axis("kernel", number),
        stride=asked.axis("stride", number),
        padding=asked.axis("padding", number),
        dilation=asked.axis("dilation", number),
        output_padding=asked.axis("output_padding", number),
        same=asked.padding == "same",
    )


def size_formula(mode: Mode, size: int, window: dict[str, int], *, ceil_mode: bool = False) -> BoundFormula:
    """The size equation of one axis with its numbers put in."""
    K, S, P, d = (window[name] for name in ("kernel", "stride", "padding", "dilation"))
    if mode == "transposed":
        return layers.TRANSPOSED_SIZE(I=size, S=S, P=P, d=d, K=K, e=window.get("output_padding", 0))
    if ceil_mode:
        return layers.CEILED_SIZE(I=size, K=K, P=P, S=S, d=d)
    if d != 1:
        return layers.DILATED_SIZE(I=size, K=K, P=P, S=S, d=d)
    return layers.WINDOW_SIZE(I=size, K=K, P=P, S=S)


def meets_axes(asked: Asked, axes: int) -> None:
    """Check that what is asked of a window has one value for all axes, or one for each.

    Raises:
        Unsolvable: it has another number of values.
    """
    for name in ("kernel", "stride", "padding", "dilation", "output_padding"):
        values = getattr(asked, name)
        if isinstance(values, tuple) and len(values) not in (1, axes):
            raise Unsolvable(
                f"{name} {shown(values)}", f"{len(values)} values for {axes} {'axis' if axes == 1 else 'axes'}"
            )


def exact_size(kind: str, asked: Asked, before: tuple[int, ...]) -> tuple[int, ...] | None:
    """The sizes that a window leaves whose every hyperparameter is asked for; None where one is open.

    Raises:
        Unsolvable: nothing is left of an axis.
    """
    found: list[int] = []
    for number, size in enumerate(before):
        wanted = wanted_of(asked, number)
        K, S, P = wanted.kernel, wanted.stride, wanted.padding
        d = 1 if wanted.dilation is None and kind in ("avg_pool", "lp_pool") else wanted.dilation
        if K is None or S is None or P is None or d is None:
            return None
        if kind == "conv_transpose":
            found.append(geometry.transposed_output_size(size, K, S, 2 * P, wanted.output_padding or 0, d))
        elif asked.ceil_mode:
            found.append(geometry.ceil_output_size(size, K, S, P, d))
        else:
            found.append(geometry.output_size(size, K, S, 2 * P, d))
    if min(found, default=1) < 1:
        raise Unsolvable(f"{shown(before)} → {shown(tuple(found))}", "the kernel is larger than what comes in")
    return tuple(found)


def _same_rank(problem: Problem) -> None:
    stated = problem.row.stated.get("dims")
    ranks = len(problem.input) - 1, len(problem.output) - 1
    if ranks[0] != ranks[1] or ranks[0] not in (1, 2, 3) or (isinstance(stated, int) and stated != ranks[0]):
        wanted = f"{stated} axes" if isinstance(stated, int) else "the same 1 to 3 axes"
        raise Unsolvable(
            f"{shown(problem.input)} → {shown(problem.output)}",
            f"{problem.row.kind} takes channels and {wanted} to as many",
        )


def _channels(problem: Problem, C_in: int, C_out: int) -> None:
    for name, value in (("in_channels", C_in), ("out_channels", C_out)):
        stated = problem.row.stated.get(name)
        stated = problem.asked.out_channels if name == "out_channels" and stated is None else stated
        if name == "in_channels" and _seen_by_a_kernel(problem, C_in):
            continue
        if isinstance(stated, int) and stated != value:
            raise Unsolvable(f"{name} = {stated} ≠ {value}", f"the row states {stated}, the shapes say {value}")


def _seen_by_a_kernel(problem: Problem, C_in: int) -> int:
    """The groups that stated input channels mean where they are a part of all, "kernels of 5×5×48" of 96; else 0."""
    stated = problem.row.stated.get("in_channels")
    groups = C_in // stated if isinstance(stated, int) and 0 < stated < C_in and C_in % stated == 0 else 0
    return groups if problem.asked.groups in (None, groups) else 0


def _groups(problem: Problem, C_in: int, C_out: int) -> list[int]:
    asked = C_in if problem.asked.depthwise else problem.asked.groups or _seen_by_a_kernel(problem, C_in) or None
    if asked is None:
        return divisors(gcd(C_in, C_out)) if problem.tier.groups else [1]
    if C_in % asked or C_out % asked:
        raise Unsolvable(
            f"{C_in}/{asked} and {C_out}/{asked}", f"{asked} groups must divide the channels of both sides"
        )
    return [asked]


def _biases(problem: Problem) -> tuple[bool, ...]:
    asked = problem.asked.bias
    return (asked,) if asked is not None else (True, False) if problem.tier.bias else (True,)


def _all_open(problem: Problem, mode: Mode, axes: tuple[Axis, ...]) -> None:
    """Raise with the equation of the first axis that has no option."""
    for number, found in enumerate(axes):
        if not found.options:
            raise Unsolvable(*_equation(problem, mode, number))


def _equation(problem: Problem, mode: Mode, number: int) -> tuple[str, str]:
    """The equation of an axis that has no integer solution, as far as its numbers are known, and the words for it."""
    size, output = problem.input[1:][number], problem.output[1:][number]
    K, S, P, d = (problem.asked.axis(name, number) for name in ("kernel", "stride", "padding", "dilation"))
    known = {name: str(value) for name, value in (("K", K), ("S", S), ("P", P)) if value is not None}
    formula = (
        layers.TRANSPOSED_SIZE
        if mode == "transposed"
        else layers.WINDOW_SIZE
        if d in (None, 1)
        else layers.DILATED_SIZE
    )
    values: dict[str, int] = {"I": size, **{name: int(text) for name, text in known.items()}}
    if d is not None:
        values["d"] = d
    equation = f"{output} = {formula.render(values)}"
    if K is None and S == 1 and P is not None and mode != "transposed":
        kernel = layers.KERNEL_SIZE(I=size, O=output, P=P)
        least = "a kernel is at least 1" if kernel.number < 1 else f"beyond the bound of {problem.bounds.kernel}"
        return f"K = {kernel.worked}", least
    if K is not None and S is not None and P is not None:
        window = {"kernel": K, "stride": S, "padding": P, "dilation": d or 1}
        return equation, f"the right side is {size_formula(mode, size, window).number}"
    open_ones = [name for name, value in (("K", K), ("S", S), ("P", P)) if value is None]
    return equation, f"no {', '.join(open_ones)} within the bounds solve it"


#: How each kind of window moves along an axis.
MODES: Final[dict[str, Mode]] = {
    "conv": "conv",
    "conv_transpose": "transposed",
    "max_pool": "pool",
    "avg_pool": "pool",
    "lp_pool": "pool",
}
