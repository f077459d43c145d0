"""A model's inputs over batch sizes: what it is given, and how it is left."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inspector.bench.batches import sweep_batches
from inspector.errors import InspectionError


class Notes(nn.Module):
    """Notes which inputs it was given."""

    seen: set[tuple[int, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        Notes.seen = set()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        Notes.seen.add((len(x), len(y), int(self.training)))
        return self.linear(x) + y


def test_every_input_is_repeated_to_the_size() -> None:
    model = Notes()
    before = model.linear.weight.clone()
    found = sweep_batches(model, ((2, 4), (2, 2)), sizes=[1, 3, 8], samples=6, seconds=1)
    assert list(found.timings) == [1, 3, 8]
    assert Notes.seen == {(size, size, 0) for size in (1, 3, 8)}
    assert model.training
    assert torch.equal(model.linear.weight, before)


def test_a_training_step_leaves_no_gradient_behind() -> None:
    model = Notes().eval()
    sweep_batches(model, ((2, 4), (2, 2)), sizes=[2], backward=True, samples=6, seconds=1)
    assert {training for _, _, training in Notes.seen} == {1}
    assert model.linear.weight.grad is None
    assert not model.training


@pytest.mark.parametrize("shapes", [((2, 4), (3, 2)), ((2, 4), ())])
def test_inputs_without_a_common_batch(shapes: object) -> None:
    with pytest.raises(InspectionError, match="first axis is the batch"):
        sweep_batches(Notes(), shapes, sizes=[1])


def test_a_mode_of_another_device() -> None:
    with pytest.raises(InspectionError, match="mode graph captures CUDA graphs"):
        sweep_batches(Notes(), ((2, 4), (2, 2)), sizes=[1], mode="graph")
