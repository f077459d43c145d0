"""The picture: an entry for each entry of the matrix, at its place, in its tap's colour, with true words."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
import torch

from inspector.errors import InspectionError
from inspector.toeplitz import ConvOperator, conv_operator
from inspector.toeplitz.figure import svg
from tests.toeplitz.drawn import convolutions

SPACE = "{http://www.w3.org/2000/svg}"


def entries(picture: str) -> list[tuple[int, int, str, str]]:
    """(row, column, colour, words) of every entry."""
    found = []
    for rect in ET.fromstring(picture).iter(f"{SPACE}rect"):
        if rect.get("class") == "e":
            title = rect.find(f"{SPACE}title")
            assert title is not None
            found.append((int(rect.get("y", "")), int(rect.get("x", "")), rect.get("fill", ""), title.text or ""))
    return found


def held(A: ConvOperator) -> None:
    dense = A.to_dense()
    found = entries(svg(A))
    assert len(found) == A.nnz
    assert len({(row, column) for row, column, _, _ in found}) == A.nnz
    for row, column, _, words in found:
        assert complex(words.rsplit(": ", 1)[1]) == pytest.approx(
            complex(dense[row, column].item()), rel=1e-3, abs=1e-9
        )


def test_every_entry_stands_where_the_matrix_has_it() -> None:
    for A in convolutions(25, seed=13):
        if A.nnz <= 5000:
            held(A)


def test_channels_last_stands_where_the_matrix_has_it() -> None:
    weight = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    held(conv_operator(weight, (3, 4), channels_last=True))


def test_words_and_colours_by_hand() -> None:
    """Row 1 of a kernel of two taps reads inputs 1 and 2; each tap has one colour throughout."""
    found = entries(svg(conv_operator(torch.tensor([[[2.0, -3.0]]]), 4)))
    words = {(row, column): words for row, column, _, words in found}
    assert words[1, 1] == "output (1), tap (0), input (1): 2"
    assert words[1, 2] == "output (1), tap (1), input (2): -3"
    colors = {re.search(r"tap \((\d)\)", words)[1]: set() for _, _, _, words in found}  # type: ignore[index]
    for _, _, color, words in found:
        colors[re.search(r"tap \((\d)\)", words)[1]].add(color)  # type: ignore[index]
    assert all(len(each) == 1 for each in colors.values())
    assert colors["0"] != colors["1"]


def test_taps_that_padding_folds_together_are_named_together() -> None:
    """Replicate at the left edge: taps 0 and 1 of output 0 both read input 0."""
    picture = svg(conv_operator(torch.tensor([[[1.0, 2.0, 4.0]]]), 4, padding=1, padding_mode="replicate"))
    assert "output (0), tap (0+1), input (0): 3" in picture


def test_a_large_matrix_is_folded_and_says_so() -> None:
    A = conv_operator(torch.ones(8, 3, 3, 3), (16, 16), padding=1)
    picture = svg(A)
    assert "folded: output channel 0 of 8, input channel 0 of 3" in picture
    assert "2 048 × 768, 50 784 entries" in picture
    assert len(entries(picture)) == A.nnz // 24
    larger = svg(conv_operator(torch.ones(1, 1, 3, 3), (100, 100), padding=1))
    # 10 lines of each: of the 3·10 − 2 pairs of lines that meet, each has 3·100 − 2 entries.
    assert "folded: rows 0 to 999 of 10 000, columns 0 to 999 of 10 000" in larger
    assert len(entries(larger)) == (3 * 10 - 2) * (3 * 100 - 2)


def test_an_entry_is_never_thinner_than_a_pixel_on_paper() -> None:
    """Few entries in many rows are folded too, whatever their order; a picture 900 wide shows 1000 of them."""
    for A in (
        conv_operator(torch.ones(1, 1, 1), 3000),
        conv_operator(torch.ones(2, 1, 2), 40, stride=40, transposed=True),
        conv_operator(torch.ones(2, 2, 1, 3), (1, 700), padding=(0, 1), channels_last=True),
        conv_operator(torch.ones(1, 1, 3, 3), (60, 60), padding=1, padding_mode="circular"),
    ):
        found = entries(svg(A))
        assert found
        assert max(max(row, column) for row, column, _, _ in found) < 1000
        assert "folded" in svg(A)


def test_strokes_need_no_word_that_other_readers_lack() -> None:
    """4×16 at 40 to an entry: lines of 1.2 and 0.8 are 0.03 and 0.02 of an entry, with no effect of vectors."""
    picture = svg(conv_operator(torch.ones(1, 1, 3, 3), (4, 4)))
    assert {group.get("stroke-width") for group in ET.fromstring(picture).iter(f"{SPACE}g")} == {None, "0.02", "0.03"}
    assert "vector-effect" not in picture


def test_grey_is_explained_where_there_is_some() -> None:
    weight = torch.ones(1, 1, 3)
    assert ">several<" in svg(conv_operator(weight, 4, padding=1, padding_mode="replicate"))
    assert ">several<" not in svg(conv_operator(weight, 4, padding=1))


def test_blocks_are_framed() -> None:
    """4 lines of 4 inputs and 2 of 2 outputs: 5 upright lines and 3 across."""
    picture = svg(conv_operator(torch.ones(1, 1, 3, 3), (4, 4)))
    lines = list(ET.fromstring(picture).iter(f"{SPACE}line"))
    assert sorted({int(line.get("x1", "")) for line in lines if line.get("x1") == line.get("x2")}) == [0, 4, 8, 12, 16]
    assert sorted({int(line.get("y1", "")) for line in lines if line.get("y1") == line.get("y2")}) == [0, 2, 4]


def test_what_is_too_large_to_draw_says_so() -> None:
    with pytest.raises(InspectionError, match="too many to draw; give a smaller input"):
        svg(conv_operator(torch.ones(1, 1, 3, 3), (1000, 1000)))
