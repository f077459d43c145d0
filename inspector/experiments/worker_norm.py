"""Batch normalization over several workers, in one process: what each knows of its part is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class WorkerBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization for (N, C, H, W) whose batch is cut into workers of ``share`` samples each.

    In training every worker knows count, mean and sum of squares about its mean of its own samples alone, and these are
    merged (Chan, Golub & LeVeque 1979), as ``torch.nn.SyncBatchNorm`` does over processes. So the function is that of
    batch normalization over all N.

    Args:
        features: channels C.
        share: samples of one worker; it divides N.

    Attributes:
        between: whether what lies between the workers' means counts; without it the variances are only averaged.

    >>> x = torch.tensor([0.0, 2.0, 4.0, 6.0]).view(4, 1, 1, 1)
    >>> layer, whole = WorkerBatchNorm2d(1, share=1), nn.BatchNorm2d(1)
    >>> bool(torch.isclose(layer(x), whole(x)).all())
    True
    """

    def __init__(self, features: int, share: int = 1) -> None:
        super().__init__(features)
        self.share = share
        self.between = True

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        parts = x.unflatten(0, (-1, self.share))  # (workers, share, C, H, W)
        count = parts.numel() // (len(parts) * x.shape[1])
        own = parts.mean((1, 3, 4), keepdim=True)
        squares = (parts - own).square().sum((1, 3, 4), keepdim=True)
        mean = own.mean(0, keepdim=True)
        if self.between:
            squares = squares + count * (own - mean).square()
        total, n = squares.sum(0, keepdim=True), count * len(parts)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(total.flatten() / (n - 1), self.momentum)
        normal: Tensor = ((parts - mean) / (total / n + self.eps).sqrt()).flatten(0, 1)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]
