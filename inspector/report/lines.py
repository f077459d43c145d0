"""The lines of a report: a tree cut at a depth, or a flat list in order of cost. Every format prints these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inspector.report import text
from inspector.report.fold import fold
from inspector.report.tree import Node, build
from inspector.report.view import is_symbolic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspector.formula import BoundFormula, Count
    from inspector.report.view import PredictionView

Sort: TypeAlias = Literal["macs", "params"]

PYTORCH_MARK = "†"
_ORDERING_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report.

    Attributes:
        branch: what draws the tree before the name; ``""`` in a flat list.
        name: module path relative to the line above it, or the function; in a flat list the whole path.
        kind: class of the module, ``""`` for a function.
        times: identical neighbours that this line stands for; its figures are the sum over them.
        level: 0 for the model itself.
        params, macs, known_macs, elementwise_ops: figures; ``macs`` is None where a part is unknown.
        share: part of the whole from 0 to 1, None where it is not a number.
        params_worked, macs_worked: worked lines, ``""`` where there is nothing to work out.
        remark: what a reader must know, or ``""``.
        by_macs: the lines are in order of MACs.
    """

    branch: str
    name: str
    kind: str
    times: int
    level: int
    node: Node
    params: int
    macs: Count | None
    known_macs: Count
    elementwise_ops: Count
    share: float | None
    params_worked: str
    macs_worked: str
    remark: str
    by_macs: bool = False

    @property
    def title(self) -> str:
        """Name, type and ``×12``; a function stands without a type, and ``†`` marks what PyTorch answered."""
        mark = f" {PYTORCH_MARK}" if self.node.source == "pytorch" else ""
        kind = (f" ({self.kind})" if self.name else self.kind) if self.kind else ""
        return f"{self.name}{kind}{mark}{f' ×{self.times}' if self.times > 1 else ''}"

    @property
    def params_text(self) -> str:
        """Parameters, or ``(reused)`` and ``(tied)`` where they were counted before."""
        return self.node.params_word or text.count(self.params)

    @property
    def macs_text(self) -> str:
        """MACs; ``?`` where nothing of them is known, ``≥`` where a part is."""
        return text.bounded(self.macs, self.known_macs)

    @property
    def worked(self) -> str:
        """The one worked line to show, with the remark: of the parameters, else the MACs; in order of MACs theirs."""
        worked = self.macs_worked if self.by_macs else self.params_worked or self.macs_worked
        return f"{worked}; {self.remark}" if worked and self.remark else worked or self.remark


def lines(
    view: PredictionView, *, depth: int | None = None, sort: Sort | None = None, expand: bool = False
) -> list[Line]:
    """The prediction as lines.

    Args:
        view: what to show.
        depth: module calls and functions deeper than this stay inside their caller's line; 0 is the model alone.
        sort: ``"macs"`` or ``"params"`` gives a flat list of what has nothing under it, the costliest first; symbolic
            counts are put in order by their value at 1024 for every symbol, and unknown ones come first.
        expand: do not fold repeated blocks.
    """
    root = build(view) if expand else fold(build(view))
    of_params = share_is_of(view, sort) == "params"
    maker = _Maker(view.total_params if of_params else view.total_macs, of_params, depth, sort == "macs")
    if sort is None:
        return list(maker.tree(root, "", "", 0))
    flat = list(maker.flat(root, "", 1, 0))
    if sort == "params":
        return sorted(flat, key=lambda line: -line.params)
    return sorted(flat, key=lambda line: (line.macs is not None, -_magnitude(line.known_macs)))


def share_is_of(view: PredictionView, sort: Sort | None = None) -> str:
    """What the shares are parts of: ``MACs``, of which ``known MACs`` may be a part; or ``params``.

    Of parameters when sorted so, and where there are no MACs.
    """
    if sort == "params" or view.total_macs == 0:
        return "params"
    return "known MACs" if view.unknown_macs else "MACs"


class _Maker:
    def __init__(self, whole: Any, of_params: bool, depth: int | None, by_macs: bool) -> None:
        self.whole = whole
        self.of_params = of_params
        self.depth = depth
        self.by_macs = by_macs

    def children(self, node: Node, level: int) -> tuple[Node, ...]:
        """What to show under a node, on this level."""
        return () if self.depth is not None and level > self.depth else node.children

    def tree(self, node: Node, before: str, below: str, level: int) -> Iterator[Line]:
        yield self.line(node, before, node.name, node.times, level)
        level += not node.is_run
        children = self.children(node, level)
        for index, child in enumerate(children):
            corner, beside = ("└─ ", "   ") if index == len(children) - 1 else ("├─ ", "│  ")
            yield from self.tree(child, below + corner, below + beside, level)

    def flat(self, node: Node, above: str, times: int, level: int) -> Iterator[Line]:
        times *= node.times
        name = above if node.is_run else _join(above, node)
        inner = level + (not node.is_run)
        children = self.children(node, inner)
        if not children:
            yield self.line(node, "", name, times, level)
        for child in children:
            yield from self.flat(child, name, times, inner)

    def line(self, node: Node, branch: str, name: str, times: int, level: int) -> Line:
        params_worked, macs_worked = _worked(node, times)
        known = node.known_macs * times
        params = node.params * times
        part = params if self.of_params else known
        numbers = not is_symbolic(part) and not is_symbolic(self.whole)
        return Line(
            branch=branch,
            name=name,
            kind=node.kind,
            times=times,
            level=level,
            node=node,
            params=params,
            macs=None if node.macs is None else node.macs * times,
            known_macs=known,
            elementwise_ops=node.elementwise_ops * times,
            share=int(part) / int(self.whole) if numbers and self.whole else None,
            params_worked=params_worked,
            macs_worked=macs_worked,
            remark=_remark(node),
            by_macs=self.by_macs,
        )


def _join(above: str, node: Node) -> str:
    """Path of a node in a flat list: modules by dots, a function after its module."""
    if not node.kind and not node.children:
        return f"{above} · {node.name}" if above else node.name
    return f"{above}.{node.name}" if above and node.name else node.name or above


def _worked(node: Node, times: int) -> tuple[str, str]:
    if node.children:
        return _repeated(node.params, times), _repeated(node.macs, times)
    macs = node.formula if node.formula is not None and node.formula.formula.counts == "macs" else None
    return _each(node.params_formula, times), _each(macs if node.macs != 0 else None, times)


def _repeated(one: Count | None, times: int) -> str:
    return f"{times} × {text.count(one)} = {text.count(one * times)}" if one and times > 1 else ""


def _each(formula: BoundFormula | None, times: int) -> str:
    if formula is None:
        return ""
    return formula.worked if times == 1 else f"each {formula.worked}"


def _remark(node: Node) -> str:
    shown = ["data-dependent"] if node.data_dependent else []
    return "; ".join([*shown, *([node.note] if node.note else [])])


def _magnitude(count: Any) -> Any:
    return count if isinstance(count, int) else count.subs(dict.fromkeys(count.free_symbols, _ORDERING_SIZE))
