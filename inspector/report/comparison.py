"""A comparison as text for terminals, as Markdown and as JSON (``schema/comparison.json``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.report import text
from inspector.report.columns import Column, printed, tabulated, wrapped
from inspector.report.comparison_lines import MARKS
from inspector.report.comparison_lines import lines as lines_of
from inspector.report.document import SCHEMA_VERSION, count
from inspector.report.markdown import LEVEL, escape
from inspector.report.view import difference, is_symbolic

if TYPE_CHECKING:
    from inspector.comparison import Comparison, Mark, Pair, Total
    from inspector.formula import Count
    from inspector.report.columns import Cell
    from inspector.report.comparison_lines import Figures, Line
    from inspector.report.tree import Node

_STYLES: dict[Mark, str] = {"same": "dim", "renamed": "cyan", "changed": "yellow", "added": "green", "removed": "red"}
_TOTALS = {
    "params": "Parameters",
    "trainable_params": "  trainable",
    "buffer_elements": "Buffers",
    "param_bytes": "Bytes of parameters",
    "buffer_bytes": "Bytes of buffers",
    "macs": "MACs",
    "calls_with_unknown_macs": "Calls of unknown MACs",
    "elementwise_ops": "Element-wise",
}
_LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("layer", "shape", "params a", "params b", "params", "macs a", "macs b", "macs", "also"),
    ("layer", "shape", "params a", "params b", "params", "macs a", "macs b", "macs", "also…"),
    ("layer", "shape", "params a", "params b", "params", "macs a", "macs b", "macs"),
    ("layer", "params a", "params b", "params", "macs a", "macs b", "macs"),
    ("layer", "shape", "params", "macs"),
    ("layer", "params", "macs"),
    ("layer", "params", "macs…"),
    ("layer", "params"),
)
_TOTALS_LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("name", "a", "b", "difference", "relative"),
    ("name", "a", "b", "difference"),
    ("name", "difference", "relative"),
    ("name", "difference…"),
    ("name", "difference"),
)


def render(
    comparison: Comparison,
    *,
    width: int | None = None,
    color: bool = False,
    depth: int | None = None,
    expand: bool = False,
) -> str:
    """The aligned table, the totals and the verdict as text without a last line break.

    Args:
        comparison: what to print.
        width: columns of the terminal; columns of the table are left out until it fits. None prints all.
        color: with ANSI colours.
        depth: deepest level shown.
        expand: show each of equal parts. Both in full: :func:`inspector.report.comparison_lines.lines`.
    """
    lines = lines_of(comparison, depth=depth, expand=expand)
    found = [[(part, "")] for words in _asked(comparison) for part in wrapped(words, width)]
    found.append([])
    found += tabulated(lines, _columns(), _LAYOUTS, width)
    rule = found[len(found) - len(lines) - 1]
    found += [rule, *tabulated(comparison.totals, _totals_columns(), _TOTALS_LAYOUTS, width), []]
    found += [[(part, "bold")] for part in wrapped(verdict(comparison), width)]
    found += [[(part, "dim")] for note in _legend(lines, comparison) for part in wrapped(note, width)]
    return printed(found, color)


def markdown(comparison: Comparison, *, depth: int | None = None, expand: bool = False) -> str:
    """The same as GitHub Markdown; a level of the tree is indented by an em space."""
    lines = lines_of(comparison, depth=depth, expand=expand)
    columns = {key: column for key, column in _columns().items() if key != "layer"}
    found = [f"**{escape(verdict(comparison))}**", "", *(f"- {escape(words)}" for words in _asked(comparison)), ""]
    found.append(f"| | Layer (type) | {' | '.join(column.title for column in columns.values())} |")
    found.append(f"|:---|:---|{''.join('---:|' if column.right else ':---|' for column in columns.values())}")
    for line in lines:
        cells = [_plain(column.cell(line)) for column in columns.values()]
        found.append(f"| {MARKS[line.mark][0]} | {LEVEL * line.level}{escape(line.title)} | {' | '.join(cells)} |")
    totals = _totals_columns()
    found += ["", f"| {' | '.join(column.title for column in totals.values())} |", "|:---|---:|---:|---:|---:|"]
    found += [f"| {' | '.join(_plain(column.cell(t)) for column in totals.values())} |" for t in comparison.totals]
    return "\n".join(
        [*found, *(["", *(f"{escape(n)}  " for n in notes)] if (notes := _legend(lines, comparison)) else [])]
    )


def verdict(comparison: Comparison) -> str:
    """The answer in one sentence."""
    a, b = comparison.labels
    counts = comparison.counts
    calls = f"{text.count(counts['same'])} calls"
    unknown = ""
    if comparison.unknown_macs:
        unknown = f"; {text.unknown_macs(comparison.unknown_macs)}, and cannot be compared"
    if comparison.same:
        facts = "dtypes and parameters" if unknown else "dtypes, parameters and MACs"
        return f"{a} and {b}: the same calls, shapes, {facts}, {calls}{unknown}"
    words = [f"{text.count(counts[mark])} {word}" for mark, word in _COUNTED if counts[mark]]
    return f"{a} and {b} differ; of all calls, those inside layers too: {', '.join(words)}{unknown}"


_COUNTED: tuple[tuple[Mark, str], ...] = (
    ("changed", "changed"),
    ("added", "only in B"),
    ("removed", "only in A"),
    ("renamed", "renamed"),
    ("same", "the same"),
)


def document(comparison: Comparison) -> dict[str, Any]:
    """Every aligned call with its figures and changes; nothing is folded, cut or rounded.

    ``pairs`` lists them in the order of the forward, with the index of the pair around each.
    """
    pairs: list[dict[str, Any]] = []
    _flatten(comparison.root, -1, 0, pairs)
    return {
        "schema_version": SCHEMA_VERSION,
        "same": comparison.same,
        "models": [
            {"label": label, "model": view.model_name, "input": list(view.input_description), "notes": list(view.notes)}
            for label, view in zip(comparison.labels, (comparison.a, comparison.b), strict=True)
        ],
        "counts": dict(comparison.counts),
        "totals": {
            total.name: {
                "a": count(total.a),
                "b": count(total.b),
                "difference": count(total.difference),
                "relative": total.relative,
            }
            for total in comparison.totals
        },
        "pairs": pairs,
    }


def _flatten(pair: Pair, parent: int, depth: int, found: list[dict[str, Any]]) -> None:
    index = len(found)
    found.append(
        {
            "mark": pair.mark,
            "parent": parent,
            "depth": depth,
            "a": _call(pair.a),
            "b": _call(pair.b),
            "changes": [{"what": change.what, "a": _value(change.a), "b": _value(change.b)} for change in pair.changes],
        }
    )
    for child in pair.children:
        _flatten(child, index, depth + 1, found)


def _call(node: Node | None) -> dict[str, Any] | None:
    if node is None:
        return None
    return {
        "path": node.path,
        "module": node.kind or None,
        "function": None if node.kind else node.name,
        "call": node.call,
        "output_shapes": _value(node.output_shapes),
        "dtype": node.dtype,
        "params": node.params,
        "macs": count(node.macs),
        "known_macs": count(node.known_macs),
        "elementwise_ops": count(node.elementwise_ops),
    }


def _value(found: Any) -> Any:
    """A fact as JSON holds it: a count, a word, a worked formula, or nested lists of them."""
    if isinstance(found, tuple):
        return [_value(item) for item in found]
    if found is None or isinstance(found, (int, str)):
        return found
    return found.worked if hasattr(found, "worked") else str(found)


def _asked(comparison: Comparison) -> list[str]:
    asked = []
    for side, label, view in zip("AB", comparison.labels, (comparison.a, comparison.b), strict=True):
        model = f" ({view.model_name})" if label != view.model_name else ""
        asked.append(f"{side}  {label}{model}  {', '.join(view.input_description)}")
    return asked


def _legend(lines: list[Line], comparison: Comparison) -> list[str]:
    shown = {line.mark for line in lines}
    found = [f"{sign} {meaning}" for mark, (sign, meaning) in MARKS.items() if mark in shown and meaning]
    sides = zip("AB", (comparison.a, comparison.b), strict=True)
    return [*found, *(f"Note on {side}: {note}" for side, view in sides for note in view.notes)]


def _columns() -> dict[str, Column[Line]]:
    return {
        "layer": Column("  Layer (type)", False, _layer),
        "shape": Column("Output shape", False, lambda line: ((line.shape, _STYLES[line.mark]),)),
        "params a": Column("Param # A", True, lambda line: _params(line.a)),
        "params b": Column("Param # B", True, lambda line: _params(line.b)),
        "params": Column(
            "Δ Param #", True, lambda line: _difference(*(_of(side, "params") for side in (line.a, line.b)))
        ),
        "macs a": Column("MACs A", True, lambda line: _macs(line.a)),
        "macs b": Column("MACs B", True, lambda line: _macs(line.b)),
        "macs": Column("Δ MACs", True, _macs_difference),
        "also": Column("Also", False, lambda line: ((line.also, ""),)),
    }


def _layer(line: Line) -> Cell:
    style = _STYLES[line.mark]
    return (f"{MARKS[line.mark][0]} ", style), (line.branch, "dim"), (line.title, style)


def _of(side: Figures | None, name: str) -> Any:
    return 0 if side is None else getattr(side, name)


def _params(side: Figures | None) -> Cell:
    return (("" if side is None else text.count(side.params), ""),)


def _macs(side: Figures | None) -> Cell:
    return (("" if side is None else text.bounded(side.macs, side.known_macs), ""),)


def _macs_difference(line: Line) -> Cell:
    if line.a is not None and line.b is not None and line.a == line.b:  # unknown in both, and equal as far as known
        return (("", ""),)
    return _difference(_of(line.a, "macs"), _of(line.b, "macs"))


def _difference(a: Count | None, b: Count | None) -> Cell:
    return _signed(difference(a, b))


def _signed(number: Count | None) -> Cell:
    """``+5``, ``−5``, an expression, ``?`` where it is unknown, nothing where it is 0."""
    if number is None:
        return (("?", "bold yellow"),)
    if is_symbolic(number):
        return ((text.count(number), ""),)
    if number == 0:
        return (("", ""),)
    return ((f"{'+' if number > 0 else '−'}{text.count(abs(number))}", "green" if number > 0 else "red"),)


def _totals_columns() -> dict[str, Column[Total]]:
    return {
        "name": Column("", False, lambda total: ((_TOTALS[total.name], "bold"),)),
        "a": Column("A", True, lambda total: ((_bounded(total, total.a), ""),)),
        "b": Column("B", True, lambda total: ((_bounded(total, total.b), ""),)),
        "difference": Column("Difference", True, lambda total: _signed(total.difference)),
        "relative": Column("Relative", True, lambda total: ((_relative(total), ""),)),
    }


def _bounded(total: Total, figure: Count) -> str:
    return f"{'' if total.exact else '≥ '}{text.count(figure)}"


def _relative(total: Total) -> str:
    if not total.relative:
        return ""
    return f"{'+' if total.relative > 0 else '−'}{text.percent(abs(total.relative))}"


def _plain(cell: Cell) -> str:
    return escape("".join(part for part, _ in cell).strip())
