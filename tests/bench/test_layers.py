"""Per-layer times: held to a clock of the test's, on the path of the CPU and on that of CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inspector.bench.layers import EventMarker, Marker, WallMarker, marker_for, time_layers
from inspector.errors import InspectionError


class Stream:
    """A device with a queue: work takes its time when the host synchronises, never when it is given."""

    def __init__(self) -> None:
        self.queue: list[object] = []
        self.clock = 0.0
        self.synchronised = 0

    def work(self, seconds: float) -> None:
        self.queue.append(seconds)

    def event(self) -> Event:
        return Event(self)

    def synchronize(self) -> None:
        self.synchronised += 1
        for item in self.queue:
            if isinstance(item, Event):
                item.passed = self.clock
            else:
                self.clock += item
        self.queue.clear()


class Event:
    """What a CUDA event does: noted in the queue, dated when the device passes it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.passed: float | None = None

    def record(self) -> None:
        self.stream.queue.append(self)

    def elapsed_time(self, end: Event) -> float:
        assert self.passed is not None, "the device has not come so far"
        assert end.passed is not None
        return 1e3 * (end.passed - self.passed)


class Works(nn.Module):
    def __init__(self, stream: Stream, seconds: float) -> None:
        super().__init__()
        self.stream, self.seconds = stream, seconds

    def forward(self, x: Tensor) -> Tensor:
        self.stream.work(self.seconds)
        return x


class Nested(nn.Module):
    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self.first, self.second = Works(stream, 0.25), Works(stream, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x))
        self.stream.work(1.0)
        return self.first(x)


def test_events_give_each_layer_its_own_time_with_one_synchronise_a_round() -> None:
    stream = Stream()
    model = nn.Sequential(Nested(stream), Works(stream, 2.0))
    found = time_layers(model, lambda: model(torch.ones(1)), EventMarker(stream.event, stream.synchronize), rounds=4)
    assert [(layer.path, layer.call, layer.own) for layer in found.layers] == [
        ("", 1, 0.0),
        ("0", 1, 1.0),
        ("0.first", 1, 0.25),
        ("0.second", 1, 0.5),
        ("0.first", 2, 0.25),
        ("1", 1, 2.0),
    ]
    assert found.hooked == sum(layer.own for layer in found.layers) == 4.0
    assert stream.synchronised == found.rounds == 4


def test_the_wall_clock_is_read_around_the_call_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            now[0] += 3.0
            return x

    def dawdle(*_: object) -> None:
        now[0] += 10.0

    model = nn.Sequential(Slow())
    model[0].register_forward_hook(dawdle)
    model[0].register_forward_pre_hook(dawdle)
    found = time_layers(model, lambda: model(torch.ones(1)), WallMarker(), rounds=2)
    assert [layer.own for layer in found.layers] == [20.0, 3.0], "the user's hooks are the caller's work"


def test_hooks_are_gone_afterwards_also_where_forward_raises() -> None:
    model = nn.Sequential(nn.ReLU())

    def fails() -> object:
        model(torch.ones(1))
        raise KeyError

    with pytest.raises(KeyError):
        time_layers(model, fails, WallMarker())
    time_layers(model, lambda: model(torch.ones(1)), WallMarker(), rounds=1)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def alternating(model: nn.Module, longer: bool) -> Callable[[], object]:
    turns = iter(range(100))

    def forward() -> object:
        if next(turns) % 2:
            return model[0](torch.ones(1))
        return (model[0](model[0](torch.ones(1)))) if longer else model[1](torch.ones(1))

    return forward


@pytest.mark.parametrize(("longer", "told"), [(True, "2 in forward 2"), (False, "'0' in the first")])
def test_a_forward_that_goes_another_way_each_time_is_refused(longer: bool, told: str) -> None:
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    with pytest.raises(InspectionError, match=told):
        time_layers(model, alternating(model, longer), WallMarker())


def test_a_forward_whose_shapes_change_is_refused() -> None:
    model, lengths = nn.Sequential(nn.ReLU()), iter(range(1, 100))
    with pytest.raises(InspectionError, match=r"'0' returns \[1\] first and \[4\] later.*--no-layers"):
        time_layers(model, lambda: model(torch.ones(next(lengths))), WallMarker(), rounds=2)
    assert not any(module._forward_hooks for module in model.modules())


def test_no_rounds_are_refused() -> None:
    with pytest.raises(InspectionError, match="at least one"):
        time_layers(nn.ReLU(), lambda: None, WallMarker(), rounds=0)


def test_which_marker_a_device_has() -> None:
    assert isinstance(marker_for("cpu"), WallMarker)
    marker: Marker = marker_for("cuda")
    assert isinstance(marker, EventMarker)


@pytest.mark.cuda
def test_a_sleep_of_known_cycles_on_a_gpu() -> None:
    class Sleeps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.cuda._sleep(20_000_000)
            return x

    model = nn.Sequential(Sleeps(), nn.ReLU())
    found = time_layers(model, lambda: model(torch.ones(1, device="cuda")), marker_for("cuda"), rounds=3)
    assert found.layers[1].own > 100 * found.layers[2].own
