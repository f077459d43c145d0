"""LeNet-5 along one axis and along three."""

from torch import Tensor, nn


class LeNet1d(nn.Module):
    """Waibel et al. 1989, "Phoneme recognition using time-delay neural networks", IEEE Trans. ASSP 37(3), as a LeNet.

    Input (N, 1, 32), output (N, 10) of log probabilities. Lengths: 32, 28, 14, 10, 5, 1.

    Parameters: 6·(5 + 1) + 16·(6·5 + 1) + 120·(16·5 + 1) = 36 + 496 + 9 720, and 84·(120 + 1) + 10·(84 + 1) = 11 014 of
    the classifier: 21 266.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 6, 5),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(16, 120, 5),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
            nn.LogSoftmax(dim=1),
        )

    def forward(self, signal: Tensor) -> Tensor:
        return self.layers(signal)


class LeNet3d(nn.Module):
    """Ji, Xu, Yang & Yu 2013, "3D convolutional neural networks for human action recognition", IEEE TPAMI 35(1).

    Input (N, 1, 16, 32, 32), sixteen frames; output (N, 10) of log probabilities. Frames: 16, 14, 7, 5, 2, 1.

    Parameters: 6·(3·25 + 1) + 16·(6·3·25 + 1) + 120·(16·2·25 + 1) = 456 + 7 216 + 96 120, and 11 014 of the classifier:
    114 806.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 6, (3, 5, 5)),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(6, 16, (3, 5, 5)),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(16, 120, (2, 5, 5)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
            nn.LogSoftmax(dim=1),
        )

    def forward(self, clip: Tensor) -> Tensor:
        return self.layers(clip)
