"""Contractions against PyTorch's own run: shapes, layouts and the products of every pair."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.backends import opt_einsum

from inspector.rules import RULES, ValuesNeeded
from inspector.rules.contraction import parsed
from tests.rules.draw import EXAMPLES
from tests.rules.harness import check, predict, refused

SIZES = {"b": 6, "h": 7, "i": 2, "j": 3, "k": 4, "l": 5, "x": 1}


def equation(draw: Any, count: int, letters: str = "bhijkl") -> tuple[str, list[torch.Tensor]]:
    """An equation and operands; labels repeat within one operand now and then, and outputs name any of them."""
    terms = []
    for _ in range(count):
        term = draw(st.lists(st.sampled_from(letters), min_size=1, max_size=4, unique=draw(st.integers(0, 4)) > 0))
        terms.append("".join(term))
    text = ",".join(terms)
    if draw(st.integers(0, 4)):
        named = sorted(set("".join(terms)))
        text += "->" + "".join(draw(st.lists(st.sampled_from(named), unique=True, max_size=len(named))))
    return text, [torch.ones([SIZES[label] for label in term]) for term in terms]


@settings(EXAMPLES, max_examples=200)
@given(data=st.data())
def test_one_or_two_operands(data: st.DataObject) -> None:
    text, operands = equation(data.draw, data.draw(st.integers(1, 2)))
    check(torch.einsum, text, *operands)


@settings(EXAMPLES, max_examples=200)
@given(data=st.data())
def test_several_operands_and_axes_of_one_element(data: st.DataObject) -> None:
    text, operands = equation(data.draw, data.draw(st.integers(1, 4)), letters="bhijklx")
    check(torch.einsum, text, *operands, strides=False)


@settings(EXAMPLES, max_examples=50)
@given(data=st.data())
def test_along_the_path_of_opt_einsum(data: st.DataObject) -> None:
    text, operands = equation(data.draw, 3)
    pair = tuple(data.draw(st.permutations(range(3)))[:2])
    finder = SimpleNamespace(contract_path=lambda *_, **__: ([pair, (0, 1)], None))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opt_einsum, "_opt_einsum", finder)
        check(torch.einsum, text, *operands, strides=False)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4), (5, 1, 4, 6)]),
        ("b h q d, b h k d -> b h q k", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bhqk,bhkd->bqhd", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("...i,...i", [(3, 4), (3, 4)]),
        ("i...,i...->...", [(3, 4), (3, 4)]),
        ("...ij->...ji", [(2, 3, 4)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("ii", [(3, 3)]),
        ("...ij->i...", [(2, 3, 4)]),
        ("bij,kj->bki", [(6, 2, 3), (4, 3)]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_equations_with_dots(text: str, shapes: list[tuple[int, ...]], turned: bool) -> None:
    operands = [torch.ones(shape) for shape in shapes]
    if turned:
        operands = [torch.ones(shape[::-1]).permute(*range(len(shape))[::-1]) for shape in shapes]
    check(torch.einsum, text, *operands)


def test_lists_of_subscripts_and_a_list_of_operands() -> None:
    left, right = torch.ones(2, 3), torch.ones(3, 4)
    outputs = RULES[torch.einsum]("ij,jk->ik", [left, right])[0], RULES[torch.einsum]("AB,BC->AC", left, right)[0]
    assert [tuple(output.shape) for output in outputs] == [(2, 4), (2, 4)]


def test_macs_worked_by_hand() -> None:
    a, b, c = torch.empty(2, 3), torch.empty(3, 4), torch.empty(4, 5)
    macs = predict(torch.einsum, "ij,jk->ik", a, b)[1]
    assert macs is not None
    assert (macs.text, macs.number) == ("i*k*j", 24)  # 2 · 4 · 3
    assert "axis j" in macs.formula.symbols["j"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opt_einsum, "enabled", False)
        macs = predict(torch.einsum, "ij,jk,kl->il", a, b, c)[1]
    assert macs is not None
    assert macs.number == 2 * 3 * 4 + 2 * 4 * 5  # from left to right
    work = predict(torch.einsum, "i,j->ij", a[:, 0], c[0])[1]
    assert work is not None
    assert (work.formula.counts, work.number) == ("elementwise", 10)  # nothing is summed: 2 · 5 products


def test_the_rule_of_repeated_equations_is_kept() -> None:
    assert parsed("ij,jk", (2, 2)) is parsed("ij,jk", (2, 2))


@pytest.mark.parametrize(
    ("a", "b", "dims"),
    [
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3, 4), (4, 3, 5), ([1, 2], [1, 0])),
        ((2, 3), (4,), 0),
        ((2, 3), (2, 4), ([0], [-2])),
    ],
)
def test_tensordot(a: tuple[int, ...], b: tuple[int, ...], dims: Any) -> None:
    check(torch.tensordot, torch.ones(a), torch.ones(b), dims=dims)
    with pytest.raises(ValuesNeeded):
        predict(torch.tensordot, torch.ones(a), torch.ones(b), dims=torch.tensor(1))


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 4), (4, 2)],
        [(3, 4), (4, 20), (20, 2)],
        [(4,), (4, 20), (20, 2)],
        [(4,), (4, 20), (20,)],
        [(10, 2), (2, 30), (30, 4), (4, 25), (25, 1)],
        [(4,), (4, 3), (3, 7), (7, 2), (2,)],
    ],
)
def test_chains(shapes: list[tuple[int, ...]]) -> None:
    matrices = [torch.ones(shape) for shape in shapes]
    check(torch.linalg.multi_dot, matrices)


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
def test_a_chain_takes_its_cheapest_order() -> None:
    matrices = [torch.ones(10, 100), torch.ones(100, 5), torch.ones(5, 50)]
    check(torch.chain_matmul, *matrices)
    macs = RULES[torch.linalg.multi_dot](matrices)[1]
    assert macs is not None
    assert macs.number == 7500  # Cormen et al.: 10·100·5 + 10·5·50, the other order takes 75 000


def test_sizes_that_pytorch_refuses() -> None:
    a, b = torch.ones(2, 3), torch.ones(4, 5)
    assert "'j' is 3 and 4" in refused(torch.einsum, "ij,jk->ik", a, b)
    assert "names 1 operands, got 2" in refused(torch.einsum, "ij", a, b)
    assert "does not name the 2 axes" in refused(torch.einsum, "i,jk", a, b)
    assert "names 'z' twice, or no operand" in refused(torch.einsum, "ij,kl->z", a, b)
    assert "axis 1 against axis 0" in refused(torch.tensordot, a, b, dims=1)
    assert "do not fit together" in refused(torch.linalg.multi_dot, [a, b, b])
