"""An input near the one that a convolution stretches most: a wave of the frequency where its circulant is largest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.toeplitz.circulant import Circulant, Leading, Ring


def wave(
    circulant: Circulant, leading: Leading, rings: Sequence[Ring], size: Sequence[int], *, tapered: bool
) -> Tensor:
    """(C_in, *size): on every period of the stride the first right singular vector, turned from one to the next.

    A real weight gets its real part, which both this frequency and its negative stretch alike. ``tapered`` lets it fade
    towards borders beyond which there is nothing.
    """
    vector = torch.linalg.svd(leading.matrix, full_matrices=False).Vh[0].conj()
    image = vector.unflatten(0, (-1, *(ring.stride for ring in rings)))
    for axis, (ring, frequency, length) in enumerate(zip(rings, leading.frequency, size, strict=True), start=1):
        places = torch.arange(length, device=vector.device)
        angles = (places // ring.stride).to(torch.float64) * (2 * math.pi * frequency / ring.frequencies)
        fading = (
            ((places + 1).to(torch.float64) * (math.pi / (length + 1))).sin() if tapered else torch.ones_like(angles)
        )
        turned = torch.polar(fading, angles)
        image = image.index_select(axis, places % ring.stride) * turned.view(-1, *[1] * (len(size) - axis))
    found = image.new_zeros(circulant.groups, *image.shape)
    found[leading.group] = image
    whole: Tensor = found.flatten(0, 1).resolve_conj()
    return whole if circulant.weight.is_complex() else whole.real
