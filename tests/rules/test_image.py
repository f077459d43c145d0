"""Resampling, sampling, shuffles, blocks and padding with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import RULES, image, padding
from tests.rules.draw import ALL, EXAMPLES, FLOATING, agree, cases, filled, maybe, tensor
from tests.rules.harness import check, predict, refused

MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
SINGLE = (torch.float32, torch.float64)


def space(draw: Any, rank: int) -> tuple[int, ...]:
    return tuple([draw(st.integers(2, 7)) for _ in range(rank)])


def batch(draw: Any, rank: int, dtypes: Any = SINGLE) -> torch.Tensor:
    return tensor(draw, (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *space(draw, rank)), dtypes)


def resampled(draw: Any) -> Any:
    rank = draw(st.integers(1, 3))
    x, mode = batch(draw, rank), draw(st.sampled_from(MODES[rank]))
    named: dict[str, Any] = {"mode": mode}
    if draw(st.booleans()):
        named["size"] = draw(st.sampled_from((5, list(space(draw, rank)))))
    else:
        factors = [draw(st.sampled_from((0.6, 1.5, 2))) for _ in range(rank)]
        named["scale_factor"] = draw(st.sampled_from((2, 2.5, factors)))
        named |= maybe(draw, recompute_scale_factor=st.booleans())
    if mode.endswith(("linear", "cubic")):
        named |= maybe(draw, align_corners=st.booleans())
    if mode in ("bilinear", "bicubic"):
        named |= maybe(draw, antialias=st.booleans())
    return (x,), named


def sampled(draw: Any) -> Any:
    rank = draw(st.integers(2, 3))
    x = batch(draw, rank)
    grid = filled((x.shape[0], *space(draw, rank), rank), x.dtype)
    mode = draw(st.sampled_from(("bilinear", "nearest") + (("bicubic",) if rank == 2 else ())))
    return (x, grid), {
        "mode": mode,
        "align_corners": draw(st.booleans()),
        **maybe(draw, padding_mode=st.sampled_from(("zeros", "border", "reflection"))),
    }


def sampled_builtin(draw: Any) -> Any:
    (x, grid), _ = sampled(draw)
    return (x, grid, 0, 0, draw(st.booleans())), {}


def grid(draw: Any) -> Any:
    rank = draw(st.integers(2, 3))
    N = draw(st.integers(1, 2))
    theta = tensor(draw, (N, rank, rank + 1), SINGLE)
    return (theta, (N, 3, *space(draw, rank)), draw(st.booleans())), {}


def blocks(draw: Any) -> dict[str, Any]:
    one = st.integers(1, 2)
    return maybe(draw, dilation=one, padding=st.integers(0, 2), stride=st.sampled_from((1, 2, (1, 2))))


def cut(draw: Any) -> Any:
    x = batch(draw, 2)
    x = x[0] if draw(st.booleans()) else x
    return (x, draw(st.sampled_from((1, 2, (2, 1), (1, 3))))), blocks(draw)


def joined(draw: Any) -> Any:
    size, kernel, options = space(draw, 2), draw(st.sampled_from((2, (1, 2)))), blocks(draw)
    columns = F.unfold(torch.ones(2, 3, *size), kernel, **options)
    return (columns if draw(st.booleans()) else columns[0], size, kernel), options


def shuffled(draw: Any) -> Any:
    r = draw(st.integers(1, 3))
    lead = draw(st.sampled_from(((), (2,), (2, 2))))
    return (tensor(draw, (*lead, 2 * r * r, *space(draw, 2)), FLOATING), r), {}


def unshuffled(draw: Any) -> Any:
    r = draw(st.integers(1, 3))
    H, W = space(draw, 2)
    return (tensor(draw, (2, 3, H * r, W * r), FLOATING), r), {}


def channels(draw: Any) -> Any:
    groups = draw(st.integers(1, 3))
    return (tensor(draw, (2, 2 * groups, *space(draw, draw(st.integers(1, 2)))), FLOATING[:1]), groups), {}


def padded(draw: Any) -> Any:
    rank = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(("constant", "reflect", "replicate", "circular")))
    x = batch(draw, rank, ALL if mode == "constant" else SINGLE)
    axes = draw(st.integers(1, rank)) if mode == "constant" else rank
    sides = [draw(st.integers(-1, 2)) for _ in range(2 * axes)]
    return (x, sides), {"mode": mode, **(maybe(draw, value=st.just(1)) if mode == "constant" else {})}


STRATEGIES: dict[Any, Any] = {
    F.interpolate: resampled,
    F.grid_sample: sampled,
    torch.grid_sampler: sampled_builtin,
    torch.grid_sampler_2d: sampled_builtin,
    torch.grid_sampler_3d: sampled_builtin,
    image.affine_grid: grid,
    image.unfold: cut,
    image.fold: joined,
    image.pixel_shuffle: shuffled,
    image.pixel_unshuffle: unshuffled,
    "channel_shuffle": channels,
    "native_channel_shuffle": lambda draw: ((torch.ones(2, 4, *space(draw, 2)), 2), {}),
    F.pad: padded,
    torch._C._nn.pad: padded,
    torch.constant_pad_nd: lambda draw: ((batch(draw, 2, ALL), [draw(st.integers(-1, 2)) for _ in range(4)], 1), {}),
}


@pytest.mark.parametrize(("function", "strategy"), cases({**image.RULES, **padding.RULES}, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    # Of odd layouts each device's kernels make their own; that channels last stay is held below.
    agree(function, strategy(data.draw), strides=False)


@pytest.mark.parametrize("mode", MODES[2])
def test_resampling_keeps_channels_last(mode: str) -> None:
    check(F.interpolate, torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last), scale_factor=2, mode=mode)


def test_a_whole_factor_multiplies() -> None:
    assert image.scaled(7, 2.0) == 14
    assert image.scaled(7, 1.5) == 10  # ⌊10.5⌋


def test_work() -> None:
    _, formula = predict(F.interpolate, torch.empty(1, 2, 3, 4, device="meta"), scale_factor=2)
    assert formula is not None
    assert (formula.formula.counts, formula.number) == ("elementwise", 96)  # 2 channels of 6 · 8
    assert RULES[F.pad](torch.empty(2, 3, device="meta"), (1, 1))[1] is None


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(2, 4, 5, 6)
    assert "one number for each of 2 axes" in refused(F.interpolate, x, size=(1, 2, 3))
    assert "nothing would remain" in refused(F.interpolate, x, scale_factor=0.1)
    assert "takes points [N, *out, 2]" in refused(
        F.grid_sample, x, torch.ones(2, 3, 3, 3), align_corners=True, on="cpu"
    )
    assert "takes matrices [2, 2, 3]" in refused(F.affine_grid, torch.ones(1, 2, 3), (2, 3, 4, 5), align_corners=True)
    assert "takes (*, C·9, H, W)" in refused(F.pixel_shuffle, x, 3, on="cpu")
    assert "takes (*, C, H·2, W·2)" in refused(F.pixel_unshuffle, x, 2, on="cpu")
    assert "into 3 groups" in refused(F.channel_shuffle, x, 3, on="cpu")
    assert "does not fit [2, 4, 5, 6]" in refused(F.pad, x, (1, 1), "replicate")  # one axis of space of two
    assert "does not fit [2, 4, 5, 6]" in refused(F.pad, x, (1, 1), "circular")
    assert "no block of [6, 6] fits" in refused(F.unfold, x, 6)
    assert "takes a multiple of 4 rows and 12 columns" in refused(F.fold, torch.ones(2, 12, 11), (4, 5), 2)
    assert "from the last on" in refused(F.pad, x, (1, 2, 3))
    assert "must be less than each size" in refused(F.pad, x, (6, 0, 0, 0), mode="reflect")
    assert "more than once" in refused(F.pad, x, (7, 0, 0, 0), mode="circular")
    assert "cuts more than there is" in refused(F.pad, x, (-4, -4))
