"""LeNet-5 as it was printed in 1998, layer by layer under the paper's own names."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Table I of the paper: which maps of S2 each map of C3 reads. 6·3 + 9·4 + 1·6 = 60 connections.
C3_CONNECTIONS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

#: Stylized digits of 7×12 pixels, the targets of the output units. The paper prints its own as a picture (figure 3) and
#: has no numbers for them; these are drawn after it. A dot is -1, anything else +1.
DIGITS: tuple[str, ...] = (
    ".......|..###..|.##.##.|##...##|##...##|##...##|##...##|##...##|##...##|.##.##.|..###..|.......",
    ".......|...##..|..###..|.####..|...##..|...##..|...##..|...##..|...##..|...##..|.######|.......",
    ".......|.#####.|##...##|##...##|.....##|....##.|...##..|..##...|.##....|##.....|#######|.......",
    ".......|.#####.|##...##|.....##|.....##|..####.|.....##|.....##|.....##|##...##|.#####.|.......",
    ".......|....##.|...###.|..####.|.##.##.|##..##.|##..##.|#######|....##.|....##.|....##.|.......",
    ".......|#######|##.....|##.....|##.....|######.|.....##|.....##|.....##|##...##|.#####.|.......",
    ".......|..####.|.##....|##.....|##.....|######.|##...##|##...##|##...##|##...##|.#####.|.......",
    ".......|#######|.....##|.....##|....##.|....##.|...##..|...##..|..##...|..##...|..##...|.......",
    ".......|.#####.|##...##|##...##|##...##|.#####.|##...##|##...##|##...##|##...##|.#####.|.......",
    ".......|.#####.|##...##|##...##|##...##|##...##|.######|.....##|.....##|....##.|.####..|.......",
)


class Squash(nn.Module):
    """f(a) = 1.7159·tanh(⅔·a), the paper's squashing function: f(±1) is ±1."""

    def forward(self, a: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(a * (2 / 3))


class Subsampling(nn.Module):
    """The four inputs of a unit are added, times one trainable coefficient and plus one trainable bias for each map.

    Parameters: 2·maps.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps, 2, divisor_override=1) * self.coefficient + self.bias


class SparseConv2d(nn.Module):
    """A convolution where each output map reads only some input maps.

    Output maps that read equally many inputs are one grouped convolution over the gathered inputs, so that only weights
    that exist are stored and multiplied. Equally sized entries of the table must be neighbours.

    Parameters: connections·K² + outputs.
    """

    def __init__(self, connections: tuple[tuple[int, ...], ...], kernel: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        for width in dict.fromkeys(len(inputs) for inputs in connections):
            rows = [inputs for inputs in connections if len(inputs) == width]
            self.register_buffer(f"inputs_{width}", torch.tensor(rows).flatten(), persistent=False)
            self.parts.append(nn.Conv2d(width * len(rows), len(rows), kernel, groups=len(rows)))

    def forward(self, maps: Tensor) -> Tensor:
        gathers = (torch.index_select(maps, 1, inputs) for inputs in self.buffers())
        return torch.cat([part(gathered) for part, gathered in zip(self.parts, gathers, strict=True)], dim=1)


class RadialBasis(nn.Module):
    """y_i = Σ_j (x_j − code_ij)², the distance to each class's fixed code. Nothing is trained."""

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) - self.codes).square().sum(dim=-1)


def digit_codes() -> Tensor:
    """The ten digits as rows of -1 and +1: shape (10, 84)."""
    return torch.tensor([[-1.0 if pixel == "." else 1.0 for pixel in digit.replace("|", "")] for digit in DIGITS])


class OriginalLeNet5(nn.Module):
    """LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section II.B.

    Input (N, 1, 32, 32), output (N, 10) of distances: the smallest is the answer.

    Trainable parameters: C1 6·(25 + 1) = 156; S2 6·2 = 12; C3 60·25 + 16 = 1 516; S4 16·2 = 32; C5 120·(16·25 + 1) =
    48 120; F6 84·(120 + 1) = 10 164; the output's 10·84 codes are fixed. Together 60 000, "60,000 trainable free
    parameters" in the paper. Buffers: 10·84 codes and 3·6 + 4·9 + 6 = 60 numbers of connected maps: 900.
    """

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = SparseConv2d(C3_CONNECTIONS, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = RadialBasis(digit_codes())
        self.squash = Squash()

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for layer in (self.c1, self.s2, self.c3, self.s4, self.c5):
            x = self.squash(layer(x))
        return self.output(self.squash(self.f6(x.flatten(1))))
