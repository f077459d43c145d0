"""A convolution as one does it on paper: kernel, flattened input, matrix, the product term by term, the reshape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from inspector.errors import ShapeError
from inspector.geometry import input_index
from inspector.toeplitz import paper_html, paper_markdown, paper_text
from inspector.toeplitz.configuration import check_values

if TYPE_CHECKING:
    from inspector.toeplitz.axis import Axis
    from inspector.toeplitz.grid import Grid
    from inspector.toeplitz.operator import ConvOperator

#: A matrix of more rows or columns than these is folded.
_ROWS, _COLUMNS = 16, 64
#: Of a folded matrix so many rows are shown.
_SHOWN = 4

Number = float | complex


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of a row: ``weight`` · ``value``; value None where no input is given."""

    column: int
    weight: Number
    value: Number | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of the matrix.

    Attributes:
        number: of the row.
        place: (channel, *position) of the output.
        values: all entries, zeros included; empty where the matrix is folded.
        terms: the entries that the kernel reaches, in the order of the columns.
        bias: what is added, or None.
        result: the output, or None where no input is given.
    """

    number: int
    place: tuple[int, ...]
    values: tuple[Number, ...]
    terms: tuple[Term, ...]
    bias: Number | None
    result: Number | None


@dataclass(frozen=True, slots=True)
class Steps:
    """Everything that is shown of one convolution, as numbers; renders itself.

    Attributes:
        kernel: the weight, nested as it is shaped.
        kernel_shape: its shape, as PyTorch holds it.
        columns, rows: (channels, *size) of input and output.
        shape: of the matrix.
        nnz: entries that the kernel reaches.
        arguments: stride, padding and what else is not at its default, in words.
        input: the input's numbers, flattened; None where only sizes are given.
        shown: rows of the matrix: all, or where it is folded the first ones and the last.
        output: the product, flattened; None without input.
        folded: the matrix is too large to be shown whole.
        agrees: whether PyTorch's own convolution gives the same; None without input.
        call: PyTorch's function.
    """

    kernel: object
    kernel_shape: tuple[int, ...]
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    shape: tuple[int, int]
    nnz: int
    arguments: str
    input: tuple[Number, ...] | None
    shown: tuple[StepRow, ...]
    output: tuple[Number, ...] | None
    folded: bool
    agrees: bool | None
    call: str

    def text(self) -> str:
        """For a terminal."""
        return paper_text.render(self)

    def markdown(self) -> str:
        """For a page that shows LaTeX."""
        return paper_markdown.render(self)

    def html(self, figure: str = "") -> str:
        """One page that stands alone; ``figure`` is put into it as it is."""
        return paper_html.page(self, figure)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return paper_html.fragment(self)


def steps(operator: ConvOperator, x: Tensor | None = None) -> Steps:
    """The steps of applying a convolution's matrix to one input.

    Args:
        operator: the convolution.
        x: one input, (C_in, *size), or (*size) where there is one channel; without it only kernel and matrix are shown.

    Raises:
        ShapeError: the input has another size than the operator's.
        InspectionError: the weight has no values (meta device).

    >>> from inspector.toeplitz import conv_operator
    >>> A = conv_operator(torch.tensor([[[-1.0, 0, 1]]]), input_size=4)
    >>> print(steps(A, torch.tensor([1.0, 2, 4, 8])).text().splitlines()[-1])
    equal to F.conv1d
    """
    check_values(operator.weight, "steps")
    grid = operator.columns
    if x is not None:
        if not isinstance(x, Tensor):
            raise ShapeError(f"steps: expected one input of shape {list(grid.shape)}, got {type(x).__name__}")
        if x.numel() != grid.numel or tuple(x.shape) not in (grid.shape, grid.size):
            raise ShapeError(f"steps: expected one input of shape {list(grid.shape)}, got {list(x.shape)}")
        x = x.to(operator.dtype).reshape(grid.shape)
    rows, columns = operator.shape
    folded = rows > _ROWS or columns > _COLUMNS
    numbers: Sequence[int] = range(rows)
    if folded and rows > _SHOWN:
        numbers = (*range(_SHOWN - 1), rows - 1)
    vector = None if x is None else grid.to_vectors(x[None])[:, 0]
    output = None if x is None else operator.rows.to_vectors(operator(x)[None])[:, 0]
    return Steps(
        operator.weight.detach().tolist(),
        tuple(operator.weight.shape),
        grid.shape,
        operator.rows.shape,
        operator.shape,
        operator.nnz,
        _arguments(operator),
        None if vector is None else tuple(vector.tolist()),
        tuple(_row(operator, number, vector, output, folded) for number in numbers),
        None if output is None else tuple(output.detach().tolist()),
        folded,
        None if x is None or output is None else _agrees(operator, x, output),
        f"F.conv{'_transpose' * operator.transposed}{len(grid.size)}d",
    )


def _row(operator: ConvOperator, number: int, vector: Tensor | None, output: Tensor | None, folded: bool) -> StepRow:
    place = operator.rows.unravel(number)
    entries = _entries(operator, place)
    terms = tuple(
        Term(column, weight, None if vector is None else vector[column].item())
        for column, weight in sorted(entries.items())
    )
    return StepRow(
        number,
        place,
        () if folded else tuple(entries.get(column, 0.0) for column in range(operator.shape[1])),
        terms,
        None if operator.bias is None else operator.bias[place[0]].item(),
        None if output is None else output[number].item(),
    )


def _entries(operator: ConvOperator, place: tuple[int, ...]) -> dict[int, Number]:
    """Column and weight of all that one output reads; taps that padding folds onto one input add up."""
    channel, *position = place
    columns, weight, transposed = operator.columns, operator.weight.detach(), operator.transposed
    group, inside = divmod(channel, operator.rows.channels // operator.groups)
    own = columns.channels // operator.groups
    pairs = [list(_reads(axis, at, transposed)) for axis, at in zip(operator.axes, position, strict=True)]
    stride, *steps_of = columns.strides
    found: dict[int, Number] = {}
    for part, chosen in product(range(own), product(*pairs)):
        channels = (group * own + part, inside) if transposed else (channel, part)
        column = (group * own + part) * stride + sum(step * at for step, (at, _) in zip(steps_of, chosen, strict=True))
        found[column] = found.get(column, 0.0) + weight[(*channels, *(tap for _, tap in chosen))].item()
    return found


def _reads(axis: Axis, at: int, transposed: bool) -> Iterator[tuple[int, int]]:
    """(what is read, tap) at one place along an axis: inputs of an output, or with ``transposed`` the other way."""
    for tap in range(axis.kernel):
        if transposed:  # output·s + tap·d − p = at
            output, rest = divmod(at - input_index(0, tap, axis.stride, axis.before, axis.dilation), axis.stride)
            if rest == 0 and 0 <= output < axis.outputs:
                yield output, tap
            continue
        place = int(axis.fold(np.array(input_index(at, tap, axis.stride, axis.before, axis.dilation))))
        if place >= 0:
            yield place, tap


def _agrees(operator: ConvOperator, x: Tensor, output: Tensor) -> bool:
    """The terms of every row, summed in double precision, beside what PyTorch's convolution gave."""
    double = torch.complex128 if operator.dtype.is_complex else torch.float64
    wide = operator.with_weight(operator.weight.detach().to(double))
    vector = operator.columns.to_vectors(x[None].to(double))[:, 0]
    summed = wide.matmul(vector, matrix_free=wide.matrix_free)
    if operator.bias is not None:
        ones = torch.ones(operator.rows.size, dtype=double, device=operator.device)
        shift = operator.bias.detach().to(double).view(-1, *[1] * len(operator.rows.size)) * ones
        summed = summed + operator.rows.to_vectors(shift[None])[:, 0]
    size = wide.with_weight(wide.weight.abs()).matmul(vector.abs(), matrix_free=True).abs()
    whole = not (operator.dtype.is_floating_point or operator.dtype.is_complex)  # then sums are exact
    unit = 0.0 if whole else torch.finfo(operator.dtype).eps * (2 + prod(operator.weight.shape[1:]))
    return bool(((output.detach().to(double) - summed).abs() <= unit * (size + summed.abs())).all())


def _arguments(operator: ConvOperator) -> str:
    axes = operator.axes

    def of(name: str, values: Sequence[object], usual: object = None) -> str:
        if all(value == usual for value in values):
            return ""
        same = all(value == values[0] for value in values)
        return f"{name} {values[0] if same else '×'.join(map(str, values))}"

    sides = [axis.before if axis.before == axis.after else (axis.before, axis.after) for axis in axes]
    words = [
        of("stride", [axis.stride for axis in axes]),
        of("padding", sides),
        of("dilation", [axis.dilation for axis in axes], 1),
        of("groups", [operator.groups], 1),
        f"padded as {axes[0].mode}" if axes[0].mode != "zeros" else "",
        "transposed" if operator.transposed else "",
        "channels last in the rows" if _last(operator.rows) else "",
        "channels last in the columns" if _last(operator.columns) else "",
    ]
    return ", ".join(word for word in words if word)


def _last(grid: Grid) -> bool:
    return grid.channels_last and grid.channels > 1
