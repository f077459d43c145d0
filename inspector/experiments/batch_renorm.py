"""Batch renormalization (Ioffe 2017, arXiv 1702.03275), which PyTorch lacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchRenorm2d(nn.BatchNorm2d):
    """Batch normalization for (N, C, H, W) whose training output is corrected towards that of inference.

    y = γ((x − μ_B)/σ_B·r + d) + β with r = σ_B/σ and d = (μ_B − μ)/σ, which are taken for constants by the gradient; μ
    and σ are the running statistics before this batch. Without limits this is (x − μ)/σ, inference's own. The paper
    widens the limits during training; here they stay, at what Wu & He 2018 chose for small batches.

    Args:
        features: channels C.
        r_max: r is kept within [1/r_max, r_max].
        d_max: d is kept within [−d_max, d_max].

    >>> layer = BatchRenorm2d(1, r_max=float("inf"), d_max=float("inf"))
    >>> x = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    >>> layer(x).flatten().tolist()  # by the first statistics, 0 and 1, as in evaluation mode
    [0.9999949932098389, 2.9999849796295166]
    """

    def __init__(self, features: int, r_max: float = 1.5, d_max: float = 0.5) -> None:
        super().__init__(features)
        self.r_max, self.d_max = r_max, d_max

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        with torch.no_grad():
            here, centre = torch.var_mean(x, (0, 2, 3), correction=0)
            sd = (variance + self.eps).sqrt()
            r = ((here + self.eps).sqrt() / sd).clamp(1 / self.r_max, self.r_max)[:, None, None]
            d = ((centre - mean) / sd).clamp(-self.d_max, self.d_max)[:, None, None]
        scale, shift = self.weight[:, None, None], self.bias[:, None, None]
        return (super().forward(x) - shift) * r + scale * d + shift  # PyTorch's own gives γ·x̂_B + β
