"""Control flow that PyTorch writes as operators: ``torch.cond``, ``while_loop``, ``scan``, ``map``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.map import map as map_over
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

import inspector
from inspector.control_flow import meaning_of
from tests.held import held

#: A linear layer of 4 by 4 on 2 rows.
MACS = 2 * 4 * 4


class Flow(nn.Module):
    """A forward with two layers at hand."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.two = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def branch(self: Flow, x: Tensor) -> Tensor:
    return torch.cond(x.sum() > 0, lambda x: self.one(x), lambda x: self.two(x), (x,))


@pytest.mark.parametrize(("sign", "layers"), [(1, 1), (-1, 2)])
def test_cond_takes_the_branch_of_the_data(sign: int, layers: int) -> None:
    p = held(Flow(branch), input_data=sign * torch.ones(2, 4))
    assert p.total_macs == layers * MACS


def test_cond_on_sizes_needs_no_data() -> None:
    def by_size(self: Flow, x: Tensor) -> Tensor:
        return torch.cond(x.shape[0] > torch.tensor(1), lambda x: self.one(x), lambda x: self.two(x), (x,))

    assert held(Flow(by_size), (2, 4)).total_macs == MACS
    assert held(Flow(by_size), (1, 4)).total_macs == MACS  # half the rows, twice the layers


def test_cond_on_values_asks_for_data() -> None:
    with pytest.raises(inspector.NeedsData, match=r"input-file(.|\n)*torch.cond\(x.sum"):
        inspector.predict(Flow(branch), (2, 4))


def test_a_loop_runs_as_often_as_its_condition_says() -> None:
    def loop(self: Flow, x: Tensor) -> Any:
        return while_loop(lambda n, y: n < 3, lambda n, y: (n + 1, self.one(y)), (torch.tensor(0), x))

    p = held(Flow(loop), (2, 4))
    assert p.total_macs == 3 * MACS
    assert p.modules[0].output_shapes == ((), (2, 4))


def test_scan_carries_and_stacks() -> None:
    def step(self: Flow, carry: Tensor, x: Tensor) -> Any:
        carry = self.one(carry) + x
        return carry, {"out": carry[..., :3]}

    def over_time(self: Flow, x: Tensor) -> Any:
        return scan(lambda carry, x: step(self, carry, x), torch.zeros(4), x, dim=1, reverse=True)

    p = held(Flow(over_time), (4, 5))
    assert p.total_macs == 5 * 4 * 4
    assert p.modules[0].output_shapes == ((4,), (3, 5))


def test_map_stacks_what_each_row_gives() -> None:
    p = held(Flow(lambda self, x: map_over(lambda row: {"a": self.one(row), "b": row[:1]}, x)), (3, 4))
    assert p.total_macs == 3 * 4 * 4
    assert p.modules[0].output_shapes == ((3, 4), (3, 1))


def test_inside_one_another() -> None:
    def nested(self: Flow, x: Tensor) -> Any:
        def body(n: Tensor, y: Tensor) -> Any:
            return n + 1, torch.cond(n > 0, lambda y: self.one(y), lambda y: self.two(y), (y,))

        return while_loop(lambda n, y: n < 3, body, (torch.tensor(0), x))

    # n = 0 takes the two layers, 1 and 2 the one layer.
    assert inspector.predict(Flow(nested), (2, 4)).total_macs == 4 * MACS


def test_what_means_nothing_here() -> None:
    assert meaning_of(torch.mm) is None


def test_nothing_is_compiled_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing loaded the compiler before, ``torch.cond`` does, and it refuses to compile a tracer."""
    monkeypatch.setattr("inspector.wrappers.sys", SimpleNamespace(modules={}))  # as before anything loaded it
    loader = torch.compile
    p = inspector.predict(Flow(branch), input_data=torch.ones(2, 4))
    assert [row.kind for row in p.rows] == ["sum", "gt", "linear"]
    assert torch.compile is loader
