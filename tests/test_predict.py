"""Predictions: sums, modes, sizes beyond any memory, real data where forward asks for values."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import inspector
from inspector.structure import tensors
from models import EXAMPLES
from tests.held import sums_hold
from tests.models.examples import build, example_input


@pytest.mark.parametrize("target", EXAMPLES)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_totals_are_sums_on_every_example(target: str, mode: Any) -> None:
    sums_hold(inspector.predict(build(target), input_data=example_input(target), mode=mode))


def test_mode_is_followed_and_put_back() -> None:
    class Switch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) if self.training else x + 1

    model = Switch().train()
    model.inner[1].eval()  # frozen, as for fine-tuning
    for mode, rows, flag in (("train", ["dropout", "add_", "batch_norm"], True), ("eval", ["add"], False)):
        p = inspector.predict(model, (2, 4), mode=mode)
        assert [row.kind for row in p.rows] == rows
        assert p.training is flag
        assert [module.training for module in model.modules()] == [True, True, True, False]
    frozen = inspector.predict(model, (2, 4))
    assert [row.kind for row in frozen.rows] == ["dropout", "batch_norm"], "without a mode the model's own is followed"


def test_sizes_beyond_any_memory() -> None:
    p = inspector.predict(nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()), (10**6, 3, 4096, 4096))
    assert p.total_macs == 10**6 * 64 * 27 * 4096**2  # 2.9·10¹⁶, in exact integers
    assert p.total_elementwise_ops == 10**6 * 64 * 4096**2


def test_a_model_without_parameters_or_calls() -> None:
    p = inspector.predict(nn.Identity(), (2, 3))
    assert (p.total_params, p.total_macs, p.rows, p.tensors) == (0, 0, (), ())
    assert p.modules[0].output_shapes == ((2, 3),)
    assert "Identity" in str(p)


def test_shared_memory_counts_once() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight = torch.zeros(4, 4)
            self.a, self.b = nn.Parameter(weight), nn.Parameter(weight)
            self.register_buffer("c", torch.zeros(3))
            self.register_buffer("d", self.c)

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.a @ self.b + self.c.sum() + self.d.sum()

    p = inspector.predict(Views(), (2, 4))
    assert (p.total_params, p.buffer_elements) == (16, 3)
    assert p.tied_parameters == (("a", "b"),)


class RealKernels(TorchDispatchMode):
    """Notes every operator that runs on tensors with data."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if any(not tensor.is_meta for tensor in tensors((args, kwargs, output))):
            self.ran.append(str(func))
        return output


@pytest.mark.parametrize("with_data", [False, True], ids=["sizes", "data"])
def test_no_kernel_runs(with_data: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["inspector.predict"], "without_outer_modes", nullcontext)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)
    )
    question = {"input_data": torch.rand(2, 3, 8, 8)} if with_data else {"input_size": (2, 3, 8, 8)}
    with RealKernels() as kernels:
        torch.ones(1)
        inspector.predict(model, mode="train", **question)
    assert kernels.ran == ["aten.ones.default"], "the first shows that the watch works"


def test_real_execution_leaves_statistics_gradients_and_generators() -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop, self.linear = nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.linear(self.drop(self.norm(x)))
            y.sum().backward()
            return y if y.abs().max() > 100 else y * 2

    model = Asks().train()
    data = torch.rand(4, 3)
    generator = torch.random.get_rng_state()
    p = inspector.predict(model, input_data=data)
    assert p.rows[-1].kind == "mul"
    assert any("branch" in note for note in p.notes)
    assert model.norm.num_batches_tracked.item() == 0
    assert model.norm.running_mean.tolist() == [0, 0, 0]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(generator, torch.random.get_rng_state())


def test_growth_is_linear_in_rows() -> None:
    """No list is walked again for each call: rows and modules of a deep model are as many as its calls."""
    p = inspector.predict(nn.Sequential(*(nn.Linear(2, 2) for _ in range(1000))), (1, 2))
    assert len(p.rows) == 1000
    assert len(p.modules) == 1001
    assert p.total_macs == 4000
    sums_hold(p)


LLAMA_405B = """
    import json, resource
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    import inspector
    inspector.predict(torch.nn.Linear(2, 2), (1, 2))  # what the first prediction loads is not counted as growth
    config = LlamaConfig(vocab_size=128256, hidden_size=16384, intermediate_size=53248, num_hidden_layers=126,
                         num_attention_heads=128, num_key_value_heads=8, max_position_embeddings=131072,
                         rope_theta=500000.0, tie_word_embeddings=False)
    with torch.device("meta"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    p = inspector.predict(model, input_size={"input_ids": (1, 8192)}, input_dtypes=torch.int64, mode="eval")
    macs, rows = p.total_macs, len(p.rows)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"params": p.total_params, "macs": macs, "bytes": p.param_bytes, "rows": rows,
                      "growth": after - before,
                      "pytorch": sorted({r.kind for r in p.rows if r.source != "formula"})}))
"""


@pytest.mark.slow
def test_four_hundred_billion_parameters_without_memory() -> None:
    pytest.importorskip("transformers")
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LLAMA_405B)], capture_output=True, text=True, timeout=300, check=True
    )
    found = json.loads(run.stdout.splitlines()[-1])
    d, hidden, vocabulary, layers, heads, groups, T = 16384, 53248, 128256, 126, 128, 8, 8192
    projections = d * d + 2 * d * (d // heads * groups) + d * d  # queries, keys and values of 8 groups, output
    weights = layers * (projections + 3 * d * hidden + 2 * d) + 2 * vocabulary * d + d
    assert found["params"] == weights == 405_853_388_800
    assert found["bytes"] == 2 * weights
    products = layers * (projections + 3 * d * hidden) * T + vocabulary * d * T
    attention = layers * 2 * heads * T * T * (d // heads)  # scores, and their sums of values
    assert found["macs"] == products + attention
    assert found["pytorch"] == []
    assert found["growth"] < 2**20  # KiB: under 1 GiB


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn"]
)
def test_detectors_on_real_images(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, weights_backbone=None).eval()
    image = torch.rand(3, 128, 160)
    p = inspector.predict(model, input_data=([image],))
    sums_hold(p)
    assert any("branch" in note for note in p.notes)
    with torch.no_grad():
        (real,) = model([image])
    assert p.modules[0].output_shapes == tuple(tuple(tensor.shape) for tensor in real.values())
    assert {row.source for row in p.rows} == {"formula"}
    assert any(row.data_dependent for row in p.rows)
    assert all(not module._forward_hooks for module in model.modules())
