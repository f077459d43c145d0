"""Remedies against small batches: what they change, what they keep, and which of them help."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import inspector
from inspector.errors import InspectionError
from inspector.experiments.norms import freeze_batch_norm, to_group_norm
from inspector.experiments.remedies import remedies


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6 * 36, 3)
    )


def test_frozen_is_what_evaluation_gives_and_stays_so() -> None:
    model = net()
    model(torch.randn(16, 1, 8, 8))  # statistics that are not those of the start
    frozen = freeze_batch_norm(model).train()
    frozen[4].eval()
    x = torch.randn(4, 1, 8, 8)
    before = copy.deepcopy(frozen.state_dict())
    torch.testing.assert_close(frozen(x), model.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    assert frozen.state_dict().keys() == model.state_dict().keys()
    assert not any(parameter.requires_grad for parameter in frozen[1].parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())  # a copy was frozen


def test_group_norm_keeps_shapes_and_parameters() -> None:
    model = net()
    grouped = to_group_norm(model, 4)
    assert isinstance(grouped[1], nn.GroupNorm)
    assert grouped[1].num_groups == 3  # 4 do not divide 6 channels
    assert inspector.verify(grouped, (2, 1, 8, 8)).ok
    assert [p.shape for p in grouped.parameters()] == [p.shape for p in model.parameters()]
    assert isinstance(model[1], nn.BatchNorm2d)


def test_a_shared_layer_stays_shared_and_a_lone_one_is_replaced() -> None:
    norm = nn.BatchNorm1d(4)
    grouped = to_group_norm(nn.Sequential(norm, norm))
    assert grouped[0] is grouped[1]
    assert isinstance(to_group_norm(norm, 2), nn.GroupNorm)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(InspectionError, match="0 keeps no running statistics"):
        freeze_batch_norm(nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)))
    with pytest.raises(InspectionError, match="at least one group"):
        to_group_norm(net(), 0)


def test_accumulation_does_not_help_and_the_others_do() -> None:
    found = {
        each.name: each.helps for each in remedies(net(), cross_entropy, torch.randn(8, 1, 8, 8), torch.arange(8) % 3)
    }
    assert found == {"freeze batch norm": True, "group norm": True, "accumulate gradients": False}


def test_nothing_to_remedy() -> None:
    assert remedies(to_group_norm(net()), cross_entropy, torch.randn(8, 1, 8, 8), torch.arange(8) % 3) == ()
