"""The steps in plain text."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from inspector.formula import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inspector.toeplitz.operator import ConvOperator
    from inspector.toeplitz.paper import Number, StepRow, Steps

#: Numbers of a vector and terms of a sum that are shown; more are folded.
MOST = 64
MOST_TERMS = 32


def number(value: Number) -> str:
    """A number as short as it is: ``-1``, ``0.5``, ``1.234``.

    >>> number(-1.0), number(0.5), number(1 / 3), number(1 - 2j)
    ('-1', '0.5', '0.3333', '1-2j')
    """
    if isinstance(value, complex):
        return f"{number(value.real)}{'' if value.imag < 0 else '+'}{number(value.imag)}j"
    short = f"{value:.4g}"
    return "0" if short == "-0" else short


def signed(value: Number) -> str:
    """With the sign of print: ``−1``."""
    return number(value).replace("-", "−")


def factor(value: Number) -> str:
    """In a product: ``(−1)``, ``2``."""
    text = signed(value)
    return f"({text})" if "−" in text or isinstance(value, complex) else text


def label(place: Sequence[int], channels: int) -> str:
    """An output's place; its channel is said where there are several: ``(0,1)``, ``(2: 0,1)``."""
    inner = ",".join(map(str, place[1:]))
    return f"({inner})" if channels == 1 else f"({place[0]}: {inner})"


def size(shape: Sequence[int]) -> str:
    """``1×4×4``."""
    return "×".join(map(str, shape))


def extent(matrix: Steps | ConvOperator) -> str:
    """Rows, columns and entries: ``1 568 × 768, 42 336 entries``."""
    return f"{' × '.join(map(format_count, matrix.shape))}, {format_count(matrix.nnz)} entries"


def shown(steps: Steps) -> str:
    """How much of a folded matrix is shown: ``4 of 1 568 rows``."""
    return f"{len(steps.shown)} of {format_count(steps.shape[0])} rows"


def blocks(values: Sequence[Any], shape: Sequence[int]) -> list[list[Any]]:
    """A flattened image cut where a line of it ends."""
    width = shape[-1]
    return [list(values[at : at + width]) for at in range(0, len(values), width)]


def render(steps: Steps) -> str:
    """All steps; what is folded says so."""
    parts = [
        [f"Convolution as a matrix: {size(steps.columns)} → {size(steps.rows)}", f"{steps.arguments}"],
        [f"1. The kernel w, {size(steps.kernel_shape)}", *_indented(kernel(steps))],
    ]
    if steps.input is not None:
        parts.append(["2. The input, flattened line by line", *_indented([flattened(steps)])])
    number = 2 if steps.input is None else 3
    parts.append([f"{number}. The matrix W, {extent(steps)}", *_indented(_matrix(steps))])
    if steps.output is not None:
        parts.append(["4. The product, term by term", *_indented([*_products(steps), product(steps)])])
        said = f"equal to {steps.call}" if steps.agrees else f"NOT equal to {steps.call}"
        parts.append([f"5. Reshaped to {size(steps.rows)}", *_indented([f"reshaped to {reshaped(steps)}"]), said])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def kernel(steps: Steps) -> list[str]:
    """The kernel, a table for each pair of channels."""
    rows = [(place, [number(value) for value in line]) for place, line in _lines(steps.kernel)]
    if len(rows) > MOST:
        return [f"{format_count(len(rows))} lines, folded"]
    width = max(len(cell) for _, cells in rows for cell in cells)
    several = len({place[:-1] for place, _ in rows}) > 1 and len(steps.kernel_shape) > 3
    printed = []
    for outer, group in groupby(rows, key=lambda row: row[0][:-1] if len(steps.kernel_shape) > 3 else row[0]):
        if several or (len(steps.kernel_shape) == 3 and len(rows) > 1):
            printed.append(f"w[{', '.join(map(str, outer))}]")
        printed += [" ".join(cell.rjust(width) for cell in cells) for _, cells in group]
    return printed


def flattened(steps: Steps) -> str:
    """The vector: ``v(x) = (10 10 0 0  10 10 0 0)ᵀ``."""
    assert steps.input is not None
    lines = blocks([number(value) for value in steps.input[:MOST]], steps.columns)
    rest = len(steps.input) - MOST
    more = f"  … {format_count(rest)} more" if rest > 0 else ""
    return f"v(x) = ({'  '.join(' '.join(line) for line in lines)}{more})ᵀ"


def product(steps: Steps) -> str:
    """``W·v(x) = (−40, −40)ᵀ``."""
    assert steps.output is not None
    rest = len(steps.output) - MOST
    more = f", … {format_count(rest)} more" if rest > 0 else ""
    bias = " + b" if any(row.bias is not None for row in steps.shown) else ""
    return f"W·v(x){bias} = ({', '.join(map(signed, steps.output[:MOST]))}{more})ᵀ"


def reshaped(steps: Steps) -> str:
    """``[[−40,−40],[−40,−40]]``; the channel's brackets are there where there are several."""
    assert steps.output is not None
    if len(steps.output) > MOST:
        return f"{size(steps.rows)}, folded"
    shape = steps.rows[1:] if steps.rows[0] == 1 else steps.rows
    nested: list[Any] = [signed(value) for value in steps.output]
    for length in reversed(shape[1:]):
        nested = [f"[{','.join(nested[at : at + length])}]" for at in range(0, len(nested), length)]
    return f"[{','.join(nested)}]"


def terms(row: StepRow) -> str:
    """``(−1)·10 + 0·10 + 1·0 = −40``."""
    shown = [f"{factor(term.weight)}·{factor(term.value)}" for term in row.terms[:MOST_TERMS] if term.value is not None]
    if len(row.terms) > MOST_TERMS:
        shown.append(f"… {format_count(len(row.terms) - MOST_TERMS)} more terms")
    if row.bias is not None:
        shown.append(factor(row.bias))
    return f"{' + '.join(shown) or '0'} = {signed(row.result or 0.0)}"


def gap(steps: Steps, row: StepRow) -> int:
    """How many rows are folded away before this one."""
    at = steps.shown.index(row)
    return row.number - steps.shown[at - 1].number - 1 if at else row.number


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"   {line}".rstrip() for line in lines]


def _lines(nested: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    """Every innermost line of a nested list, with its place."""
    if isinstance(nested[0], list):
        for index, inner in enumerate(nested):
            yield from _lines(inner, (*place, index))
    else:
        yield place, nested


def _matrix(steps: Steps) -> list[str]:
    channels = steps.rows[0]
    if steps.folded:
        printed = [f"folded: {shown(steps)}, and of these the entries column: weight"]
        for row in steps.shown:
            if skipped := gap(steps, row):
                printed.append(f"⋮ {format_count(skipped)} rows folded")
            entries = [f"{term.column}: {number(term.weight)}" for term in row.terms[:MOST_TERMS]]
            if len(row.terms) > MOST_TERMS:
                entries.append(f"… {format_count(len(row.terms) - MOST_TERMS)} more")
            printed.append(f"row {label(row.place, channels)}: {', '.join(entries)}")
        return printed
    cells = [blocks([number(value) for value in row.values], steps.columns) for row in steps.shown]
    short = all(len(cell.lstrip("-")) == 1 for row in cells for block in row for cell in block)
    layout = _on_paper if short else _aligned
    names = [f"row {label(row.place, channels)}:" for row in steps.shown]
    width = max(map(len, names))
    return [f"{name:{width}} {line}" for name, line in zip(names, layout(cells), strict=True)]


def _on_paper(rows: list[list[list[str]]]) -> list[str]:
    """The kernel's lines side by side as one piece, each block of zeros as another; a piece has room for a sign."""
    room = max(len(block[0]) for row in rows for block in row)
    printed = []
    for row in rows:
        pieces: list[str] = []
        inside = False
        for block in row:
            line = " ".join(block)
            nothing = not any(cell.strip("-0") for cell in block)
            if inside and not nothing:
                pieces.append(line)
            else:
                pieces.append(" " * (room - len(block[0])) + line)
            inside = not nothing
        printed.append("  ".join(pieces))
    return printed


def _aligned(rows: list[list[list[str]]]) -> list[str]:
    width = max(len(cell) for row in rows for block in row for cell in block)
    return ["   ".join(" ".join(cell.rjust(width) for cell in block) for block in row) for row in rows]


def _products(steps: Steps) -> list[str]:
    printed = []
    for row in steps.shown:
        if skipped := gap(steps, row):
            printed.append(f"⋮ {format_count(skipped)} rows folded")
        printed.append(f"{label(row.place, steps.rows[0])}: {terms(row)}")
    return printed
