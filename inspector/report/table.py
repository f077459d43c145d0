"""The table for terminals and for ``str(prediction)``."""

from __future__ import annotations

import io
import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len, set_cell_size

from inspector.report import text
from inspector.report.lines import lines as lines_of
from inspector.report.lines import share_is_of
from inspector.report.totals import legend, remarks
from inspector.report.totals import totals as totals_of
from inspector.report.view import is_symbolic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.text import Text

    from inspector.report.lines import Line, Sort
    from inspector.report.view import PredictionView

Span: TypeAlias = tuple[str, str]  # text, style of rich
Cell: TypeAlias = tuple[Span, ...]

_GAP = "  "
_SHORTEST_FORMULA = 24
_SHORTEST_NAME = 10
_INDENT = 14  # of the figures under the table

#: Column sets from full to bare; the first that fits into the width is printed. ``formula…`` may be cut to fit.
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("layer", "shape", "params", "macs", "bar", "formula"),
    ("layer", "shape", "params", "macs", "percent", "formula"),
    ("layer", "shape", "params", "macs", "formula"),
    ("layer", "shape", "params", "macs", "formula…"),
    ("layer", "shape", "params", "macs", "bar"),
    ("layer", "shape", "params", "macs", "percent"),
    ("layer", "shape", "params", "macs"),
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
    printed = spans(view, width=width, depth=depth, sort=sort, expand=expand, with_totals=totals)
    if not color:
        return "\n".join("".join(part for part, _ in line).rstrip() for line in printed)
    return "\n".join(_ansi(line) for line in printed)


def svg(view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False) -> str:
    """The coloured table as one SVG picture, in the reader's own monospaced font: nothing is loaded."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console

    printed = spans(view, width=None, depth=depth, sort=sort, expand=expand, with_totals=True)
    widest = max(cell_len("".join(part for part, _ in line).rstrip()) for line in printed)
    console = Console(file=io.StringIO(), record=True, width=widest, highlight=False)
    for line in printed:
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
    keys, widths = _layout(layouts, lines, of, symbolic, width)
    columns = {key: _columns(of, symbolic)[key.rstrip("…")] for key in keys}
    header = [((title, "bold"),) for title, _, _ in columns.values()]
    rule: list[Span] = [("─" * min(sum(widths) + len(_GAP) * (len(widths) - 1), width or 10_000), "dim")]
    printed = [_joined(header, columns, widths), rule]
    printed += [_joined([cell(line) for _, _, cell in columns.values()], columns, widths) for line in lines]
    printed.append(rule)
    for name, figure in totals_of(view) if with_totals else ():
        first, *more = _wrapped(figure, width, _INDENT)
        printed.append([(f"{name:<{_INDENT}}", "bold"), (first, "")])
        printed += [[(" " * _INDENT + rest, "")] for rest in more]
    below = [*legend(lines), *(f"Note: {remark}" for remark in (remarks(view) if with_totals else ()))]
    return printed + [[(part, "dim")] for note in below for part in _wrapped(note, width)]


def _wrapped(sentence: str, width: int | None, indent: int = 0) -> list[str]:
    if width is None:
        return [sentence]
    return textwrap.wrap(sentence, max(1, width - indent), break_on_hyphens=False) or [""]


Column: TypeAlias = "tuple[str, bool, Callable[[Line], Cell]]"  # title, aligned right, what it prints of a line


def _columns(of: str, symbolic: bool) -> dict[str, Column]:
    return {
        "layer": ("Layer (type)", False, _layer),
        "shape": ("Output shape", False, lambda line: ((text.shapes(line.node.output_shapes), ""),)),
        "params": ("Param #", True, lambda line: ((line.params_text, "dim" if line.params == 0 else ""),)),
        "macs": ("MACs", True, _macs),
        "bar": (f"Share of {of}", False, lambda line: _share(line, True)),
        "percent": (f"% of {of}", True, lambda line: _share(line, False)),
        "formula": (
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


def _layout(
    layouts: Sequence[tuple[str, ...]], lines: Sequence[Line], of: str, symbolic: bool, width: int | None
) -> tuple[tuple[str, ...], list[int]]:
    """The first layout that fits, and the width of each of its columns."""
    columns = _columns(of, symbolic)
    natural = {
        key: max([cell_len(title), *(sum(cell_len(part) for part, _ in cell(line)) for line in lines)])
        for key, (title, _, cell) in columns.items()
    }
    for keys in layouts:
        widths = [natural[key.rstrip("…")] for key in keys]
        used = sum(widths) + len(_GAP) * (len(widths) - 1)
        if width is None or used <= width:
            return keys, widths
        if keys[-1].endswith("…") and width - (used - widths[-1]) >= _SHORTEST_FORMULA:
            return keys, [*widths[:-1], width - (used - widths[-1])]
    assert width is not None  # without a width the first layout fits
    return keys, [max(_SHORTEST_NAME, widths[0] - (used - width)), *widths[1:]]


def _joined(cells: Sequence[Cell], columns: dict[str, Column], widths: Sequence[int]) -> list[Span]:
    joined: list[Span] = []
    for index, (cell, (_, right, _), width) in enumerate(zip(cells, columns.values(), widths, strict=True)):
        if index:
            joined.append((_GAP, ""))
        joined += _fitted(cell, width, right)
    return joined


def _fitted(cell: Cell, width: int, right: bool) -> list[Span]:
    """A cell of exactly this width, cut with ``…`` where it is longer."""
    length = sum(cell_len(part) for part, _ in cell)
    if length <= width:
        padding = (" " * (width - length), "")
        return [padding, *cell] if right else [*cell, padding]
    fitted: list[Span] = []
    left = width - 1
    for part, style in cell:
        taken = part if cell_len(part) <= left else set_cell_size(part, left)
        fitted.append((taken, style))
        left -= cell_len(taken)
    return [*fitted, ("…", "dim")]


def _ansi(line: Sequence[Span]) -> str:
    """A line with its styles as escape sequences, without blanks at its end."""
    spans = list(line)
    while spans and not spans[-1][0].strip():
        spans.pop()
    parts = [f"{_begin(style)}{part}\x1b[0m" if style and part else part for part, style in spans]
    return "".join(parts).rstrip()


@cache
def _begin(style: str) -> str:
    """The escape sequence that begins a style of rich."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(style).render("|", color_system=ColorSystem.STANDARD).partition("|")[0]


def _styled(line: Sequence[Span]) -> Text:
    from rich.text import Text

    styled = Text()
    for part, style in line:
        styled.append(part, style or None)
    styled.rstrip()
    return styled
