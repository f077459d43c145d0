"""The wave that a circulant stretches most."""

from __future__ import annotations

import pytest
import torch

from inspector.toeplitz import conv_operator
from inspector.toeplitz.circulant import Circulant, ring_around, ring_of
from inspector.toeplitz.wave import wave


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("stride", [1, 2])
def test_on_a_ring_it_is_the_singular_vector(stride: int, dtype: torch.dtype) -> None:
    weight = torch.randn(4, 2, 3, 2, dtype=dtype, generator=torch.Generator().manual_seed(0))
    A = conv_operator(weight, (8, 6), stride, [(1, 1), (0, 1)], groups=2, padding_mode="circular")
    rings = tuple(ring_of(axis)[0] for axis in A.axes)
    circulant = Circulant(weight, 2, rings)
    leading = circulant.leading()
    image = wave(circulant, leading, rings, (8, 6), tapered=False)
    assert image.dtype == dtype
    quotient = torch.linalg.vector_norm(A(image)) / torch.linalg.vector_norm(image)
    torch.testing.assert_close(float(quotient), leading.value, rtol=1e-12, atol=0)


def test_between_zeros_it_comes_near() -> None:
    weight = torch.randn(3, 3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    A = conv_operator(weight, (40, 40), padding=1)
    rings = tuple(map(ring_around, A.axes))
    circulant = Circulant(weight, 1, rings)
    leading = circulant.leading()
    image = wave(circulant, leading, rings, (40, 40), tapered=True)
    quotient = torch.linalg.vector_norm(A(image)) / torch.linalg.vector_norm(image)
    assert 0.98 * leading.value < float(quotient) <= leading.bound
