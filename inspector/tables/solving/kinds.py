"""The one visible table of solvers, kind → solver, and how a problem is put to them tier by tier."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from inspector.tables.solving import layout, ranking, weights, windows
from inspector.tables.solving.families import Family, Solutions
from inspector.tables.solving.problem import TIERS, WIDE, Problem, Solver, Tier, Unsolvable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspector.tables.records import PrintedRow


def as_printed(problem: Problem) -> Iterator[Family]:
    """A row of which no equation is known: its shape and count are taken as printed."""
    yield Family((), problem.row.params or 0)


SOLVERS: Final[dict[str, Solver]] = {
    "conv": windows.convolution,
    "conv_transpose": windows.convolution,
    "max_pool": windows.pool,
    "avg_pool": windows.pool,
    "lp_pool": windows.pool,
    "adaptive_max_pool": layout.adaptive,
    "adaptive_avg_pool": layout.adaptive,
    "global_max_pool": layout.adaptive,
    "global_avg_pool": layout.adaptive,
    "linear": weights.linear,
    "embedding": weights.embedding,
    "attention": weights.attention,
    "batch_norm": weights.normalization,
    "instance_norm": weights.normalization,
    "group_norm": weights.group_norm,
    "layer_norm": weights.layer_norm,
    "rms_norm": weights.layer_norm,
    "class_token": weights.class_token,
    "position_embedding": weights.position_embedding,
    "prelu": weights.prelu,
    "activation": layout.keeps,
    "softmax": layout.keeps,
    "dropout": layout.keeps,
    "identity": layout.keeps,
    "local_response_norm": layout.keeps,
    "add": layout.joined,
    "multiply": layout.joined,
    "concat": layout.concat,
    "flatten": layout.flatten,
    "reshape": layout.reshape,
    "upsample": layout.upsample,
    "pad": layout.resized,
    "crop": layout.resized,
    "pixel_shuffle": layout.pixel_shuffle,
    "tokens": layout.tokens,
    "first_token": layout.first_token,
}
#: Kinds whose output has the shape of their input, whatever it is.
KEEPING: Final = frozenset(kind for kind, solver in SOLVERS.items() if solver is layout.keeps) | {
    "batch_norm",
    "instance_norm",
    "group_norm",
    "layer_norm",
    "rms_norm",
    "prelu",
    "attention",
}
WINDOWS: Final = frozenset({"conv", "conv_transpose", "max_pool", "avg_pool", "lp_pool"})
#: Kinds that a table counts, and whose once-given constraints are meant: "every convolution has stride 1, padding 0".
CONVOLUTIONS: Final = frozenset({"conv", "conv_transpose"})


def solutions(problem: Problem, *, strict: bool = False) -> Solutions:
    """All solutions of the row in the first tier that has one with equal axes, else in the first that has any.

    Args:
        problem: the row and the shapes around it.
        strict: neither groups, nor the last tier, nor unequal axes that nothing asks for: a likelier input may explain
            the row.

    Raises:
        Unsolvable: there is none within the bounds.
    """
    key = (problem.key(), strict)
    answer = _ANSWERED.get(key)
    if answer is None:
        try:
            answer = _solved(problem, strict=strict)
        except Unsolvable as error:
            answer = error
        if len(_ANSWERED) >= _MOST_ANSWERED:
            _ANSWERED.clear()
        _ANSWERED[key] = answer
    if isinstance(answer, Unsolvable):
        raise Unsolvable(answer.equation, answer.why)
    return answer


#: Equal questions, of which a deep network has many, are answered once.
_ANSWERED: Final[dict[tuple[object, bool], Solutions | Unsolvable]] = {}
_MOST_ANSWERED: Final = 16384


def _solved(problem: Problem, *, strict: bool) -> Solutions:
    tiers = tiers_of(problem)[: -2 if strict and not problem.bounds.wide else None]
    unequal: Solutions | None = None
    first: Unsolvable | None = None
    for tier in tiers:
        try:
            found = Solutions(SOLVERS.get(problem.row.kind, as_printed)(replace(problem, tier=tier)))
        except Unsolvable as error:
            first = first or error
            continue
        every, found = found, _printed_alone(problem, found)
        if not found.families:
            first = first or Unsolvable(_counts(problem, every), "no solution has that count")
            continue
        if min(ways.cost for ways in found.values.values()) < ranking.UNEQUAL:
            return found
        unequal = unequal or found
        if _asks_for_unequal(problem):
            return found
    if unequal is not None and not strict:
        return unequal
    raise first or Unsolvable("", "no solution with equal axes")


def tiers_of(problem: Problem) -> tuple[Tier, ...]:
    """The tiers to go through: a printed count decides the bias, so that both are searched from the start."""
    if problem.bounds.wide:
        return (WIDE,)
    counted = (
        problem.row.params is not None
        or not {"params_about", "counted"}.isdisjoint(problem.row.stated)
        or problem.tier.bias
    )
    return TIERS[1:] if counted else TIERS


def _printed_alone(problem: Problem, found: Solutions) -> Solutions:
    """Those of the solutions whose count is the printed one, exact or as rounded; all where none is printed."""
    row = problem.row
    about = row.stated.get("params_about")
    if row.kind not in SOLVERS:
        return found
    if isinstance(about, tuple):
        return found.with_params({value for value in found.values if about_right(value, *about)})
    if row.params is None:
        return found
    return found.with_params({row.params - moving_statistics(row, problem.input[0] if problem.input else 0)})


def moving_statistics(row: PrintedRow, channels: int) -> int:
    """What Keras counts beside the parameters: the moving mean and variance of batch normalization."""
    return 2 * channels if row.cls.startswith("BatchNormalization") else 0


def about_right(params: int, least: int, most: int) -> bool:
    """Whether a count prints as a rounded one; GoogLeNet's K is 1 024, and others' is 1 000.

    >>> about_right(163_328, 158_500, 159_500), about_right(159_000, 158_500, 159_500)
    (True, True)
    """
    binary = most - least <= 1000 and least * 1024 <= params * 1000 <= most * 1024
    return binary or least <= params <= most


def _counts(problem: Problem, found: Solutions) -> str:
    if not found.values:
        stated = {name: problem.row.stated[name] for name in ("in_features",) if name in problem.row.stated}
        return f"{problem.row.kind} from {problem.input} to {problem.output} with {stated}"
    about = problem.row.stated.get("params_about")
    if problem.row.params is None and isinstance(about, tuple):
        return f"{about[0]} to {about[1]} parameters, as printed, hold none of {sorted(found.values)[:5]}"
    printed = problem.row.params or 0
    near = min(found.values, key=lambda value: (abs(value - printed), found.values[value].cost))
    return f"{printed} parameters ≠ {near}, the nearest count that the shapes allow"


def _asks_for_unequal(problem: Problem) -> bool:
    asked = problem.asked
    return any(
        isinstance(values, tuple) and len(set(values)) > 1
        for values in (asked.kernel, asked.stride, asked.padding, asked.dilation)
    )
