"""Ways of running a model: what each gives to it, and what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from inspector.bench.modes import captured, prepared, stepping, transferring
from inspector.errors import InspectionError

CPU = torch.device("cpu")


class Notes(nn.Module):
    """Notes of each forward what its input was like."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.conv(x)


def _step(mode: str, model: nn.Module, x: Tensor, *, backward: bool = False) -> object:
    called, args, kwargs, around = prepared(mode, model, (x,), {}, CPU)
    return stepping(called, args, kwargs, around, list(model.parameters()), backward)()


def test_channels_last_gives_model_and_input_that_layout() -> None:
    model, x = Notes(), torch.randn(2, 3, 8, 8)
    expected = model(x).detach()
    found = _step("channels_last", model, x)
    assert model.seen[-1].is_contiguous(memory_format=torch.channels_last)
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected)


def test_autocast_computes_in_bfloat16() -> None:
    found = _step("autocast", Notes(), torch.randn(2, 3, 8, 8))
    assert isinstance(found, Tensor)
    assert found.dtype is torch.bfloat16


def test_a_forward_keeps_no_graph_and_a_training_step_gives_gradients() -> None:
    model, x = Notes(), torch.randn(2, 3, 8, 8)
    found = _step("eager", model, x)
    assert isinstance(found, Tensor)
    assert not found.requires_grad
    model(x).sum().backward()
    expected = model.conv.weight.grad
    _step("eager", model, x, backward=True)  # drops what was there, and adds nothing to it
    assert expected is not model.conv.weight.grad
    torch.testing.assert_close(model.conv.weight.grad, expected)


def test_transfer_gives_the_model_the_input_from_the_host() -> None:
    model, x = Notes(), torch.randn(2, 3, 8, 8)
    call = transferring(model, (x,), {}, CPU)
    torch.testing.assert_close(call(), model.conv(x))
    assert model.seen[-1] is not x


@pytest.mark.parametrize(("mode", "said"), [("graph", "CUDA graphs"), ("transfer", "on the cpu"), ("fast", "no mode")])
def test_a_mode_that_there_is_not(mode: str, said: str) -> None:
    with pytest.raises(InspectionError, match=said):
        prepared(mode, Notes(), (), {}, CPU)


def test_a_graph_is_captured_after_warm_up_on_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order that PyTorch's notes on CUDA graphs ask for, with stand-ins that note it."""
    order: list[str] = []

    class Stream:
        def __init__(self, name: str = "side") -> None:
            self.name = name

        def wait_stream(self, other: Stream) -> None:
            order.append(f"{self.name} waits for {other.name}")

    class Graph:
        def replay(self) -> None:
            order.append("replay")

    @contextmanager
    def within(thing: object) -> Iterator[None]:
        name = thing.name if isinstance(thing, Stream) else "graph"
        order.append(f"into {name}")
        yield
        order.append(f"out of {name}")

    main = Stream("main")
    stand_ins = {
        "Stream": Stream,
        "current_stream": lambda: main,
        "CUDAGraph": Graph,
        "stream": within,
        "graph": within,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    replay = captured(lambda: order.append("step"))
    assert order == [
        *("side waits for main", "into side", "step", "step", "step", "out of side"),
        *("main waits for side", "into graph", "step", "out of graph"),
    ]
    order.clear()
    replay()
    assert order == ["replay"]


def test_no_backward_without_parameters() -> None:
    with pytest.raises(InspectionError, match="no backward to time"):
        _step("eager", nn.ReLU(), torch.ones(2), backward=True)


@pytest.mark.cuda
def test_a_captured_training_step_computes_the_same() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    device = torch.device("cuda")
    model, x = nn.Linear(4, 4).to(device), torch.randn(2, 4, device=device)
    called, args, kwargs, around = prepared("graph", model, (x,), {}, device)
    step = stepping(called, args, kwargs, around, list(model.parameters()), backward=True)
    step()
    assert model.weight.grad is not None
    expected = model.weight.grad.clone()
    captured(step)()
    torch.cuda.synchronize()
    torch.testing.assert_close(model.weight.grad, expected)
