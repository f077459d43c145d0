"""The example models on real PyTorch; every expected count is worked here from the layers' sizes."""

import importlib
import pkgutil

import pytest
import torch
from torch import nn

import models
from models import EXAMPLES
from models.normalized import FrozenBatchNorm2d
from models.original import C3_CONNECTIONS, DIGITS, OriginalLeNet5, SparseConv2d, digit_codes
from models.transformer import TinyTransformer
from tests.models.examples import build, example_input


def convolution(out: int, taps_and_inputs: int) -> int:
    """Weights and one bias for each output channel."""
    return out * (taps_and_inputs + 1)


def linear(features_in: int, features_out: int) -> int:
    return features_out * (features_in + 1)


CLASSIFIER = linear(120, 84) + linear(84, 10)
NORMALIZED = 6 * 1 * 25 + 16 * 6 * 25 + 120 * 16 * 25  # three convolutions without bias
SCALES_AND_SHIFTS = 2 * (6 + 16 + 120)
BLOCK = (
    linear(32, 3 * 32)  # queries, keys, values
    + linear(32, 32)  # output of the attention
    + linear(32, 4 * 32)
    + linear(4 * 32, 32)
    + 2 * (2 * 32)  # two normalizations, scale and shift each
)

#: (trainable parameters, elements of buffers)
COUNTS = {
    "models.lenet:LeNet5": (
        convolution(6, 1 * 25) + convolution(16, 6 * 25) + convolution(120, 16 * 25) + CLASSIFIER,
        0,
    ),
    "models.original:OriginalLeNet5": (
        convolution(6, 1 * 25)  # C1
        + 2 * 6  # S2: a coefficient and a bias for each map
        + (60 * 25 + 16)  # C3: 60 connections, 16 biases
        + 2 * 16  # S4
        + convolution(120, 16 * 25)  # C5
        + linear(120, 84),  # F6; nothing in the output layer
        10 * 84 + 60,  # the codes, and which map each of C3's connections reads
    ),
    "models.normalized:LeNetBatchNorm": (
        NORMALIZED + SCALES_AND_SHIFTS + CLASSIFIER,
        2 * (6 + 16 + 120) + 3,  # mean, variance; a counter each
    ),
    "models.normalized:LeNetGroupNorm": (NORMALIZED + SCALES_AND_SHIFTS + CLASSIFIER, 0),
    "models.normalized:LeNetFrozenBatchNorm": (NORMALIZED + CLASSIFIER, 4 * (6 + 16 + 120)),
    "models.dense:LeNet300100": (linear(28 * 28, 300) + linear(300, 100) + linear(100, 10), 0),
    "models.residual:ResidualLeNet": (
        convolution(6, 1 * 25)
        + convolution(16, 6 * 9)
        + convolution(16, 16 * 9)
        + convolution(16, 6 * 1)  # the first block's shortcut
        + 2 * convolution(16, 16 * 9)
        + linear(16, 10),
        0,
    ),
    "models.separable:SeparableLeNet": (
        convolution(6, 1 * 25)
        + convolution(6, 25)
        + convolution(16, 6)
        + convolution(16, 25)
        + convolution(120, 16)
        + CLASSIFIER,
        0,
    ),
    "models.dimensions:LeNet1d": (
        convolution(6, 1 * 5) + convolution(16, 6 * 5) + convolution(120, 16 * 5) + CLASSIFIER,
        0,
    ),
    "models.dimensions:LeNet3d": (
        convolution(6, 1 * 3 * 25) + convolution(16, 6 * 3 * 25) + convolution(120, 16 * 2 * 25) + CLASSIFIER,
        0,
    ),
    "models.transformer:TinyTransformer": (64 * 32 + 16 * 32 + 2 * BLOCK + 2 * 32, 0),
}

#: The totals that the papers and the docstrings print, beside the sums above.
PRINTED = {"models.lenet:LeNet5": 61_706, "models.original:OriginalLeNet5": 60_000}


def test_every_model_of_every_file_is_an_example() -> None:
    """A root model is a class that no other class of its file builds; those must all be in the table."""
    parts = {"Squash", "Subsampling", "SparseConv2d", "RadialBasis", "FrozenBatchNorm2d", "ResidualBlock", "Block"}
    parts |= {"CausalAttention"}
    found = set()
    for file in pkgutil.iter_modules(models.__path__):
        module = importlib.import_module(f"models.{file.name}")
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__:
                found.add(f"models.{file.name}:{name}")
    assert {target for target in found if target.partition(":")[2] not in parts} == set(EXAMPLES)
    assert set(COUNTS) == set(EXAMPLES)


@pytest.mark.parametrize("target", EXAMPLES)
def test_forward_runs(target: str) -> None:
    output = build(target)(example_input(target))
    size = EXAMPLES[target].size
    assert output.shape == ((*size, 64) if "Transformer" in target else (size[0], 10))
    assert output.isfinite().all()
    assert output.requires_grad


@pytest.mark.parametrize("target", EXAMPLES)
def test_counts_worked_by_hand(target: str) -> None:
    model = build(target)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    buffers = sum(b.numel() for b in model.buffers())
    assert (trainable, buffers) == COUNTS[target]
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("target", PRINTED)
def test_sums_reach_the_printed_totals(target: str) -> None:
    assert COUNTS[target][0] == PRINTED[target]


@pytest.mark.parametrize("target", EXAMPLES)
def test_docstring_states_the_total(target: str) -> None:
    """The number that a reader finds in the docstring is the number the model has."""
    stated = (type(build(target)).__doc__ or "").replace("\n    ", " ")
    assert f"{COUNTS[target][0]:,}".replace(",", " ") in stated


def test_c3_table_is_the_papers() -> None:
    assert [len(inputs) for inputs in C3_CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, C3_CONNECTIONS)) == 60
    assert all(len(set(inputs)) == len(inputs) and set(inputs) <= set(range(6)) for inputs in C3_CONNECTIONS)
    assert len(set(C3_CONNECTIONS)) == 16
    # By symmetry each map of S2 feeds 60 / 6 = 10 maps of C3.
    assert [sum(source in inputs for inputs in C3_CONNECTIONS) for source in range(6)] == [10] * 6
    # The paper's words: three neighbours, then four neighbours (around the end), then four that are not neighbours.
    for output in range(6):
        assert set(C3_CONNECTIONS[output]) == {(output + step) % 6 for step in range(3)}
        assert set(C3_CONNECTIONS[6 + output]) == {(output + step) % 6 for step in range(4)}


def test_sparse_convolution_is_a_masked_dense_one() -> None:
    """Independent construction: one dense kernel that is zero where the table has no connection."""
    torch.manual_seed(0)
    sparse = SparseConv2d(C3_CONNECTIONS, 5)
    weights = torch.zeros(16, 6, 5, 5)
    biases = torch.cat([part.bias for part in sparse.parts])
    filters = [kernel for part in sparse.parts for kernel in part.weight]
    with torch.no_grad():
        for output, (inputs, kernel) in enumerate(zip(C3_CONNECTIONS, filters, strict=True)):
            weights[output, list(inputs)] = kernel
    maps = torch.randn(2, 6, 14, 14)
    torch.testing.assert_close(sparse(maps), nn.functional.conv2d(maps, weights, biases))


def test_connections_of_the_original_network() -> None:
    """The paper counts 340 908 connections: each use of a weight, a coefficient's four inputs and a bias each.

    C1 156·28² = 122 304, S2 6·14²·(4 + 1) = 5 880, C3 1 516·10² = 151 600, S4 16·5²·(4 + 1) = 2 000, C5 48 120,
    F6 10 164, output 84·10 = 840.
    """
    sizes: dict[str, torch.Size] = {}
    model = OriginalLeNet5()
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _module, _args, out, name=name: sizes.__setitem__(name, out.shape))
    model(torch.zeros(1, 1, 32, 32))

    def parameters(name: str) -> int:
        return sum(p.numel() for p in getattr(model, name).parameters())

    pixels = {name: size[2] * size[3] for name, size in sizes.items() if len(size) == 4}
    uses = sum(parameters(name) * pixels[name] for name in ("c1", "c3", "c5"))
    uses += sum(sizes[name][1] * pixels[name] * (4 + 1) for name in ("s2", "s4"))
    assert uses + parameters("f6") + model.output.codes.numel() == 340_908


def test_subsampling_adds_four_and_scales() -> None:
    """Of a map of ones, coefficient 2 and bias 3: 2·(1 + 1 + 1 + 1) + 3 = 11."""
    s2 = OriginalLeNet5().s2
    nn.init.constant_(s2.coefficient, 2.0)
    nn.init.constant_(s2.bias, 3.0)
    assert torch.equal(s2(torch.ones(1, 6, 4, 4)), torch.full((1, 6, 2, 2), 11.0))


def test_codes_are_ten_different_bitmaps_that_are_not_trained() -> None:
    codes = digit_codes()
    assert codes.shape == (10, 7 * 12)
    assert {len(row) for digit in DIGITS for row in digit.split("|")} == {7}
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert len({tuple(row) for row in codes.tolist()}) == 10
    # A digit is at distance 0 from its own code, and each differing pixel adds (1 − (−1))² = 4.
    distances = OriginalLeNet5().output(codes)
    assert torch.equal(distances, 4 * (codes[:, None] != codes).sum(-1).float())


def test_frozen_batch_norm_is_batch_norm_in_eval() -> None:
    torch.manual_seed(0)
    norm, frozen = nn.BatchNorm2d(6).eval(), FrozenBatchNorm2d(6)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    frozen.load_state_dict({key: value for key, value in norm.state_dict().items() if "num_batches" not in key})
    x = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(frozen(x), norm(x))


def test_transformer_is_tied_and_causal() -> None:
    model = TinyTransformer().eval()
    assert model.output.weight is model.embedding.weight
    tokens = torch.randint(0, 64, (1, 16), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 10] = (changed[0, 10] + 1) % 64
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])
