"""Registered tensors, each storage once."""

from __future__ import annotations

import torch
from torch import nn

from inspector.inputs import make_inputs
from inspector.references.registered import registered


def totals(model, size=(2, 3)):
    return registered(model, make_inputs(model, size)).totals


def test_parameters_and_buffers():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4).half())
    model[0].bias.requires_grad_(False)
    # Linear 3·4 + 4 = 16, norm 4 + 4 = 8. Buffers: mean and variance, 4 each, and one counter of int64.
    assert totals(model) == {
        "params": 24,
        "trainable_params": 20,
        "param_bytes": 16 * 4 + 8 * 2,
        "buffer_elements": 9,
        "buffer_bytes": 8 * 2 + 8,
    }


def test_tied_parameters_count_once_also_as_other_objects_and_on_meta():
    for device in ("cpu", "meta"):
        model = nn.Sequential(nn.Linear(3, 3, bias=False, device=device), nn.Linear(3, 3, bias=False, device=device))
        assert totals(model)["params"] == 18
        model[1].weight = nn.Parameter(model[0].weight.detach())  # another object on the same storage
        assert totals(model)["params"] == 9


def test_two_halves_of_one_storage_are_two():
    whole = torch.zeros(6)
    model = nn.ParameterList([nn.Parameter(whole[:3]), nn.Parameter(whole[3:])])
    model.forward = lambda x: x
    assert totals(model)["params"] == 6


def test_a_buffer_that_shares_a_parameter_is_the_parameter():
    model = nn.Linear(3, 1, bias=False)
    model.register_buffer("same", model.weight.detach())
    assert (totals(model)["params"], totals(model)["buffer_elements"]) == (3, 0)


def test_lazy_models_are_counted_once_materialised():
    model = nn.LazyLinear(4)
    assert totals(model)["params"] == 16  # 3·4 + 4
    assert nn.parameter.is_lazy(model.weight)


def test_wrapped_models():
    assert totals(nn.DataParallel(nn.Linear(3, 4)))["params"] == 16
