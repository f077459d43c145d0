"""Models as they come: each kind is predicted, and every witness agrees."""

from __future__ import annotations

import warnings
from collections import namedtuple
from dataclasses import dataclass
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import inspector
from tests.held import held


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.head = nn.Linear(4, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


def test_tied_weights_count_once_where_they_are_first_used() -> None:
    p = held(Tied(), (2, 3), input_dtypes=torch.int64)
    assert p.total_params == p.trainable_params == 11 * 4
    assert p.tied_parameters == (("embedding.weight", "head.weight"),)
    assert [(row.kind, row.params) for row in p.rows] == [("embedding", 44), ("linear", 0)]
    assert p.total_macs == 2 * 3 * 4 * 11


def test_a_module_called_many_times() -> None:
    class Repeats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(5):
                x = self.linear(x)
            return x

    p = held(Repeats(), (2, 4))
    assert [(call.path, call.call, call.params) for call in p.modules[1:]] == [
        ("linear", 1, 20),
        *(("linear", number, 0) for number in range(2, 6)),
    ]
    assert p.total_params == 4 * 4 + 4
    assert p.total_macs == 5 * (2 * 4 * 4)


def test_one_relu_for_all() -> None:
    relu = nn.ReLU()
    p = held(nn.Sequential(nn.Linear(3, 5), relu, nn.Linear(5, 2), relu), (4, 3))
    assert [(call.path, call.call) for call in p.modules[1:]] == [("0", 1), ("1", 1), ("2", 1), ("1", 2)]


def test_parameter_containers_and_direct_parameters() -> None:
    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))
            self.lists = nn.ParameterList([torch.zeros(4), torch.zeros(4)])
            self.dicts = nn.ParameterDict({"w": torch.zeros(4, 3), "b": torch.zeros(3)})

        def forward(self, x: Tensor) -> Tensor:
            x = x * self.scale
            for shift in self.lists:
                x = x + shift
            return x @ self.dicts["w"] + self.dicts["b"]

    p = held(Direct(), (2, 4))
    assert p.total_params == 4 + 2 * 4 + 4 * 3 + 3
    assert p.unused_parameters == ()
    assert [(row.kind, row.params) for row in p.rows] == [
        ("mul", 4), ("add", 4), ("add", 4), ("matmul", 12), ("add", 3),
    ]  # fmt: skip
    assert p.total_macs == 2 * 4 * 3


def test_containers_without_forward() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(3, 2), nn.ReLU()]), "b": nn.ModuleDict()})
            self.branches["b"]["deep"] = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            left = x
            for layer in self.branches["a"]:
                left = layer(left)
            return left + self.branches["b"]["deep"](x)

    p = held(Branches(), (1, 3))
    assert [call.path for call in p.modules] == ["", "branches.a.0", "branches.a.1", "branches.b.deep"]


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("parametrize", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrizations(parametrize: str, mode: str) -> None:
    model = nn.Sequential(getattr(parametrizations, parametrize)(nn.Linear(5, 3)), nn.ReLU())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    p = held(model, (2, 5), mode=mode)
    stored = {"weight_norm": 3 + 15, "spectral_norm": 15, "orthogonal": 15}[parametrize]  # weight_norm adds 3 lengths
    assert p.total_params == stored + 3
    assert p.unused_parameters == ()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_older_norms_by_hooks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both are deprecated in favour of parametrizations, and still met
        weight = nn.utils.weight_norm(nn.Conv1d(2, 3, 3))
        spectral = nn.utils.spectral_norm(nn.Linear(4, 2))
    p = held(nn.Sequential(weight, spectral), (1, 2, 6))
    assert p.total_params == (3 * 2 * 3 + 3 + 3) + (2 * 4 + 2)
    assert p.total_macs >= 3 * 2 * 3 * 4 + 3 * 4 * 2


def test_pruning() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 4, 3))
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    prune.random_unstructured(model[2], "bias", amount=1)
    p = held(model, (1, 1, 4, 4))
    assert p.total_params == (2 * 9 + 2) + (3 * 8 + 3)
    assert p.buffer_elements == 2 * 9 + 3
    assert p.unused_parameters == ()


def test_hooks_of_the_users_own_that_replace_input_and_output() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(6, 2))
    seen: list[str] = []

    def longer(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.append("before")
        return (F.pad(args[0], (0, 2)),)

    def halved(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.append("after")
        return output[:, :1]

    model[1].register_forward_pre_hook(longer)
    model[1].register_forward_hook(halved)
    p = held(model, (5, 3))
    assert [call.output_shapes for call in p.modules] == [((5, 1),), ((5, 4),), ((5, 1),)]
    assert p.total_macs == 5 * (3 * 4 + 6 * 2)
    assert seen[:2] == ["before", "after"]
    assert len(model[1]._forward_hooks) == len(model[1]._forward_pre_hooks) == 1


def test_hooks_with_keywords() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, *, times: int) -> Tensor:
            return x.repeat(1, times)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scaled = Scaled()

        def forward(self, x: Tensor) -> Tensor:
            return self.scaled(x, times=2)

    model = Outer()
    model.scaled.register_forward_pre_hook(lambda m, args, kwargs: (args, {"times": 3}), with_kwargs=True)
    model.scaled.register_forward_hook(lambda m, args, kwargs, output: (output, kwargs["times"]), with_kwargs=True)
    model.register_forward_hook(lambda m, args, output: output[0])
    p = held(model, (1, 2))
    assert p.modules[0].output_shapes == ((1, 6),)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_counts_once_and_warns_of_nothing(reentrant: bool) -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 4))

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.block, x, use_reentrant=reentrant)

    p = held(Checkpointed(), (2, 4), mode="train")
    assert p.total_macs == 2 * (4 * 8 + 8 * 4)
    assert [call.path for call in p.modules] == ["", "block", "block.0", "block.1", "block.2"]
    assert p.unused_parameters == ()


def test_checkpoint_sequential() -> None:
    class Segments(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint_sequential(self.layers, 2, x, use_reentrant=False)

    assert held(Segments(), (2, 4), mode="train").total_macs == 4 * 2 * 4 * 4


def test_control_flow_on_shapes() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(4, 2), nn.Linear(4, 9)

        def forward(self, x: Tensor) -> Tensor:
            return self.large(x) if x.shape[0] > 3 and len(x) % 2 == 0 and x.dtype == torch.float32 else self.small(x)

    assert held(Wide(), (4, 4)).modules[0].output_shapes == ((4, 9),)
    p = held(Wide(), (2, 4))
    assert p.modules[0].output_shapes == ((2, 2),)
    assert p.unused_parameters == ("large.weight", "large.bias")


Pair = namedtuple("Pair", "first second")


@dataclass
class Batch:
    image: Tensor
    scale: float = 2.0


class Takes(nn.Module):
    """Takes a batch, gives pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, batch: Batch, extra: dict[str, Tensor] | None = None, *, shift: float = 0.0) -> Pair:
        y = self.linear(batch.image) * batch.scale + shift
        if extra is not None:
            y = y + extra["bias"]
        return Pair(y, {"deep": [y.sum(), 3], "none": None})


def test_dataclasses_dicts_and_named_tuples_in_and_out() -> None:
    batch, extra = Batch(torch.rand(2, 3)), {"bias": torch.rand(4)}
    p = held(Takes(), input_data=(batch, extra), input_kwargs={"shift": 1.0})
    assert p.modules[0].output_shapes == ((2, 4), ())
    assert p.total_macs == 2 * 3 * 4
    assert batch.image.shape == (2, 3)


@pytest.mark.parametrize("kind", ["int", "Categorical", "PackedSequence", "list"])
def test_outputs_that_are_no_tensors(kind: str) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> object:
            y = self.linear(x)
            if kind == "int":
                return y.shape[0]
            if kind == "Categorical":
                return torch.distributions.Categorical(logits=y, validate_args=False)
            if kind == "PackedSequence":
                return nn.utils.rnn.pack_padded_sequence(y, [3, 1], batch_first=True)
            return [y, (y.mean(), "text")]

    p = held(Odd(), (2, 3, 3), by_formula=kind != "PackedSequence")
    assert p.total_macs == 6 * 3 * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    p = held(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).to(dtype), (1, 3, 5, 5), mode="eval")
    assert {row.dtype for row in p.rows} == {str(dtype).removeprefix("torch.")}
    assert p.param_bytes == (3 * 4 * 9 + 4 + 4 + 4) * dtype.itemsize


class MovesItself(nn.Module):
    """Puts its layer where the data are, as code for several devices does at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer.to(x.device)(x)


@pytest.mark.parametrize("data", [None, torch.ones(2, 4)])
def test_a_module_moved_to_where_it_is(data: Tensor | None) -> None:
    model = MovesItself()
    weight = model.layer.weight
    p = held(model, (2, 4)) if data is None else held(model, input_data=data)
    assert "linear" in [row.kind for row in p.rows]
    assert not {"_parse_to", "_has_compatible_shallow_copy_type"} & {row.kind for row in p.rows}
    assert p.unused_parameters == ()
    assert model.layer.weight is weight
    assert not weight.is_meta


@cache
def ramp(size: int) -> Tensor:
    return torch.arange(float(size))


class CachesThenBranches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        ramped = x * ramp(x.shape[-1])
        return ramped if x.sum() > 0 else -x


def test_what_the_first_pass_cached_has_values_when_the_data_are_run() -> None:
    ramp.cache_clear()
    assert [r.kind for r in inspector.predict(CachesThenBranches(), input_data=torch.ones(2, 3)).rows][-1] == "gt"
    assert ramp(3).tolist() == [0, 1, 2]


def test_lazy_modules_in_front_of_a_branch_on_values() -> None:
    class LazyBranch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LazyLinear(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if x.sum() > 0 else x

    model = LazyBranch()
    p = inspector.predict(model, input_data=torch.ones(2, 5))
    assert (p.total_params, p.total_macs) == (3 * 5 + 3, 2 * 3 * 5)
    assert inspector.predict(model, input_data=-torch.ones(2, 5)).total_macs == 0
    assert nn.parameter.is_lazy(model.layer.weight)


def test_lazy_modules_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    p = held(model, (1, 3, 5, 5))
    assert p.total_params == (4 * 3 * 9 + 4) + (4 + 4) + (4 * 9 * 2 + 2)
    assert [call.kind for call in p.modules[1:]] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert any("lazy" in note for note in p.notes)
    assert isinstance(model[0], nn.LazyConv2d)
    assert all(isinstance(parameter, nn.UninitializedParameter) for parameter in model.parameters())


def test_batch_norm_in_training_leaves_its_statistics() -> None:
    model = nn.BatchNorm2d(3).train()
    held(model, (2, 3, 4, 4))
    assert model.num_batches_tracked.item() == 0
    assert model.running_mean.tolist() == [0, 0, 0]


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_through_recurrent_layers(enforce_sorted: bool) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]), True, enforce_sorted)
            output, _ = self.lstm(packed)
            return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]

    p = held(Reader(), (2, 5, 3), by_formula=False)
    # Seven steps in all; per step and direction 4 gates of 4 units read the input (3, then 2·4) and the state (4).
    assert p.total_macs == 7 * 2 * (16 * (3 + 4) + 16 * (8 + 4))


def test_an_energy_model_that_asks_for_gradients() -> None:
    class Forces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = x.detach().requires_grad_()
            with torch.enable_grad():
                energy = self.net(x).sum()
                (force,) = torch.autograd.grad(energy, x, create_graph=True)
            return energy, -force

    data = torch.rand(5, 3)
    p = inspector.predict(Forces(), input_data=data)
    assert p.modules[0].output_shapes == ((), (5, 3))
    forward = 5 * (3 * 8 + 8)
    assert p.total_macs >= forward
    assert data.grad is None
    assert not data.requires_grad
