"""The fully connected network that LeNet-5 was compared with."""

from torch import Tensor, nn


class LeNet300100(nn.Module):
    """LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section III.C.

    Two hidden layers of 300 and 100 units. Input (N, 1, 28, 28), output (N, 10) of logits.

    Parameters: 300·(28·28 + 1) + 100·(300 + 1) + 10·(100 + 1) = 235 500 + 30 100 + 1 010 = 266 610.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden_1 = nn.Linear(28 * 28, 300)
        self.hidden_2 = nn.Linear(300, 100)
        self.output = nn.Linear(100, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.hidden_1(image.flatten(1)).tanh()
        return self.output(self.hidden_2(x).tanh())
