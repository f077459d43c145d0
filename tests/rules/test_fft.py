"""Fourier transforms with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, fft
from tests.rules.draw import EXAMPLES, agree, cases, dim, dims, filled, full_shape, maybe, tensor
from tests.rules.harness import check, refused

KINDS = (torch.float32, torch.float64, torch.int64, torch.complex64)
REAL = KINDS[:3]
NORM = st.sampled_from(("forward", "backward", "ortho"))


def one_axis(draw: Any, dtypes: Any = KINDS) -> Any:
    x = tensor(draw, full_shape(draw, 1), dtypes)
    return (x,), maybe(draw, n=st.integers(2, 6), dim=st.just(dim(draw, x.dim())), norm=NORM)


def axes(draw: Any, dtypes: Any = KINDS, rank: int | None = None) -> Any:
    x = tensor(draw, full_shape(draw, rank or 1), dtypes)
    named = maybe(draw, norm=NORM)
    form = draw(st.integers(0, 3))
    chosen = dims(draw, x.dim(), 1)[:rank] if form else [*range(x.dim())][-(rank or x.dim()) :]
    if rank is not None and len(chosen) != rank:
        chosen = [-2, -1]
    if form:
        named["dim"] = chosen
    if form in (0, 2) and draw(st.booleans()):
        named["s"] = [draw(st.sampled_from((2, 4, 5, -1))) for _ in chosen]
    return (x,), named


def shifted(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw), KINDS)
    return (x,), maybe(draw, dim=st.just(dims(draw, x.dim(), 1)))


def frequencies(draw: Any) -> Any:
    return (draw(st.integers(1, 8)),), maybe(draw, d=st.just(0.5), dtype=st.just(torch.float64))


def windowed(draw: Any) -> Any:
    lead = draw(st.sampled_from(((), (3,))))
    signal = tensor(draw, (*lead, 40), (torch.float32, torch.float64, torch.complex64))
    n_fft = draw(st.sampled_from((8, 9)))
    named = maybe(
        draw,
        hop_length=st.integers(1, 5),
        center=st.booleans(),
        normalized=st.booleans(),
        pad_mode=st.sampled_from(("reflect", "constant")),
    )
    if draw(st.booleans()):
        named["win_length"] = 6
        named["window"] = torch.ones(6, dtype=signal.real.dtype)
    if not signal.is_complex():
        named |= maybe(draw, onesided=st.booleans())
    return (signal, n_fft), {**named, "return_complex": signal.is_complex() or draw(st.booleans())}


def inverse(draw: Any) -> Any:
    lead = draw(st.sampled_from(((), (3,))))
    onesided = draw(st.booleans())
    spectrum = torch.ones(*lead, 5 if onesided else 8, 12, dtype=torch.complex64)
    named = maybe(draw, hop_length=st.integers(1, 4), length=st.sampled_from((20, 30)))
    window = torch.ones(8, dtype=torch.float32)
    return (spectrum, 8), {"window": window, "onesided": onesided, "center": True, **named}


STRATEGIES: dict[Any, Any] = {
    fft.transform: one_axis,
    torch.fft.rfft: lambda draw: one_axis(draw, REAL),
    torch.fft.ihfft: lambda draw: one_axis(draw, REAL),
    fft.half_inverse: one_axis,
    fft.transform_n: axes,
    torch.fft.rfftn: lambda draw: axes(draw, REAL),
    torch.fft.ihfftn: lambda draw: axes(draw, REAL),
    fft.half_inverse_n: axes,
    **{getattr(torch.fft, f"{name}2"): lambda draw: axes(draw, rank=2) for name in ("fft", "ifft", "irfft", "hfft")},
    **{getattr(torch.fft, f"{name}2"): lambda draw: axes(draw, REAL, rank=2) for name in ("rfft", "ihfft")},
    fft.shift: shifted,
    fft.frequencies: frequencies,
    fft.half_frequencies: frequencies,
    fft.stft: windowed,
    fft.istft: inverse,
}


@pytest.mark.parametrize(("function", "strategy"), cases(fft.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw), strides=False)


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "fft2", "rfft2", "irfft2", "fftn", "rfftn", "irfftn", "hfft"])
@pytest.mark.parametrize("turned", [False, True])
def test_layouts(name: str, turned: bool) -> None:
    x = filled((5, 6, 7), torch.float32)
    check(getattr(torch.fft, name), x.permute(2, 0, 1).contiguous().permute(1, 2, 0) if turned else x, on="cpu")


def test_sizes_worked_by_hand() -> None:
    signal = torch.empty(2, 400, device="meta")
    output, formula = RULES[Tensor.stft](signal, 64, hop_length=16, return_complex=True)
    # 400 + 2·32 of padding hold 1 + (464 − 64)/16 = 26 frames; a real signal has 64/2 + 1 frequencies.
    assert tuple(output.shape) == (2, 33, 26)
    assert (formula.formula.counts, formula.number) == ("elementwise", 2 * 33 * 26)
    assert tuple(RULES[torch.istft](output, 64, hop_length=16)[0].shape) == (2, 400)


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(3, 4)
    assert "axis 2 of a tensor with 2 axes" in refused(torch.fft.fft, x, dim=2)
    assert "would have 0 points" in refused(torch.fft.fft, x, n=0)
    assert "would have 0 points" in refused(torch.fft.irfft, torch.ones(3, 1), on="cpu")
    assert "2 sizes [4, 4] for 1 axes" in refused(torch.fft.fftn, x, s=(4, 4), dim=(0,))
    assert "stft takes a window [16]" in refused(
        torch.stft, torch.ones(100), 16, window=torch.ones(8), return_complex=True
    )
    assert "stft with 16 points of 10" in refused(torch.stft, torch.ones(10), 16, center=False, return_complex=True)
    assert "takes a signal" in refused(torch.stft, torch.ones(1, 2, 40), 16, return_complex=True)
    assert "istft with 16 points" in refused(torch.istft, torch.ones(7, 3, dtype=torch.complex64), 16, on="cpu")


def test_bfloat16_widens_as_on_the_meta_device() -> None:
    x = torch.ones(4, 6, dtype=torch.bfloat16)
    check(torch.fft.fft2, x)
    check(torch.fft.rfft, x)
    check(torch.fft.irfft, torch.ones(4, 6, dtype=torch.complex64))
