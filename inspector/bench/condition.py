"""``--fail-if "p50 > 1.05*baseline"``: a comparison of measured quantities, decided by intervals. Never ``eval``.

A measured quantity is an interval. A comparison holds where it holds for every value in the intervals, and does not
where it holds for none; between the two it is open, and an open condition fails nothing.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

Interval: TypeAlias = tuple[float, float]
Verdict: TypeAlias = Literal["holds", "does not hold", "open"]

_BASELINE, _MEDIAN = "baseline", "p50"
_EXAMPLE = 'write a comparison such as "p50 > 1.05*baseline"'
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST = 500


@dataclass(frozen=True)
class Condition:
    """A parsed condition.

    Attributes:
        text: as it was written.
        names: quantities of this run that it names.
        needs_baseline: it names ``baseline``, or a quantity of it such as ``baseline.floor``.
        of: the quantity that ``baseline`` alone means: the one that is named, or the median.
    """

    text: str
    names: frozenset[str]
    needs_baseline: bool
    of: str
    _tree: ast.Compare

    def decide(self, now: Mapping[str, Interval], before: Mapping[str, Interval] | None = None) -> Verdict:
        """What the intervals say.

        Args:
            now: quantities of this run; a quantity without doubt is an interval of one point.
            before: the baseline's, where there is one.

        Raises:
            InspectionError: a quantity is not known, ``baseline`` is named without one, or a divisor may be 0.

        >>> condition = read_condition("p50 > 1.05*baseline")
        >>> condition.decide({"p50": (1.2, 1.3)}, {"p50": (1.0, 1.1)})
        'holds'
        >>> condition.decide({"p50": (1.1, 1.3)}, {"p50": (1.0, 1.1)})
        'open'
        """
        if self.needs_baseline and before is None:
            raise InspectionError(f"--fail-if {self.text!r} names a baseline: give --baseline FILE.json")
        known = _Known(self.text, now, before or {}, self.of)
        left, right = known.value(self._tree.left), known.value(self._tree.comparators[0])
        if isinstance(self._tree.ops[0], (ast.Lt, ast.LtE)):
            left, right = right, left
        strict = isinstance(self._tree.ops[0], (ast.Gt, ast.Lt))
        above = operator.gt if strict else operator.ge
        if above(left[0], right[1]):
            return "holds"
        return "open" if above(left[1], right[0]) else "does not hold"


def read_condition(text: str, known: Collection[str] = ()) -> Condition:
    """Parse: numbers, quantities, ``baseline``, ``+ - * /``, brackets, and one of ``< <= > >=``.

    Args:
        text: the condition.
        known: the quantities there can be; where it is empty, any.

    Raises:
        InspectionError: anything else, with what.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body if len(text) <= _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        raise InspectionError(f"--fail-if {text[:_LONGEST]!r} is no comparison; {_EXAMPLE}")
    if not isinstance(tree.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE)):
        raise InspectionError(f"--fail-if {text!r}: measured times are compared with < <= > >=; {_EXAMPLE}")
    names = set()
    needs_baseline = alone = False
    for part in _parts(tree, text):
        if isinstance(part, ast.Name):
            alone |= part.id == _BASELINE
            names |= {part.id} - {_BASELINE}
            _among(known, text, *names)
        elif isinstance(part, ast.Attribute):
            needs_baseline = True
            _among(known, text, part.attr)
    of = _MEDIAN if _MEDIAN in names or not names else min(names)
    if alone and of != _MEDIAN and len(names) > 1:
        raise InspectionError(
            f"--fail-if {text!r}: baseline alone may mean that of {' or '.join(sorted(names))}; write baseline.{of}"
        )
    return Condition(text, frozenset(names), needs_baseline or alone, of, tree)


def _among(known: Collection[str], text: str, *names: str) -> None:
    unknown = [name for name in names if known and name not in known]
    if unknown:
        raise InspectionError(
            f"--fail-if {text!r}: {unknown[0]!r} is no quantity of a benchmark; there are {', '.join(sorted(known))}"
        )


def _parts(tree: ast.Compare, text: str) -> Iterator[ast.expr]:
    """Names, attributes and numbers; every other kind of expression is refused."""
    waiting: list[ast.expr] = [tree.left, *tree.comparators]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.BinOp) and type(part.op) in _ARITHMETIC:
            waiting += [part.left, part.right]
        elif isinstance(part, ast.UnaryOp) and isinstance(part.op, (ast.USub, ast.UAdd)):
            waiting.append(part.operand)
        elif (
            isinstance(part, ast.Name)
            or (isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == _BASELINE)
            or (isinstance(part, ast.Constant) and type(part.value) in (int, float))
        ):
            yield part
        else:
            raise InspectionError(
                f"--fail-if {text!r}: {ast.unparse(part)!r} is neither a number nor a quantity; {_EXAMPLE}"
            )


@dataclass(frozen=True)
class _Known:
    text: str
    now: Mapping[str, Interval]
    before: Mapping[str, Interval]
    of: str  # what ``baseline`` alone means

    def value(self, part: ast.expr) -> Interval:
        if isinstance(part, ast.Constant):
            number = float(part.value)  # type: ignore[arg-type]  # read_condition let numbers pass alone
            return number, number
        if isinstance(part, ast.Name) and part.id != _BASELINE:
            return self._quantity(part.id, self.now, "")
        if isinstance(part, ast.Name):
            return self._quantity(self.of, self.before, "the baseline's ")
        if isinstance(part, ast.Attribute):
            return self._quantity(part.attr, self.before, "the baseline's ")
        if isinstance(part, ast.UnaryOp):
            low, high = self.value(part.operand)
            return (-high, -low) if isinstance(part.op, ast.USub) else (low, high)
        assert isinstance(part, ast.BinOp)  # as read_condition saw to
        left, right = self.value(part.left), self.value(part.right)
        if isinstance(part.op, ast.Div) and right[0] <= 0 <= right[1]:
            raise InspectionError(f"--fail-if {self.text!r}: {ast.unparse(part.right)!r} may be 0, and divides")
        combine = _ARITHMETIC[type(part.op)]
        ends = [combine(one, other) for one in left for other in right]
        return min(ends), max(ends)

    def _quantity(self, name: str, known: Mapping[str, Interval], whose: str) -> Interval:
        if name not in known:
            raise InspectionError(
                f"--fail-if {self.text!r}: {whose}{name!r} is not among what was measured: {', '.join(sorted(known))}"
            )
        return known[name]
