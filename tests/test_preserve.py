"""A model is left as it was found."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from inspector import preserve
from inspector.errors import InspectionError
from inspector.predict import predict
from inspector.preserve import preserved


class Restless(nn.Module):
    """Changes everything it can reach."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("seen", torch.zeros(2))
        self.plain = torch.zeros(2)
        self.history: list[int] = [1]
        self.table = {"a": 1}
        self.steps = 0
        self.linear.weight.grad = torch.ones(2, 2)

    def forward(self, x):
        self.steps += 1
        self.history.append(2)
        self.table["b"] = 2
        self.new = torch.ones(1)
        self.plain.add_(1)
        self.seen.add_(1)
        self.eval()
        self.linear.register_forward_hook(lambda *_: None)
        self.register_buffer("late", torch.ones(1))
        self.linear.weight.data.add_(1)
        with torch.no_grad():
            self.linear.bias.add_(1)
        self.linear.bias.requires_grad_(False)
        self.linear.weight.grad.add_(1)
        self.linear.bias.grad = torch.ones(2)
        self.extra = nn.ReLU()
        torch.rand(1), random.random(), np.random.random()
        return self.norm(self.linear(x))


def state(model: Restless) -> dict[str, object]:
    return {
        "values": {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        "plain": model.plain.tolist(),
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "modes": [module.training for module in model.modules()],
        "hooks": [len(module._forward_hooks) for module in model.modules()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "trainable": [p.requires_grad for p in model.parameters()],
        "python": (model.steps, list(model.history), dict(model.table)),
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
    }


def test_everything_is_put_back():
    model = Restless()
    before, identities = state(model), [id(tensor) for tensor in (*model.parameters(), *model.buffers())]
    with preserved(model):
        model(torch.zeros(3, 2))
        inside = state(model)
    after = state(model)
    for name in before:
        assert inside[name] != before[name], f"{name} was not disturbed, so that this test would show nothing"
        assert after[name] == before[name], name
    assert identities == [id(tensor) for tensor in (*model.parameters(), *model.buffers())]


def test_also_after_an_exception():
    model = Restless()
    model.register_forward_hook(lambda *_: 1 / 0)
    before = state(model)
    with pytest.raises(ZeroDivisionError), preserved(model):
        model(torch.zeros(3, 2))
    assert state(model) == before


def test_without_values_the_rest_is_put_back():
    model = Restless()
    before = state(model)
    with preserved(model, values=False):
        model(torch.zeros(3, 2))
    after = state(model)
    for name in ("attributes", "modes", "hooks", "python", "random"):
        assert after[name] == before[name], name


def test_under_inference_mode():
    with torch.inference_mode():
        model = nn.BatchNorm1d(2)
        with preserved(model):
            model(torch.ones(3, 2))
        assert model.running_mean.tolist() == [0, 0]


def test_buffers_replaced_by_other_objects():
    model = nn.BatchNorm1d(2)
    mean = model.running_mean
    with preserved(model):
        model.running_mean = torch.ones(2)
        del model.running_var
    assert model.running_mean is mean
    assert model.running_var.tolist() == [1, 1]


def test_a_parameter_moved_to_other_memory_comes_back():
    model = nn.Linear(2, 2)
    place = model.weight.data_ptr()
    with preserved(model):
        model.weight.data = torch.ones(3, 3)
    assert model.weight.data_ptr() == place
    assert model.weight.shape == (2, 2)


def test_lazy_and_meta_models_need_no_values():
    for model in (nn.LazyLinear(2), nn.Linear(2, 2, device="meta")):
        with preserved(model):
            pass


def test_a_write_into_parameters_too_large_to_copy_is_told(monkeypatch):
    monkeypatch.setattr(preserve, "_COPIED_BYTES", 0)
    model = nn.Linear(2, 2)
    with preserved(model):
        model(torch.zeros(1, 2))
    with pytest.raises(InspectionError, match="wrote into parameters"), preserved(model), torch.no_grad():
        model.weight.add_(1)


def test_plain_objects_and_nested_lists_are_put_back():
    class Cache:
        def __init__(self):
            self.keys = None
            self.seen = [[1], {"a": [2]}]
            self.tensor = torch.zeros(2)

    class Caching(nn.Module):
        def __init__(self):
            super().__init__()
            self.cache = Cache()
            self.pair = ([1], 2)

        def forward(self, x):
            self.cache.keys = x
            self.cache.new = x
            self.cache.seen[0].append(3)
            self.cache.seen[1]["a"].append(3)
            self.pair[0].append(x)
            self.cache.tensor.add_(1)
            return x

    model = Caching()
    with preserved(model):
        model(torch.ones(2))
        assert model.cache.seen == [[1, 3], {"a": [2, 3]}]
    assert model.cache.keys is None
    assert not hasattr(model.cache, "new")
    assert model.cache.seen == [[1], {"a": [2]}]
    assert model.pair == ([1], 2)
    assert model.cache.tensor.tolist() == [0, 0]


def test_a_class_held_by_a_module_is_left_alone():
    class Meta(type):
        """As ``ABCMeta`` is: its objects are classes, whose ``__dict__`` is a view that cannot be written to."""

    class Part(metaclass=Meta):
        scale = 2

    class Holding(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Part
            self.parts = [Part, {"one": Part}]

        def forward(self, x):
            return x * self.part.scale

    model = Holding()
    with preserved(model):
        model(torch.ones(2))
    assert model.part is Part
    assert predict(model, (2,)).rows[0].kind == "mul"


def test_contents_that_go_from_one_container_to_another():
    class Exchanging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.full, self.empty, self.filled = {"a": 1, "b": 2}, {}, []

        def forward(self, x):
            self.empty["b"] = self.full.pop("b")
            self.empty["a"] = self.full.pop("a")
            self.filled.append(x)
            return x

    model = Exchanging()
    held = (model.full, model.empty, model.filled)
    predict(model, (2,))
    assert (list(model.full.items()), model.empty, model.filled) == ([("a", 1), ("b", 2)], {}, [])
    assert all(before is now for before, now in zip(held, (model.full, model.empty, model.filled), strict=True))


def test_a_set_that_nobody_touched_keeps_its_order():
    model = nn.Identity()
    model.names = {f"name {number * 37 % 101}" for number in range(30)}
    order = list(model.names)
    predict(model, (1,))
    assert list(model.names) == order
