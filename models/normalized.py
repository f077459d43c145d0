"""LeNet-5 with a normalization after each convolution: by batch, by groups of channels, and by frozen statistics."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def normalized_features(norm: Callable[[int], nn.Module]) -> nn.Sequential:
    """The convolutions of LeNet-5 without bias, which a normalization would take away again."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=False),
        norm(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, bias=False),
        norm(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5, bias=False),
        norm(120),
        nn.ReLU(),
    )


def classifier() -> nn.Sequential:
    """84·(120 + 1) + 10·(84 + 1) = 11 014 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10), nn.LogSoftmax(dim=1))


class LeNetBatchNorm(nn.Module):
    """Ioffe & Szegedy 2015, "Batch normalization", arXiv 1502.03167, on LeNet-5.

    In training the last normalization sees one value for each sample and channel, so it needs two samples or more.

    Parameters: 6·25 + 16·6·25 + 120·16·25 = 50 550 of the convolutions, 2·(6 + 16 + 120) = 284 of scales and shifts,
    11 014 of the classifier: 61 848. Buffers: mean and variance, 284, and three counters of batches: 287.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = normalized_features(nn.BatchNorm2d)
        self.classifier = classifier()

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image))


class LeNetGroupNorm(nn.Module):
    """Wu & He 2018, "Group normalization", arXiv 1803.08494, on LeNet-5, with two channels in a group.

    Parameters as with batch normalization: 50 550 + 2·(6 + 16 + 120) + 11 014 = 61 848. No buffers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = normalized_features(lambda channels: nn.GroupNorm(channels // 2, channels))
        self.classifier = classifier()

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image))


class FrozenBatchNorm2d(nn.Module):
    """Batch normalization whose statistics, scale and shift are constants: x·γ/√(σ² + ε) + (β − μ·γ/√(σ² + ε)).

    Parameters: none. Buffers: 4·channels.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        shift = self.bias - self.running_mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class LeNetFrozenBatchNorm(nn.Module):
    """LeNet-5 with frozen batch normalization, as He et al. 2015 fine-tune detectors (arXiv 1512.03385, appendix A).

    Parameters: 50 550 + 11 014 = 61 564. Buffers: 4·(6 + 16 + 120) = 568.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = normalized_features(FrozenBatchNorm2d)
        self.classifier = classifier()

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image))
