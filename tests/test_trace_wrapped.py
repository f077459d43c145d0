"""Models that something stands around: compilers, wrappers, scripts, quantization, devices, autocast."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import inspector
from tests.held import held, sums_hold


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


class Block(nn.Module):
    """Written by a user: of modules that are PyTorch's alone some versions compile nothing."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features_in, features_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).relu()


NET_MACS = 5 * (3 * 4 + 4 * 2)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a backend was asked to compile; nothing, unless the test itself compiles."""
    torch.compiler.reset()
    return []


def backend(compiled: list[object]):
    def compile_graph(graph: torch.fx.GraphModule, inputs: list[Tensor]):
        compiled.append(graph)
        return graph.forward

    return compile_graph


@pytest.mark.parametrize("how", ["whole", "submodule", "method", "method of a submodule"])
def test_compiled_models_are_followed_uncompiled(how: str, compilations: list[object]) -> None:
    model: nn.Module = nn.Sequential(Block(3, 4), Block(4, 2))
    options = {"backend": backend(compilations)}
    if how == "whole":
        model = torch.compile(model, **options)
    elif how == "submodule":
        model[0] = torch.compile(model[0], **options)
    elif how == "method":
        model.compile(**options)
    else:
        model[1].compile(**options)
    p = held(model, (5, 3))
    assert p.total_macs == NET_MACS
    assert p.total_params == (3 * 4 + 4) + (4 * 2 + 2)
    assert compilations == []
    with torch.no_grad():
        model(torch.rand(5, 3))
    assert compilations, "afterwards the model is as compiled as before"


def test_a_compiled_function_in_a_forward(compilations: list[object]) -> None:
    @torch.compile(backend=backend(compilations))
    def activation(x: Tensor) -> Tensor:
        return torch.relu(x) + 1

    class Calls(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return activation(self.linear(x))

    p = held(Calls(), (5, 3))
    assert [row.kind for row in p.rows] == ["linear", "relu", "add"]
    assert compilations == []


def test_paths_in_a_compiled_model_are_the_originals() -> None:
    p = inspector.predict(torch.compile(net(), backend="eager"), (5, 3))
    assert p.model_name == "Sequential"
    assert [call.path for call in p.modules] == ["", "0", "1", "2"]


def test_data_parallel_is_looked_through() -> None:
    p = held(nn.DataParallel(net()), (5, 3))
    assert [call.path for call in p.modules] == ["", "0", "1", "2"]


def test_data_parallel_inside() -> None:
    p = held(nn.Sequential(nn.DataParallel(net()), nn.ReLU()), (5, 3))
    assert p.total_macs == NET_MACS


@pytest.mark.parametrize("make", ["script", "trace"])
def test_a_script_says_what_is_still_known(make: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still met
        scripted = torch.jit.script(net()) if make == "script" else torch.jit.trace(net(), torch.rand(5, 3))
    p = inspector.predict(scripted, (5, 3))
    sums_hold(p)
    assert p.total_params == (3 * 4 + 4) + (4 * 2 + 2)
    assert p.total_macs == NET_MACS
    assert any("TorchScript" in note for note in p.notes)
    assert p.modules[0].output_shapes == ((5, 2),)
    assert {row.source for row in p.rows} == {"pytorch"}


@pytest.mark.parametrize("make", ["script", "trace"])
def test_a_script_as_a_submodule(make: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still met
        scripted = torch.jit.script(net()) if make == "script" else torch.jit.trace(net(), torch.rand(5, 3))
    p = inspector.predict(nn.Sequential(nn.Linear(3, 3), scripted, nn.Linear(2, 1)), (5, 3))
    sums_hold(p)
    assert p.total_macs == NET_MACS + 5 * (3 * 3 + 2)
    assert p.total_params == (9 + 3) + (12 + 4) + (8 + 2) + (2 + 1)
    assert p.unused_parameters == ()
    assert any("1 is TorchScript" in note for note in p.notes)


def test_quantized_modules_and_their_packed_weights() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao.quantization is deprecated, and still met
        model = torch.ao.quantization.quantize_dynamic(net(), {nn.Linear}, dtype=torch.qint8)
        p = inspector.predict(model, (5, 3))
    sums_hold(p)
    assert p.modules[0].output_shapes == ((5, 2),)
    assert p.total_params == 0
    # Packed weights are no parameters; they hold 12 + 8 weights and 4 + 2 biases.
    assert any("26 elements in packed weights" in note and "0, 2" in note for note in p.notes), p.notes
    assert p.unknown_macs in (0, 2)
    assert p.total_macs == (NET_MACS if p.unknown_macs == 0 else 0)


def quantized_statically() -> nn.Module:
    room = torch.ao.quantization
    model = nn.Sequential(room.QuantStub(), nn.Conv2d(3, 4, 3), nn.ReLU(), room.DeQuantStub()).eval()
    engine = torch.backends.quantized.engine
    model.qconfig = room.get_default_qconfig(
        "x86" if engine == "x86" else "qnnpack" if engine == "qnnpack" else "fbgemm"
    )
    prepared = room.prepare(model)
    prepared(torch.rand(1, 3, 8, 8))
    return room.convert(prepared)


def test_statically_quantized_modules_say_what_is_known() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao.quantization is deprecated, and still met
        model = quantized_statically()
        with pytest.raises(inspector.InspectionError) as caught:
            inspector.predict(model, (1, 3, 8, 8))
        p = inspector.predict(model, input_data=torch.rand(1, 3, 8, 8))
    assert "has no rule here, and PyTorch knows no shape of its result" in str(caught.value)
    # 4 filters of 27 weights, and 4 biases.
    assert any("112 elements in packed weights" in note for note in caught.value.partial.notes)
    assert [row.kind for row in p.rows if row.macs is None] == ["quantized::conv2d"]
    assert p.modules[0].output_shapes == ((1, 4, 6, 6),)


def test_quantized_recurrent_layers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao.quantization is deprecated, and still met
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(4, 5)), {nn.LSTM}, dtype=torch.qint8)
        p = inspector.predict(model, (3, 2, 4))
    assert p.total_macs == 3 * 2 * 4 * 5 * (4 + 5)  # steps × batch × gates × units × (input + state)
    assert any("220 elements in packed weights" in note for note in p.notes)  # 4·5·(4 + 5) weights, 2·4·5 biases


def test_a_script_that_branches_on_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated in later versions, and still met

        @torch.jit.script
        def branch(x):
            if bool(x.sum() > 0):
                return torch.mm(x, x.t())
            return x

    class Calls(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return branch(x)

    with pytest.raises(inspector.NeedsData, match="--input-file"):
        inspector.predict(Calls(), (3, 4))
    assert inspector.predict(Calls(), input_data=torch.ones(3, 4)).total_macs == 3 * 4 * 3
    assert inspector.predict(Calls(), input_data=-torch.ones(3, 4)).total_macs == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_the_dtypes_of_a_real_run(dtype: torch.dtype) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
            self.layer_norm = nn.LayerNorm(2)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            with torch.autocast("cpu", dtype=dtype):
                x = self.norm(self.conv(x)).relu()
                tokens = x.flatten(2).transpose(1, 2)
                attended, _ = self.attention(tokens, tokens, tokens)
                y = self.head(attended.mean(1))
                z = self.layer_norm(y)
                w = y @ y.T + z.sum()
                return x, y, z, torch.softmax(y, -1), w, torch.bmm(y[None], y.T[None]), y.cumsum(0), y.float() + y

    model = Mixed().eval()
    data = torch.rand(2, 3, 5, 5)
    expected = [str(t.dtype).removeprefix("torch.") for t in model(data)]
    p = held(model, (2, 3, 5, 5))
    assert list(p.modules[0].dtypes) == expected
    assert next(call for call in p.modules if call.path == "conv").dtypes == (str(dtype).removeprefix("torch."),)


def test_autocast_around_predict() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        p = inspector.predict(model, (5, 3))
        real = model(torch.rand(5, 3)).dtype
    assert real is torch.bfloat16
    assert [row.dtype for row in p.rows] == ["bfloat16", "bfloat16"]
    assert [row.dtype for row in inspector.predict(model, (5, 3)).rows] == ["float32", "float32"]


def test_autocast_for_cuda_without_one() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            with torch.autocast("cuda", dtype=torch.float16):
                y = self.linear(x)
                return y, torch.softmax(y, -1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that it has no CUDA device here
        on_cpu = inspector.predict(Mixed(), (5, 3))
        real = [t.dtype for t in Mixed()(torch.rand(5, 3))]
        with torch.device("meta"):
            model = Mixed()
        on_meta = inspector.predict(model, (5, 3))
    assert list(on_cpu.modules[0].dtypes) == [str(d).removeprefix("torch.") for d in real] == ["float32", "float32"]
    if torch.cuda.is_available():
        assert on_meta.modules[0].dtypes == ("float16", "float32")


@pytest.mark.parametrize("device", ["meta", "cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_models_on_any_device(device: str) -> None:
    p = held(net().to(device), (5, 3))
    assert p.total_macs == NET_MACS
    data = torch.rand(5, 3, device=device)
    assert inspector.predict(net().to(device), input_data=data).total_macs == NET_MACS


class Split(nn.Module):
    """Two halves on two devices, with the transfer in forward."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.front, self.back = nn.Linear(3, 4, device=first), nn.Linear(4, 2, device=second)
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        h = self.front(x).to(self.second)
        return self.back(h + torch.ones(4, device=self.back.weight.device))


@pytest.mark.parametrize(
    ("first", "second"),
    [("cpu", "meta"), ("meta", "cpu"), pytest.param("cpu", "cuda", marks=pytest.mark.cuda)],
)
def test_models_split_over_devices(first: str, second: str) -> None:
    p = inspector.predict(Split(first, second), (5, 3))
    sums_hold(p)
    assert p.total_macs == NET_MACS


@pytest.mark.cuda
def test_on_cuda_all_generators_and_tensors_stay() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)).cuda().train()
    torch.rand(1, device="cuda")
    before = torch.cuda.get_rng_state()
    memory = torch.cuda.memory_allocated()
    held(model, input_data=torch.rand(5, 3, device="cuda"))
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert torch.cuda.memory_allocated() <= memory
    assert model[2].num_batches_tracked.item() == 0
