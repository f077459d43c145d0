"""Formulas: one text in the field's notation, from which number, expression and worked line all come.

A :class:`Formula` is compiled once, when its module is imported. Calling it with values binds them and gives a
:class:`BoundFormula`; nothing is computed until a number is asked for, so that binding stays cheap enough for every
call of a forward pass. Values may be integers or sympy expressions. No torch is imported here.
"""

from __future__ import annotations

import ast
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sympy

    Count: TypeAlias = int | sympy.Expr

Counts: TypeAlias = Literal["macs", "elementwise", "params", "bytes", "size"]

#: The one list of symbols. A formula that uses another one must bring its meaning with it.
GLOSSARY: dict[str, str] = {
    "N": "batch size, or the product of all leading axes",
    "C": "channels",
    "C_in": "input channels",
    "C_out": "output channels",
    "D": "depth, or embedding width",
    "D_out": "output depth",
    "E": "embedding width of one attention head",
    "E_v": "width of one attention head's values",
    "F_in": "input features",
    "F_out": "output features",
    "F_1": "features of the first input",
    "F_2": "features of the second input",
    "G": "groups",
    "H": "height, or hidden features",
    "H_out": "output height",
    "H_q": "query heads",
    "K": "kernel size",
    "K_d": "kernel depth",
    "K_h": "kernel height",
    "K_w": "kernel width",
    "L": "length; in attention, query positions",
    "L_out": "output length",
    "M": "rows of the left matrix",
    "P": "columns of the right matrix",
    "Q": "inner size of a matrix product",
    "R": "projection features of a recurrent cell",
    "S": "source positions of attention",
    "T": "time steps",
    "U": "gates of a recurrent cell",
    "V": "rows of an embedding table",
    "W": "width",
    "W_out": "output width",
    "b": "1 with bias, 0 without",
    "n": "elements",
}

_ALLOWED_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.USub,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.FloorDiv,
    ast.Pow,
    ast.Name,
    ast.Load,
    ast.Constant,
)


class Formula:
    """A closed formula over integers, such as ``C_out*(C_in//G*K_h*K_w + b)``.

    Args:
        text: an expression of ``+ - * // **``, integers and symbols; its division is exact or floors.
        counts: what the number counts: ``"macs"`` (multiply-accumulates), ``"elementwise"`` (one operation for each
            element), ``"params"``, ``"bytes"`` or ``"size"`` (the length of an axis).
        source: the paper or documentation page that states it.
        symbols: meanings of symbols that :data:`GLOSSARY` lacks.
        when: the calls it holds for, where a rule has several: ``complex``, ``packed sequences``.

    Raises:
        ValueError: the text has other syntax, or a symbol that nothing explains.

    >>> params = Formula("C_out*(C_in//G*K_h*K_w + b)", counts="params")
    >>> bound = params(C_out=6, C_in=1, G=1, K_h=5, K_w=5, b=1)
    >>> bound.number, bound.worked
    (156, '6 × (1 × 5² + 1) = 156')
    """

    __slots__ = ("_evaluate", "_tree", "counts", "source", "symbols", "text", "when")

    def __init__(
        self,
        text: str,
        counts: Counts = "macs",
        source: str = "",
        symbols: Mapping[str, str] | None = None,
        when: str = "",
    ) -> None:
        if counts not in get_args(Counts):
            raise ValueError(f"formula {text!r} counts {counts!r}; it may count {', '.join(get_args(Counts))}")
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError as error:
            raise ValueError(f"formula {text!r} is not an expression: {error.msg}") from None
        names: dict[str, str] = {}
        for node in ast.walk(tree):
            if not isinstance(node, _ALLOWED_NODES):
                raise ValueError(f"formula {text!r} may use + - * // ** only, not {type(node).__name__}")
            if isinstance(node, ast.Constant) and type(node.value) is not int:
                raise ValueError(f"formula {text!r} may use integers only, not {node.value!r}")
            if isinstance(node, ast.Name):
                meaning = (symbols or {}).get(node.id) or GLOSSARY.get(node.id)
                if meaning is None:
                    hint = f"pass symbols={{{node.id!r}: ...}}"
                    raise ValueError(f"formula {text!r}: the symbol {node.id} is explained nowhere; {hint}")
                names[node.id] = meaning
        self.text = text
        self.counts = counts
        self.source = source
        self.symbols = names
        self.when = when
        self._tree = tree.body
        arguments = f"*, {', '.join(names)}" if names else ""
        self._evaluate: Callable[..., Any] = eval(f"lambda {arguments}: {text}")  # noqa: S307  the text passed the check above

    def __call__(self, **values: Any) -> BoundFormula:
        """Bind a value to every symbol."""
        return BoundFormula(self, values)

    def of(self, shape: Sequence[Any]) -> BoundFormula:
        """A formula of ``n`` alone, bound to the elements of a tensor of this shape.

        >>> Formula("n", counts="elementwise").of((2, 3)).number
        6
        """
        return self(n=prod(shape))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The number (or sympy expression) for these values; TypeError names a symbol that is missing or unknown."""
        try:
            return self._evaluate(**values)
        except TypeError:
            fault = self.fault(values)
            if fault is None:
                raise
            raise TypeError(fault) from None

    def fault(self, values: Mapping[str, Any]) -> str | None:
        """What is wrong with the names of these values; None where each symbol has one.

        >>> Formula("N*M**2").fault({"N": 2, "Q": 3})
        "formula 'N*M**2' is bound to N, Q: 'M' is missing, 'Q' is none of its symbols"
        """
        missing = [repr(name) for name in sorted(self.symbols) if name not in values]
        strange = [repr(name) for name in values if name not in self.symbols]
        if not (missing or strange):
            return None
        told = [f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"] if missing else []
        told += [f"{', '.join(strange)} {'is' if len(strange) == 1 else 'are'} none of its symbols"] if strange else []
        return f"formula {self.text!r} is bound to {', '.join(values) or 'nothing'}: {', '.join(told)}"

    def expression(self) -> sympy.Expr:
        """The formula as a sympy expression of positive integer symbols."""
        import sympy

        return sympy.sympify(
            self._evaluate(**{name: sympy.Symbol(name, integer=True, positive=True) for name in self.symbols})
        )

    def render(self, values: Mapping[str, Any] | None = None) -> str:
        """The formula in print, with values put in where given: ``6 × (1 × 5² + 1)``."""
        return _render(self._tree, values or {})

    def __repr__(self) -> str:
        return f"Formula({self.text!r}, counts={self.counts!r})"


class BoundFormula:
    """A formula with a value for each of its symbols; ``number`` is computed when first asked for."""

    __slots__ = ("_number", "formula", "values")
    _number: Any

    def __init__(self, formula: Formula, values: dict[str, Any]) -> None:
        self.formula = formula
        self.values = values
        self._number: Any = None

    @property
    def number(self) -> Any:
        """The value: an int, or a sympy expression where a value is one."""
        if self._number is None:
            if len(self.values) == 1 and self.formula.text in self.values:  # one symbol is its own value
                self._number = self.values[self.formula.text]
            else:
                try:
                    self._number = self.formula._evaluate(**self.values)
                except TypeError:
                    self._number = self.formula.evaluate(self.values)  # says which symbol is missing
        return self._number

    @property
    def text(self) -> str:
        """The formula in symbols."""
        return self.formula.text

    @property
    def worked(self) -> str:
        """The worked line, ``6 × (1 × 5² + 1) = 156``; a formula that is a number alone is not repeated."""
        left, right = self.formula.render(self.values), format_count(self.number)
        return right if left == right else f"{left} = {right}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundFormula) and (self.text, self.values) == (other.text, other.values)

    def __hash__(self) -> int:
        return hash((self.text, tuple(self.values.items())))

    def __repr__(self) -> str:
        return f"BoundFormula({self.text!r}: {self.worked})"


def format_count(number: Any) -> str:
    """Digits in groups of three with thin order: ``61 706``; expressions as sympy prints them."""
    return f"{number:,}".replace(",", " ") if isinstance(number, int) else str(number)


_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _render(node: ast.expr, values: Mapping[str, Any], outer: int = 0) -> str:
    """Text of a node; ``outer`` is how tightly the surroundings bind: 0 sum, 1 product, 2 power."""
    if isinstance(node, ast.Constant):
        return format_count(node.value)
    if isinstance(node, ast.Name):
        value = values.get(node.id, node.id)
        text = format_count(value)
        return f"({text})" if outer and not isinstance(value, int) and not text.isidentifier() else text
    if isinstance(node, ast.UnaryOp):
        text = f"−{_render(node.operand, values, 2)}"
        return f"({text})" if outer else text
    assert isinstance(node, ast.BinOp)
    if isinstance(node.op, ast.Pow):
        text = f"{_render(node.left, values, 2)}{_render(node.right, values, 2).translate(_SUPERSCRIPT)}"
        return f"({text})" if outer > 1 else text
    if isinstance(node.op, (ast.Add, ast.Sub)):
        sign = "+" if isinstance(node.op, ast.Add) else "−"
        right = _render(node.right, values, 1 if sign == "−" else 0)
        text = f"{_render(node.left, values)} {sign} {right}"
        return f"({text})" if outer else text
    text = " × ".join(_factors(node, values))
    return f"({text})" if outer > 1 else text


def _factors(node: ast.expr, values: Mapping[str, Any]) -> list[str]:
    """Factors of a product in print: equal sides of one kernel or image join into a power, ``/ 1`` is left out."""
    flat: list[ast.expr] = []

    def flatten(part: ast.expr) -> None:
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            flatten(part.left)
            flatten(part.right)
        else:
            flat.append(part)

    flatten(node)
    printed: list[str] = []
    repeated: tuple[str, str] | None = None  # the axis family and number printed last, which an equal side joins
    times = 1
    for part in flat:
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.FloorDiv):
            left, right = _render(part.left, values, 1), _render(part.right, values, 2)
            printed.append(left if right == "1" else f"{left}/{right}")
            repeated = None
            continue
        text = _render(part, values, 1)
        side = _AXIS.get(part.id) if values and isinstance(part, ast.Name) else None
        if side and repeated == (side, text):
            times += 1
            printed[-1] = text + str(times).translate(_SUPERSCRIPT)
        else:
            printed.append(text)
            repeated, times = ((side, text) if side else None), 1
    return printed


#: Symbols that are sides of one thing: equal neighbours print as a power.
_AXIS = {
    **dict.fromkeys(("K_d", "K_h", "K_w"), "kernel"),
    **dict.fromkeys(("D_out", "H_out", "W_out"), "output"),
}
