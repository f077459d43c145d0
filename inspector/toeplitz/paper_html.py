"""The steps as HTML: a fragment for notebooks, and one page that stands alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from inspector.toeplitz import paper_text as plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.toeplitz.paper import Steps

_STYLE = """
.toeplitz{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.toeplitz table{border-collapse:collapse;margin:4px 16px}
.toeplitz td,.toeplitz th{padding:1px 6px;text-align:right;font-weight:normal;border:0;background:none}
.toeplitz td.w{background:rgba(138,99,210,.25)}.toeplitz td.z{opacity:.45}
.toeplitz td.b,.toeplitz th.b{border-left:1px solid currentColor}.toeplitz tr.b td{border-top:1px solid currentColor}
.toeplitz h3{font-size:14px;margin:14px 0 4px}.toeplitz p{margin:2px 16px}
""".strip()


def page(steps: Steps, figure: str = "") -> str:
    """The fragment as a document, to open or to attach."""
    title = f"Convolution as a matrix: {plain.size(steps.columns)} → {plain.size(steps.rows)}"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{fragment(steps)}\n{figure}</body></html>\n'


def fragment(steps: Steps) -> str:
    """The steps with their own style; nothing is loaded and no script runs."""
    parts = [
        f"<h3>Convolution as a matrix: {plain.size(steps.columns)} → {plain.size(steps.rows)}</h3>",
        f"<p>{escape(steps.arguments)}</p>",
        f"<h3>1. The kernel, {plain.size(steps.kernel_shape)}</h3><pre>{escape(_joined(plain.kernel(steps)))}</pre>",
    ]
    if steps.input is not None:
        parts.append(f"<h3>2. The input, flattened line by line</h3><p>{escape(plain.flattened(steps))}</p>")
    parts += [
        f"<h3>{2 if steps.input is None else 3}. The matrix, {plain.extent(steps)}</h3>",
        _matrix(steps),
    ]
    if steps.output is not None:
        sums = "".join(
            f"<tr><th>{plain.label(row.place, steps.rows[0])}</th><td>{escape(plain.terms(row))}</td></tr>"
            for row in steps.shown
        )
        parts += [
            f"<h3>4. The product, term by term</h3><table>{sums}</table>",
            f"<p>{escape(plain.product(steps))}</p>",
        ]
        word = "equal" if steps.agrees else "NOT equal"
        parts.append(f"<h3>5. Reshaped to {plain.size(steps.rows)}</h3>")
        parts.append(f"<p>{escape(plain.reshaped(steps))}, {word} to {steps.call}</p>")
    return f'<div class="toeplitz"><style>{_STYLE}</style>\n' + "\n".join(parts) + "\n</div>"


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _matrix(steps: Steps) -> str:
    if steps.folded:
        words = f"<p>folded: {plain.shown(steps)}, and of these the entries column: weight</p>"
        lines = []
        for row in steps.shown:
            entries = ", ".join(f"{term.column}: {plain.number(term.weight)}" for term in row.terms[: plain.MOST_TERMS])
            more = f", … {len(row.terms) - plain.MOST_TERMS} more" if len(row.terms) > plain.MOST_TERMS else ""
            lines.append(f"<tr><th>{plain.label(row.place, steps.rows[0])}</th><td>{entries}{more}</td></tr>")
        return f"{words}<table>{''.join(lines)}</table>"
    width, height = steps.columns[-1], steps.rows[-1]
    lines = []
    for at, row in enumerate(steps.shown):
        reached = {term.column for term in row.terms}
        cells = "".join(
            f'<td class="{"w" if column in reached else "z"}{" b" if column % width == 0 else ""}" '
            f'title="row {plain.label(row.place, steps.rows[0])}, column {column}">{plain.number(value)}</td>'
            for column, value in enumerate(row.values)
        )
        line = f"<th>{plain.label(row.place, steps.rows[0])}</th>{cells}"
        lines.append(f'<tr class="{"b" if at and at % height == 0 else ""}">{line}</tr>')
    return f"<table>{''.join(lines)}</table>"
