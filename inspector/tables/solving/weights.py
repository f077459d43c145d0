"""Layers whose shapes leave counts open but no window: linear, normalizations, embeddings, attention."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from inspector import layers
from inspector.tables.solving import ranking
from inspector.tables.solving.families import Family
from inspector.tables.solving.problem import Problem, Unsolvable, divisors, shown

if TYPE_CHECKING:
    from collections.abc import Iterator


def linear(problem: Problem) -> Iterator[Family]:
    """Features in come from the last axis, or from a flatten (or an average) that the table does not print."""
    size, output = problem.input, problem.output
    if not output:
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "a linear layer has output features")
    stated_out = problem.row.stated.get("out_features", problem.asked.out_channels)
    if isinstance(stated_out, int) and stated_out != output[-1]:
        raise Unsolvable(f"F_out = {stated_out} ≠ {output[-1]}", "the row states other output features than its shape")
    ways: list[tuple[int, str, int]] = []
    if size[:-1] == output[:-1]:
        ways.append((size[-1], "", 0))
    elif len(output) == 1:
        ways.append((prod(size), "flatten", 0))
        if problem.tier.rest:  # (C, H, W) averaged to C; (tokens, D) of which one is taken
            ways.append((size[0], "mean", 1) if len(size) > 2 else (size[-1], "first", 1))
    else:
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "a linear layer changes the last axis alone")
    stated_in = problem.row.stated.get("in_features")
    for F_in, before, cost in ways:
        if isinstance(stated_in, int) and stated_in != F_in:
            continue
        for bias in _biases(problem):
            fixed = (("in_features", F_in), ("out_features", output[-1]), ("bias", bias))
            count = layers.LINEAR_PARAMS(F_out=output[-1], F_in=F_in, b=int(bias)).number
            yield Family(
                (*fixed, ("before", before)) if before else fixed,
                count,
                cost=cost * ranking.GROUPED + (0 if bias else ranking.NO_BIAS),
            )


def normalization(problem: Problem) -> Iterator[Family]:
    """Batch and instance normalization: one scale and one shift for each channel, or none."""
    ways = unprinted_before(problem)
    C = problem.output[0]
    _meets_stated(problem, C)
    default = problem.row.kind == "batch_norm"
    for affine in _choices(problem.asked.affine, default=default, search=problem.tier.bias):
        count = layers.CHANNEL_PARAMS(C=C, b=1).number if affine else 0
        for fixed, cost in ways:
            yield Family((("num_features", C), ("affine", affine), *fixed), count, cost=cost + (affine != default))


def _meets_stated(problem: Problem, channels: int) -> None:
    stated = problem.row.stated.get("out_channels")
    if isinstance(stated, int) and stated != channels:
        raise Unsolvable(f"{stated} ≠ {channels}", "the row states other channels than come in")


def group_norm(problem: Problem) -> Iterator[Family]:
    """Group normalization: the number of groups changes no count; 32 by convention where it divides."""
    C = keeps_shape(problem)[0]
    _meets_stated(problem, C)
    asked = problem.asked.num_groups or problem.asked.groups
    every = [asked] if asked else divisors(C)
    if C % every[0]:
        raise Unsolvable(f"{C}/{every[0]}", "the groups must divide the channels")
    order = sorted(every, key=lambda groups: (groups != 32, abs(groups.bit_length() - 6), groups))
    for affine in _choices(problem.asked.affine, default=True, search=problem.tier.bias):
        count = layers.CHANNEL_PARAMS(C=C, b=1).number if affine else 0
        for place, groups in enumerate(order):
            fixed = (("num_groups", groups), ("num_channels", C), ("affine", affine))
            yield Family(fixed, count, cost=place + 100 * (not affine))


def layer_norm(problem: Problem) -> Iterator[Family]:
    """Layer and RMS normalization over the last axes; of an image perhaps over its channels alone."""
    shape = keeps_shape(problem)
    suffixes = [shape[-n:] for n in range(1, len(shape) + 1)]
    if len(shape) > 2:
        suffixes.reverse()  # of an image: all of it, before its rows
    stated, affine = problem.row.stated.get("normalized_shape"), problem.row.stated.get("elementwise_affine")
    if isinstance(stated, tuple):
        if stated not in suffixes:
            raise Unsolvable(f"{shown(stated)} is no end of {shown(shape)}", "the last axes are normalized")
        suffixes = [stated]
    rms = problem.row.kind == "rms_norm"
    ways = [(normalized, False) for normalized in suffixes]
    printed = problem.row.printed_shape
    if printed is not None and printed[-len(shape) :] != shape:  # Keras prints the channels last, and normalizes them
        ways.insert(0, ((shape[0],), True))
    elif len(shape) > 2 and problem.tier.rest and stated is None:
        ways.append(((shape[0],), True))
    for place, (normalized, channels) in enumerate(ways):
        for bias in () if affine is False else (False,) if rms else _biases(problem):
            count = layers.FEATURE_PARAMS(n=prod(normalized), b=int(bias)).number
            fixed: tuple[tuple[str, object], ...] = (("normalized_shape", normalized),)
            fixed = fixed if rms else (*fixed, ("bias", bias))
            cost = 2 * place + (0 if bias or rms else ranking.NO_BIAS)
            yield Family((*fixed, ("over", "channels")) if channels else fixed, count, cost=cost)
        if affine is False or (problem.tier.rest and affine is None):
            yield Family((("normalized_shape", normalized), ("elementwise_affine", False)), 0, cost=2 * place + 50)


def embedding(problem: Problem) -> Iterator[Family]:
    """V rows of D features; V shows in the count alone."""
    if problem.output[:-1] != problem.input:
        raise Unsolvable(
            f"{shown(problem.input)} → {shown(problem.output)}", "an embedding adds one axis, its features"
        )
    D = problem.output[-1]
    V, count = problem.asked.num_embeddings, problem.row.params
    if V is None and count is not None:
        V, rest = divmod(count, D)
        if rest or V < 1:
            raise Unsolvable(f"{count} = V × {D}", "no whole number of rows V")
    if V is None:
        raise Unsolvable(f"parameters = V × {D}", "nothing printed says how many rows V there are; give num_embeddings")
    yield Family((("num_embeddings", V), ("embedding_dim", D)), layers.EMBEDDING_PARAMS(V=V, D=D).number)


def attention(problem: Problem) -> Iterator[Family]:
    """Multi-head attention; the heads change no count, 64 features for each by convention."""
    E = keeps_shape(problem)[-1]
    stated = problem.row.stated.get("heads")
    every = [stated] if isinstance(stated, int) else divisors(E)
    order = sorted(every, key=lambda heads: (64 * heads != E, heads))
    for place, heads in enumerate(order):
        for bias in _biases(problem):
            fixed = (("embed_dim", E), ("num_heads", heads), ("bias", bias))
            yield Family(fixed, layers.ATTENTION_PARAMS(E=E, b=int(bias)).number, cost=place + 100 * (not bias))


def class_token(problem: Problem) -> Iterator[Family]:
    """One learned token in front of all others."""
    T, D = problem.input
    if problem.output != (T + 1, D):
        raise Unsolvable(f"{shown(problem.input)} → {shown(problem.output)}", "a class token is one token more")
    yield Family((("features", D),), layers.TOKEN_PARAMS(T=1, D=D).number)


def position_embedding(problem: Problem) -> Iterator[Family]:
    """One learned vector for each token, added to it."""
    T, D = keeps_shape(problem)
    yield Family((("tokens", T), ("features", D)), layers.TOKEN_PARAMS(T=T, D=D).number)


def prelu(problem: Problem) -> Iterator[Family]:
    """One learned slope, or one for each channel."""
    shape = keeps_shape(problem)
    for place, slopes in enumerate(dict.fromkeys((1, shape[0]))):
        yield Family((("num_parameters", slopes),), layers.SLOPE_PARAMS(n=slopes).number, cost=place)


def unprinted_before(problem: Problem) -> list[tuple[tuple[tuple[str, object], ...], int]]:
    """(what stands before a row that keeps its shape, its cost): nothing, or a flatten (or an average of an image) that
    the table does not print, as a call of ``torch.flatten`` in forward.

    Raises:
        Unsolvable: neither makes the output's shape.
    """
    size, output = problem.input, problem.output
    ways: list[tuple[tuple[tuple[str, object], ...], int]] = []
    if len(output) == 1 and len(size) > 1:
        if prod(size) == output[0]:
            ways.append(((("before", "flatten"),), 0))
        if problem.tier.rest and len(size) > 2 and output == size[:1]:
            ways.append(((("before", "mean"),), ranking.GROUPED))
    if not ways:
        keeps_shape(problem)
        return [((), 0)]
    return ways


def keeps_shape(problem: Problem) -> tuple[int, ...]:
    """The shape, where output and input have the same.

    Raises:
        Unsolvable: they differ.
    """
    if not problem.output or problem.output != problem.input:
        raise Unsolvable(f"{shown(problem.output)} ≠ {shown(problem.input)}", f"{problem.row.kind} keeps the shape")
    return problem.output


def _biases(problem: Problem) -> tuple[bool, ...]:
    return _choices(problem.asked.bias, default=True, search=problem.tier.bias)


def _choices(asked: bool | None, *, default: bool, search: bool) -> tuple[bool, ...]:
    if asked is not None:
        return (asked,)
    return (default, not default) if search else (default,)
