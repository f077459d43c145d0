"""The worked answer as Markdown with LaTeX formulas, and as a page of HTML."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from inspector.formula import format_count
from inspector.report.markdown import escape as escape_markdown
from inspector.tables.derivation.lines import Line, lines
from inspector.tables.derivation.words import hyperparameters_text, open_text, remarks, sum_text
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from inspector.tables.solving.solution import Solution

_PLAIN: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def markdown(solution: Solution) -> str:
    """The same as Markdown; formulas as LaTeX between dollars, as GitHub prints them."""
    printed = ["| Layer | Output shape | Found | Derivation | Parameters |", "|:---|:---|:---|:---|---:|"]
    for row in solution.rows:
        work = "<br>".join(f"${_sides(line)}$" for line in lines(row))
        cells = (row.name, shown(row.output_shape), hyperparameters_text(row))
        printed.append(
            f"| {' | '.join(escape_markdown(cell) for cell in cells)} | {work} | {format_count(row.params)} |"
        )
    printed += ["", f"Parameters: ${latex(sum_text(solution))}$", ""]
    return "\n".join([*printed, *(f"- {escape_markdown(remark)}" for remark in remarks(solution))])


def _sides(line: Line) -> str:
    left = {"size": "O", "kernel": "K"}.get(line.what, "")
    axis = rf"_{{\text{{{line.axis}}}}}" if line.axis and left else ""
    return f"{left}{axis}{' = ' if left else ''}{latex(line.symbolic)} = {latex(line.worked)}"


def latex(words: str) -> str:
    r"""A printed formula as LaTeX math.

    >>> print(latex("C_out × (C_in/G × K² + b)"), latex("6 × 5² = 61 706"), latex("⌊(I − K)/S⌋"))
    C_{\mathrm{out}} \times (C_{\mathrm{in}}/G \times K^{2} + b) 6 \times 5^{2} = 61\,706 \lfloor(I - K)/S\rfloor
    """
    found = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda power: f"^{{{power[0].translate(_PLAIN)}}}", words)
    found = re.sub(r"_([A-Za-z]+)", r"_{\\mathrm{\1}}", found)
    found = re.sub(r"(?<=\d) (?=\d{3})", r"\\,", found)
    for sign, command in {
        "×": r"\times",
        "−": "-",
        "⌊": r"\lfloor",
        "⌋": r"\rfloor",
        "…": r"\dots",
        "≥": r"\geq",
    }.items():
        found = found.replace(sign, command)
    return found


_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:2px 12px;text-align:left;vertical-align:top;border-bottom:1px solid #8884}td.n{text-align:right}"
    "code{white-space:pre-wrap}"
)


def html(solution: Solution) -> str:
    """One page that stands alone: no script, nothing loaded."""
    body = []
    for row in solution.rows:
        work = "<br>".join(f"<code>{escape(line.symbolic)} = {escape(line.worked)}</code>" for line in lines(row))
        note = "".join(f"<br><small>{escape(words)}</small>" for words in (open_text(row), row.note) if words)
        body.append(
            f"<tr><td>{escape(row.name)}</td><td>{escape(shown(row.output_shape))}</td>"
            f"<td>{escape(hyperparameters_text(row))}{note}</td><td>{work}</td>"
            f'<td class="n">{format_count(row.params)}</td></tr>'
        )
    titles = "".join(f"<th>{title}</th>" for title in ("Layer", "Output shape", "Found", "Derivation", "Parameters"))
    rest = "".join(f"<li>{escape(remark)}</li>" for remark in remarks(solution))
    newline = "\n"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Table, solved</title>'
        f"<style>{_STYLE}</style>"
        f"</head>\n<body><table><thead><tr>{titles}</tr></thead>\n<tbody>\n{newline.join(body)}\n</tbody></table>\n"
        f"<p>Parameters: {escape(sum_text(solution))}</p><ul>{rest}</ul></body></html>\n"
    )
