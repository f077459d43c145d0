"""Training a small network until its loss is at a target: how many updates that takes at a batch size, and how long
each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, cross_entropy

from inspector.bench.knee import line
from inspector.errors import InspectionError
from inspector.experiments.batch_noise import gradients, noise
from inspector.experiments.data import images
from inspector.experiments.environment import usable
from inspector.experiments.optimal_batch import steps_to_target
from inspector.experiments.update_times import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from inspector.experiments.records import Config

#: Learning rates of plain SGD that are tried for every batch size.
RATES = (0.06, 0.12, 0.24, 0.48, 0.96)
#: Updates between two looks at the loss, and samples on which it is looked at.
_LOOK, _JUDGED = 5, 1000
#: Batches for one look at the noise, and the samples of each.
_NOISE_BATCHES, _NOISE_BATCH = 32, 64


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt.

    Attributes:
        x: (N, 196) images of 14 × 14 on the device.
        y: (N,) labels.
        target: mean loss over the first thousand samples at which a training is done.
        most: updates after which a training gives up.
    """

    x: Tensor
    y: Tensor
    target: float
    most: int

    @classmethod
    def of(cls, config: Config) -> Task:
        """The task of a run; loss 0.5 is where such a network on MNIST has left its first fast descent."""
        x, y = images(config.data, seed=config.seed)
        device = usable(config.device)
        return cls(avg_pool2d(x, 2).flatten(1).to(device), y.to(device), 0.5, 1500)

    def network(self, seed: int) -> nn.Sequential:
        """A new network of one hidden layer, the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = nn.Sequential(nn.Linear(self.x.shape[1], 32), nn.Tanh(), nn.Linear(32, int(self.y.max()) + 1))
        return made.to(self.x.device)

    def loss(self, model: nn.Module) -> float:
        """Over the samples that judge."""
        with torch.no_grad():
            return float(cross_entropy(model(self.x[:_JUDGED]), self.y[:_JUDGED]))


def steps_needed(
    task: Task, batch: int, rates: Sequence[float], seed: int, *, repeated: bool = False
) -> tuple[float, float]:
    """The fewest updates until the target over all rates, and the rate that took them; ``task.most`` where none
    arrived.

    Args:
        task: what is learnt.
        batch: samples of each update, drawn anew with replacement.
        rates: learning rates of plain SGD.
        seed: of the network and the samples; every rate starts alike.
        repeated: a batch is one sample many times, whose mean gradient is that of the one.
    """
    fewest, best = float(task.most), math.nan
    for rate in rates:
        found = _steps(task, batch, rate, seed, fewest, repeated)
        if found < fewest:
            fewest, best = found, rate
    return fewest, best


def _steps(task: Task, batch: int, rate: float, seed: int, most: float, repeated: bool) -> float:
    """Updates until the target, between two looks at the loss by interpolation; ``most`` where it takes no fewer."""
    model = task.network(seed)
    optimizer = torch.optim.SGD(model.parameters(), rate)
    generator = torch.Generator().manual_seed(seed)
    before = task.loss(model)
    for step in range(_LOOK, math.ceil(most / _LOOK) * _LOOK + 1, _LOOK):
        for _ in range(_LOOK):
            chosen = torch.randint(len(task.x), (1 if repeated else batch,), generator=generator)
            _update(model, optimizer, task.x[chosen], task.y[chosen])
        now = task.loss(model)
        if now <= task.target:
            return step - _LOOK * (task.target - now) / (before - now)
        if not math.isfinite(now):
            break
        before = now
    return most


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    cross_entropy(model(x), y).backward()
    optimizer.step()


def noise_on_the_way(task: Task, batch: int, rate: float, seed: int, points: int = 8) -> float:
    """Simple noise scale tr Σ/|G|² over one training at a large batch, from sums of both over its way.

    Args:
        task: what is learnt.
        batch: of the training, which goes on until the target.
        rate: of the training.
        seed: of the training.
        points: how often the noise is measured on the way.

    Raises:
        InspectionError: the gradient cannot be told from its noise.
    """
    model = task.network(seed)
    optimizer = torch.optim.SGD(model.parameters(), rate)
    generator = torch.Generator().manual_seed(seed)
    found = []
    steps = math.ceil(_steps(task, batch, rate, seed, task.most, repeated=False))
    looks = {point * steps // points for point in range(points)}
    for step in range(steps):
        if step in looks:
            drawn = (torch.randint(len(task.x), (_NOISE_BATCH,), generator=generator) for _ in range(_NOISE_BATCHES))
            pairs = ((task.x[chosen], task.y[chosen]) for chosen in drawn)
            found.append(noise(gradients(model, cross_entropy, pairs, _NOISE_BATCHES), _NOISE_BATCH))
        chosen = torch.randint(len(task.x), (batch,), generator=generator)
        _update(model, optimizer, task.x[chosen], task.y[chosen])
    square = sum(each.square for each in found)
    if not square > 0:
        raise InspectionError("the gradient cannot be told from its noise: give more --data")
    return sum(each.trace for each in found) / square


def times_of_updates(task: Task, sizes: Mapping[int, int]) -> dict[int, float]:
    """Seconds of one update for each of the batch sizes, by their keys; measured in turn, so that a load meets all."""
    model = task.network(0)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)

    def update(key: int) -> Callable[[], None]:
        def one() -> None:
            chosen = torch.randint(len(task.x), (sizes[key],), generator=generator)
            _update(model, optimizer, task.x[chosen], task.y[chosen])

        return one

    return timed(update, sizes, task.x.device, seconds=2)


def hyperbola(steps: Mapping[int, float]) -> tuple[float, float]:
    """(S_min, B_crit) of S = S_min + S_min·B_crit/B with the least squared relative deviations."""
    law = line({b: count * b for b, count in steps.items()})  # S·B = S_min·B_crit + S_min·B
    return law.slope, law.knee


def middle(steps: Mapping[int, float]) -> float:
    """Updates at the inner sizes over those of the law through both ends, geometric mean."""
    first, *inner, last = sorted(steps)
    fewest, critical = hyperbola({first: steps[first], last: steps[last]})
    return math.exp(fmean(math.log(steps[b] / steps_to_target(b, critical, fewest)) for b in inner))
