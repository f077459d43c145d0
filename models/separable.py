"""A LeNet with depthwise separable convolutions."""

from torch import Tensor, nn


def separable(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """One kernel for each channel, then a 1×1 convolution that mixes channels.

    Parameters: in·(K² + 1) + out·(in + 1).
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel, groups=channels_in),
        nn.Conv2d(channels_in, channels_out, 1),
    )


class SeparableLeNet(nn.Module):
    """Howard et al. 2017, "MobileNets", arXiv 1704.04861, at the size of LeNet-5.

    The first convolution has one input channel and stays as it is. Input (N, 1, 32, 32), output (N, 10) of log
    probabilities.

    Parameters: 6·(25 + 1) = 156; 6·(25 + 1) + 16·(6 + 1) = 268 where LeNet-5 has 2 416; 16·(25 + 1) + 120·(16 + 1) =
    2 456 where it has 48 120; 84·(120 + 1) + 10·(84 + 1) = 11 014. Together 13 894.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.ReLU6(),
            nn.MaxPool2d(2),
            separable(6, 16, 5),
            nn.ReLU6(),
            nn.MaxPool2d(2),
            separable(16, 120, 5),
            nn.ReLU6(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(120, 84), nn.ReLU6(), nn.Linear(84, 10), nn.LogSoftmax(dim=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image))
