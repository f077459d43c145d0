"""The steps as printed, the worked example to the letter, and what is folded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import torch

from inspector.errors import ShapeError
from inspector.toeplitz import conv_operator
from inspector.toeplitz.paper import steps
from inspector.toeplitz.paper_text import number, signed
from tests.toeplitz.drawn import convolutions

KERNEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
IMAGE = torch.tensor([[10.0, 10, 0, 0]] * 4)
#: As the worked example is written on paper.
PAPER = """\
row (0,0): -1 0 1 0  -2 0 2 0  -1 0 1 0   0 0 0 0
row (0,1):  0 -1 0 1  0 -2 0 2  0 -1 0 1   0 0 0 0
row (1,0):  0 0 0 0  -1 0 1 0  -2 0 2 0  -1 0 1 0
row (1,1):  0 0 0 0   0 -1 0 1  0 -2 0 2  0 -1 0 1
"""


def example() -> str:
    return steps(conv_operator(KERNEL[None, None], (4, 4)), IMAGE).text()


def test_the_worked_example_prints_to_the_letter() -> None:
    printed = example().splitlines()
    at = next(number for number, line in enumerate(printed) if "row (0,0)" in line)
    assert "\n".join(line.removeprefix("   ") for line in printed[at : at + 4]) + "\n" == PAPER
    for line in (
        "v(x) = (10 10 0 0  10 10 0 0  10 10 0 0  10 10 0 0)ᵀ",
        "W·v(x) = (−40, −40, −40, −40)ᵀ",
        "reshaped to [[−40,−40],[−40,−40]]",
        "equal to F.conv2d",
    ):
        assert any(found.strip() == line for found in printed), line


def test_the_terms_add_up_by_hand() -> None:
    """(0,1) reads columns 1 to 3: 10 and two zeros in each line, so (−1 − 2 − 1)·10 = −40."""
    (line,) = [line for line in example().splitlines() if line.strip().startswith("(0,1):")]
    assert line.split(": ")[1] == ("(−1)·10 + 0·0 + 1·0 + (−2)·10 + 0·0 + 2·0 + (−1)·10 + 0·0 + 1·0 = −40")


def test_every_row_s_terms_sum_to_its_result() -> None:
    weight = torch.randn(2, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    A = conv_operator(weight, (3, 3), padding=1, bias=torch.tensor([1.0, -2.0], dtype=torch.float64))
    x = torch.randn(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = steps(A, x)
    assert found.agrees
    for row in found.shown:
        total = sum(term.weight * (term.value or 0) for term in row.terms) + (row.bias or 0)  # type: ignore[operator]
        assert total == pytest.approx(row.result)
        assert A(x).flatten()[row.number].item() == pytest.approx(row.result)


def test_rows_are_those_of_the_matrix_for_drawn_convolutions() -> None:
    """The rows come from the index core alone; the dense matrix is built another way."""
    for A in convolutions(40, seed=14, dtypes=(torch.float64, torch.complex128)):
        dense = A.to_dense()
        found = steps(A)
        for row in found.shown:
            entries = {term.column: term.weight for term in row.terms}
            assert len(entries) == int((A.with_weight(torch.ones_like(A.weight)).to_dense()[row.number] != 0).sum())
            line = torch.zeros_like(dense[row.number])
            for column, weight in entries.items():
                line[column] = weight
            torch.testing.assert_close(line, dense[row.number])
            if not found.folded:
                torch.testing.assert_close(torch.tensor(row.values, dtype=dense.dtype), dense[row.number])


def test_values_with_digits_stand_in_columns() -> None:
    weight = torch.tensor([[[0.5, -1.25]]])
    lines = [line for line in steps(conv_operator(weight, 4)).text().splitlines() if "row (" in line]
    assert lines == [
        "   row (0):   0.5 -1.25     0     0",
        "   row (1):     0   0.5 -1.25     0",
        "   row (2):     0     0   0.5 -1.25",
    ]


def test_large_matrices_are_folded_and_say_so() -> None:
    A = conv_operator(torch.ones(8, 3, 3, 3), (16, 16), padding=1)
    found = steps(A, torch.ones(3, 16, 16))
    assert found.folded
    assert [row.number for row in found.shown] == [0, 1, 2, 2047]
    for printed in (found.text(), found.markdown(), found.html()):
        assert "4 of 2 048 rows" in printed
        assert "2 048 × 768, 50 784 entries" in printed  # 8·3·46², where 46 = 3·16 − 2 pairs lie along one axis
        assert len(printed) < 20_000
    assert "⋮ 2 044 rows folded" in found.text()
    assert "… 1 984 more" in found.text()


def test_structural_zeros_keep_their_terms() -> None:
    """A tap of 0 is an entry all the same: 9 terms, of which the kernel's middle column is zero."""
    found = steps(conv_operator(KERNEL[None, None], (4, 4)), IMAGE)
    assert [len(row.terms) for row in found.shown] == [9] * 4
    assert [term.column for term in found.shown[0].terms] == [0, 1, 2, 4, 5, 6, 8, 9, 10]


def test_without_numbers_kernel_and_matrix_are_shown_alone() -> None:
    printed = steps(conv_operator(KERNEL[None, None], (4, 4))).text()
    assert PAPER.splitlines()[0] in printed
    assert "4. The product" not in printed
    assert "2. The input" not in printed


def test_markdown_is_balanced_latex() -> None:
    found = steps(conv_operator(KERNEL[None, None], (4, 4)), IMAGE).markdown()
    assert found.count("$$") % 2 == 0
    assert found.count(r"\begin{") == found.count(r"\end{")
    assert found.count("{") == found.count("}")
    assert r"\left(\begin{array}{rrrr|rrrr|rrrr|rrrr}" in found  # the blocks
    assert "-1 & 0 & 1 & 0 & -2 & 0 & 2 & 0 & -1 & 0 & 1 & 0 & 0 & 0 & 0 & 0" in found
    assert r"\begin{pmatrix}-40 & -40 \\ -40 & -40\end{pmatrix}" in found


class Balanced(HTMLParser):
    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_holds_the_matrix() -> None:
    page = steps(conv_operator(KERNEL[None, None], (4, 4)), IMAGE).html("<svg></svg>")
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    assert len(re.findall(r'<td class="w', page)) == 36
    assert len(re.findall(r'<td class="[wz]', page)) == 64
    assert "<script" not in page
    assert "http" not in page


def test_transposed_grouped_and_complex_convolutions_have_steps() -> None:
    transposed = conv_operator(torch.ones(2, 1, 2), 3, stride=2, transposed=True)
    found = steps(transposed, torch.arange(6.0).reshape(2, 3))
    assert found.agrees
    assert found.call == "F.conv_transpose1d"
    grouped = conv_operator(torch.ones(2, 1, 2), 3, groups=2)
    assert "groups 2" in steps(grouped, torch.ones(2, 3)).text()
    complex_one = conv_operator(torch.tensor([[[1 + 2j, -1j]]]), 3)
    printed = steps(complex_one, torch.tensor([1 + 0j, 1j, 2 + 0j])).text()
    assert "(1+2j)·(1+0j)" in printed
    assert "equal to F.conv1d" in printed


def test_steps_are_counted_without_a_gap() -> None:
    A = conv_operator(KERNEL[None, None], (4, 4))
    for found, expected in ((steps(A), ["1", "2"]), (steps(A, IMAGE), ["1", "2", "3", "4", "5"])):
        for printed in (found.text(), found.markdown(), found.html()):
            assert re.findall(r"^(?:\*\*|.*<h3>)?(\d)\. ", printed, re.MULTILINE) == expected


def test_whole_numbers_have_steps() -> None:
    found = steps(conv_operator(torch.tensor([[[1, -2]]]), 3), torch.tensor([3, 4, 5]))
    assert found.output == (-5, -6)
    assert found.agrees


def test_an_input_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected one input of shape \[1, 4, 4\], got \[5, 5\]"):
        steps(conv_operator(KERNEL[None, None], (4, 4)), torch.ones(5, 5))


def test_numbers_in_print() -> None:
    assert [number(value) for value in (-1.0, 0.5, -0.0, 1e-9, 12345.6)] == ["-1", "0.5", "0", "1e-09", "1.235e+04"]
    assert signed(-2.5) == "−2.5"
