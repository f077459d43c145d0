"""What a person reads when a forward cannot be followed to its end."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inspector
from inspector.places import place, place_of


def message(model: nn.Module, *question: object, **options: object) -> str:
    with pytest.raises(inspector.InspectionError) as caught:
        inspector.predict(model, *question, **options)
    return str(caught.value)


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1))  # the user's line


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.inner = Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(F.relu(self.conv(x)))


def test_a_wrong_shape_names_layer_expected_size_and_how_the_received_one_came() -> None:
    # 8 − 3 + 1 = 6 rows and columns of 2 channels: 72 features, and not 9.
    lines = message(Outer(), (4, 1, 8, 8)).splitlines()
    assert lines[0] == "forward stopped in inner.linear (Linear), given [4, 72] float32"
    assert lines[1] == "  the weight [2, 9] takes 9 features, the input [4, 72] has 72"
    assert lines[2].startswith("  at ")
    assert lines[2].endswith("return self.linear(x.flatten(1))  # the user's line")
    assert lines[3:] == [
        "  the calls before it:",
        "    conv: conv2d gave [4, 2, 6, 6]",
        "    relu gave [4, 2, 6, 6]",
        "    inner: flatten gave [4, 72]",
    ]


def test_an_error_of_the_users_own() -> None:
    class Fussy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[0] != 1:
                raise ValueError(f"one at a time, not {x.shape[0]}")
            return x

    lines = message(nn.Sequential(nn.ReLU(), Fussy()), (3, 2)).splitlines()
    assert lines[0] == "forward stopped in 1 (Fussy), given [3, 2] float32"
    assert lines[1] == "  ValueError: one at a time, not 3"
    assert 'raise ValueError(f"one at a time' in lines[2]


def test_a_wrong_dtype() -> None:
    told = message(nn.Linear(3, 2), (4, 3), input_dtypes=torch.float64)
    assert "float64" in told
    assert "float32" in told


def test_tokens_given_as_floats() -> None:
    told = message(nn.Embedding(10, 3), (4, 5))
    assert "forward stopped in the root (Embedding), given [4, 5] float32" in told


def test_a_forward_without_a_return() -> None:
    class Silent(nn.Module):
        def forward(self, x: Tensor) -> None:
            x.relu()

    assert "returned nothing (None)" in message(Silent(), (1, 2))


def test_an_error_caught_and_a_later_one_elsewhere() -> None:
    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("first")

    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Raises(), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.first(x)
            except RuntimeError:
                return self.second(x)

    assert message(Catches(), (2, 4)).startswith("forward stopped in second (Linear), given [2, 4] float32")


def test_what_went_before_is_a_prediction() -> None:
    with pytest.raises(inspector.InspectionError) as caught:
        inspector.predict(Outer(), (4, 1, 8, 8))
    partial = caught.value.partial
    assert [row.kind for row in partial.rows] == ["conv2d", "relu", "flatten"]
    assert partial.total_macs == 4 * 2 * 9 * 36
    assert str(partial)


def test_places_pass_over_pytorch_and_this_project() -> None:
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(2, 2)(torch.ones(3))
    assert place_of(caught.value).endswith("nn.Linear(2, 2)(torch.ones(3))")


def test_the_place_of_a_running_frame() -> None:
    here = place(sys._getframe())
    assert here.endswith("here = place(sys._getframe())")
    assert "test_explain.py:" in here
    assert place(None) is None
