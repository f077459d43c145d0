"""Products of float8, which PyTorch gives under a private name alone: ``torch._scaled_mm``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def float8_product(edge: int, device: str) -> Callable[[], object] | None:
    """A product of two square matrices of float8_e4m3fn; None where device or PyTorch have none.

    >>> float8_product(16, "meta") is None
    True
    """
    scaled = getattr(torch, "_scaled_mm", None)
    if scaled is None or device == "meta":
        return None
    one, other = (torch.randn(edge, edge, device=device).to(torch.float8_e4m3fn) for _ in range(2))
    scale = torch.ones((), device=device)
    # The second operand lies by columns, as the kernels want it.
    call = partial(scaled, one, other.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16)
    try:
        call()
        if device == "cuda":
            torch.cuda.synchronize()
    except (RuntimeError, TypeError, ValueError, NotImplementedError):  # an older GPU, or another signature
        return None
    return call
