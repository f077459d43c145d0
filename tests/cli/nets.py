"""Models that a person may bring, good and bad; the tests of the command line name them as targets."""

import contextlib
import os
import sys
import time

import torch
from torch import nn


class Good(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(4, width)

    def forward(self, x):
        return self.fc(x).relu()


class NeedsArgs(nn.Module):
    def __init__(self, width, *, depth) -> None:
        super().__init__()
        self.fc = nn.Linear(width, depth)

    def forward(self, x):
        return self.fc(x)


class RaisesWhenBuilt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        raise FileNotFoundError("weights.bin")


class RaisesInForward(Good):
    def forward(self, x):
        y = self.fc(x)
        raise ValueError(f"I do not like {tuple(y.shape)}")


class ReturnsNothing(Good):
    def forward(self, x):
        self.fc(x)


class Prints(Good):
    def __init__(self) -> None:
        print("constructing")  # noqa: T201  what it is here for
        super().__init__()

    def forward(self, x):
        print("running")  # noqa: T201  what it is here for
        os.write(1, b"from below Python\n")
        return self.fc(x)


class NeverEnds(Good):
    def forward(self, x):
        time.sleep(86_400)  # here it hangs


class NeverBuilt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        while True:
            with contextlib.suppress(Exception):  # swallows what it can
                time.sleep(0.01)


class Exits(Good):
    def forward(self, x):
        sys.exit(0)


class ExitsAtOnce(Good):
    def forward(self, x):
        if os.fork() == 0:  # a child of the user's own ends as it always does
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
        os._exit(0)


class Interrupted(Good):
    def forward(self, x):
        raise KeyboardInterrupt


class TwoInputs(Good):
    def forward(self, tokens, mask=None):
        return self.fc(tokens) * mask


class Branches(Good):
    def forward(self, x):
        if x.sum() > 0:
            return self.fc(x)
        return x


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)

    def forward(self, ids):
        return self.table(ids)


class NoInput(Good):
    def forward(self):
        return self.fc(torch.zeros(2, 4))


class Blocks(nn.Module):
    """Its list of blocks is registered, and called by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.blocks = nn.ModuleList(Good() for _ in range(2))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x


class Odd(Good):
    """Calls a function that neither a rule nor PyTorch's counter knows."""

    def forward(self, x):
        return torch.ops.nets.odd(self.fc(x))


if not hasattr(torch.ops.nets, "odd"):  # every test imports this file anew, and an operator is defined once
    torch.library.define("nets::odd", "(Tensor x) -> Tensor")
    torch.library.impl("nets::odd", "Meta", lambda x: torch.empty_like(x))
    torch.library.impl("nets::odd", "CPU", lambda x: x.clone())


def deep(blocks: int = 3) -> nn.Module:
    return nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(blocks)))


def returns_text():
    return "no model"


model = Good()
number = 3


class NeedsGPU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x.cuda().cpu())


class Says(nn.Module):
    def forward(self, x):
        return "hello"


class TakesMapping(nn.Module):
    def forward(self, batch):
        return batch["x"]
