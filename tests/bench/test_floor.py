"""Floors against simulated devices that do nothing in vain, and against arithmetic by hand."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inspector.bench.demand import demands
from inspector.bench.floor import ModelFloor, Roof, model_floor

FLAT = Roof(((10**9, 1e6),), {"float32": 1e6}, 0.25, queued=False, transforms=False)


class Cache:
    """A write-back cache of so many bytes over a memory: counts what moves in each. Blocks are single bytes."""

    def __init__(self, size: int, fast: float, slow: float) -> None:
        self.size, self.fast, self.slow = size, fast, slow
        self.held: OrderedDict[int, bool] = OrderedDict()  # address -> written and not in memory yet
        self.moved = self.touched = 0

    def touch(self, address: int, write: bool) -> None:
        self.touched += 1
        if address not in self.held and not write:
            self.moved += 1
        dirty = self.held.pop(address, False) or write
        self.held[address] = dirty
        if len(self.held) > self.size:
            _, dirty = self.held.popitem(last=False)
            self.moved += dirty

    def seconds(self) -> float:
        """Both levels at work at once."""
        return max(self.touched / self.fast, self.moved / self.slow)

    def reset(self) -> None:
        self.moved = self.touched = 0


def streamed(cache: Cache, size: int) -> float:
    """Bytes per second of copying within so many bytes again and again, as a measured ceiling is."""
    for _ in range(3):
        cache.reset()
        for address in range(size // 2):
            cache.touch(address, write=False)
            cache.touch(10**6 + address, write=True)
    return 2 * (size // 2) / cache.seconds()


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.integers(8, 60),  # the smallest set that is measured fits
    st.integers(2, 100),
    st.integers(0, 150),
    st.integers(0, 150),
    st.integers(0, 150),
    st.booleans(),
)
def test_moving_never_takes_less_than_the_floor(
    size: int, fast: int, read: int, written: int, before: int, from_the_end: bool
) -> None:
    """Whatever lies in the cache when a call begins, and whatever stays there when it ends."""
    roof = replace(FLAT, streams=tuple((s, streamed(Cache(size, fast, 1.0), s)) for s in (8, 24, 64, 256)))
    cache = Cache(size, fast, 1.0)
    for address in range(read - before if from_the_end else 0, read if from_the_end else before):
        cache.touch(address, write=False)
    cache.reset()
    for address in range(read):
        cache.touch(address, write=False)
    for address in range(written):
        cache.touch(10**6 + address, write=True)
    assert roof.moving(read, written) <= cache.seconds() * (1 + 1e-9)
    assert replace(roof, cache=size).moving(read, written) <= cache.seconds() * (1 + 1e-9)


def test_moving_is_tight_far_from_the_cache() -> None:
    roof = replace(FLAT, streams=((100, 50.0), (10_000, 1.0)))
    assert roof.moving(50_000, 50_000) == pytest.approx(100_000 - 20_000)
    assert replace(roof, cache=70).moving(50_000, 50_000) == pytest.approx(100_000 - 140)
    assert replace(FLAT, streams=()).moving(5, 5) == 0.0


def of(model: nn.Module, shape: tuple[int, ...], roof: Roof = FLAT, backward: bool = False) -> ModelFloor:
    prediction, taken = demands(model, shape)
    return model_floor(prediction.rows, taken, roof, backward)


def test_the_larger_of_multiplying_and_moving_and_a_start() -> None:
    floor = of(nn.Linear(100, 100, bias=False), (50, 100))
    (call,) = floor.calls
    assert call.compute == pytest.approx(2 * 50 * 100 * 100 / 1e6)
    assert call.memory == pytest.approx(4 * (50 * 100 + 100 * 100 + 50 * 100) / 1e6)
    assert call.seconds == pytest.approx(call.compute + 0.25)
    assert call.bound == "compute"
    assert of(nn.ReLU(), (1000, 1000)).calls[0].bound == "memory"
    assert of(nn.ReLU(), (1,)).calls[0].bound == "launch"


def test_views_are_free() -> None:
    floor = of(nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Identity()).eval(), (3, 4, 5))
    assert floor.eager == floor.fused == 0.0
    assert floor.groups == ()


def test_a_dtype_without_a_peak_is_bound_by_memory() -> None:
    floor = of(nn.Linear(4, 4).double(), (2, 4))
    assert floor.calls[0].compute == 0.0 < floor.calls[0].memory


def test_on_a_queue_the_host_starts_kernels_meanwhile() -> None:
    model = nn.Sequential(*[nn.ReLU() for _ in range(10)])
    queued = replace(FLAT, queued=True)
    small, large = of(model, (10,), queued), of(model, (10**6,), queued)
    assert small.eager == pytest.approx(10 * 0.25)
    assert large.eager == pytest.approx(10 * 8)
    assert small.fused == pytest.approx(0.25)


def test_element_wise_work_joins_what_made_its_input() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kept = self.norm(self.first(x)).relu()
            return self.second(kept).add(kept)

    floor = of(Residual(), (4, 8), replace(FLAT, start=0.0, peaks={}))
    assert floor.groups == ((0, 1, 2), (3, 4))
    first = 4 * (4 * 8 + 8 * 8 + 8 + 8 + 8) + 4 * 4 * 8  # x, weights; kept is written, since the next group reads it
    second = 4 * (4 * 8 + 8 * 8 + 8) + 4 * 4 * 8
    assert floor.fused == pytest.approx((first + second) / 1e6)
    assert floor.fused < floor.eager


def test_no_compiler_does_without_a_single_kernels_floor() -> None:
    class Attends(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ x.mT).softmax(-1) @ x.sin()

    free = replace(FLAT, start=0.25, peaks={})
    floor = of(Attends(), (1, 100, 4), free)
    assert floor.single == pytest.approx(4 * 2 * 400 / 1e6), "x is read once, the result written; no scores, no start"
    assert floor.single < floor.fused < floor.eager
    computing = of(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), (4, 8), replace(FLAT, streams=()))
    assert computing.single == pytest.approx(2 * 2 * 4 * 8 * 8 / 1e6)
    trained = of(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), (4, 8), replace(FLAT, streams=()), backward=True)
    assert trained.single == pytest.approx(5 / 2 * computing.single)
    assert of(nn.Flatten(), (2, 3, 4)).single == 0.0


def test_transforms_lower_the_floor_of_a_convolution_alone() -> None:
    fast = replace(FLAT, transforms=True, start=0.0, streams=())
    slow = replace(fast, transforms=False)
    conv, linear = nn.Conv2d(4, 4, 3), nn.Linear(8, 8)
    assert of(conv, (1, 4, 10, 10), slow).eager == pytest.approx(4 * of(conv, (1, 4, 10, 10), fast).eager)
    assert of(linear, (4, 8), slow).eager == of(linear, (4, 8), fast).eager


def test_a_backward_doubles_the_products_that_somebody_wants() -> None:
    computing = replace(FLAT, streams=(), start=0.0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    forward, both = of(model, (4, 8), computing).eager, of(model, (4, 8), computing, backward=True).eager
    assert both == pytest.approx(forward * (1 + 3 / 2)), "the first layer's input wants no gradient"
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert of(model, (4, 8), computing, backward=True).eager == pytest.approx(forward)
