"""The table as GitHub Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inspector.report import text
from inspector.report.lines import lines as lines_of
from inspector.report.lines import share_is_of
from inspector.report.totals import legend, remarks, totals

if TYPE_CHECKING:
    from inspector.report.lines import Line, Sort
    from inspector.report.view import PredictionView

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")
LEVEL = "\N{EM SPACE}"


def escape(words: str) -> str:
    r"""Text that Markdown prints as it is.

    >>> escape("a_b|c")
    'a\\_b\\|c'
    """
    return _SPECIAL.sub(r"\\\1", words)


def render(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False) -> str:
    """The lines as a Markdown table, then the totals as a list; a level of the tree is indented by an em space."""
    lines = lines_of(view, depth=depth, sort=sort, expand=expand)
    header = ("Layer (type)", "Output shape", "Param #", "MACs", f"Share of {share_is_of(view, sort)}", "Formula")
    printed = [f"| {' | '.join(header)} |", "|:---|:---|---:|---:|---:|:---|"]
    printed += [f"| {' | '.join(_cells(line, flat=sort is not None))} |" for line in lines]
    printed.append("")
    printed += [f"- **{name}**: {escape(figure)}" if name else f"  {escape(figure)}" for name, figure in totals(view)]
    below = [*legend(lines), *(f"Note: {remark}" for remark in remarks(view))]
    return "\n".join([*printed, *(["", *(f"{escape(note)}  " for note in below)] if below else [])])


def _cells(line: Line, flat: bool) -> tuple[str, ...]:
    return (
        ("" if flat else LEVEL * line.level) + escape(line.title),
        escape(text.shapes(line.node.output_shapes)),
        line.params_text,
        escape(line.macs_text),
        text.percent(line.share) if line.share else "",
        escape(line.worked),
    )
