"""A LeNet with shortcuts."""

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is a 1×1 convolution where the number of channels changes.

    Parameters: out·(9·in + 1) + out·(9·out + 1), and out·(in + 1) for a shortcut that is not the identity.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv_2 = nn.Conv2d(channels_out, channels_out, 3, padding="same")
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv_2(self.activation(self.conv_1(x)))
        residual += self.shortcut(x)
        return self.activation(residual)


class ResidualLeNet(nn.Module):
    """He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", arXiv 1512.03385, in small.

    Input (N, 1, 32, 32), output (N, 10) of logits. Maps: 28² after the stem, 14² and 7² after pooling, then their mean.

    Parameters: stem 6·(25 + 1) = 156; first block 16·(9·6 + 1) + 16·(9·16 + 1) + 16·(6 + 1) = 880 + 2 320 + 112 =
    3 312; second block 2·2 320 = 4 640; output 10·(16 + 1) = 170. Together 8 278.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 5)
        self.block_1 = ResidualBlock(6, 16)
        self.block_2 = ResidualBlock(16, 16)
        self.output = nn.Linear(16, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(image)), 2)
        x = self.block_2(F.max_pool2d(self.block_1(x), 2))
        return self.output(x.mean(dim=(2, 3)))
