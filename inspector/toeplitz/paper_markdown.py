"""The steps as Markdown with LaTeX, as GitHub and notebooks show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.toeplitz import paper_text as plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.toeplitz.paper import Steps

_FENCE = "$$"


def render(steps: Steps) -> str:
    """All steps; what is folded is shown in words."""
    parts = [
        f"### Convolution as a matrix: {plain.size(steps.columns)} → {plain.size(steps.rows)}\n\n{steps.arguments}",
        f"**1. The kernel**, {plain.size(steps.kernel_shape)}\n\n{_kernel(steps)}",
    ]
    if steps.input is not None:
        flat = [plain.number(value) for value in steps.input[: plain.MOST]]
        if len(steps.input) > plain.MOST:
            flat.append(r"\cdots")
        vector = (
            rf"v(x) = \left(\begin{{array}}{{{_bars(steps, len(flat))}}}{' & '.join(flat)}\end{{array}}\right)^\top"
        )
        parts.append(f"**2. The input, flattened line by line**\n\n{_math(vector)}")
    number = 2 if steps.input is None else 3
    parts.append(f"**{number}. The matrix**, {plain.extent(steps)}\n\n{_matrix(steps)}")
    if steps.output is not None:
        lines = [f"y_{{{_index(row.place, steps.rows[0])}}} &= {_latex(plain.terms(row))}" for row in steps.shown]
        summed = _math(r"\begin{aligned}" + " \\\\\n".join(lines) + r"\end{aligned}")
        folded = f"{plain.shown(steps)}; the others are folded.\n\n" if steps.folded else ""
        parts.append(f"**4. The product, term by term**\n\n{folded}{summed}\n\n{_math(_latex(plain.product(steps)))}")
        word = "equal" if steps.agrees else "**not** equal"
        parts.append(f"**5. Reshaped to {plain.size(steps.rows)}**, {word} to `{steps.call}`\n\n{_reshaped(steps)}")
    return "\n\n".join(parts) + "\n"


def _math(text: str) -> str:
    return f"{_FENCE}\n{text}\n{_FENCE}"


def _latex(text: str) -> str:
    for sign, command in (("−", "-"), ("·", r" \cdot "), ("ᵀ", r"^\top"), ("…", r"\cdots "), ("more", r"\text{ more}")):
        text = text.replace(sign, command)
    return text.replace("terms", r"\text{ terms}")


def _index(place: Sequence[int], channels: int) -> str:
    return ",".join(map(str, place[1:] if channels == 1 else place))


def _bars(steps: Steps, count: int) -> str:
    """Column types of an array, with a bar after each line of the input."""
    width = steps.columns[-1]
    return "|".join("r" * min(width, count - at) for at in range(0, count, width))


def _kernel(steps: Steps) -> str:
    printed = plain.kernel(steps)
    if any("w[" in line or "folded" in line for line in printed):
        return "```text\n" + "\n".join(printed) + "\n```"
    return _math(r"w = \begin{pmatrix}" + r" \\ ".join(" & ".join(line.split()) for line in printed) + r"\end{pmatrix}")


def _matrix(steps: Steps) -> str:
    if steps.folded:
        lines = [f"The matrix is folded: {plain.shown(steps)}, their entries alone.", ""]
        lines += ["| row | entries (column: weight) |", "|:---|:---|"]
        for row in steps.shown:
            entries = [f"{term.column}: {plain.number(term.weight)}" for term in row.terms[: plain.MOST_TERMS]]
            more = [f"… {len(row.terms) - plain.MOST_TERMS} more"] if len(row.terms) > plain.MOST_TERMS else []
            lines.append(f"| {plain.label(row.place, steps.rows[0])} | {', '.join(entries + more)} |")
        return "\n".join(lines)
    printed = []
    places = steps.rows[-1]
    for at, row in enumerate(steps.shown):
        line = " & ".join(map(plain.number, row.values))
        printed.append((r"\hline " if at and at % places == 0 else "") + line)
    body = " \\\\\n".join(printed)
    return _math(
        rf"W = \left(\begin{{array}}{{{_bars(steps, steps.shape[1])}}}" + f"\n{body}\n" + r"\end{array}\right)"
    )


def _reshaped(steps: Steps) -> str:
    assert steps.output is not None
    if len(steps.output) > plain.MOST or len(steps.rows) > 3 or steps.rows[0] > 1:
        return _latex(f"`{plain.reshaped(steps)}`")
    lines = [" & ".join(map(plain.number, line)) for line in plain.blocks(steps.output, steps.rows)]
    return _math(r"\begin{pmatrix}" + r" \\ ".join(lines) + r"\end{pmatrix}")
