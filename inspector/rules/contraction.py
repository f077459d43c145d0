"""Contractions of whole tensors: einsum, tensordot, chains of matrices.

Two operands that share a summed index multiply and add once for each combination of all their indices; several are
contracted two at a time, from left to right or along the path that opt_einsum finds where it is installed. A pair that
sums over nothing is an element-wise product.

Source: PyTorch documentation of ``einsum``, ``tensordot``, ``linalg.multi_dot``; Cormen et al., matrix-chain order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.backends import opt_einsum

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.common import EACH_INPUT, ELEMENTWISE, Rule, ValuesNeeded, empty, product, summed
from inspector.rules.common import result as combined
from inspector.rules.linear import MATMUL_MACS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome


class Equation(NamedTuple):
    """An einsum equation for operands of known ranks; an axis under the ellipsis is called ``_0``, ``_1``, ..."""

    operands: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]
    summed: tuple[str, ...]


@lru_cache(maxsize=1024)
def parsed(equation: str, ranks: tuple[int, ...]) -> Equation:
    """The labels of every axis; ShapeError where the equation does not fit the operands.

    >>> parsed("...ij,jk", (4, 2))
    Equation(operands=(('_0', '_1', 'i', 'j'), ('j', 'k')), output=('_0', '_1', 'i', 'k'), summed=('j',))
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ShapeError(f"einsum {equation!r} names {len(terms)} operands, got {len(ranks)}")
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    for term, rank, extra in zip(terms, ranks, hidden, strict=True):
        if extra < 0 or (extra and "..." not in term):
            raise ShapeError(f"einsum {equation!r}: {term!r} does not name the {rank} axes of its operand")
    widest = max((extra for term, extra in zip(terms, hidden, strict=True) if "..." in term), default=0)
    dots = tuple(f"_{axis}" for axis in range(widest))

    def labels(term: str, extra: int) -> tuple[str, ...]:
        before, _, after = term.partition("...")
        return (*before, *(dots[widest - extra :] if extra and "..." in term else ()), *after)

    operands = tuple(labels(term, extra) for term, extra in zip(terms, hidden, strict=True))
    if arrow:
        output = labels(right, widest)
    else:
        letters = left.replace(",", "").replace("...", "")
        output = (*dots, *sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    every = dict.fromkeys(label for operand in operands for label in operand)
    for label in output:
        if label not in every or output.count(label) > 1:
            raise ShapeError(f"einsum {equation!r}: the output names {label!r} twice, or no operand names it")
    return Equation(operands, output, tuple(sorted(label for label in every if label not in output)))


@lru_cache(maxsize=1024)
def sum_of_products(products: tuple[tuple[str, ...], ...], meaning: str) -> Formula:
    """The sum of products of sizes; ``meaning`` explains a symbol, ``{}`` being its name."""
    names = {name for factors in products for name in factors}
    return Formula(
        " + ".join("*".join(factors) for factors in products),
        source="torch.einsum, linalg.multi_dot: one product for each combination of the indices of a pair",
        symbols={name: meaning.format(name) for name in names},
    )


def _sizes(parts: Equation, equation: str, operands: Sequence[Tensor]) -> dict[str, Any]:
    """Label -> size; 1 broadcasts."""
    sizes: dict[str, Any] = {}
    for labels, operand in zip(parts.operands, operands, strict=True):
        for label, size in zip(labels, operand.shape, strict=True):
            have = sizes.get(label)
            if have is None or (size != 1 and have == 1):
                sizes[label] = size
            elif size not in (1, have):
                raise ShapeError(
                    f"einsum {equation!r}: {label!r} is {have} and {size} in {[list(x.shape) for x in operands]}"
                )
    return sizes


def _path(equation: str, operands: Sequence[Tensor]) -> tuple[tuple[int, int], ...] | None:
    """Which two operands are contracted in each step, as torch asks opt_einsum; None from left to right."""
    if len(operands) < 3 or not opt_einsum.enabled or not opt_einsum.is_available():
        return None
    steps = opt_einsum.get_opt_einsum().contract_path(equation, *operands, optimize=opt_einsum.strategy)[0]
    return tuple((min(step), max(step)) for step in steps)


class Plan(NamedTuple):
    """How an einsum is computed: what matrix products it makes, and how its result lies in memory."""

    formula: Formula | None  # None where nothing is summed in a product
    stored: tuple[int, ...]  # axes of the output, the outermost in memory first
    back: tuple[int, ...]  # the permutation that gives the output from there


@lru_cache(maxsize=1024)
def planned(parts: Equation, long: tuple[tuple[bool, ...], ...], path: tuple[tuple[int, int], ...] | None) -> Plan:
    """The plan for operands whose axes are ``long``: of more than one element, others take no part in a product."""
    held = [
        {label for label, is_long in zip(labels, flags, strict=True) if is_long}
        for labels, flags in zip(parts.operands, long, strict=True)
    ]
    order = (*parts.output, *parts.summed)
    times = {label: sum(label in labels for labels in held) for label in parts.summed}
    products: list[tuple[str, ...]] = []
    memory: tuple[str, ...] = parts.output
    for step in range(len(held) - 1):
        i, j = path[step] if path else (0, 1)
        b, a = held.pop(j), held.pop(i)
        inner = set()
        for label in parts.summed:
            if label in a and label in b:
                times[label] -= 1
                if times[label] == 1:
                    inner.add(label)
                    times[label] = 0
            elif times[label] == 1 and label in a | b:  # summed before the product
                times[label] = 0
                a, b = a - {label}, b - {label}
        kept = (a | b) - inner
        if inner:
            products.append(tuple(label for label in order if label in a | b))
            memory = _stored(order, a - inner, b - inner, inner)
        else:
            memory = tuple(label for label in order if label in kept)
        held.insert(len(held) if path else 0, kept)
    places = range(len(parts.output))
    stored = sorted(
        places, key=lambda place: memory.index(parts.output[place]) if parts.output[place] in memory else -1
    )
    formula = sum_of_products(tuple(products), "size of the axis {}") if products else None
    return Plan(formula, tuple(stored), tuple(sorted(places, key=stored.__getitem__)))


def _stored(order: tuple[str, ...], a: set[str], b: set[str], inner: set[str]) -> tuple[str, ...]:
    """Labels of a batched matrix product in memory's order: shared ones, rows, columns."""
    shared = [label for label in order if label in a and label in b]
    left = [label for label in order if label in a and label not in b]
    right = [label for label in order if label in b and label not in a]
    last = max((place for place, label in enumerate(order) if label not in a and label not in inner), default=0)
    if left and order.index(left[0]) > last:
        left, right = right, left  # PyTorch swaps them where that leaves the result contiguous
    return (*shared, *left, *right)


def einsum(equation: str, *operands: Any) -> Outcome:
    """torch.einsum: operands whose axes are named, and the names that remain. The MACs of each pair that shares a
    summed index are the product of the sizes of all its indices, b·i·j·k for ``bij,bjk->bik``; what sums nothing is
    element-wise.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    parts = parsed(equation, tuple([operand.dim() for operand in operands]))
    sizes = _sizes(parts, equation, operands)
    shape = [sizes[label] for label in parts.output]
    dtype = operands[0].dtype
    if len(operands) == 1:
        if not parts.summed:
            return torch.einsum(equation, *operands), None  # a view: a diagonal, a permutation
        return empty(shape, summed(dtype)), EACH_INPUT(n=operands[0].numel())
    long = tuple([tuple([size != 1 for size in operand.shape]) for operand in operands])
    formula, stored, back = planned(parts, long, _path(equation, operands))
    if formula is None:
        return _multiplied(parts, shape, operands)
    output = empty([shape[axis] for axis in stored], dtype)
    if stored != back or stored != tuple(range(len(stored))):
        output = output.permute(back)
    return output, formula(**{label: sizes[label] for label in formula.symbols})


def _multiplied(parts: Equation, shape: list[Any], operands: Sequence[Tensor]) -> Outcome:
    """Operands without a common summed index are multiplied element by element."""
    dtype = operands[0].dtype
    views = []
    for labels, operand in zip(parts.operands, operands, strict=True):
        dtype = torch.promote_types(dtype, operand.dtype)
        view = operand
        if not set(labels) <= set(parts.output):  # a sum is contiguous in the order of the output
            dtype = torch.promote_types(dtype, summed(operand.dtype))  # a sum of integers is int64
            view = empty([shape[i] if label in labels else 1 for i, label in enumerate(parts.output)], operand.dtype)
            views.append(view)
            continue
        for axis in range(len(labels) - 1, -1, -1):  # a repeated label is a diagonal
            first = labels.index(labels[axis])
            if first != axis:
                view = view.diagonal(0, first, axis).movedim(-1, first)
        held = list(dict.fromkeys(labels))
        held += [label for label in parts.output if label not in held]
        while view.dim() < len(held):
            view = view.unsqueeze(-1)
        views.append(view.permute([held.index(label) for label in parts.output]))
    return combined(shape, dtype, *views), ELEMENTWISE


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Outcome:
    """torch.tensordot: the last ``dims`` axes of a by the first of b, or the axes that two lists name."""
    if isinstance(dims, Tensor):
        raise ValuesNeeded
    if isinstance(dims, int):
        left: Sequence[int] = range(a.dim() - dims, a.dim())
        right: Sequence[int] = range(dims)
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left, right = [axis % a.dim() for axis in left], [axis % b.dim() for axis in right]
    for one, other in zip(left, right, strict=True):
        if a.shape[one] != b.shape[other] and a.shape[one] != 1 and b.shape[other] != 1:
            raise ShapeError(f"tensordot of {list(a.shape)} and {list(b.shape)}: axis {one} against axis {other}")
    rows = [size for axis, size in enumerate(a.shape) if axis not in left]
    columns = [size for axis, size in enumerate(b.shape) if axis not in right]
    Q = product(torch.sym_min(a.shape[one], b.shape[other]) for one, other in zip(left, right, strict=True))
    return (*rows, *columns), MATMUL_MACS(N=1, M=product(rows), Q=Q, P=product(columns))


def _chain(sizes: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    """The products (rows, inner, columns) of the cheapest order of a chain of matrices sizes[i] × sizes[i + 1]."""
    n = len(sizes) - 1
    cost: dict[tuple[int, int], Any] = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            best: Any = None
            for k in range(i, j):
                total = cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                if best is None or total < best:
                    best, split[i, j] = total, k
            cost[i, j] = best

    def products(i: int, j: int) -> tuple[tuple[str, ...], ...]:
        if i == j:
            return ()
        k = split[i, j]
        return (*products(i, k), *products(k + 1, j), (f"D_{i}", f"D_{k + 1}", f"D_{j + 1}"))

    return products(0, n - 1)


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Outcome:
    """torch.linalg.multi_dot: a chain of matrices, the first and the last may be vectors, in its cheapest order."""
    first, last = tensors[0], tensors[-1]
    sizes = [first.shape[0] if first.dim() > 1 else 1]
    for index, tensor in enumerate(tensors):
        shape = tuple(tensor.shape)
        if len(shape) == 1:
            shape = (1, *shape) if index == 0 else (*shape, 1)
        if len(shape) != 2 or (index and shape[0] != sizes[-1]):
            raise ShapeError(f"multi_dot: {[list(x.shape) for x in tensors]} do not fit together")
        sizes.append(shape[1])
    output = (sizes[0],) * (first.dim() > 1) + (sizes[-1],) * (last.dim() > 1)
    formula: BoundFormula | None = None
    if len(tensors) > 1:
        products = _chain(sizes)
        text = sum_of_products(products, "{}: rows of the first matrix, columns of each further one")
        formula = text(**{name: sizes[int(name[2:])] for name in text.symbols})
    return empty(output, first.dtype), formula


def chain_matmul(*matrices: Any, out: Tensor | None = None) -> Outcome:
    """torch.chain_matmul: matrices given one by one, multiplied in the cheapest order as linalg.multi_dot does."""
    return multi_dot(matrices[0] if isinstance(matrices[0], (list, tuple)) else matrices)


RULES: dict[Any, Rule] = {
    torch.einsum: einsum,
    torch.tensordot: tensordot,
    torch.linalg.multi_dot: multi_dot,
    torch.chain_matmul: chain_matmul,
}
