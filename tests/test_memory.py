"""Memory against real runs, PyTorch's own tracker, its profiler, and counts by hand."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from inspector import InspectionError
from inspector.allocations import Allocations
from inspector.memory import OPTIMIZER_STATES, memory
from models.lenet import LeNet5
from models.normalized import LeNetBatchNorm
from models.residual import ResidualLeNet
from models.transformer import TinyTransformer

IMAGES = (LeNet5, LeNetBatchNorm, ResidualLeNet)


def mlp(*activations: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), *activations, nn.Linear(8, 2))


def bytes_of(*sizes: int) -> int:
    return 4 * sum(sizes)  # float32


class TestByHand:
    def test_a_relu_keeps_its_result_alone(self) -> None:
        found = memory(mlp(nn.ReLU()), (3, 4))
        assert found.kept == bytes_of(3 * 8, 3 * 2)  # its result serves both backwards; the sum before it is released
        assert found.inference_peak == bytes_of(3 * 8, 3 * 8)

    def test_a_relu_in_place_needs_no_second_tensor(self) -> None:
        found = memory(mlp(nn.ReLU(inplace=True)), (3, 4))
        assert (found.kept, found.inference_peak) == (bytes_of(3 * 8, 3 * 2), bytes_of(3 * 8, 3 * 2))

    def test_a_gelu_keeps_its_input_too(self) -> None:
        assert memory(mlp(nn.GELU()), (3, 4)).kept == bytes_of(3 * 8, 3 * 8, 3 * 2)

    def test_the_mode_of_both_runs(self) -> None:
        """A dropout makes a mask and a result in training alone; else the second layer keeps the first's result."""
        as_usual, both_train, both_eval = (memory(mlp(nn.Dropout()), (3, 4), mode=m) for m in (None, "train", "eval"))
        assert both_eval.kept == bytes_of(3 * 8, 3 * 2)
        assert both_train.kept is not None
        assert as_usual.kept == both_train.kept > both_eval.kept
        assert as_usual.inference_peak == both_eval.inference_peak < both_train.inference_peak
        assert "both followed in eval mode" in both_eval.notes

    def test_a_view_takes_nothing(self) -> None:
        assert memory(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (5, 3, 4)).kept == bytes_of(5 * 2)

    def test_gradients_are_there_at_the_end_of_a_backward(self) -> None:
        found = memory(nn.Linear(100, 100, bias=False), (1, 100))
        assert found.gradient_bytes == bytes_of(100 * 100)
        assert found.training_peak is not None
        assert found.training_peak >= bytes_of(100 * 100, 100)  # and the output's own gradient
        base = found.training("SGD")
        assert base is not None
        assert [found.training(name) - base for name in OPTIMIZER_STATES] == [  # type: ignore[operator]
            states * found.gradient_bytes for states in OPTIMIZER_STATES.values()
        ]

    def test_half_precision_takes_half(self) -> None:
        whole, half = memory(mlp(nn.ReLU()), (3, 4)), memory(mlp(nn.ReLU()).half(), (3, 4))
        assert (whole.kept, whole.inference_peak) == (2 * half.kept, 2 * half.inference_peak)  # type: ignore[operator]

    def test_parts_of_a_model_sum_up(self) -> None:
        found = memory(LeNet5(), (2, 1, 32, 32))
        calls = {call.path: call for call in found.modules}
        inner = [call for path, call in calls.items() if path.count(".") == 1]
        assert calls[""].kept == found.kept == sum(call.kept or 0 for call in inner)
        assert calls[""].peak == max(call.peak for call in inner)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(16, 48)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(query, key, value)


def for_real(model: nn.Module, *inputs: Tensor) -> tuple[int, int, int]:
    """(inference peak, kept, training peak) of real tensors, read as a stranger would: no code of `memory`."""
    known = [*model.parameters(), *model.buffers(), *inputs]
    gc.collect()
    model.eval()
    with torch.no_grad(), Allocations("cpu", known) as inference:
        model(*inputs)
    gc.collect()
    model.train()
    training = Allocations("cpu", known)
    with training:
        returned = model(*inputs)
    kept = training.live
    with training:
        returned.backward(torch.ones_like(returned))
    return inference.peak(), kept, training.peak()


@pytest.mark.parametrize("kind", [*IMAGES, Attention])
def test_without_data_as_with_data(kind: type[nn.Module]) -> None:
    sizes = (4, 50, 16) if kind is Attention else (4, 1, 32, 32)
    found = memory(kind(), sizes)
    assert (found.inference_peak, found.kept, found.training_peak) == for_real(kind(), torch.randn(sizes))
    assert found.notes == ()


def test_against_pytorchs_own_tracker() -> None:
    tools = pytest.importorskip("torch.distributed._tools.mem_tracker")
    model, x = LeNet5(), torch.randn(8, 1, 32, 32)
    tracker = tools.MemTracker()
    tracker.track_external(model, x)
    with tracker:
        returned = model(x)
        returned.backward(torch.ones_like(returned))
    peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    found = memory(LeNet5(), (8, 1, 32, 32))
    assert found.training_peak is not None
    assert peak == found.standing + found.training_peak


def test_against_the_profiler() -> None:
    """PyTorch's profiler sees the allocator itself: what it says is still held after the forward is what is kept."""
    model, x = LeNet5(), torch.randn(8, 1, 32, 32)
    with torch.profiler.profile(profile_memory=True, acc_events=True) as profile:
        returned = model(x)
    held = sum(event.self_cpu_memory_usage for event in profile.events())
    del returned
    assert memory(LeNet5(), (8, 1, 32, 32)).kept == held


def test_checkpointing_trades_memory_for_time() -> None:
    class Deep(nn.Module):
        def __init__(self, checkpointed: bool) -> None:
            super().__init__()
            self.layers = nn.ModuleList(mlp(nn.GELU(), nn.Linear(8, 8), nn.GELU()) for _ in range(4))
            self.joints = nn.ModuleList(nn.Linear(2, 4) for _ in range(4))
            self.checkpointed = checkpointed

        def forward(self, x: Tensor) -> Tensor:
            for layer, joint in zip(self.layers, self.joints, strict=True):
                x = joint(checkpoint(layer, x, use_reentrant=False) if self.checkpointed else layer(x))
            return x

    plain, light = memory(Deep(False), (64, 4)), memory(Deep(True), (64, 4))
    assert plain.kept is not None
    assert light.kept is not None
    assert light.kept < plain.kept / 3
    assert light.inference_peak == plain.inference_peak


@pytest.mark.parametrize("layers", [1, 3])
def test_a_key_value_cache_is_what_its_formula_says(layers: int) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=50,
    )
    batch, tokens = 3, 7
    found = memory(transformers.LlamaForCausalLM(config), (batch, tokens), input_dtypes=torch.int64)
    parts = dict(found.outputs)
    (cache,) = parts.keys() & {"past_key_values", "cache"}  # its name until transformers 5.23, and after
    assert parts[cache] == bytes_of(2 * layers * batch * config.num_key_value_heads * tokens * 8)
    assert parts["logits"] == bytes_of(batch * tokens * 50)


def test_a_model_that_cannot_be_trained_says_so() -> None:
    model = LeNet5().requires_grad_(False)
    found = memory(model, (1, 1, 32, 32))
    assert (found.kept, found.training_peak, found.training()) == (None, None, None)
    assert "nothing to train" in found.notes[0]
    assert found.modules[0].peak == found.inference_peak


class Chosen(nn.Module):
    """Its way depends on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) if x.sum() > 0 else self.head(-x)


def test_a_way_that_depends_on_values_is_followed_on_real_ones() -> None:
    model = Chosen()
    found = memory(model, input_data=torch.ones(3, 4))
    assert found.kept == bytes_of(3 * 2)
    assert "run for real on cpu" in found.notes[-1]
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(InspectionError, match="input"):
        memory(model, (3, 4))


def test_a_workspace_of_unknown_size_makes_a_lower_bound() -> None:
    lstm, x = nn.LSTM(8, 8), torch.randn(5, 2, 8)
    m = memory(lstm, input_data=x)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        lstm(x)
    assert m.kept is not None
    if torch.backends.mkldnn.is_available():
        assert m.kept < sum(kept.values())  # oneDNN's workspace is among them
        assert "mkldnn_rnn_layer keeps a workspace for the backward whose size oneDNN alone knows" in str(m)
    assert "lower bound" not in str(memory(nn.GRU(8, 8), input_data=x))


def test_the_model_stays_as_it_is() -> None:
    model = LeNetBatchNorm().eval()
    first = next(model.parameters())
    first.grad = torch.ones_like(first)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    memory(model, (2, 1, 32, 32))
    assert not model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(type(tensor) in (nn.Parameter, Tensor) for tensor in (*model.parameters(), *model.buffers()))


def test_a_giant_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Linear(50_000, 50_000) for _ in range(8)))
    found = memory(model, (1, 50_000))
    assert found.gradient_bytes == found.prediction.param_bytes == 8 * bytes_of(50_000 * 50_001)
    assert found.device == "cpu"


def test_a_transformer_keeps_no_square_of_its_length() -> None:
    """PyTorch's fused attention does not hold the (L, L) weights, so what is kept grows with L alone."""
    kept = [memory(Attention(), (1, length, 16)).kept for length in (100, 200, 400)]
    assert all(kept)
    assert kept[2] - kept[1] == 2 * (kept[1] - kept[0])  # type: ignore[operator]


def test_tokens_need_no_gradient() -> None:
    found = memory(TinyTransformer(), (2, 8), input_dtypes=torch.int64)
    assert found.kept is not None
    assert found.input_bytes == 2 * 8 * 8


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", IMAGES)
def test_cuda_allocates_what_is_said(kind: type[nn.Module]) -> None:
    """CUDA's allocator rounds each block up to 512 bytes, so a run takes that much more for each at most."""
    model, x = kind().cuda(), torch.randn(32, 1, 32, 32, device="cuda")
    found = memory(model, (32, 1, 32, 32), device="cuda")
    assert found.kept is not None
    model.train()
    model(x).sum().backward()  # libraries make their workspaces once
    model.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    returned: Any = model(x)
    held = torch.cuda.memory_allocated() - before
    del returned
    assert found.kept <= held <= found.kept + 512 * 4 * len(found.modules)


def test_a_tensor_that_is_passed_twice_counts_once() -> None:
    x = torch.zeros(2, 3, 16)
    assert memory(nn.MultiheadAttention(16, 2), input_data=(x, x, x)).input_bytes == bytes_of(2 * 3 * 16)
