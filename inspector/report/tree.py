"""Rows and module calls as the tree that a person reads: leaves on one line, functional calls in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.formula import BoundFormula, Count
    from inspector.records import ModuleCall, Row, Shape
    from inspector.report.view import PredictionView


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the table with what stands under it; its figures are those of one call.

    Attributes:
        name: path of a module relative to its caller, or the function of a row.
        path: registered path of the module, or of the module that made the call.
        kind: class of a module, ``""`` for a function.
        params_word: ``(reused)`` or ``(tied)`` where parameters are used that were counted before.
        macs: None where they, or a part of them, are unknown.
        known_macs: the part that is known.
        formula: of the MACs, or of the element-wise work where there are none.
        source: ``formula``, or ``pytorch`` where PyTorch answered for any call that this line speaks for.
        call: which call of its module this is, from 1; 0 for a function.
        identity: equal for two nodes that compute the same with the same structure, whatever their names.
        times: how many identical neighbours this line stands for.
    """

    name: str
    path: str
    kind: str
    output_shapes: tuple[Shape, ...]
    dtype: str | None
    params: int
    params_word: str
    macs: Count | None
    known_macs: Count
    elementwise_ops: Count
    source: str
    params_formula: BoundFormula | None
    formula: BoundFormula | None
    data_dependent: bool
    note: str
    call: int
    identity: int
    children: tuple[Node, ...] = ()
    times: int = 1

    @property
    def is_run(self) -> bool:
        """Whether this is no call of its own, but the line over a repeated run of several lines."""
        return not self.kind and bool(self.children)


def build(view: PredictionView, *, whole: bool = False, identities: dict[Any, int] | None = None) -> Node:
    """The whole prediction as one tree, its root the model itself.

    Args:
        view: what to show.
        whole: every call as a node of its own, also where the line of its module says all of it.
        identities: filled with what each identity stands for; handed to two trees, their nodes' identities compare.
    """
    return _Builder(view, whole, {} if identities is None else identities).module(0)


def relative_name(path: str, caller: str) -> str:
    """Path of a module as its caller knows it: the whole where it is registered elsewhere.

    >>> relative_name("blocks.0.fc", "blocks.0"), relative_name("blocks.0", ""), relative_name("head", "blocks.0")
    ('fc', 'blocks.0', 'head')
    """
    return path[len(caller) + 1 :] if caller and path.startswith(f"{caller}.") else path


class _Builder:
    def __init__(self, view: PredictionView, whole: bool, identities: dict[Any, int]) -> None:
        self.whole = whole
        self.identities = identities
        self.rows = view.rows
        self.modules = view.modules
        self.called: list[list[int]] = [[] for _ in view.modules]  # module calls made by each module call
        self.direct: list[list[int]] = [[] for _ in view.modules]  # rows made by each module call itself
        for index, module in enumerate(view.modules):
            if module.parent >= 0:
                self.called[module.parent].append(index)
        for index, row in enumerate(view.rows):
            self.direct[row.module].append(index)
        self.counted = {module.path for module in view.modules if module.params and module.call == 1}
        self.tied = {name.rpartition(".")[0] for names in view.tied_parameters for name in names}

    def identity(self, *facts: Any) -> int:
        return self.identities.setdefault(facts, len(self.identities))

    def module(self, index: int) -> Node:
        module = self.modules[index]
        children = self._children(index)
        leaf = not self.called[index]
        costly = [child for child in children if child.params or child.macs is None or child.macs != 0]
        inside: list[Node] = []
        if (
            not self.whole and leaf and len(costly if index else children) <= 1
        ):  # one line says all of it; a whole model needs more
            inside, children = children, []
        spoken = next(iter(costly if costly and inside else inside[:1] if len(inside) == 1 else ()), None)
        node = Node(
            name=relative_name(module.path, self.modules[module.parent].path if module.parent >= 0 else ""),
            path=module.path,
            kind=module.kind,
            output_shapes=module.output_shapes,
            dtype=module.dtypes[0] if module.dtypes else None,
            params=module.params,
            params_word=self._params_word(module, leaf),
            macs=module.macs,
            known_macs=module.known_macs,
            elementwise_ops=module.elementwise_ops,
            source="pytorch" if any(child.source == "pytorch" for child in inside) else "formula",
            params_formula=spoken.params_formula if spoken else None,
            formula=spoken.formula if spoken else None,
            data_dependent=any(child.data_dependent for child in inside),
            note="; ".join(dict.fromkeys(child.note for child in inside if child.note)),
            call=module.call,
            identity=0,
            children=tuple(children),
        )
        return replace(node, identity=self._identity(node))

    def _children(self, index: int) -> list[Node]:
        """Module calls and own rows of a module call, in the order of the forward."""
        children: list[Node] = []
        called = iter(self.called[index])
        upcoming = next(called, None)
        for row in self.direct[index]:
            while upcoming is not None and self.modules[upcoming].rows[0] <= row:
                children.append(self.module(upcoming))
                upcoming = next(called, None)
            children.append(self._row(self.rows[row]))
        while upcoming is not None:
            children.append(self.module(upcoming))
            upcoming = next(called, None)
        return children

    def _row(self, row: Row) -> Node:
        node = Node(
            name=row.kind[2:-2] if row.kind[:2] == row.kind[-2:] == "__" else row.kind,  # __getitem__
            path=row.path,
            kind="",
            output_shapes=row.output_shapes,
            dtype=row.dtype,
            params=row.params,
            params_word="",
            macs=row.macs,
            known_macs=0 if row.macs is None else row.macs,
            elementwise_ops=row.elementwise_ops,
            source=row.source,
            params_formula=row.params_formula,
            formula=row.formula,
            data_dependent=row.data_dependent,
            note=row.note,
            call=0,
            identity=0,
        )
        return replace(node, identity=self._identity(node))

    def _identity(self, node: Node) -> int:
        return self.identity(
            node.kind or node.name,
            node.output_shapes,
            node.dtype,
            node.params,
            node.params_word,
            node.macs,
            node.elementwise_ops,
            node.source,
            node.params_formula,
            node.formula,
            node.data_dependent,
            node.note,
            tuple((child.name, child.identity) for child in node.children),
        )

    def _params_word(self, module: ModuleCall, leaf: bool) -> str:
        if module.params:
            return ""
        if module.call > 1 and module.path in self.counted:
            return "(reused)"
        return "(tied)" if leaf and module.path in self.tied else ""
