"""The table for terminals and for ``str(prediction)``."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

from inspector.report import text
from inspector.report.columns import Column, printed, tabulated, wrapped
from inspector.report.lines import lines as lines_of
from inspector.report.lines import share_is_of
from inspector.report.totals import legend, remarks
from inspector.report.totals import totals as totals_of
from inspector.report.view import is_symbolic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from inspector.report.columns import Cell, Span
    from inspector.report.lines import Line, Sort
    from inspector.report.view import PredictionView

_INDENT = 14  # of the figures under the table

#: Column sets from full to bare; the first that fits into the width is printed. What ends in ``…`` may be cut to fit.
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("layer", "shape", "params", "macs", "bar", "formula"),
    ("layer", "shape", "params", "macs", "percent", "formula"),
    ("layer", "shape", "params", "macs", "formula"),
    ("layer", "shape", "params", "macs", "formula…"),
    ("layer", "shape", "params", "macs", "bar"),
    ("layer", "shape", "params", "macs", "percent"),
    ("layer", "shape", "params", "macs"),
    ("layer…", "shape", "params", "macs"),
    ("layer", "params", "macs"),
    ("layer", "params"),
)
_SYMBOLIC_LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("layer", "shape", "params", "formula"),
    ("layer", "shape", "params", "formula…"),
    ("layer", "params", "formula…"),
    ("layer", "params"),
)


def render(
    view: PredictionView,
    *,
    width: int | None = None,
    color: bool = False,
    depth: int | None = None,
    sort: Sort | None = None,
    expand: bool = False,
    totals: bool = True,
) -> str:
    """The table, its totals and notes as text without a last line break.

    Args:
        view: what to print.
        width: columns of the terminal. Columns of the table are left out in the order of :data:`LAYOUTS` until it fits,
            and long cells end in ``…``; None prints all of everything.
        color: with ANSI colours.
        depth: deepest level shown.
        sort: flat list by cost.
        expand: do not fold repeated blocks. These three in full: :func:`inspector.report.lines.lines`.
        totals: with figures of the whole model, which a prediction that stopped half-way has not.
    """
    return printed(spans(view, width=width, depth=depth, sort=sort, expand=expand, with_totals=totals), color)


def svg(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False) -> str:
    """The coloured table as one SVG picture, in the reader's own monospaced font: nothing is loaded."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console

    lines = spans(view, width=None, depth=depth, sort=sort, expand=expand, with_totals=True)
    widest = max(cell_len("".join(part for part, _ in line).rstrip()) for line in lines)
    console = Console(file=io.StringIO(), record=True, width=widest, highlight=False)
    for line in lines:
        console.print(_styled(line), no_wrap=True)
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title=view.model_name, code_format=form, unique_id="inspector")


def spans(
    view: PredictionView, *, width: int | None, depth: int | None, sort: Sort | None, expand: bool, with_totals: bool
) -> list[list[Span]]:
    """The printed lines as styled spans."""
    lines = lines_of(view, depth=depth, sort=sort, expand=expand)
    symbolic = is_symbolic(view.total_macs)
    of = share_is_of(view, sort)
    layouts = _SYMBOLIC_LAYOUTS if symbolic else LAYOUTS
    if not with_totals:  # a part has no share
        layouts = tuple(keys for keys in layouts if not {"bar", "percent"} & set(keys))
    found = tabulated(lines, _columns(of, symbolic), layouts, width)
    found.append(found[1])  # the rule again
    for name, figure in totals_of(view) if with_totals else ():
        first, *more = wrapped(figure, width, _INDENT)
        found.append([(f"{name:<{_INDENT}}", "bold"), (first, "")])
        found += [[(" " * _INDENT + rest, "")] for rest in more]
    below = [*legend(lines), *(f"Note: {remark}" for remark in (remarks(view) if with_totals else ()))]
    return found + [[(part, "dim")] for note in below for part in wrapped(note, width)]


def _columns(of: str, symbolic: bool) -> dict[str, Column[Line]]:
    return {
        "layer": Column("Layer (type)", False, _layer),
        "shape": Column("Output shape", False, lambda line: ((text.shapes(line.node.output_shapes), ""),)),
        "params": Column("Param #", True, lambda line: ((line.params_text, "dim" if line.params == 0 else ""),)),
        "macs": Column("MACs", True, _macs),
        "bar": Column(f"Share of {of}", False, lambda line: _share(line, True)),
        "percent": Column(f"% of {of}", True, lambda line: _share(line, False)),
        "formula": Column(
            "MACs" if symbolic else "Formula",
            False,
            _macs if symbolic else lambda line: ((line.worked, "green" if line.params_worked else "cyan"),),
        ),
    }


def _layer(line: Line) -> Cell:
    name, rest = line.name, line.title[len(line.name) :]
    return (line.branch, "dim"), (name, "bold" if line.node.children else ""), (rest, "cyan" if name else "bold")


def _macs(line: Line) -> Cell:
    style = "bold yellow" if line.macs is None else "dim" if line.macs == 0 else ""
    return ((line.macs_text, style),)


def _share(line: Line, with_bar: bool) -> Cell:
    if not line.share:
        return (("", ""),)
    figure = (f"{text.percent(line.share):>7}", "")
    return ((text.bar(line.share), "magenta"), (" ", ""), figure) if with_bar else (figure,)


def _styled(line: Sequence[Span]) -> Text:
    from rich.text import Text

    styled = Text()
    for part, style in line:
        styled.append(part, style or None)
    styled.rstrip()
    return styled
