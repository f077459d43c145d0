"""Rows without weights: what keeps a shape, joins shapes, moves or drops elements. Each states what the shapes must
meet.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from inspector.tables.solving.families import Family
from inspector.tables.solving.problem import Problem, Unsolvable, shown
from inspector.tables.solving.weights import unprinted_before

if TYPE_CHECKING:
    from collections.abc import Iterator


def keeps(problem: Problem) -> Iterator[Family]:
    """Activations, dropout, softmax, local response normalization: the shape stays."""
    for fixed, cost in unprinted_before(problem):
        yield Family(fixed, cost=cost)


def flatten(problem: Problem) -> Iterator[Family]:
    """The axes from one on become one."""
    size, output = problem.input, problem.output
    starts = [start for start in range(len(size)) if (*size[:start], prod(size[start:])) == output]
    if size == output:
        starts = [max(len(size) - 1, 0)]
    if problem.asked.start_dim is not None:
        starts = [start for start in starts if start + 1 == problem.asked.start_dim]
    if not starts:
        worked = " × ".join(str(entry) for entry in size)
        raise Unsolvable(f"{worked} = {prod(size)} ≠ {shown(output)}", "flattening keeps every element")
    yield Family((("start_dim", starts[0] + 1),))  # + 1 for the batch


def reshape(problem: Problem) -> Iterator[Family]:
    """Any order of the same elements; a table cannot show whether axes were permuted."""
    if prod(problem.input) != prod(problem.output):
        raise Unsolvable(
            f"{shown(problem.input)} = {prod(problem.input)} ≠ {prod(problem.output)} = {shown(problem.output)}",
            "a reshape keeps every element",
        )
    yield Family((("shape", problem.output),))


def joined(problem: Problem) -> Iterator[Family]:
    """Element-wise sums and products: equal shapes; 1 stretches."""
    wide = [shape for shape in problem.inputs if shape == problem.output]
    fits = all(
        len(shape) == len(problem.output) and all(a in (b, 1) for a, b in zip(shape, problem.output, strict=True))
        for shape in problem.inputs
    )
    if not wide or not fits:
        shapes = " and ".join(shown(shape) for shape in problem.inputs)
        raise Unsolvable(f"{shapes} → {shown(problem.output)}", "what is joined element by element has one shape")
    yield Family(())


def concat(problem: Problem) -> Iterator[Family]:
    """Along the one axis in which the shapes may differ; of the axes possible, the first."""
    rank = len(problem.output)
    if any(len(shape) != rank for shape in problem.inputs):
        raise Unsolvable(" and ".join(map(shown, problem.inputs)), "what is concatenated has as many axes")
    for axis in range(rank):
        rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in (*problem.inputs, problem.output)}
        if len(rest) == 1 and sum(shape[axis] for shape in problem.inputs) == problem.output[axis]:
            yield Family((("dim", axis + 1),))
            return
    total = " + ".join(str(shape[0]) for shape in problem.inputs if shape)
    raise Unsolvable(f"{total} ≠ {problem.output[0] if rank else ''}", "concatenated channels add up")


def adaptive(problem: Problem) -> Iterator[Family]:
    """A pool to a stated size; a global one leaves the channels."""
    size, output = problem.input, problem.output
    is_global = problem.row.kind.startswith("global")
    if not output or not size or size[0] != output[0] or len(output) not in (1, len(size)):
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "a pool keeps channels and axes")
    target = output[1:] or (1,) * (len(size) - 1)
    if is_global and prod(target) != 1:
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "a global pool leaves one value for each channel")
    yield Family((("output_size", target), *((("flattens", True),) if len(output) < len(size) else ())))


def tokens(problem: Problem) -> Iterator[Family]:
    """(D, h, w) as h·w tokens of D features."""
    size, output = problem.input, problem.output
    if output != (prod(size[1:]), size[0]):
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "patches become tokens, their channels features")
    yield Family(())


def first_token(problem: Problem) -> Iterator[Family]:
    """The first of the tokens alone."""
    if problem.output != problem.input[1:] or len(problem.input) != 2:
        raise Unsolvable(f"{shown(problem.input)} → {shown(problem.output)}", "one token has the features of all")
    yield Family(())


def upsample(problem: Problem) -> Iterator[Family]:
    """Whole factors where there are; else the size itself."""
    size, output = problem.input, problem.output
    if len(size) != len(output) or len(size) < 2 or size[0] != output[0]:
        raise Unsolvable(f"{shown(size)} → {shown(output)}", "upsampling keeps channels and axes")
    scales = [o // i for o, i in zip(output[1:], size[1:], strict=True)]
    exact = all(i * s == o and s >= 1 for o, i, s in zip(output[1:], size[1:], scales, strict=True))
    yield Family((("scale_factor", tuple(scales)) if exact else ("size", output[1:]),))


def resized(problem: Problem) -> Iterator[Family]:
    """Padding and cropping: along every axis equal sides, one more at one side, or all of it at one side."""
    size, output = problem.input, problem.output
    sign = 1 if problem.row.kind == "pad" else -1
    totals = [sign * (o - i) for o, i in zip(output[1:], size[1:], strict=False)]
    if len(size) != len(output) or size[:1] != output[:1] or any(total < 0 for total in totals):
        word = "padding never shrinks" if sign > 0 else "cropping never grows"
        raise Unsolvable(f"{shown(size)} → {shown(output)}", f"{word} an axis and keeps the channels")
    ways = ([total // 2 for total in totals], [-(-total // 2) for total in totals], [0] * len(totals), totals)
    sides = dict.fromkeys(tuple((b, t - b) for b, t in zip(before, totals, strict=True)) for before in ways)
    for cost, found in enumerate(sides):
        yield Family((("sides", found),), cost=cost)


def pixel_shuffle(problem: Problem) -> Iterator[Family]:
    """r² channels become r × r pixels, or the other way."""
    size, output = problem.input, problem.output
    if len(size) == len(output) == 3:
        for low, high, up in ((size, output, True), (output, size, False)):
            r = high[1] // low[1] if low[1] else 0
            if r >= 1 and low[0] == high[0] * r * r and (low[1] * r, low[2] * r) == (high[1], high[2]):
                yield Family((("upscale_factor" if up else "downscale_factor", r),))
                return
    raise Unsolvable(f"{shown(size)} → {shown(output)}", "C·r² channels become C of r × r times the pixels")
