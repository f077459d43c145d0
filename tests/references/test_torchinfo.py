"""torchinfo: each known fault on the smallest model that shows it, with the figure it prints and the true one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from inspector.inputs import make_inputs
from inspector.references.torchinfo import Layer, mended, torchinfo


def witness(model, size, **options):
    measurement = torchinfo(model, make_inputs(model, size, **options))
    assert measurement.failure is None
    return measurement


@pytest.mark.parametrize(
    ("layer", "size", "printed", "true"),
    [
        # 2·(3·4 + 4) with the bias; 2·3·4.
        (nn.Linear(3, 4), (2, 3), 32, 24),
        # Without bias on one axis in front nothing is wrong.
        (nn.Linear(3, 4, bias=False), (2, 3), 24, 24),
        # Only the first axis counts: 2·(10·10 + 10); 2·7 rows of 10·10.
        (nn.Linear(10, 10), (2, 7, 10), 220, 1400),
        # 3·3 pixels of 2·3·3·3 weights and 3 biases: 9·(54 + 3); 9·54.
        (nn.Conv2d(2, 3, 3), (1, 2, 5, 5), 513, 486),
        # Unbatched, the 3 channels are taken for the batch and a row of 3 for the pixels: 3·3·(54 + 3).
        (nn.Conv2d(2, 3, 3), (2, 5, 5), 513, 486),
        (nn.Conv1d(2, 3, 3, bias=False), (2, 5), 3 * 18, 3 * 18),
        # 41·41 output pixels of 216 weights and 8 biases; 20·20 input pixels of 216.
        (nn.ConvTranspose2d(3, 8, 3, stride=2), (1, 3, 20, 20), 376544, 86400),
        # 5 steps·2 examples of weights 4·4·(3 + 4) = 112 and biases 2·4·4 = 32; without biases.
        (nn.LSTM(3, 4), (5, 2, 3), 1440, 1120),
        # Unbatched: the 4 features are taken for the time axis, 5·4·144; 5 steps of 112.
        (nn.LSTM(3, 4), (5, 3), 2880, 560),
        # Both axes of the state (2, 4) multiply: 8·(3·4·(3 + 4) + 2·3·4 = 108); 2·84.
        (nn.GRUCell(3, 4), (2, 3), 864, 168),
        # A layer without products: 2·(3 + 3).
        (nn.LayerNorm(3), (2, 3), 12, 0),
        (nn.BatchNorm1d(3), (2, 3), 12, 0),
        (nn.PReLU(), (2, 3), 2, 0),
    ],
)
def test_known_faults(layer, size, printed, true):
    call = witness(layer, size).modules[0]
    assert (call.macs, call.corrected_macs) == (printed, true)
    assert bool(call.fault) == (printed != true)


def test_an_embedding_multiplies_nothing():
    call = witness(nn.Embedding(7, 3), (2, 5), input_dtypes="int64").modules[0]
    assert (call.macs, call.corrected_macs) == (42, 0)  # 2·21


def test_bilinear():
    call = witness(nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)]).modules[0]
    # 2·(5·3·4 + 5); A·x₂ 2·60 and x₁ of it 2·15.
    assert (call.macs, call.corrected_macs) == (130, 150)


def test_packed_sequences():
    model = nn.GRU(3, 4)
    packed = nn.utils.rnn.pack_sequence([torch.zeros(2, 3), torch.zeros(1, 3)])
    measurement = torchinfo(model, make_inputs(model, input_data=packed))
    # 3 steps in all of weights 3·4·(3 + 4) = 84; torchinfo takes the 4 features for time: 3·4·(84 + 24).
    assert measurement.failure is None
    assert (measurement.modules[0].macs, measurement.modules[0].corrected_macs) == (1296, 252)


def test_functional_work_and_attention_are_not_seen():
    model = nn.MultiheadAttention(16, 2, batch_first=True)
    measurement = witness(model, [(3, 5, 16)] * 3)
    assert measurement.totals["macs"] == 0
    assert measurement.modules[0].macs is None


def test_a_layer_it_does_not_know_and_a_figure_it_cannot_have_printed():
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.weight

    call = witness(Scale(), (2, 3)).modules[0]
    assert (call.macs, call.corrected_macs) == (6, None)
    assert "without asking what it computes" in call.fault
    layer = Layer(nn.Linear(3, 4), [2, 3], [2, 4])
    assert mended(layer, 32)[1] == 24
    assert mended(layer, 33) == ("", None)


def test_a_subclass_with_a_forward_of_its_own_is_no_known_layer():
    class Odd(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    assert witness(Odd(3, 4), (2, 3)).modules[0].corrected_macs is None


def test_called_again_is_recursive():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    first, second = witness(Twice(), (2, 3)).modules[1:]
    assert (first.call, first.params, first.corrected_params) == (1, 12, 12)
    assert (second.call, second.params) == (2, None)


def test_tied_layers_are_counted_at_both_places():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    measurement = witness(model, (2, 3))
    assert [(call.params, call.corrected_params) for call in measurement.modules] == [(9, 9), (9, 9), (9, 0)]


def test_pruned_weights_count_what_is_left():
    model = nn.Linear(3, 4)
    prune.random_unstructured(model, "weight", amount=6)
    call = witness(model, (2, 3)).modules[0]
    # 12 − 6 weights and 4 biases, times 2; the kernel multiplies by the zeros too: 2·12.
    assert (call.params, call.corrected_params) == (10, 16)
    assert (call.macs, call.corrected_macs) == (20, 24)


def test_arguments_that_torchinfo_would_take_for_its_own():
    class Named(nn.Module):
        def forward(self, x, depth=1, mode="a"):
            return {"out": x * depth, "text": mode}

    model = Named()
    measurement = torchinfo(model, make_inputs(model, (2, 3), input_kwargs={"depth": 2, "mode": "b"}))
    assert measurement.failure is None
    assert "forward" not in vars(model)
