"""Two predictions side by side: calls aligned as a diff aligns lines, and what differs in each pair. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inspector.errors import InspectionError
from inspector.report import comparison as report
from inspector.report.tree import build
from inspector.report.view import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from inspector.formula import Count
    from inspector.report.tree import Node
    from inspector.report.view import PredictionView

Mark: TypeAlias = Literal["same", "renamed", "changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One fact of a call that is not the same in both models.

    Attributes:
        what: ``kind``, ``output_shapes``, ``dtype``, ``params``, ``macs``, ``elementwise_ops``, ``params_formula``,
            ``formula`` or ``tensors``.
        a, b: the fact in each model. For ``tensors``, those registered in the module that the other has not, each as
            ``weight [6, 1, 5, 5] float32``.
    """

    what: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Pair:
    """A call of the first model beside the call of the second that stands in its place.

    Attributes:
        a, b: the calls; None where the model has none here.
        mark: what is to be said of this call, whatever is inside it. ``renamed`` is the same under another name.
        changes: the facts that differ; empty unless ``changed``.
        children: the calls inside, aligned.
    """

    a: Node | None
    b: Node | None
    mark: Mark
    changes: tuple[Change, ...] = ()
    children: tuple[Pair, ...] = ()

    @property
    def either(self) -> Node:
        """The call of the second model, or of the first where the second has none."""
        found = self.b or self.a
        assert found is not None
        return found

    @property
    def same(self) -> bool:
        """Nothing differs here or inside."""
        return self.mark == "same" and all(child.same for child in self.children)

    def walk(self) -> Iterator[Pair]:
        """The pair and all inside, in the order of the forward."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Total:
    """One figure of both models.

    Attributes:
        name: such as ``params`` or ``macs``.
        a, b: the figures.
        exact: False where calls of unknown MACs make a figure a lower bound.
    """

    name: str
    a: Count
    b: Count
    exact: bool = True

    @property
    def difference(self) -> Count | None:
        """Second minus first; None where one of them is a lower bound."""
        return difference(self.a, self.b) if self.exact else None

    @property
    def relative(self) -> float | None:
        """The difference as a part of the first; None where that is no number."""
        change = self.difference
        return change / self.a if isinstance(change, int) and isinstance(self.a, int) and self.a else None


class Comparison:
    """What two models have in common and where they differ, for one input of each.

    Attributes:
        a, b: the predictions.
        labels: what the two are called in print.
        root: the models themselves, with every call inside. The names of their classes are not compared.
        totals: figures of the whole models.
    """

    def __init__(self, a: PredictionView, b: PredictionView, labels: tuple[str, str]) -> None:
        self.a = a
        self.b = b
        self.labels = labels
        identities: dict[Any, int] = {}
        roots = build(a, whole=True, identities=identities), build(b, whole=True, identities=identities)
        registered = _registered(a), _registered(b)
        self.root = _Aligner(*registered).pair(*roots, root=True)
        self.totals = _totals(a, b)

    @cached_property
    def same(self) -> bool:
        """Nothing known differs: names, calls, shapes, dtypes, figures and registered tensors are those of both.

        Where :attr:`unknown_macs` is not 0, these calls' MACs may differ all the same.
        """
        return self.root.same and all(total.difference in (0, None) for total in self.totals)

    @property
    def unknown_macs(self) -> int:
        """How many calls have MACs that cannot be compared: of the model that has more of them."""
        return max(self.a.unknown_macs, self.b.unknown_macs)

    @cached_property
    def counts(self) -> dict[Mark, int]:
        """How many calls carry each mark; what is inside an added or a removed call counts too."""
        found: dict[Mark, int] = {"same": 0, "renamed": 0, "changed": 0, "added": 0, "removed": 0}
        for pair in self.root.walk():
            found[pair.mark] += 1
        return found

    def __str__(self) -> str:
        """The table, at its full width."""
        return report.render(self)

    def _repr_markdown_(self) -> str:
        """The table in a notebook."""
        return report.markdown(self)


def compare(a: PredictionView, b: PredictionView, *, labels: tuple[str, str] | None = None) -> Comparison:
    """Put two predictions side by side.

    Calls are aligned from the models inward: modules by their names first, then by what they compute, so that a layer
    inserted into an ``nn.Sequential`` shifts none of those after it.

    Args:
        a: the prediction of the first model, of sizes or of symbols.
        b: of the second.
        labels: what to call them in print; None takes the classes of the models.

    >>> import inspector, torch
    >>> small, wide = (inspector.predict(torch.nn.Linear(4, width), (1, 4)) for width in (8, 16))
    >>> found = compare(small, wide)
    >>> found.same, [change.what for change in found.root.changes]
    (False, ['output_shapes', 'params', 'macs', 'tensors'])
    >>> {total.name: total.difference for total in found.totals}["params"]
    40
    """
    for given in (a, b):
        if not hasattr(given, "model_name"):
            raise InspectionError(
                f"compare takes two predictions, and {type(given).__name__} is none: "
                "compare(predict(a, ...), predict(b, ...))"
            )
    return Comparison(a, b, labels or (a.model_name, b.model_name))


def _totals(a: PredictionView, b: PredictionView) -> tuple[Total, ...]:
    exact = not (a.unknown_macs or b.unknown_macs)
    return (
        Total("params", a.total_params, b.total_params),
        Total("trainable_params", a.trainable_params, b.trainable_params),
        Total("buffer_elements", a.buffer_elements, b.buffer_elements),
        Total("param_bytes", a.param_bytes, b.param_bytes),
        Total("buffer_bytes", a.buffer_bytes, b.buffer_bytes),
        Total("macs", a.total_macs, b.total_macs, exact),
        Total("calls_with_unknown_macs", a.unknown_macs, b.unknown_macs),
        Total("elementwise_ops", a.total_elementwise_ops, b.total_elementwise_ops),
    )


def _registered(view: PredictionView) -> dict[str, tuple[str, ...]]:
    """The registered tensors in words, by the path of the innermost called module around each of their names."""
    called = {module.path for module in view.modules}
    found: dict[str, list[str]] = {}
    for tensor in view.tensors:
        sizes = "lazy" if tensor.shape is None else f"[{', '.join(map(str, tensor.shape))}]"
        role = " buffer" if tensor.buffer else "" if tensor.trainable else " frozen"
        for name in tensor.names:
            path = name.rpartition(".")[0]
            while path not in called:
                path = path.rpartition(".")[0]
            own = name[len(path) + 1 :] if path else name
            found.setdefault(path, []).append(f"{own} {sizes} {tensor.dtype}{role}")
    return {path: tuple(words) for path, words in found.items()}


# How calls are aligned


def _is_module(node: Node) -> bool:
    return bool(node.kind)


def _is_named(node: Node) -> bool:
    """A module whose name is a word: a number, as in nn.Sequential, is a place, which an insertion shifts."""
    return bool(node.kind) and not node.name.rpartition(".")[2].isdigit()


def _what(node: Node) -> tuple[str, str]:
    """Class of a module, or the function."""
    return node.kind, "" if node.kind else node.name


#: From strict to loose: what two calls must share to be one pair; None for a call that this says nothing of. Each is
#: asked of what the stricter ones left between their pairs.
_KEYS: tuple[Callable[[Node], Hashable | None], ...] = (
    lambda node: (node.name, node.identity) if _is_named(node) else None,
    lambda node: (node.name, node.kind) if _is_named(node) else None,
    lambda node: node.identity,
    lambda node: (_what(node), node.output_shapes),
    lambda node: (node.name, node.kind) if _is_module(node) else None,
    _what,
    lambda node: node.name if _is_module(node) else None,
)


def _aligned(
    a: Sequence[Node], b: Sequence[Node], keys: Sequence[Callable[[Node], Hashable | None]] = _KEYS
) -> Iterator[tuple[Node | None, Node | None]]:
    if not (a and b and keys):
        yield from ((node, None) for node in a)
        yield from ((None, node) for node in b)
        return
    # A call without a key equals none: a fresh object is unlike any other.
    sides = [[object() if (key := keys[0](node)) is None else key for node in nodes] for nodes in (a, b)]
    at_a = at_b = 0
    for block in SequenceMatcher(None, sides[0], sides[1], autojunk=False).get_matching_blocks():
        yield from _aligned(a[at_a : block.a], b[at_b : block.b], keys[1:])
        at_a, at_b = block.a + block.size, block.b + block.size
        yield from zip(a[block.a : at_a], b[block.b : at_b], strict=True)


class _Aligner:
    def __init__(self, registered_a: dict[str, tuple[str, ...]], registered_b: dict[str, tuple[str, ...]]) -> None:
        self.registered_a = registered_a
        self.registered_b = registered_b

    def pair(self, a: Node | None, b: Node | None, root: bool = False) -> Pair:
        if a is None or b is None:
            either = a or b
            assert either is not None
            inside = tuple(self.pair(child, None) if b is None else self.pair(None, child) for child in either.children)
            return Pair(a, b, "removed" if b is None else "added", children=inside)
        changes = tuple(self.changes(a, b, root))
        renamed = a.name != b.name and _is_module(a)
        return Pair(
            a,
            b,
            "changed" if changes else "renamed" if renamed else "same",
            changes,
            tuple(self.pair(*found) for found in _aligned(a.children, b.children)),
        )

    def changes(self, a: Node, b: Node, root: bool) -> Iterator[Change]:
        if not root and _what(a) != _what(b):
            yield Change("kind", a.kind or a.name, b.kind or b.name)
        if not _equal_shapes(a, b):
            yield Change("output_shapes", a.output_shapes, b.output_shapes)
        if a.dtype != b.dtype:
            yield Change("dtype", a.dtype, b.dtype)
        if a.params != b.params:
            yield Change("params", a.params, b.params)
        if (a.macs is None) != (b.macs is None) or difference(a.known_macs, b.known_macs) != 0:
            yield Change("macs", a.macs, b.macs)
        if difference(a.elementwise_ops, b.elementwise_ops) != 0:
            yield Change("elementwise_ops", a.elementwise_ops, b.elementwise_ops)
        if a.params_formula != b.params_formula:
            yield Change("params_formula", a.params_formula, b.params_formula)
        if a.formula != b.formula:
            yield Change("formula", a.formula, b.formula)
        if _is_module(a) and a.call == b.call == 1:
            mine, theirs = self.registered_a.get(a.path, ()), self.registered_b.get(b.path, ())
            if mine != theirs:
                yield Change(
                    "tensors",
                    tuple(words for words in mine if words not in theirs),
                    tuple(words for words in theirs if words not in mine),
                )


def _equal_shapes(a: Node, b: Node) -> bool:
    if [len(shape) for shape in a.output_shapes] != [len(shape) for shape in b.output_shapes]:
        return False
    pairs = zip(a.output_shapes, b.output_shapes, strict=True)
    return all(difference(*sizes) == 0 for mine, theirs in pairs for sizes in zip(mine, theirs, strict=True))
