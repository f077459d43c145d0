"""Advice in words: for the terminal and as Markdown. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.experiments.recommendation import interval
from inspector.formula import format_count
from inspector.report.columns import wrapped
from inspector.report.markdown import escape
from inspector.report.text import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.experiments.recommendation import Advice, Finding, LayerNeed, Remedy

_COLUMNS = ("figure", "interval (95 %)")
_LAYERS = ("H·W", "worth (95 %)", "smallest batch")
_NORM = {
    "keep": "keep batch normalization",
    "replace": "replace batch normalization (group norm) or freeze it",
    "none": "no batch normalization in use",
}


def headline(advice: Advice) -> str:
    """The recommendation in one line."""
    batch = advice.recommendation.batch
    size = "no batch size can be named" if batch is None else f"batch size {format_count(batch)}"
    return f"{size}; {_NORM[advice.recommendation.norm]}"


def text(advice: Advice, width: int | None = None) -> str:
    """For a terminal of ``width`` columns: each figure with its interval, its evidence below it."""
    rows = [(each.name, *_figures(each)) for each in advice.findings]
    lines = wrapped(f"Batch size of {advice.model} on {advice.device}, {advice.loss}, {advice.data}", width)
    lines += ["", *_table(("", *_COLUMNS), rows, [each.evidence for each in advice.findings], width)]
    if advice.layers:
        lines += ["", "Batch normalization, layer by layer"]
        lines += _table(("", *_LAYERS), [(each.path, *_need(each)) for each in advice.layers], [], width)
        for evidence in dict.fromkeys(each.evidence for each in advice.layers):
            lines += _below(evidence, width)
    if advice.remedies:
        lines += ["", "Tried on a copy"]
        for each in advice.remedies:
            lines += [f"  {each.name}: {_verdict(each)}", *_below(each.evidence, width)]
    lines += ["", *wrapped(f"Recommended: {headline(advice)}", width)]
    for reason in advice.recommendation.reasons:
        lines += _below(reason, width)
    lines += [part for note in advice.notes for part in wrapped(f"Note: {note}", width)]
    return "\n".join(lines) + "\n"


def markdown(advice: Advice) -> str:
    """For GitHub and notebooks."""
    lines = [f"**{escape(headline(advice))}** for {escape(advice.model)} on {escape(advice.device)}", ""]
    lines += [f"- {escape(reason)}" for reason in advice.recommendation.reasons]
    header = ("", *_COLUMNS, "evidence")
    lines += ["", *_piped(header, [(each.name, *_figures(each), each.evidence) for each in advice.findings])]
    if advice.layers:
        needs = [(each.path, *_need(each), each.evidence) for each in advice.layers]
        lines += ["", *_piped(("layer", *_LAYERS, "evidence"), needs)]
    if advice.remedies:
        tried = [(each.name, _verdict(each), each.evidence) for each in advice.remedies]
        lines += ["", *_piped(("remedy", "helps", "evidence"), tried)]
    lines += [f"\nNote: {escape(note)}" for note in advice.notes]
    return "\n".join(lines) + "\n"


def _figures(finding: Finding) -> tuple[str, str]:
    return finding.figure, finding.interval


def _need(layer: LayerNeed) -> tuple[str, str, str]:
    worth = f"{figure(layer.independent)} {interval(layer.low, layer.high)}"
    smallest = "none" if layer.smallest is None else format_count(layer.smallest)
    return format_count(layer.values), worth, smallest


def _verdict(remedy: Remedy) -> str:
    return {True: "helps", False: "does not help", None: "not tried"}[remedy.helps]


def _below(said: str, width: int | None) -> list[str]:
    """A sentence, indented."""
    return [" " * 6 + part for part in wrapped(said, width, 6)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str], width: int | None) -> list[str]:
    """Columns; below each row its sentence, where there are any."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        padded = [first.ljust(widths[0]), *(cell.rjust(room) for cell, room in zip(others, widths[1:], strict=True))]
        return ("  " + "  ".join(padded)).rstrip()

    lines = [line(header)]
    for at, cells in enumerate(rows):
        lines += [line(cells), *(_below(below[at], width) if below else [])]
    return lines


def _piped(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{':---|' * len(header)}"]
    return lines + [f"| {' | '.join(map(escape, cells))} |" for cells in rows]
