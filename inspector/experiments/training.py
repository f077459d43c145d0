"""Plain training in PyTorch, and the little network that experiments train."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

#: Steps between two looks at the losses; each look waits for the device.
_LOOK = 64


class Diverged(InspectionError):
    """The loss of a training is not finite.

    Attributes:
        step: the first where it was not, from 0.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step

    def __reduce__(self) -> tuple[type[Diverged], tuple[str, int]]:
        return type(self), (str(self), self.step)  # by default the step would be lost on the way between processes


def lenet(
    classes: int = 10,
    norm: Callable[[int], nn.Module] | None = None,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """LeNet-5 as it is taught today, for (N, 1, 28, 28): logits (N, classes).

    Args:
        classes: outputs.
        norm: from a number of channels, the layer after each convolution; None for none.
        activation: after each layer but the last.

    >>> lenet()(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def normalised(channels: int) -> list[nn.Module]:
        return [] if norm is None else [norm(channels)]

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        *normalised(6),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        *normalised(16),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        activation(),
        nn.Linear(120, 84),
        activation(),
        nn.Linear(84, classes),
    )


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one batch after the other, without end: each pass in a new order, without its incomplete last batch.

    Raises:
        InspectionError: a batch has more samples than there are.

    >>> order = batches(4, 2, torch.Generator().manual_seed(0))
    >>> sorted(next(order).tolist() + next(order).tolist())
    [0, 1, 2, 3]
    """
    if not 1 <= size <= n:
        raise InspectionError(f"a batch of {size} from {n} samples: give more data or a smaller batch")

    def endless() -> Iterator[Tensor]:
        while True:
            yield from torch.randperm(n, generator=generator)[: n - n % size].split(size)

    return endless()


def train(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    batch: int,
    steps: int,
    generator: torch.Generator,
    each: Callable[[int], None] | None = None,
) -> Tensor:
    """Train a model in place, in the mode that it is in.

    Args:
        model: on the device of the data.
        loss: from the model's output and the labels, a mean over the batch.
        optimizer: over the model's parameters.
        x: (N, ...) samples.
        y: (N, ...) labels.
        batch: samples of one step.
        steps: how many.
        generator: on the CPU, of the order of the samples.
        each: is called with the number of every finished step, from 0.

    Returns:
        The loss of each step, (steps,) on the device.

    Raises:
        Diverged: a loss is not finite.
        InspectionError: the data set is too small for a batch, or a batch for batch normalisation.
    """
    losses = torch.empty(steps, device=x.device)
    looked = 0
    order = batches(len(x), batch, generator)
    for step in range(steps):
        chosen = next(order).to(x.device)
        with batch_explained():
            value = loss(model(x[chosen]), y[chosen])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses[step] = value.detach()
        if each is not None:
            each(step)
        if step - looked == _LOOK or step == steps - 1:
            bad = torch.nonzero(~torch.isfinite(losses[looked : step + 1]))
            if len(bad):
                first = looked + int(bad[0])
                raise Diverged(
                    f"the loss is {float(losses[first])} at step {first} of {steps}: the learning rate is too high for "
                    "this model and batch, or the data are not finite",
                    first,
                )
            looked = step + 1
    return losses


@contextmanager
def batch_explained() -> Iterator[None]:
    """PyTorch's refusal to normalise one value per channel, in words that say what to do."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        shape = str(error).rpartition("got input size ")[2]
        raise InspectionError(
            f"batch normalisation of {shape} has one value per channel: its mean is the value itself and its variance "
            "0, so that training could learn nothing there. Give a batch of 2 or more, freeze the layer "
            "(inspector.experiments.freeze_batch_norm), or put GroupNorm in its place (to_group_norm)"
        ) from error


@torch.no_grad()
def error_rate(model: nn.Module, x: Tensor, y: Tensor, batch: int = 1000) -> float:
    """Share of samples whose largest logit is not their label's, in evaluation mode; the mode is put back.

    >>> error_rate(nn.Identity(), torch.eye(2), torch.tensor([0, 0]))
    0.5
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        wrong = sum(
            (model(part).argmax(1) != labels).sum() for part, labels in zip(x.split(batch), y.split(batch), strict=True)
        )
    finally:
        for module, training in modes:
            module.training = training
    return float(wrong) / len(x)
