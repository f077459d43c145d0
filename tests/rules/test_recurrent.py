"""Recurrent layers and cells of every sort, as their modules call them, against PyTorch's own run."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn
from torch.overrides import TorchFunctionMode

from inspector.rules import RULES, ValuesNeeded
from tests.rules.harness import check, compare, parameters, predict, refused

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
FORMS = ("batched", "unbatched", "packed")


class Seen(TorchFunctionMode):
    """Keeps the call of a recurrent function."""

    def __init__(self) -> None:
        super().__init__()
        self.call: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "").split("_")[0] in ("lstm", "gru", "rnn"):
            self.call = func, args, kwargs or {}
        return func(*args, **(kwargs or {}))


def call_of(module: nn.Module, x: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    with Seen() as seen:
        module(x)
    assert seen.call is not None
    return seen.call


def given(form: str, batch_first: bool) -> Any:
    if form == "unbatched":
        return torch.ones(7, 5)
    if form == "batched":
        return torch.ones(3, 7, 5)
    lengths = [3, 1, 2] if not batch_first else [7, 2, 4]  # of 7 sequences of 3 steps, or of 3 sequences of 7
    x = torch.ones(3, 3, 5) if not batch_first else torch.ones(3, 7, 5)
    return rnn.pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "projected"), [("LSTM", 0), ("LSTM", 2), ("GRU", 0), ("RNN", 0)], ids=["LSTM", "projected", "GRU", "RNN"]
)
def test_layers(kind: str, projected: int, form: str) -> None:
    for layers, bias, both, batch_first in itertools.product((1, 3), *[(True, False)] * 3):
        settings = {"bias": bias, "bidirectional": both, "batch_first": batch_first}
        if projected:
            settings["proj_size"] = projected
        module = getattr(nn, kind)(5, 4, layers, **settings)
        function, args, kwargs = call_of(module, given(form, batch_first))
        # PyTorch packs for real only; the counter sees every product there too.
        check(function, *args, on="cpu" if form == "packed" else "meta", **kwargs)
        params = parameters(function, *args, **kwargs)
        assert params.number == sum(parameter.numel() for parameter in module.parameters()), params.worked


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (5,)])
def test_cells(kind: str, bias: bool, shape: tuple[int, ...]) -> None:
    module = getattr(nn, kind)(5, 4, bias=bias)
    function, args, kwargs = call_of(module, torch.ones(shape))
    check(function, *args, **kwargs)
    params = parameters(function, *args, **kwargs)
    assert params.number == sum(parameter.numel() for parameter in module.parameters()), params.worked


def test_relu_has_the_rules_of_tanh() -> None:
    function, args, kwargs = call_of(nn.RNN(5, 4, nonlinearity="relu"), torch.ones(3, 7, 5))
    assert function is torch.rnn_relu
    check(function, *args, **kwargs)
    function, args, kwargs = call_of(nn.RNNCell(5, 4, nonlinearity="relu"), torch.ones(3, 5))
    assert function is torch.rnn_relu_cell
    check(function, *args, **kwargs)


def test_formulas_worked_by_hand() -> None:
    _, args, _ = call_of(nn.LSTM(5, 4, 2, bidirectional=True), torch.ones(7, 3, 5))
    _, macs = RULES[torch.lstm](*args)
    # 21 steps, 2 directions, 4 gates of 4: first layer reads 5 + 4 features, the second 8 + 4.
    assert macs.number == 21 * 2 * 16 * (9 + 12)
    # A gate has a weight for each feature it reads, and two biases: 2 · 16 · (9 + 2 + 12 + 2).
    assert parameters(torch.lstm, *args).number == 800
    _, args, _ = call_of(nn.LSTM(5, 4, proj_size=2), torch.ones(7, 3, 5))
    _, macs = RULES[torch.lstm](*args)
    assert macs.number == 21 * (16 * (5 + 2) + 4 * 2)  # each step projects 4 features to 2
    assert macs.formula.symbols["B"] == "directions"


@pytest.mark.parametrize("batch_first", [True, False])
def test_sequences_of_different_length(batch_first: bool) -> None:
    sequences = [torch.ones(3, 4), torch.ones(5, 4)]
    check(torch._C._nn.pad_sequence, sequences, batch_first, 0.0, "right")


@pytest.mark.parametrize("batch_first", [True, False])
def test_packing_follows_lengths_that_are_known(batch_first: bool) -> None:
    x = torch.ones(3, 3, 5)
    arguments = (x, torch.tensor([3, 2, 2]), batch_first)
    predicted, measured = predict(torch._pack_padded_sequence, *arguments)[0], torch._pack_padded_sequence(*arguments)
    compare(predicted, measured)
    assert predicted[1].equal(measured[1])
    arguments = (*measured, batch_first, 0.0, 4)
    predicted, measured = predict(torch._pad_packed_sequence, *arguments)[0], torch._pad_packed_sequence(*arguments)
    compare(predicted, measured)
    assert predicted[1].equal(measured[1])


def test_lengths_without_values() -> None:
    x, lengths = torch.ones(3, 3, 5), torch.tensor([3, 2, 2], device="meta")
    for function, arguments in (
        (torch._pack_padded_sequence, (x, lengths, False)),
        (torch._pad_packed_sequence, (torch.ones(7, 5), lengths, False, 0.0, 3)),
    ):
        with pytest.raises(ValuesNeeded):
            predict(function, *arguments)


def test_sizes_that_pytorch_refuses() -> None:
    function, args, _ = call_of(nn.GRU(5, 4), torch.ones(7, 3, 5))
    wrong: Tensor = torch.ones(7, 3, 6)
    assert "takes 5 features" in refused(function, wrong, *args[1:])
    function, args, _ = call_of(nn.GRUCell(5, 4), torch.ones(3, 5))
    assert "takes 5 features" in refused(function, torch.ones(3, 6), *args[1:])
    lengths = torch.tensor([1, 3])
    assert "the longest first" in refused(torch._pack_padded_sequence, torch.ones(3, 2, 5), lengths, False, on="cpu")
    assert "differ beyond time" in refused(torch._C._nn.pad_sequence, [torch.ones(3, 4), torch.ones(3, 5)], False)
