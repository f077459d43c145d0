"""What PyTorch itself returns from every module call."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from inspector.inputs import make_inputs
from inspector.references import running
from inspector.references.execution import execution


class Twice(nn.Module):
    """One layer called twice, an output of several tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        y = self.layer(self.layer(x))
        return {"y": y, "rest": [y.sum(1), 7]}


class NeedsValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x) if x.sum() < 1e9 else x


class OwnTensors(nn.Module):
    """Makes a tensor without naming a device, holds one in a list and a lock that nobody can copy."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.lock = threading.Lock()

    def forward(self, x):
        return self.layer(x) + torch.ones(3)


def seen(measurement):
    return [(call.path, call.call, call.output_shapes) for call in measurement.modules]


def test_every_call_in_order_of_entry():
    measurement = execution(Twice(), make_inputs(Twice(), (2, 3)))
    assert measurement.failure is None
    assert seen(measurement) == [("", 1, ((2, 3), (2,))), ("layer", 1, ((2, 3),)), ("layer", 2, ((2, 3),))]
    assert measurement.modules[0].dtypes == ("float32", "float32")


def test_sizes_alone_run_without_memory_and_leave_no_hook():
    model = nn.Linear(3, 10**6, device="meta").half()
    measurement = execution(model, make_inputs(model, (10**6, 3)))  # 2 TB of output
    assert seen(measurement) == [("", 1, ((10**6, 10**6),))]
    assert measurement.modules[0].dtypes == ("float16",)
    assert measurement.conditions["device"] == "meta"
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_data_run_for_real():
    model, data = NeedsValues(), torch.zeros(2, 3)
    measurement = execution(model, make_inputs(model, input_data=data))
    assert len(measurement.modules) == 2
    assert (measurement.conditions["device"], measurement.conditions["input"]) == ("cpu", "data")
    assert measurement.conditions["tf32"] == "off"


def test_where_values_are_needed_it_runs_on_generated_ones_and_says_so():
    model = NeedsValues()
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert len(measurement.modules) == 2
    assert measurement.conditions["input"] == "generated values"
    assert "item() cannot be called on meta" in measurement.conditions["note"]


def test_a_large_model_is_not_run_for_real(monkeypatch):
    monkeypatch.setattr(running, "SMALL_BYTES", 0)
    model = NeedsValues()
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert "item() cannot be called on meta" in measurement.failure
    assert "refused" not in measurement.conditions


def test_tensors_of_its_own_and_attributes_that_cannot_be_copied():
    model = OwnTensors()
    weight = model.layer.weight
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert seen(measurement)[0] == ("", 1, ((2, 3),))
    assert measurement.conditions["device"] == "meta"
    assert model.layer.weight is weight


def test_what_pytorch_refuses():
    model = nn.Linear(3, 3)
    for inputs in (make_inputs(model, (2, 4)), make_inputs(model, input_data=torch.zeros(2, 4))):
        measurement = execution(model, inputs)
        assert "cannot be multiplied" in measurement.failure
        assert measurement.conditions["refused"] == "yes"


def test_real_runs_change_neither_model_nor_data():
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            return self.norm(x.add_(1))

    model, data = Writes(), torch.zeros(2, 3)
    execution(model, make_inputs(model, input_data=data))
    assert data.sum() == 0
    assert model.norm.num_batches_tracked == 0


def test_lazy_modules_stay_lazy():
    model = nn.Sequential(nn.LazyLinear(4))
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert seen(measurement)[1] == ("0", 1, ((2, 4),))
    assert measurement.modules[1].kind == "Linear"
    assert nn.parameter.is_lazy(model[0].weight)


def test_compiled_models_run_uncompiled():
    model = torch.compile(nn.Sequential(nn.Linear(3, 4)))
    assert seen(execution(model, make_inputs(model, (2, 3)))) == [("", 1, ((2, 4),)), ("0", 1, ((2, 4),))]


@pytest.mark.cuda
def test_on_cuda():
    model = nn.Linear(3, 4)
    measurement = execution(model, make_inputs(model, (2, 3)), "cuda")
    assert seen(measurement) == [("", 1, ((2, 4),))]
    assert measurement.conditions["device"] == "cuda"
    assert model.weight.device.type == "cpu"


def test_modules_registered_nowhere_are_part_of_their_caller():
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.functions = [nn.ReLU()]

        def forward(self, x):
            return self.functions[0](x)

    model = nn.Sequential(Hidden())
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert [call.path for call in measurement.modules] == ["", "0"]


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script.*:FutureWarning", "ignore:.*torch.jit.script.*:DeprecationWarning"
)
def test_scripted_modules_are_seen_from_outside():
    model = nn.Sequential(torch.jit.script(nn.Linear(3, 4)), nn.ReLU())
    measurement = execution(model, make_inputs(model, (2, 3)))
    assert seen(measurement) == [("", 1, ((2, 4),)), ("0", 1, ((2, 4),)), ("1", 1, ((2, 4),))]
    assert measurement.conditions["device"] == "meta"


def test_autocast_of_the_cpu_is_followed_on_the_cpu():
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.layer(x)

    measurement = execution(Cast(), make_inputs(Cast(), (2, 3)))
    assert [call.dtypes for call in measurement.modules] == [("bfloat16",), ("bfloat16",)]
    assert measurement.conditions["device"] == "cpu"


def test_hooks_of_the_user_have_their_say():
    model = nn.Sequential(nn.Linear(3, 4))
    model[0].register_forward_hook(lambda module, args, output: output.repeat(1, 2))
    assert seen(execution(model, make_inputs(model, (2, 3))))[1] == ("0", 1, ((2, 8),))
