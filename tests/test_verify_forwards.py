"""Forwards that catch errors, ask for devices or hold odd tensors, beside the witnesses."""

import pytest
import torch
from torch import nn

from inspector import verify
from inspector.errors import InspectionError


class GoesToTheGPU(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        return self.linear(x.cuda().cpu())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and the forward runs")
@pytest.mark.parametrize("given", [{"input_size": (2, 4)}, {"input_data": torch.ones(2, 4)}])
def test_a_device_that_is_not_there_is_no_difference(given):
    found = verify(GoesToTheGPU(), **given)
    assert found.ok
    assert {check.reference for check in found.not_counted} == {"execution", "flop_counter", "torchinfo"}
    assert all("the witness could not run" in check.reason for check in found.not_counted)


class TellsTheDevice(nn.Module):
    def forward(self, x, weight):
        return x @ weight if x.device.type == "cpu" else (x[..., None] * weight).sum(1)


def test_a_branch_on_the_device_is_counted_where_the_model_lives():
    found = verify(TellsTheDevice(), [(2, 3), (3, 4)])
    assert found.ok, str(found)
    (counter,) = [measured for measured in found.measurements if measured.reference == "flop_counter"]
    assert counter.conditions["device"] == "cpu"
    assert counter.totals["macs"] == 2 * 3 * 4


class TriesTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 1)

    def forward(self, x):
        try:
            x = self.conv(x)
        except RuntimeError:
            x = self.conv(x.transpose(1, 2))
        try:
            return x.sum(3)
        except IndexError:
            return self.cast(x > 0)

    def cast(self, mask):
        try:
            return mask.mean(1)
        except NotImplementedError:
            return mask.float().mean(1)
        except RuntimeError:
            return mask.float().mean(1)


@pytest.mark.parametrize("given", [{"input_size": (2, 5, 4)}, {"input_data": torch.ones(2, 5, 4)}])
def test_a_forward_that_catches_pytorchs_errors_goes_on(given):
    found = verify(TriesTwice(), **given)
    assert found.ok, str(found)
    assert [row.kind for row in found.prediction.rows] == ["transpose", "conv1d", "gt", "float", "mean"]


class Lookup(nn.Module):
    def forward(self, x):
        return x[torch.tensor([7])]


def test_what_pytorch_refuses_where_the_user_wants_it_run_differs():
    found = verify(Lookup(), (2, 4), device="cpu")
    (refused,) = found.differences
    assert (refused.reference, refused.what) == ("execution", "run")
    assert "index 7 is out of bounds" in str(refused.measured)


class Ragged(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.layout = layout

    def forward(self, a, b):
        return self.linear(torch.nested.as_nested_tensor([a, b], layout=self.layout)).to_padded_tensor(0.0)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_lengths_of_a_nested_tensor_are_no_difference():
    found = verify(Ragged(torch.jagged), input_data=(torch.ones(3, 4), torch.ones(5, 4)))
    assert found.ok, str(found)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_without_a_shape_ends_in_a_message():
    with pytest.raises(InspectionError, match="nested"):
        verify(Ragged(torch.strided), input_data=(torch.ones(3, 4), torch.ones(5, 4)))


def test_a_pending_backward_goes_on_after_a_real_run():
    norm = nn.BatchNorm1d(4).eval()
    loss = norm(torch.randn(3, 4, requires_grad=True)).sum()
    assert verify(norm, input_data=torch.ones(3, 4), mode="train").ok
    loss.backward()


class Retries(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        try:
            return self.linear(x, lengths=None)
        except TypeError:
            return self.linear(x)


def test_a_call_that_raised_counts_as_a_call_beside_torchinfo():
    found = verify(Retries(), (2, 4))
    assert found.ok, str(found)
