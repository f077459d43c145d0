"""Pooling with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector import geometry
from inspector.rules import RULES, pooling
from tests.rules.draw import EXAMPLES, FLOATING, agree, filled, maybe, tensor
from tests.rules.harness import check, refused

RANKS = (1, 2, 3)


def image(draw: Any, rank: int, dtypes: Any = FLOATING) -> torch.Tensor:
    lead = (draw(st.integers(1, 2)), draw(st.integers(1, 3)))[draw(st.integers(0, 1)) :]
    return tensor(draw, (*lead, *(draw(st.integers(4, 9)) for _ in range(rank))), dtypes)


def per_axis(draw: Any, rank: int, least: int, most: int) -> Any:
    """One number, or one for each axis."""
    if draw(st.booleans()):
        return draw(st.integers(least, most))
    return tuple([draw(st.integers(least, most)) for _ in range(rank)])


def window(draw: Any, rank: int, dilation: bool = False, padding: bool = True) -> dict[str, Any]:
    named: dict[str, Any] = {"kernel_size": per_axis(draw, rank, 1, 4)}
    options = {"stride": per_axis(draw, rank, 1, 3), "ceil_mode": draw(st.booleans())}
    if padding:
        options["padding"] = per_axis(draw, rank, 0, 2)
    if dilation:
        options["dilation"] = per_axis(draw, rank, 1, 2)
    return {**named, **maybe(draw, **{name: st.just(value) for name, value in options.items()})}


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_max_pool(rank: int, data: st.DataObject) -> None:
    x, options = image(data.draw, rank), window(data.draw, rank, dilation=True)
    # Without a gradient the CPU pools a sequence by itself, into a contiguous result; elsewhere it is an image.
    agree(getattr(F, f"max_pool{rank}d"), ((x,), options), strides=rank > 1)
    agree(getattr(F, f"max_pool{rank}d"), ((x,), {**options, "return_indices": True}))


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_avg_pool(rank: int, data: st.DataObject) -> None:
    options = window(data.draw, rank) | maybe(data.draw, count_include_pad=st.booleans())
    if rank > 1:
        options |= maybe(data.draw, divisor_override=st.just(3))
    agree(getattr(F, f"avg_pool{rank}d"), ((image(data.draw, rank),), options))


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_lp_pool(rank: int, data: st.DataObject) -> None:
    options = window(data.draw, rank, padding=False)
    agree(getattr(F, f"lp_pool{rank}d"), ((image(data.draw, rank), 2.0), options))


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_adaptive(kind: str, rank: int, data: st.DataObject) -> None:
    wanted = per_axis(data.draw, rank, 1, 6)
    if rank > 1 and isinstance(wanted, tuple) and data.draw(st.booleans()):
        wanted = (None, *wanted[1:])
    named = maybe(data.draw, return_indices=st.booleans()) if kind == "max" else {}
    agree(getattr(F, f"adaptive_{kind}_pool{rank}d"), ((image(data.draw, rank), wanted), named))


@pytest.mark.parametrize("rank", RANKS[1:])
@EXAMPLES
@given(data=st.data())
def test_fractional(rank: int, data: st.DataObject) -> None:
    size = {"output_size": per_axis(data.draw, rank, 1, 4)}
    if data.draw(st.booleans()):
        size = {"output_ratio": tuple([data.draw(st.sampled_from((0.3, 0.5, 0.6))) for _ in range(rank)])}
    args = (image(data.draw, rank, FLOATING[:2]), data.draw(st.integers(1, 2)))
    agree(getattr(F, f"fractional_max_pool{rank}d"), (args, {**size, **maybe(data.draw, return_indices=st.booleans())}))


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_max_unpool(rank: int, data: st.DataObject) -> None:
    x = image(data.draw, rank, FLOATING[:1]).contiguous()
    kernel = data.draw(st.integers(2, 3))
    pooled, indices = getattr(F, f"max_pool{rank}d")(x, kernel, return_indices=True)
    options = maybe(data.draw, output_size=st.sampled_from((x.shape, x.shape[-rank:])))
    agree(getattr(F, f"max_unpool{rank}d"), ((pooled, indices, kernel), options))


@pytest.mark.parametrize("rank", RANKS)
def test_each_spelling_has_its_rule(rank: int) -> None:
    x = filled((2, 3, *(8,) * rank), torch.float32)
    for name in (f"max_pool{rank}d", f"avg_pool{rank}d", f"adaptive_avg_pool{rank}d"):
        for room in (F, torch, torch._C._nn):  # not every spelling exists
            if hasattr(room, name):
                check(getattr(room, name), x, 2)
    check(getattr(F, f"max_pool{rank}d_with_indices"), x, 2)
    check(getattr(F, f"adaptive_max_pool{rank}d_with_indices"), x, 2)
    if rank == 1:
        check(torch.adaptive_max_pool1d, x, 2)
        check(torch.max_pool1d_with_indices, x, 2)
    else:
        check(getattr(torch._C._nn, f"adaptive_max_pool{rank}d"), x, (2,) * rank)
        check(getattr(torch._C._nn, f"max_pool{rank}d_with_indices"), x, (2,) * rank)


def test_the_last_window_starts_inside() -> None:
    # 5 elements and one of padding on each side, windows of 1 every 4: ⌈6/4⌉ + 1 = 3 would start at 8 of 7.
    assert geometry.ceil_output_size(5, kernel=1, stride=4, padding=0) == 2
    check(F.avg_pool1d, torch.ones(1, 1, 5), 1, 4, 0, True)


def test_the_work_is_one_operation_for_each_element_of_the_input() -> None:
    _, formula = RULES[F.max_pool2d](torch.empty(2, 3, 4, 4, device="meta"), 2)
    assert (formula.formula.counts, formula.number) == ("elementwise", 96)  # 2 · 3 · 4 · 4
    assert pooling.RULES[F.max_pool2d] is RULES[F.max_pool2d]


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(2, 3, 4, 4)
    assert "max_pool2d takes [N, C, H, W]" in refused(F.max_pool2d, torch.ones(2, 3), 2)
    assert "larger than the padded input" in refused(F.avg_pool2d, x, 5)
    assert "at most half" in refused(F.max_pool2d, x, 2, padding=2)
    assert "cannot give [1, 2, 3]" in refused(F.adaptive_avg_pool2d, x, (1, 2, 3))
    assert "do not fit" in refused(F.fractional_max_pool2d, x, 2, output_size=4)
    indices = torch.zeros(2, 3, 4, 4, dtype=torch.int64)
    assert "within one stride" in refused(F.max_unpool2d, x, indices, 2, output_size=(20, 20))
    assert "one index for each element" in refused(F.max_unpool2d, x, indices[:1], 2)
