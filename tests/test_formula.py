"""Formulas: number, expression and worked line of one text."""

import ast

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from inspector.formula import GLOSSARY, BoundFormula, Formula, format_count

CONVOLUTION = Formula("C_out*(C_in//G*K_h*K_w + b)", counts="params")

#: Expressions over three symbols, drawn as text; `//` and `**` by small constants only, so that numbers stay small.
operands = st.sampled_from(["N", "C", "H", "1", "2", "3"])
texts = st.recursive(
    operands,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        st.tuples(inner, st.sampled_from(["//2", "//3", "**2", "**3"])).map(lambda part: f"({part[0]}){part[1]}"),
        inner.map(lambda part: f"(-{part})"),
    ),
    max_leaves=6,
)
values = st.fixed_dictionaries({name: st.integers(1, 50) for name in "NCH"})

_FROM_PRINT = str.maketrans({"×": "*", "−": "-", **{digit: f"**{index}" for index, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}})


def read_back(printed: str) -> int:
    """A printed side as Python: an independent reading of what a person would compute from it."""
    return eval(printed.replace(" ", "").replace("/", "//").translate(_FROM_PRINT))


def bind(text: str, numbers: dict[str, int]) -> BoundFormula:
    formula = Formula(text, counts="size")
    return formula(**{name: numbers[name] for name in formula.symbols})


class TestNumber:
    def test_first_layer_of_lenet(self) -> None:
        """6 filters of 1 × 5 × 5 weights and a bias: 6·26 = 156."""
        assert CONVOLUTION(C_out=6, C_in=1, G=1, K_h=5, K_w=5, b=1).number == 156

    def test_groups_divide(self) -> None:
        """32 filters over 32/32 channels of 3 × 3, no bias: 32·9 = 288."""
        assert CONVOLUTION(C_out=32, C_in=32, G=32, K_h=3, K_w=3, b=0).number == 288

    @given(texts, values)
    def test_is_what_python_computes(self, text: str, numbers: dict[str, int]) -> None:
        assert bind(text, numbers).number == eval(text, {}, numbers)

    def test_large_numbers_stay_exact(self) -> None:
        """10¹² squared is 10²⁴, beyond 64 bits and beyond the 53 bits of a float."""
        assert Formula("N**2", counts="size")(N=10**12 + 1).number == 10**24 + 2 * 10**12 + 1

    def test_a_symbol_without_value_is_named(self) -> None:
        with pytest.raises(
            TypeError, match=r"formula 'C_out\*.* is bound to C_out, C_in: 'G', 'K_h', 'K_w', 'b' are missing"
        ):
            _ = CONVOLUTION(C_out=6, C_in=1).number

    def test_is_computed_once(self) -> None:
        asked = []

        class Counting(int):
            def __mul__(self, other: int) -> int:
                asked.append(other)
                return int(self) * other

        bound = Formula("N*C", counts="size")(N=Counting(4), C=5)
        assert asked == []
        assert (bound.number, bound.number) == (20, 20)
        assert asked == [5]

    def test_constant_formula(self) -> None:
        bound = Formula("7", counts="size")()
        assert (bound.number, bound.worked) == (7, "7")

    def test_missing_and_unknown_values_are_named(self) -> None:
        formula = Formula("N*C", counts="size")
        with pytest.raises(TypeError, match="'C'"):
            _ = formula(N=1).number
        with pytest.raises(TypeError, match="'H'"):
            formula.evaluate({"N": 1, "C": 2, "H": 3})


class TestExpression:
    @given(texts, values)
    def test_equals_the_number_at_every_point(self, text: str, numbers: dict[str, int]) -> None:
        expression = Formula(text, counts="size").expression()
        point = {symbol: numbers[symbol.name] for symbol in expression.free_symbols}
        assert expression.subs(point) == eval(text, {}, numbers)

    def test_symbols_are_positive_integers(self) -> None:
        symbols = CONVOLUTION.expression().free_symbols
        assert {symbol.name for symbol in symbols} == {"C_out", "C_in", "G", "K_h", "K_w", "b"}
        assert all(symbol.is_integer and symbol.is_positive for symbol in symbols)

    def test_binding_a_symbol_gives_an_expression(self) -> None:
        n = sympy.Symbol("N", integer=True, positive=True)
        bound = Formula("N*F_in*F_out")(N=n, F_in=120, F_out=84)
        assert bound.number == 10_080 * n  # 120·84
        assert bound.worked == "N × 120 × 84 = 10080*N"


class TestWorkedLine:
    def test_of_lenets_table(self) -> None:
        assert CONVOLUTION(C_out=6, C_in=1, G=1, K_h=5, K_w=5, b=1).worked == "6 × (1 × 5² + 1) = 156"

    def test_unequal_sides_stay_apart(self) -> None:
        """4·(2·3·5 + 0) = 120"""
        assert CONVOLUTION(C_out=4, C_in=2, G=1, K_h=3, K_w=5, b=0).worked == "4 × (2 × 3 × 5 + 0) = 120"

    def test_groups_are_shown(self) -> None:
        """8·(8/4·9 + 1) = 8·19 = 152"""
        assert CONVOLUTION(C_out=8, C_in=8, G=4, K_h=3, K_w=3, b=1).worked == "8 × (8/4 × 3² + 1) = 152"

    def test_equal_numbers_of_different_things_do_not_join(self) -> None:
        """Channels and kernel may both be 5: 5·5·5² = 625 is 5 × 5 × 5², never 5⁴."""
        bound = Formula("C_out*C_in*K_h*K_w")(C_out=5, C_in=5, K_h=5, K_w=5)
        assert bound.worked == "5 × 5 × 5² = 625"

    def test_cube(self) -> None:
        bound = Formula("K_d*K_h*K_w*D_out*H_out*W_out")(K_d=3, K_h=3, K_w=3, D_out=3, H_out=3, W_out=3)
        assert bound.worked == "3³ × 3³ = 729"

    def test_symbols_without_values(self) -> None:
        assert CONVOLUTION.render() == "C_out × (C_in/G × K_h × K_w + b)"

    def test_negative_side(self) -> None:
        assert Formula("N - 2*C", counts="size")(N=3, C=4).worked == "3 − 2 × 4 = -5"

    @given(texts, values)
    def test_both_sides_are_equal(self, text: str, numbers: dict[str, int]) -> None:
        """Who works the printed left side with pencil gets the printed right side."""
        left, _, right = bind(text, numbers).worked.partition(" = ")
        assert read_back(left) == read_back(right or left) == eval(text, {}, numbers)

    @given(texts, values)
    def test_symbols_read_back_too(self, text: str, numbers: dict[str, int]) -> None:
        printed = Formula(text, counts="size").render()
        python = printed.replace(" ", "").replace("/", "//").translate(_FROM_PRINT)
        assert eval(python, {}, numbers) == eval(text, {}, numbers)


class TestRefusals:
    @pytest.mark.parametrize(
        "text",
        ["__import__('os')", "N.real", "N if C else H", "N/C", "[N]", "N and C", "N @ C", "lambda: N", "N % C", "N[0]"],
    )
    def test_other_syntax(self, text: str) -> None:
        with pytest.raises(ValueError, match="may use"):
            Formula(text)

    @pytest.mark.parametrize("text", ["N*", "", "N C", "import os"])
    def test_no_expression(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not an expression"):
            Formula(text)

    def test_unexplained_symbol(self) -> None:
        with pytest.raises(ValueError, match="symbol Z_top is explained nowhere"):
            Formula("N*Z_top")

    def test_own_symbol_brings_its_meaning(self) -> None:
        formula = Formula("N*Z_top", symbols={"Z_top": "height of the top"})
        assert formula.symbols == {"N": GLOSSARY["N"], "Z_top": "height of the top"}
        assert formula(N=2, Z_top=3).number == 6

    @pytest.mark.parametrize("text", ["1.5*N", "N*True", "'N'", "N*1j", "None"])
    def test_a_constant_is_an_integer(self, text: str) -> None:
        with pytest.raises(ValueError, match="may use"):
            Formula(text)


class TestEquality:
    def test_same_text_and_values(self) -> None:
        first, second = (Formula("N*C", source=source)(N=2, C=3) for source in ("a", "b"))
        assert first == second
        assert hash(first) == hash(second)
        assert first != Formula("N*C")(N=3, C=2)
        assert first != Formula("C*N")(N=2, C=3)
        assert first != 6

    def test_repr_shows_text_and_work(self) -> None:
        assert repr(Formula("N*C")(N=2, C=3)) == "BoundFormula('N*C': 2 × 3 = 6)"
        assert repr(Formula("N*C")) == "Formula('N*C', counts='macs')"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1 000"), (61_706, "61 706"), (10**12, "1 000 000 000 000"), (-5000, "-5 000")],
)
def test_format_count(number: int, text: str) -> None:
    assert format_count(number) == text


@given(st.integers())
def test_format_count_loses_nothing(number: int) -> None:
    assert int(format_count(number).replace(" ", "")) == number


def test_glossary_is_usable() -> None:
    for name, meaning in GLOSSARY.items():
        assert ast.parse(name, mode="eval").body.__class__ is ast.Name
        assert meaning == meaning.strip()
        assert meaning


def test_a_formula_counts_what_there_is_to_count():
    with pytest.raises(ValueError, match="counts 'flops'; it may count macs, elementwise"):
        Formula("N", counts="flops")
