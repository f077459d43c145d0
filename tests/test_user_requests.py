"""What users of today's tools ask for, thread by thread: each is a case that works here.

A test is named after the threads that it answers, by repository and number.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

import inspector
from inspector.report import table
from inspector.structure import tensors
from tests.held import held, kinds, sums_hold


def threads(names: str) -> pytest.MarkDecorator:
    """The threads that a test answers; each test's docstring says what was asked."""
    return pytest.mark.parametrize("thread", [names])


class Language(nn.Module):
    """Embedding and head share a weight, as in most language models."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 100, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.block(self.embed(tokens)))


@threads("torchinfo 322, torchinfo 377, torchinfo 358, DeepSpeed 7256")
def test_tied_parameters_count_once(thread: str) -> None:
    p = held(Language(), (2, 5), input_dtypes=torch.int64)
    attention = 4 * 16 * 16 + 4 * 16
    feed_forward = (16 * 32 + 32) + (32 * 16 + 16)
    norms = 2 * (16 + 16)
    assert p.total_params == 100 * 16 + attention + feed_forward + norms
    assert p.tied_parameters == (("embed.weight", "head.weight"),)
    assert "tied" in str(inspector.verify(Language(), (2, 5), input_dtypes=torch.int64))


@threads("torchinfo 322")
def test_one_module_under_two_names_counts_once(thread: str) -> None:
    shared = nn.Linear(4, 4)
    p = held(nn.Sequential(shared, nn.ReLU(), shared), (1, 4))
    assert p.total_params == 20
    assert p.total_macs == 2 * 16
    assert [call.path for call in p.modules] == ["", "0", "1", "0"]


@threads("ptflops 40, ptflops 98, thop 208, thop 37, fvcore PR 77")
def test_macs_and_flops_are_told_apart(thread: str) -> None:
    p = inspector.predict(nn.Linear(1000, 1000), (1, 1000))
    assert p.total_macs == 1000 * 1000
    text = str(p)
    assert "MACs          1 000 000" in text
    assert "FLOPs         2 000 000  (FLOPs = 2 × MACs: a multiply and an add each)" in text


@threads("ptflops 59")
def test_functional_operations_count(thread: str) -> None:
    """EfficientNet written with F.conv2d was 0.01 GMac, since only modules were seen."""

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(8, 3, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            x = F.conv2d(x, self.weight, stride=2, padding=1)
            return torch.matmul(x, x.transpose(-1, -2)) + torch.einsum("nchw,ncjw->nchj", x, x)

    p = held(Functional(), (1, 3, 16, 16))
    assert p.total_macs == 8 * 3 * 9 * 64 + 2 * (8 * 8 * 8 * 8)


@threads("fvcore 143, fvcore 83, fvcore 42, fvcore 148, ptflops 135, pytorch 131041, pytorch 123800")
def test_no_noise_about_operators_and_no_silent_zero(thread: str, capsys: pytest.CaptureFixture[str]) -> None:
    @torch.library.custom_op("requests::double", mutates_args=())
    def double(x: Tensor) -> Tensor:
        return x * 2

    @double.register_fake
    def _(x: Tensor) -> Tensor:
        return torch.empty_like(x)

    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.cumsum(F.gelu(self.linear(x)).sigmoid().flip(0).roll(1), 0)
            return double(x.clamp(0, 1).nan_to_num()).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = inspector.predict(Custom(), (2, 4))
    assert capsys.readouterr() == ("", "")
    assert p.unknown_macs == 1
    assert p.total_macs == 2 * 16
    assert "≥" in str(p)


@threads("fvcore 143")
def test_a_custom_operator_can_be_taught(thread: str) -> None:
    @torch.library.custom_op("requests::mix", mutates_args=())
    def mix(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    macs = inspector.Formula("M*Q*P", source="a matrix product")

    def rule(x: Tensor, y: Tensor) -> Any:
        return (x.shape[0], y.shape[1]), macs(M=x.shape[0], Q=x.shape[1], P=y.shape[1])

    class Mixes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return mix(x, x.T)

    inspector.rules.register(mix, rule)
    p = inspector.predict(Mixes(), (3, 5))
    assert p.total_macs == 3 * 5 * 3
    assert p.unknown_macs == 0


@threads("pytorch 128199, pytorch 140909, ptflops 110")
def test_compiled_models_count_once(thread: str) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    plain = inspector.predict(model, (4, 8)).total_macs
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(torch.rand(4, 8))
    assert inspector.predict(compiled, (4, 8)).total_macs == plain == 2 * 4 * 64
    assert held(compiled, (4, 8)).modules[0].kind == "Sequential"


class Returns(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.lstm = nn.LSTM(4, 3)
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        y = self.linear(x)
        return {
            "tuple": lambda: (y, y.sum()),
            "list": lambda: [y, [y]],
            "dict": lambda: {"out": y, "aux": {"deep": y.mean()}},
            "int": lambda: y.shape[0],
            "Categorical": lambda: Categorical(logits=y, validate_args=False),
            "PackedSequence": lambda: self.lstm(pack_sequence([y[:2], y[:1]]))[0],
            "None inside": lambda: (y, None),
        }[self.kind]()


@threads(
    "pytorch-summary 56, pytorch-summary 130, pytorch-summary 143, pytorch-summary 136, pytorch-summary 110, "
    "torchinfo 141, torchinfo 329"
)
@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "int", "Categorical", "PackedSequence", "None inside"])
def test_outputs_of_every_kind(thread: str, kind: str) -> None:
    p = held(Returns(kind), (3, 4))
    assert p.total_macs >= 3 * 4 * 4
    shapes = p.modules[0].output_shapes
    assert {"tuple": ((3, 4), ()), "list": ((3, 4), (3, 4)), "dict": ((3, 4), ()), "int": ()}.get(
        kind, shapes
    ) == shapes


@threads("pytorch-summary 110")
def test_a_packed_sequence_read_again(thread: str) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, [3, 2], batch_first=True)
            return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]

    p = held(Reader(), (2, 3, 4))
    assert p.modules[0].output_shapes == ((2, 3, 5),)
    assert p.total_macs == (3 + 2) * 3 * 5 * (4 + 5)  # steps × gates × units × (input + state)


@threads("torchinfo 46, torchview 104, torchview 81, torchview 90, pytorch-summary 176, calflops 53")
def test_inputs_of_every_kind(thread: str) -> None:
    class Takes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, batch: Any, *others: Tensor, scale: float = 1.0, **named: Tensor) -> Tensor:
            x = batch["image"] if isinstance(batch, dict) else batch[0] if isinstance(batch, list) else batch
            return self.linear(x) * scale + sum(o.sum() for o in (*others, *named.values()))

    image, other = torch.rand(5, 3), torch.rand(7)
    for question in (
        {"input_data": ({"image": image},)},  # a dict as one positional argument
        {"input_data": [image]},  # a list as one positional argument
        {"input_data": (image, other), "input_kwargs": {"scale": 2.0}},
        {"input_data": {"batch": image, "extra": other}},
        {"input_size": [(5, 3), (7,)], "input_kwargs": {"scale": 2.0}},
        {"input_size": {"batch": (5, 3), "extra": (7,)}},
        {"input_size": [(5, 3), (7,)], "input_dtypes": [torch.float32, torch.int64]},
    ):
        p = held(Takes(), **question)
        assert p.total_macs == 5 * 3 * 2
        assert p.modules[0].output_shapes == ((5, 2),)


@threads("torchinfo 288")
def test_the_summary_up_to_the_layer_that_failed(thread: str) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(9, 2), nn.ReLU())
    with pytest.raises(inspector.InspectionError) as caught:
        inspector.predict(model, (1, 4))
    partial = caught.value.partial
    assert kinds(partial) == ["linear", "relu"]
    assert [call.path for call in partial.modules] == ["", "0", "1", "2"]
    assert partial.total_macs == 32
    assert "2 (Linear)" in str(caught.value)
    assert "9 features" in str(caught.value)


@threads("torchinfo 77")
def test_linear_on_inputs_with_more_axes(thread: str) -> None:
    assert held(nn.Linear(4, 6), (2, 3, 5, 4)).total_macs == 2 * 3 * 5 * 4 * 6


@threads("torchinfo 54, torchinfo 137")
def test_direct_parameters_are_counted(thread: str) -> None:
    class Vision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 4))
            self.position = nn.Parameter(torch.zeros(1, 6, 4))
            self.idle = nn.Parameter(torch.zeros(3))
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
            return self.linear(x)

    p = held(Vision(), (2, 5, 4))
    assert p.total_params == 4 + 6 * 4 + 3 + 20
    assert p.unused_parameters == ("idle",)
    assert sum(row.params for row in p.rows if not row.path) == 4 + 24


@threads("torchinfo PR 195, torchinfo PR 212, torchinfo 213, torchinfo 157, torchinfo 176")
def test_no_negative_or_left_over_counts(thread: str) -> None:
    """Insides of TransformerEncoderLayer vanished, repeated calls were tagged wrongly, remainders were negative."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer
            self.frozen = nn.Linear(8, 8).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.frozen(self.layer(self.layer(x)))

    for mode in ("train", "eval"):
        p = held(Twice(), (2, 5, 8), mode=mode)
        assert all(call.params >= 0 and call.macs >= 0 for call in p.modules)
        calls = [call for call in p.modules if call.path == "layer"]
        assert [call.call for call in calls] == [1, 2]
        assert calls[0].macs == calls[1].macs
        assert calls[1].params == 0
        assert {"layer.self_attn", "layer.linear1", "layer.norm2"} <= {call.path for call in p.modules}
        assert p.trainable_params == p.total_params - (8 * 8 + 8)
        root = [call for call in p.modules if call.depth == 1]
        assert sum(call.params for call in root) == p.total_params


@threads("torchinfo 184, torchinfo 83")
def test_nested_module_dicts_and_views_are_shown(thread: str) -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tree = nn.ModuleDict(
                {"a": nn.ModuleDict({"x": nn.Linear(4, 4), "y": nn.Linear(4, 4)}), "b": nn.ModuleDict({"x": nn.ReLU()})}
            )

        def forward(self, x: Tensor) -> Tensor:
            x = self.tree["a"]["y"](self.tree["a"]["x"](x))
            return self.tree["b"]["x"](x).view(-1, 2, 2).reshape(-1).unsqueeze(0)

    p = held(Nested(), (3, 4))
    assert [call.path for call in p.modules[1:]] == ["tree.a.x", "tree.a.y", "tree.b.x"]
    assert kinds(p)[-3:] == ["view", "reshape", "unsqueeze"]
    assert [row.output_shapes for row in p.rows[-3:]] == [((3, 2, 2),), ((12,),), ((1, 12),)]


@threads("torchinfo 187, torchinfo 373, accelerate 3297, accelerate 3379")
def test_bytes_follow_each_tensors_dtype(thread: str) -> None:
    """A model was said to take 64 GB instead of 140, since one dtype was taken for all."""
    model = nn.Sequential(nn.Linear(8, 8).to(torch.bfloat16), nn.Linear(8, 8), nn.BatchNorm1d(8).double())
    parts = {"bfloat16": 72 * 2, "float32": 72 * 4, "float64": (16 + 16) * 8, "int64": 8}

    class Casts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = model

        def forward(self, x: Tensor) -> Tensor:
            x = self.parts[0](x.bfloat16())
            return self.parts[2](self.parts[1](x.float()).double())

    p = held(Casts(), (4, 8), input_dtypes=torch.float32, mode="eval")
    assert p.bytes_by_dtype == parts
    assert p.param_bytes == 72 * 2 + 72 * 4 + 16 * 8
    assert p.buffer_bytes == 16 * 8 + 8
    assert [row.dtype for row in p.rows if row.kind == "linear"] == ["bfloat16", "float32"]


@threads("torchinfo 187, torchinfo 373")
def test_activations_and_what_the_backward_needs(thread: str) -> None:
    """The estimate was twice the outputs, whatever a backward needs."""
    found = inspector.memory(nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 8)), (4, 8))
    assert found.kept == 4 * 2 * (4 * 8)  # the first layer's output is the ReLU's, and the second's
    assert [call.kept for call in found.modules] == [4 * 64, 4 * 32, 0, 4 * 32]


@threads("hf-mem 71, hf-mem 60")
@pytest.mark.parametrize("window", [None, 4])
def test_the_key_value_cache_stands_in_the_memory_of_inference(thread: str, window: int | None) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.MistralConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=window,
    )
    model, batch, tokens = transformers.MistralForCausalLM(config), 2, 16
    found = inspector.memory(model, (batch, tokens), input_dtypes=torch.int64)
    with torch.no_grad():
        outputs = dict(model.eval()(torch.zeros(batch, tokens, dtype=torch.int64)))
    (name,) = outputs.keys() & {"past_key_values", "cache"}  # until transformers 5.23, and after
    # A window's cache is a view of all tokens' keys and values: its storage is what is held.
    storages = {tensor.untyped_storage() for tensor in tensors(outputs[name])}
    assert dict(found.outputs)[name] == sum(storage.nbytes() for storage in storages)
    keys_and_values = 4 * 2 * 2 * batch * 2 * tokens * 8  # bytes, both, layers, heads, width of a head
    assert found.inference >= found.standing + keys_and_values


@threads("DeepSpeed 2292, DeepSpeed PR 7699")
def test_no_state_is_left_on_the_model(thread: str) -> None:
    model = Language()
    names = {path: sorted(vars(module)) for path, module in model.named_modules()}
    for _ in range(2):
        inspector.verify(model, (2, 5), input_dtypes=torch.int64)
    assert {path: sorted(vars(module)) for path, module in model.named_modules()} == names
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


@threads("thop 217")
def test_a_root_linear_is_not_zero(thread: str) -> None:
    p = held(nn.Linear(10, 5), (1, 10))
    assert (p.total_macs, p.total_params) == (50, 55)


@threads("DeepSpeed PR 3362")
def test_checkpointing_does_not_change_counts(thread: str) -> None:
    from torch.utils.checkpoint import checkpoint

    class Maybe(nn.Module):
        def __init__(self, checkpointed: bool) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
            self.checkpointed = checkpointed

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.block, x, use_reentrant=False) if self.checkpointed else self.block(x)

    plain, checkpointed = (inspector.predict(Maybe(flag), (4, 8), mode="train") for flag in (False, True))
    # Some versions make an empty tensor to carry the arguments along.
    assert kinds(plain) == [kind for kind in kinds(checkpointed) if kind != "empty"]
    assert plain.total_macs == checkpointed.total_macs == 2 * 4 * 64


@threads("torchview 118, torchvista 3, torchvista 4, torchvista 17, executorch 21068")
def test_repeated_blocks_fold_and_files_hold_all(thread: str) -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(12)))
    p = inspector.predict(model, (1, 8))
    text = str(p)
    assert "0–11 (Sequential) ×12" in text
    assert len(text.splitlines()) < 30
    assert "<table" in p._repr_html_()
    sums_hold(p)


@threads("torchvista 4, torchvista 17")
def test_the_table_is_one_attachable_picture(thread: str) -> None:
    picture = table.svg(inspector.predict(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), (1, 8)))
    assert picture.startswith("<svg")
    assert "url(http" not in picture.replace('"', "")  # nothing is fetched when it is opened
    assert "href" not in picture
    assert "Linear" in picture


@threads("executorch 21068, model-explorer 44")
def test_two_models_stand_side_by_side(thread: str) -> None:
    plain = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    normed = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU())
    found = inspector.compare(*(inspector.predict(model, (1, 8)) for model in (plain, normed)))
    assert not found.same
    assert [pair.either.kind for pair in found.root.walk() if pair.mark == "added"][:1] == ["LayerNorm"]
