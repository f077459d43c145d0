"""Values that follow from constants alone are computed when they are asked for, and only then."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.errors import NeedsData


class Fn(nn.Module):
    """A forward that is the given function of a buffer and the input."""

    def __init__(self, function: Callable[[Tensor, Tensor], Any], buffer: Tensor | None = None) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("buffer", torch.tensor([3, 1, 2]) if buffer is None else buffer)

    def forward(self, x: Tensor) -> Any:
        return self.function(self.buffer, x)


def windows(buffer: Tensor, x: Tensor) -> Tensor:
    """A mask of windows built in place, as shifted-window attention does."""
    mask = torch.zeros(4, 4)
    for number, rows in enumerate((slice(0, -2), slice(-2, None))):
        mask[rows, :] = number
    mask[0][1] = 7
    mask.view(2, 8)[1] += 1
    return x[: int(mask.sum())]


#: name -> (forward, rows of a 64-row input that it keeps, worked by hand)
CONSTANTS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "sum of arange": (lambda b, x: x[: torch.arange(5).sum().item()], 0 + 1 + 2 + 3 + 4),
    "a buffer's value": (lambda b, x: x[: b[0]], 3),
    "a buffer's largest": (lambda b, x: x[: b.max().item()], 3),
    "a list": (lambda b, x: x[: sum(b.tolist())], 3 + 1 + 2),
    "in place": (lambda b, x: x[: int(torch.zeros(3).add_(2).mul_(3).sum())], 3 * 2 * 3),
    # Rows 0 and 1 are 0, rows 2 and 3 are 1: 8 ones. Then 7 in one place, and 1 more in the last two rows: 8.
    "slices and views": (windows, 8 + 7 + 8),
    "a branch": (lambda b, x: x[:9] if b.sum() == 6 and torch.equal(b, b.clone()) else x[:2], 9),
    "linspace as dropout rates": (lambda b, x: x[: round(sum(r.item() for r in torch.linspace(0, 10, 6)))], 30),
    "unique": (lambda b, x: x[: torch.unique(torch.tensor([4, 4, 7])).numel()], 2),
    "nonzero": (lambda b, x: x[: (b > 1).nonzero().shape[0]], 2),
    "a tensor as a size": (lambda b, x: x[: torch.ones(b.sum(), 2).shape[0]], 6),
    "cumulated lengths": (lambda b, x: torch.cat(x.split([*b.cumsum(0).tolist(), 51])[:2]), 3 + 4),
    "detached, on a device": (lambda b, x: x[: int(b.detach().to(x.device).cpu().numpy()[0])], 3),
    "a mask of known values on unknown ones": (lambda b, x: x[torch.arange(64) % 2 == 0], 32),
    "repeats": (lambda b, x: x[:3].repeat_interleave(b, dim=0), 3 + 1 + 2),
    "ones like the input": (lambda b, x: x[: int(torch.ones_like(x[:4]).sum())], 4 * 2),
    "new from the input": (lambda b, x: x[: int(x.new_full((3,), 2).sum() + x.new_tensor([1, 4]).sum())], 3 * 2 + 5),
    "an index of a tensor": (lambda b, x: x[: torch.tensor([[5, 6]])[0, 1]], 6),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    forward, kept = CONSTANTS[name]
    model = Fn(forward)
    assert forward(model.buffer, torch.rand(64, 2)).shape[0] == kept
    p = inspector.predict(model, (64, 2))
    assert p.modules[0].output_shapes == ((kept, 2),)
    assert model.buffer.tolist() == [3, 1, 2]


def test_values_asked_for_between_writes() -> None:
    seen: list[int] = []

    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        count = torch.zeros(2)
        pair = count * 10
        first = count[0]
        for _ in range(3):
            count += 1
            seen.extend([int(count.sum()), int(first), int(pair.sum())])
            seen.append(int((count * 2).sum()))
        buffer[1] = 9
        seen.extend([int(buffer.sum()), int(count.sum())])
        return x

    inspector.predict(Fn(forward), (4, 3))
    assert seen == [2, 1, 0, 4, 4, 2, 0, 8, 6, 3, 0, 12, 3 + 9 + 2, 6]


def test_a_value_written_over_by_unknown_ones_is_unknown() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        mask = torch.zeros(3)
        mask.copy_(x[0])
        return x[: int(mask.sum())]

    with pytest.raises(NeedsData, match="--input-file"):
        inspector.predict(Fn(forward), (4, 3))


def test_a_view_of_what_was_written_over_is_unknown_too() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        mask = torch.zeros(3)
        part = mask[:2]
        mask += x[0]
        return x[: int(part.sum())]

    with pytest.raises(NeedsData):
        inspector.predict(Fn(forward), (4, 3))


def test_a_buffer_written_over_by_unknown_values_is_unknown_and_unchanged() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        buffer.add_(x[0])
        return x[: int(buffer.sum())]

    model = Fn(forward, torch.ones(3))
    with pytest.raises(NeedsData):
        inspector.predict(model, (4, 3))
    assert model.buffer.tolist() == [1, 1, 1]


def test_a_counter_in_a_buffer_counts_in_the_trace_alone() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        for _ in range(3):
            buffer.add_(1)
        return x[: int(buffer)]

    model = Fn(forward, torch.tensor(2))
    for _ in range(2):
        assert inspector.predict(model, (9, 3)).modules[0].output_shapes == ((5, 3),)
    assert model.buffer.item() == 2


def test_random_values_are_not_known() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        return x if torch.rand(1).item() < 0.5 else x + 1

    with pytest.raises(NeedsData):
        inspector.predict(Fn(forward), (4, 3))


def test_nothing_is_computed_that_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        return x + torch.ones(10**6, 10**6).sum()  # 4 TB, if it were made

    assert inspector.predict(Fn(forward), (4, 3)).modules[0].output_shapes == ((4, 3),)


def test_what_is_unknown_is_said_at_the_users_own_line() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        return x[: int(x.sum() + buffer.sum())]  # the line

    with pytest.raises(NeedsData, match=r"x\[: int\(x\.sum\(\) \+ buffer\.sum\(\)\)\]  # the line"):
        inspector.predict(Fn(forward), (4, 3))


@lru_cache
def causal(length: int, device: torch.device) -> Tensor:
    """A mask that a project keeps for as long as the process lives."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def test_what_a_forward_leaves_in_caches_has_values_afterwards() -> None:
    kept: dict[str, Tensor] = {}

    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        kept.setdefault("positions", torch.arange(4, device=x.device) * buffer[1])
        kept.setdefault("view", kept["positions"][1:])
        return x.masked_fill(~causal(4, x.device), -1.0) + kept["positions"]

    model = Fn(forward)
    expected = forward(model.buffer, torch.zeros(4, 4))
    causal.cache_clear()
    kept.clear()
    for _ in range(2):
        inspector.predict(model, (4, 4))
    assert kept["positions"].tolist() == [0, 1, 2, 3]
    assert kept["view"].tolist() == [1, 2, 3]
    assert causal.cache_info().hits == 1, "the second prediction met the first one's mask"
    assert torch.equal(model(torch.zeros(4, 4)), expected)


def test_a_cache_that_cannot_be_computed_does_no_harm() -> None:
    kept: dict[str, Tensor] = {}

    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        kept["wrong"] = torch.arange(3)[torch.tensor([7])]  # sizes alone do not tell that 7 is too far
        return x + 1

    assert inspector.predict(Fn(forward), (4, 4)).modules[0].output_shapes == ((4, 4),)
    assert kept["wrong"].shape == (1,)


def test_a_cache_that_starts_empty_holds_unknown_values() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        cache = torch.cat([torch.tensor([]), x[0]])
        return x[: int(cache.sum())]

    with pytest.raises(NeedsData):
        inspector.predict(Fn(forward), (4, 3))


def test_a_known_tensor_before_an_unknown_one() -> None:
    def forward(buffer: Tensor, x: Tensor) -> Tensor:
        known = torch.ones(3)
        product = known * x[0]
        known.add_(1)
        return x[: int(known.sum())] if product.dim() else x[: int(product.sum())]

    assert inspector.predict(Fn(forward), (8, 3)).rows[-1].output_shapes == ((6, 3),)
