"""Nothing of the model or the caller changes: modes, threads, transforms, exceptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import inspector
from tests.held import sums_hold


class FunctionLog(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


class DispatchLog(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


def fake_mode() -> AbstractContextManager[Any]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "TorchFunctionMode": FunctionLog,
    "TorchDispatchMode": DispatchLog,
    "FakeTensorMode": fake_mode,
    "device meta": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_default_device": lambda: torch.device("cpu"),
    "FlopCounterMode": lambda: torch.utils.flop_counter.FlopCounterMode(display=False),
}


def convnet() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2)).eval()


def summary(p: inspector.Prediction) -> Any:
    return [(row.path, row.kind, row.output_shapes, row.dtype, row.macs, row.params) for row in p.rows]


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
@pytest.mark.parametrize("with_data", [False, True], ids=["sizes", "data"])
def test_inside_anything_the_prediction_is_the_same(surrounding: str, with_data: bool) -> None:
    model = convnet()
    question = {"input_data": torch.rand(2, 3, 5, 5)} if with_data else {"input_size": (2, 3, 5, 5)}
    outside = inspector.predict(model, **question)
    with SURROUNDINGS[surrounding]() as mode:
        inside = inspector.predict(model, **question)
        after = torch.ones(2)
    assert summary(inside) == summary(outside)
    sums_hold(inside)
    if surrounding == "TorchFunctionMode":
        assert torch.ones in mode.seen, "the caller's mode is active again after the prediction"
    if surrounding == "TorchDispatchMode":
        assert [str(func) for func in mode.seen][-1] == "aten.ones.default"
        assert not any("convolution" in str(func) for func in mode.seen), "the forward was none of the caller's calls"
    if surrounding == "device meta":
        assert after.is_meta


@pytest.mark.parametrize("transform", ["vmap", "grad", "vjp"])
def test_inside_a_functional_transform(transform: str) -> None:
    model = convnet()
    found: list[inspector.Prediction] = []

    def asks(x: Tensor) -> Tensor:
        found.append(inspector.predict(model, (2, 3, 5, 5)))
        return x.sum()

    if transform == "vmap":
        torch.vmap(asks)(torch.rand(3, 2))
    elif transform == "grad":
        torch.func.grad(asks)(torch.rand(2))
    else:
        torch.func.vjp(asks, torch.rand(2))
    assert summary(found[0]) == summary(inspector.predict(model, (2, 3, 5, 5)))


def test_a_prediction_asked_for_inside_a_forward() -> None:
    inner = nn.Linear(3, 4)

    class Curious(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 5)

        def forward(self, x: Tensor) -> Tensor:
            assert inspector.predict(inner, (7, 3)).total_macs == 7 * 3 * 4
            return self.linear(x)

    p = inspector.predict(Curious(), (2, 3))
    assert [row.kind for row in p.rows] == ["linear"]
    assert [call.path for call in p.modules] == ["", "linear"]
    assert p.total_macs == 2 * 3 * 5


def run_all(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Results of the jobs, run at once in threads; the first exception is raised."""
    results: list[Any] = [None] * len(jobs)
    barrier = threading.Barrier(len(jobs))

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = jobs[number]()
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


class Stateful(nn.Module):
    """Counts its calls, stores what it saw and switches a part's mode, which a prediction has to take back."""

    def __init__(self) -> None:
        super().__init__()
        self.net = convnet()
        self.calls = 0
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(x)
        self.last = x
        for _ in range(20):
            x = x * 1
        return self.net(x)


def test_threads_on_one_model_leave_it_as_it_was() -> None:
    model = Stateful()
    state = torch.random.get_rng_state()

    def several() -> list[Any]:
        return [summary(inspector.predict(model, (2, 3, 5, 5), mode=mode)) for mode in ("train", "eval") * 5]

    results = run_all([several] * 4)
    alone = [summary(inspector.predict(model, (2, 3, 5, 5), mode=mode)) for mode in ("train", "eval") * 5]
    assert all(result == alone for result in results)
    assert model.calls == 0
    assert model.seen == []
    assert not hasattr(model, "last")
    assert [module.training for module in model.modules()] == [True] + [False] * 6
    assert torch.equal(state, torch.random.get_rng_state())


def test_threads_on_different_models() -> None:
    models = [nn.Sequential(*(nn.Linear(3, 3) for _ in range(depth))) for depth in (1, 5, 9, 20)]
    alone = [summary(inspector.predict(model, (2, 3))) for model in models]
    jobs = [lambda model=model: [summary(inspector.predict(model, (2, 3))) for _ in range(5)] for model in models]
    for result, expected in zip(run_all(jobs), alone, strict=True):
        assert result == [expected] * 5


def test_a_real_run_in_another_thread_is_not_recorded() -> None:
    model, other = convnet(), convnet()
    stop = threading.Event()
    outputs: list[Tensor] = []

    def train() -> None:
        while not stop.is_set():
            outputs.append(other(torch.rand(2, 3, 5, 5)))

    thread = threading.Thread(target=train)
    thread.start()
    try:
        predictions = [summary(inspector.predict(model, (2, 3, 5, 5))) for _ in range(20)]
    finally:
        stop.set()
        thread.join()
    assert all(found == predictions[0] for found in predictions)
    assert all(not output.is_meta for output in outputs)


class Breaks(nn.Module):
    """Changes much of itself and raises."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
        self.register_buffer("seen", torch.zeros(3))
        self.log: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.eval()
        self.log.append(1)
        self.net[0].register_forward_hook(lambda *_: None)
        self.net[0].weight.requires_grad_(False)
        self.seen.add_(1)
        self.seen[0] = 5
        self.kept = self.net(x)
        torch.nn.init.zeros_(self.net[0].bias)
        raise LookupError("no such thing")


@pytest.mark.parametrize("with_data", [False, True], ids=["sizes", "data"])
def test_a_model_that_raises_is_left_as_it_was(with_data: bool) -> None:
    model = Breaks().train()
    model.net[0].weight.grad = torch.ones(3, 3)
    values = {name: value.clone() for name, value in model.state_dict().items()}
    question = {"input_data": torch.rand(2, 3)} if with_data else {"input_size": (2, 3)}
    generator = torch.random.get_rng_state()
    grad_mode, modes = torch.is_grad_enabled(), torch._C._len_torch_function_stack()
    with pytest.raises(inspector.InspectionError, match="no such thing") as caught:
        inspector.predict(model, **question)
    assert caught.value.partial.total_params == 9 + 3 + 3 + 3
    assert all(module.training for module in model.modules())
    assert model.log == []
    assert not model.net[0]._forward_hooks
    assert not hasattr(model, "kept")
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.net[0].weight.grad.tolist() == [[1.0] * 3] * 3
    assert torch.equal(generator, torch.random.get_rng_state())
    assert torch.is_grad_enabled() == grad_mode
    assert torch._C._len_torch_function_stack() == modes
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_switches_that_a_forward_leaves_on_are_taken_back() -> None:
    class Switches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.set_grad_enabled(False)
            torch.manual_seed(3)
            return x * torch.rand(3)

    state = torch.random.get_rng_state()
    inspector.predict(Switches(), (2, 3))
    assert torch.is_grad_enabled()
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_keyboard_interrupt_passes_and_leaves_nothing() -> None:
    class Interrupted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.note = 1
            raise KeyboardInterrupt

    model = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        inspector.predict(model, (2, 3))
    assert not hasattr(model, "note")
    assert not torch.nn.modules.module._global_forward_hooks


def test_the_callers_inputs_stay_as_they_are() -> None:
    class Writes(nn.Module):
        def forward(self, x: Tensor, parts: list[Tensor]) -> Tensor:
            x.mul_(0)
            parts.append(x)
            parts[0].zero_()
            return x + parts[0] if x.sum() == 0 else x

    x, parts = torch.ones(3), [torch.ones(3)]
    inspector.predict(Writes(), input_data=(x, parts))
    assert x.tolist() == [1, 1, 1]
    assert [part.tolist() for part in parts] == [[1, 1, 1]]


def test_a_prediction_keeps_no_tensor_of_the_model_alive() -> None:
    import gc
    import weakref

    model = convnet()
    watch = weakref.ref(model[0].weight)
    p = inspector.predict(model, (2, 3, 5, 5))
    del model
    gc.collect()
    assert watch() is None
    assert len(p.rows) == 5


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    yield
    assert torch._C._len_torch_function_stack() == 0
    assert torch._C._len_torch_dispatch_stack() == 0
    assert not torch.nn.modules.module._global_forward_hooks
    assert torch.is_grad_enabled()


def test_modules_are_called_as_before_when_nobody_watches() -> None:
    code = nn.Module.__call__.__code__
    seen: list[bool] = []

    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(nn.Module.__call__.__code__ is code)
            return x

    inspector.predict(Looks(), (2,))
    with pytest.raises(inspector.InspectionError):
        inspector.predict(Breaks(), (2, 3))
    assert seen == [False]
    assert nn.Module.__call__.__code__ is code
