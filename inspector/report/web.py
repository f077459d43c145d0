"""The table as HTML: a fragment for notebooks, and one file that stands alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from inspector.report import text
from inspector.report.lines import lines as lines_of
from inspector.report.lines import share_is_of
from inspector.report.totals import legend, remarks, totals

if TYPE_CHECKING:
    from inspector.report.lines import Line, Sort
    from inspector.report.view import PredictionView

# Colours follow the page (currentColor), so that dark notebooks stay readable.
_STYLE = """
.inspector{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.inspector table{border-collapse:collapse}
.inspector th,.inspector td{padding:1px 10px;text-align:left;white-space:pre;border:0;background:none}
.inspector thead th{border-bottom:1px solid currentColor}
.inspector td.n,.inspector th.n{text-align:right}
.inspector .zero,.inspector .type,.inspector .branch{opacity:.55}
.inspector .unknown{font-weight:bold;color:#b8860b}
.inspector .share i{display:inline-block;height:.8em;background:#8a63d2;margin-right:6px}
.inspector dl{display:grid;grid-template-columns:max-content auto;gap:0 16px;margin:8px 10px}
.inspector dt{font-weight:bold}.inspector dd{margin:0}.inspector p{margin:0 10px;opacity:.75}
""".strip()
_BAR_PIXELS = 80


def fragment(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False) -> str:
    """Table and totals as an HTML fragment with its own style; nothing is loaded and no script runs."""
    lines = lines_of(view, depth=depth, sort=sort, expand=expand)
    titles = (
        ("Layer (type)", ""),
        ("Output shape", ""),
        ("Param #", "n"),
        ("MACs", "n"),
        (f"Share of {share_is_of(view, sort)}", ""),
        ("Formula of the parameters", ""),
        ("Formula of the MACs", ""),
    )
    header = "".join(f'<th class="{kind}">{title}</th>' for title, kind in titles)
    body = "\n".join(_line(line) for line in lines)
    figures = "".join(f"<dt>{escape(name)}</dt><dd>{escape(figure)}</dd>" for name, figure in totals(view))
    below = "".join(f"<p>{escape(note)}</p>" for note in (*legend(lines), *(f"Note: {note}" for note in remarks(view))))
    return (
        f'<div class="inspector"><style>{_STYLE}</style>\n<table><thead><tr>{header}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table>\n<dl>{figures}</dl>{below}</div>"
    )


def page(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False) -> str:
    """The fragment as a complete document, to attach or to open."""
    title = escape(view.model_name)
    body = fragment(view, depth=depth, sort=sort, expand=expand)
    head = f'<meta charset="utf-8"><title>{title}</title>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _line(line: Line) -> str:
    name, rest = escape(line.name), escape(line.title[len(line.name) :])
    share = ""
    if line.share:
        share = f'<i style="width:{max(1, round(line.share * _BAR_PIXELS))}px"></i>{text.percent(line.share)}'
    macs = "unknown" if line.macs is None else "zero" if line.macs == 0 else ""
    remark = f"; {escape(line.remark)}" if line.remark and line.macs_worked else escape(line.remark)
    return (
        f'<tr><td><span class="branch">{line.branch}</span>{name}<span class="type">{rest}</span></td>'
        f"<td>{escape(text.shapes(line.node.output_shapes))}</td>"
        f'<td class="n {"" if line.params else "zero"}">{line.params_text}</td>'
        f'<td class="n {macs}">{escape(line.macs_text)}</td>'
        f'<td class="share">{share}</td>'
        f"<td>{escape(line.params_worked)}</td><td>{escape(line.macs_worked)}{remark}</td></tr>"
    )
