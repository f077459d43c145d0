"""The bound for padding that folds: it holds wherever the border is cut off, and it needs what the cut costs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch

from inspector.allocations import Allocations
from inspector.errors import ShapeError
from inspector.toeplitz import ConvOperator, conv_operator, operator_norm, windows
from inspector.toeplitz.windows import folded_norm, window

#: What the dense decomposition itself may miss, relatively.
NEAR = 1e-13


def folding(seed: int, count: int) -> Iterator[ConvOperator]:
    """Long enough that a border is mostly shorter than half of the axis."""
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    while count:
        dims, groups = draw.choice((1, 1, 2)), draw.choice((1, 1, 2))
        longest, most_taps = {1: (60, 5), 2: (16, 3)}[dims]

        def each(low: int, high: int, dims: int = dims) -> list[int]:
            return [draw.randint(low, high) for _ in range(dims)]

        dtype = draw.choice((torch.float64, torch.float64, torch.complex128))
        shape = groups * draw.randint(1, 2), draw.randint(1, 2), *each(1, most_taps)
        weight = torch.randn(shape, dtype=dtype, generator=generator)
        sides = [(draw.randint(0, 3), draw.randint(0, 3)) for _ in range(dims)]
        mode = draw.choice(("reflect", "replicate", "circular"))
        try:
            yield conv_operator(weight, each(longest // 3, longest), each(1, 3), sides, each(1, 2), groups, mode)
        except ShapeError:
            continue
        count -= 1


def largest(A: ConvOperator) -> float:
    """By the dense matrix, which the bounds never see."""
    return float(torch.linalg.svdvals(A.to_dense())[0])


def test_no_cut_falls_below_the_norm() -> None:
    cut = 0
    for number, A in enumerate(folding(seed=0, count=120)):
        bound, method, how = folded_norm(A.weight, A.groups, A.axes, most=(10, 20, 40, 80)[number % 4])
        assert bound >= largest(A) * (1 - NEAR), (method, how, A, A.axes)
        cut += method == "windows" and ", 0 for the cut" not in how
    assert cut > 20


def test_without_the_cost_of_the_cut_it_would_be_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault."""
    monkeypatch.setattr(windows, "_lost", lambda *_: 0.0)
    assert any(folded_norm(A.weight, A.groups, A.axes, 20)[0] < largest(A) * (1 - 1e-6) for A in folding(0, 120))


def test_a_short_axis_stays_whole_and_the_bound_is_exact() -> None:
    """Signed weights, for which sums of absolute values and the padding's own norm are half off."""
    weight = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    found = operator_norm(conv_operator(weight, (12, 12), padding=1, padding_mode="reflect"), "bounds")
    assert found.method == "windows"
    assert found.gap < 1e-9


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_a_large_one_is_within_two_percent(mode: str) -> None:
    weight = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    found = operator_norm(conv_operator(weight, (60, 50), padding=1, padding_mode=mode), "bounds")
    assert found.method == "windows"
    assert found.gap < 0.02


def test_a_ring_that_the_stride_does_not_divide_is_cut_at_its_seam() -> None:
    """301 outputs of stride 2 on a ring of 601 places: the last reads next to the first, which no transform fits."""
    weight = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(3))
    found = operator_norm(conv_operator(weight, 601, 2, 1, padding_mode="circular"), "bounds")
    assert found.method == "windows"
    assert found.gap < 0.01


def test_a_long_axis_takes_no_more_than_its_border() -> None:
    A = conv_operator(torch.ones(1, 1, 9), 2_000_000, padding=4, padding_mode="reflect")
    with Allocations("cpu", ()) as allocations:
        window(A.axes[0], range(100))
    assert allocations.peak() < 2**20


def test_a_window_is_its_columns_of_the_axis() -> None:
    """Reflect by 1, three taps, inputs 0 and 1 of six: output 0 reads 1 0 1, output 1 reads 0 1, output 2 reads 1."""
    A = conv_operator(torch.ones(1, 1, 3), 6, padding=1, padding_mode="reflect")
    reads = window(A.axes[0], [0, 1]).reads[0]
    assert reads.tolist() == [[[0, 1, 0], [1, 0, 1]], [[1, 0, 0], [0, 1, 0]], [[0, 0, 0], [1, 0, 0]]]
