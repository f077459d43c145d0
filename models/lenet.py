"""LeNet-5 as it is taught today: max pooling, ReLU and a full connection of every layer to the next."""

from torch import Tensor, nn


class LeNet5(nn.Module):
    """LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".

    Proceedings of the IEEE 86(11). This is the modern reading of the paper; :class:`models.original.OriginalLeNet5` is
    the network as it was printed.
    Input (N, 1, 32, 32), output (N, classes) of log probabilities.

    Parameters: 6·(1·25 + 1) + 16·(6·25 + 1) + 120·(16·25 + 1) + 84·(120 + 1) + 10·(84 + 1)
    = 156 + 2 416 + 48 120 + 10 164 + 850 = 61 706.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 120, 5),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
            nn.LogSoftmax(dim=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image))
