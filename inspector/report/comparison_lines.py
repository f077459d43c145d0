"""The lines of a comparison: the aligned tree cut at a depth, with runs of equal parts on one line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inspector.report import text
from inspector.report.totals import some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inspector.comparison import Comparison, Mark, Pair
    from inspector.formula import BoundFormula, Count
    from inspector.report.tree import Node

#: What stands before a line, and what it means.
MARKS: dict[Mark, tuple[str, str]] = {
    "same": (" ", ""),
    "renamed": ("→", "the same under another name"),
    "changed": ("~", "changed"),
    "added": ("+", "only in B"),
    "removed": ("−", "only in A"),
}


#: Of more registered tensors than these, which one model alone has, the others are counted; JSON names them all.
_TENSORS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison.

    Attributes:
        mark: of the calls that it stands for.
        branch: what draws the tree before the title.
        title: name and type; ``1 → 2`` where the name differs, ``(ReLU → GELU)`` where the type does.
        level: 0 for the models themselves.
        shape: output shape, of both where they differ.
        a, b: parameters, MACs and their known part in each model; None where it has no such call.
        also: what else differs, in words.
    """

    mark: Mark
    branch: str
    title: str
    level: int
    shape: str
    a: Figures | None
    b: Figures | None
    also: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over the calls of one model that a line stands for; ``macs`` is None where a part is unknown."""

    params: int
    macs: Count | None
    known_macs: Count


def lines(comparison: Comparison, *, depth: int | None = None, expand: bool = False) -> list[Line]:
    """The comparison as lines.

    Args:
        comparison: what to show.
        depth: calls deeper than this stay inside their caller's line; 0 is the models alone.
        expand: show each of equal parts, and what is inside of those that one model alone has.
    """
    return list(_tree([comparison.root], "", "", 0, depth, expand))


def _tree(run: Sequence[Pair], before: str, below: str, level: int, depth: int | None, expand: bool) -> Iterator[Line]:
    yield _line(run, before, level)
    if len(run) > 1 or (depth is not None and level >= depth):
        return
    children = list(run[0].children if level == 0 and not run[0].same else _shown(run[0], expand))
    runs = [[child] for child in children] if expand else [list(found) for _, found in groupby(children, _alike)]
    for index, found in enumerate(runs):
        corner, beside = ("└─ ", "   ") if index == len(runs) - 1 else ("├─ ", "│  ")
        yield from _tree(found, below + corner, below + beside, level + 1, depth, expand)


def _shown(pair: Pair, expand: bool) -> Sequence[Pair]:
    """What to print under a pair: nothing where its own line says all."""
    inside_differs = not all(child.same for child in pair.children)
    leaf = not any(child.either.kind for child in pair.children)
    if leaf:  # the calls of one layer say nothing more, unless they alone differ
        return pair.children if inside_differs and pair.mark in ("same", "renamed") else ()
    if pair.mark in ("added", "removed"):
        return pair.children if expand else ()
    return pair.children if inside_differs or expand else ()


def _alike(pair: Pair) -> object:
    """Equal for neighbours that one line can stand for."""
    if pair.mark in ("added", "removed"):
        return pair.mark, pair.either.identity
    return pair.mark if all(child.same for child in pair.children) and pair.mark != "changed" else id(pair)


def _line(run: Sequence[Pair], branch: str, level: int) -> Line:
    first, last = run[0], run[-1]
    return Line(
        mark=first.mark,
        branch=branch,
        title=_title(run),
        level=level,
        shape=_arrow(*(text.shapes(node.output_shapes) for node in (last.a, last.b) if node is not None)),
        a=_figures([pair.a for pair in run if pair.a is not None]),
        b=_figures([pair.b for pair in run if pair.b is not None]),
        also=_also(first),
    )


def _title(run: Sequence[Pair]) -> str:
    nodes_of = [[node for node in side if node is not None] for side in ([p.a for p in run], [p.b for p in run])]
    name = _arrow(*(_names(nodes) for nodes in nodes_of if nodes))
    if len(run) > 1 and run[0].mark in ("same", "renamed"):
        return f"{name}: {len(run)} equal"
    first = run[0]
    kind = _arrow(*(node.kind for node in (first.a, first.b) if node is not None))
    title = (f"{name} ({kind})" if name else kind) if kind else name
    return f"{title} ×{len(run)}" if len(run) > 1 else title


def _names(nodes: Sequence[Node]) -> str:
    ends = dict.fromkeys((nodes[0].name, nodes[-1].name))
    return " … ".join(ends)


def _arrow(*sides: str) -> str:
    """``a → b``, or the one where both are equal or one is missing."""
    return " → ".join(dict.fromkeys(sides))


def _figures(nodes: Sequence[Node]) -> Figures | None:
    if not nodes:
        return None
    known: Any = sum(node.known_macs for node in nodes)
    return Figures(
        params=sum(node.params for node in nodes),
        macs=None if any(node.macs is None for node in nodes) else known,
        known_macs=known,
    )


def _also(pair: Pair) -> str:
    """What the columns of figures do not show, in words."""
    changes = {change.what: change for change in pair.changes}
    said = [
        _arrow(_worked(changes[what].a), _worked(changes[what].b))
        for what in ("params_formula", "formula")
        if what in changes and (what == "params_formula" or _multiplies(changes[what].a, changes[what].b))
    ]
    if "dtype" in changes:
        said.append(_arrow(changes["dtype"].a or "—", changes["dtype"].b or "—"))
    if "tensors" in changes:
        sides = (changes["tensors"].a, changes["tensors"].b)
        said.append(" → ".join(some(words, most=_TENSORS) or "—" for words in sides))
    if not said and not {"output_shapes", "params", "macs", "kind"} & set(changes):
        for what in ("formula", "elementwise_ops"):
            if what in changes and not said:
                sides = (changes[what].a, changes[what].b)
                words = [_worked(side) if what == "formula" else text.count(side) for side in sides]
                said.append(f"element-wise {_arrow(*words)}")
    return "; ".join(said)


def _multiplies(*formulas: BoundFormula | None) -> bool:
    return any(formula is not None and formula.formula.counts == "macs" for formula in formulas)


def _worked(formula: BoundFormula | None) -> str:
    return "—" if formula is None else formula.worked
