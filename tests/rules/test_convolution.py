"""Convolutions with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, reject
from hypothesis import strategies as st
from torch import Tensor, nn

from inspector.rules import RULES
from tests.rules.draw import EXAMPLES, FLOATING, filled
from tests.rules.harness import check, parameters, predict, refused, twin

RANKS = (1, 2, 3)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def per_axis(draw: Any, rank: int, least: int, most: int) -> Any:
    """One number, or one for each axis as a tuple or a list."""
    form = draw(st.sampled_from((int, tuple, list)))
    if form is int:
        return draw(st.integers(least, most))
    return form([draw(st.integers(least, most)) for _ in range(rank)])


def operands(draw: Any, rank: int, transposed: bool) -> tuple[Tensor, Tensor, Tensor | None, int]:
    groups = draw(st.sampled_from((1, 2, 3)))
    depth, width = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    dtype = draw(st.sampled_from((*FLOATING, torch.complex64)))
    lead = draw(st.sampled_from(((), (1,), (2,))))
    x = filled((*lead, depth * groups, *(draw(st.integers(3, 7)) for _ in range(rank))), dtype)
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    rows = (depth * groups, width) if transposed else (width * groups, depth)
    bias = torch.ones(width * groups, dtype=dtype) if draw(st.booleans()) else None
    return x, filled((*rows, *kernel), dtype), bias, groups


def held(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Compare on the meta device, where the counter counts, what it and the CPU both take at all."""
    try:
        function(*args, **kwargs)
        function(*twin(list(args)), **twin(kwargs))
    except (RuntimeError, ValueError):
        reject()
    check(function, *args, **kwargs)
    params = parameters(function, *args, **kwargs)
    weight, bias = args[1], args[2] if len(args) > 2 else kwargs.get("bias")
    assert params.number == weight.numel() + (0 if bias is None else bias.numel())


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_convolution(rank: int, data: st.DataObject) -> None:
    draw = data.draw
    x, weight, bias, groups = operands(draw, rank, transposed=False)
    padding = draw(st.sampled_from(("same", "valid", per_axis(draw, rank, 0, 2), per_axis(draw, rank, 0, 2))))
    options = [1 if padding == "same" else per_axis(draw, rank, 1, 3), padding, per_axis(draw, rank, 1, 2), groups]
    function = getattr(F, f"conv{rank}d")
    if draw(st.booleans()):
        held(function, (x, weight, bias, *options), {})
    else:
        held(
            function,
            (x, weight),
            {"bias": bias} | dict(zip(("stride", "padding", "dilation", "groups"), options, strict=True)),
        )


@pytest.mark.parametrize("rank", RANKS)
@EXAMPLES
@given(data=st.data())
def test_transposed_convolution(rank: int, data: st.DataObject) -> None:
    draw = data.draw
    x, weight, bias, groups = operands(draw, rank, transposed=True)
    stride, padding = per_axis(draw, rank, 1, 3), per_axis(draw, rank, 0, 2)
    options = [stride, padding, per_axis(draw, rank, 0, 1), groups, per_axis(draw, rank, 1, 2)]
    function = getattr(F, f"conv_transpose{rank}d")
    names = ("stride", "padding", "output_padding", "groups", "dilation")
    if draw(st.booleans()):
        held(function, (x, weight, bias, *options), {})
    else:
        held(function, (x, weight), {"bias": bias, **dict(zip(names, options, strict=True))})


@pytest.mark.parametrize("rank", RANKS)
def test_each_spelling_has_its_rule(rank: int) -> None:
    x, weight = torch.ones(2, 4, *(6,) * rank), torch.ones(6, 4, *(3,) * rank)
    check(getattr(torch, f"conv{rank}d"), x, weight)
    check(getattr(torch, f"conv_transpose{rank}d"), x, weight.transpose(0, 1).contiguous())
    one, none = [1] * rank, [0] * rank
    check(torch.convolution, x, weight, None, one, one, one, False, none, 1)
    check(torch.convolution, x, weight.transpose(0, 1).contiguous(), None, one, one, one, True, none, 1)


def test_time_first() -> None:
    args = torch.ones(10, 2, 4), torch.ones(3, 4, 6), torch.ones(6)
    check(F.conv_tbc, *args, 1, macs=False)  # the counter does not know it
    macs = predict(F.conv_tbc, *args, 1)[1]
    assert macs is not None
    assert macs.number == 2 * 6 * 4 * 3 * 10  # a batch of 2, 6 filters of 4 channels and 3 taps, 10 steps


@pytest.mark.parametrize("last", ["input", "weight", "both"])
@pytest.mark.parametrize("transposed", [False, True])
def test_channels_last_stays(last: str, transposed: bool) -> None:
    x, weight = torch.ones(2, 4, 6, 7), torch.ones(4, 4, 3, 3)
    if last != "weight":
        x = x.to(memory_format=torch.channels_last)
    if last != "input":
        weight = weight.to(memory_format=torch.channels_last)
    function = F.conv_transpose2d if transposed else F.conv2d
    check(function, x, weight, on="cpu")
    output = RULES[function](x, weight)[0]
    assert output.is_contiguous(memory_format=torch.channels_last)


def test_formulas_worked_by_hand() -> None:
    # LeNet-5's second convolution: 16 filters of 6 channels and 5 × 5 taps over 10 × 10 places.
    x, weight, bias = torch.empty(1, 6, 14, 14), torch.empty(16, 6, 5, 5), torch.empty(16)
    macs = RULES[F.conv2d](x, weight, bias)[1]
    assert macs is not None
    assert macs.number == 16 * 6 * 25 * 100
    assert parameters(F.conv2d, x, weight, bias).worked == "16 × (6 × 5² + 1) = 2 416"
    upscale = nn.ConvTranspose2d(4, 6, 2, stride=2)
    args = torch.empty(1, 4, 5, 5), upscale.weight, upscale.bias
    macs = RULES[F.conv_transpose2d](*args, stride=2)[1]
    assert macs is not None
    assert macs.number == 4 * 6 * 4 * 25  # each of 25 pixels of 4 channels spreads through 6 kernels of 2 × 2
    assert parameters(F.conv_transpose2d, *args).number == 4 * 6 * 4 + 6


def test_sizes_that_pytorch_refuses() -> None:
    x, weight = torch.ones(2, 4, 6, 6), torch.ones(6, 4, 3, 3)
    assert "takes 4 channels, the input [2, 5, 6, 6] has 5" in refused(F.conv2d, torch.ones(2, 5, 6, 6), weight)
    assert "a 2-D convolution takes [N, C, H, W]" in refused(F.conv2d, torch.ones(2, 4), weight)
    assert "larger than the padded input" in refused(F.conv2d, torch.ones(2, 4, 2, 6), weight, on="cpu")
    assert "takes 6 channels" in refused(F.conv_transpose2d, x, weight, on="cpu")
