"""``print(model)`` as a table: paths, hyperparameters, repeats; solved for the very parameters of the model."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from inspector.tables import Contradiction, build, read, solve
from models.lenet import LeNet5


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lenet() -> None:
    table = read(str(LeNet5()))
    assert table.format == "repr"
    assert not table.unread
    rows = [row for row in table.rows if row.kind != "container"]
    assert [row.name for row in rows][:2] == ["features.0", "features.1"]
    assert rows[0].stated["kernel"] == (5, 5)
    assert rows[0].stated["bias"] is True
    solution = solve(table, (1, 32, 32))
    assert solution.total_params == count(LeNet5())
    assert not solution.ambiguous
    assert build(solution)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11", "resnet18", "mobilenet_v2", "densenet121", "squeezenet1_0", "efficientnet_b0"]
)
def test_torchvisions_models_are_counted(name: str) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None)
    assert solve(read(str(model)), (3, 224, 224)).total_params == count(model)


def test_repeats_written_as_one() -> None:
    model = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3))
    assert "(0-2): 3 x Sequential" in str(model)
    solution = solve(read(str(model)), (8,))
    assert solution.total_params == count(model) == 3 * 72
    assert [row.kind for row in solution.rows] == ["linear", "activation"] * 3


def test_every_printed_hyperparameter_is_taken() -> None:
    model = nn.Sequential(
        nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, bias=False),
        nn.Upsample(scale_factor=2),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.Conv2d(4, 8, 3, groups=2, dilation=2),
        nn.BatchNorm2d(8, affine=False),
        nn.GroupNorm(2, 8),
        nn.Flatten(),
        nn.LayerNorm(8 * 16 * 16),
        nn.Linear(8 * 16 * 16, 3, bias=False),
        nn.MultiheadAttention(3, 1),
    )[:-1]
    solution = solve(read(str(model)), (2, 10, 10))
    assert solution.total_params == count(model)
    built = build(solution)
    x = torch.randn(2, 2, 10, 10)
    assert built(x).shape == model(x).shape
    assert [tuple(p.shape) for p in built.parameters()] == [tuple(p.shape) for p in model.parameters()]


def test_attention_is_one_row() -> None:
    model = nn.TransformerEncoderLayer(16, 2, 32)
    solution = solve(read(str(model)), (5, 16))
    assert solution.rows[0].kind == "attention"
    assert solution.total_params == count(model)


def test_channels_that_do_not_meet_are_refused() -> None:
    text = str(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(9)))
    with pytest.raises(Contradiction, match="9 ≠ 8: the row states other channels"):
        solve(read(text), (3, 8, 8))


def test_what_it_cannot_show_is_said() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.odd = nn.Bilinear(2, 2, 2)

    solution = solve(read(str(nn.Sequential(nn.Linear(4, 4), Odd()))), (4,))
    assert any("parameters that a module holds beside its layers are not in it" in note for note in solution.notes)
    assert solution.uncounted == ("1.odd",)
    assert "≥ 20" in str(solution)
