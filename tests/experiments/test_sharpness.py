"""Keskar's measure where it is known, and what rescaling keeps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.experiments.hessian import hessian_product
from inspector.experiments.sharpness import filter_direction, keskar, losses_along, rescale

pytest.importorskip("scipy")


def _square(net: nn.Module) -> torch.Tensor:
    return 3 * sum(parameter.square().sum() for parameter in net.parameters())


def test_keskar_of_a_bowl() -> None:
    """f = 3|x|² at x = (0.5, −0.25): the worst corner of the box is away from 0 in both."""
    net = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.5, -0.25]]))
    kept = net.weight.detach().clone()
    far = (0.5 + 1e-3 * 1.5) ** 2 + (0.25 + 1e-3 * 1.25) ** 2
    here = 0.5**2 + 0.25**2
    assert keskar(net, _square) == pytest.approx(100 * 3 * (far - here) / (1 + 3 * here), rel=1e-9)
    assert torch.equal(net.weight, kept)


def test_a_flat_loss_is_not_sharp() -> None:
    net = nn.Linear(2, 1).double()
    assert keskar(net, lambda found: 0 * _square(found)) == 0


def test_rescaling_divides_and_multiplies_the_blocks() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 2), nn.ReLU()).double()
    x = torch.randn(4, 1, 8, 8).double()

    def blocks() -> list[torch.Tensor]:
        loss = net(x).square().mean()
        return [
            torch.stack([hessian_product(loss, [net[i].weight])(e) for e in torch.eye(net[i].weight.numel()).double()])
            for i in (0, 3)
        ]

    before, outputs = blocks(), net(x)
    rescale(net[0], net[3], 3.0)
    torch.testing.assert_close(net(x), outputs)
    first, second = blocks()
    torch.testing.assert_close(first, before[0] / 9)
    torch.testing.assert_close(second, before[1] * 9)


def test_directions_are_as_long_as_the_filters() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).double()
    found = filter_direction(net, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found[0].flatten(1).norm(dim=1), net[0].weight.detach().flatten(1).norm(dim=1))
    assert not any(bool(each.any()) for each in found[1:])
    places = [[0.0], [1.0]]
    kept = [parameter.detach().clone() for parameter in net.parameters()]
    here, there = losses_along(net, _square, [found], places)
    assert here == pytest.approx(float(_square(net).detach()))
    assert there != here
    assert all(torch.equal(one, other) for one, other in zip(kept, net.parameters(), strict=True))
