"""Products, top eigenvalue and trace against the dense Hessian of a small net."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from inspector.experiments.hessian import hessian_product, top_eigenvalue, trace_samples


@pytest.fixture
def dense() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A net, its loss, and its Hessian by PyTorch's own."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.randn(10, 3).double(), torch.randint(2, (10,))
    shapes = {name: parameter.shape for name, parameter in net.named_parameters()}

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([shape.numel() for shape in shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return cross_entropy(torch.func.functional_call(net, named, x), y)

    at = nn.utils.parameters_to_vector(net.parameters()).detach()
    return net, cross_entropy(net(x), y), torch.autograd.functional.hessian(loss, at)


def test_products(dense: tuple[nn.Module, torch.Tensor, torch.Tensor]) -> None:
    net, loss, h = dense
    product = hessian_product(loss, [*net.parameters()])
    for vector in torch.randn(3, len(h)).double():
        torch.testing.assert_close(product(vector), h @ vector)


def test_top_eigenvalue_and_its_residual(dense: tuple[nn.Module, torch.Tensor, torch.Tensor]) -> None:
    _, _, h = dense
    values = torch.linalg.eigvalsh(h)
    start = torch.randn(len(h)).double()
    found, _ = top_eigenvalue(lambda v: h @ v, start, steps=len(h), tolerance=0)
    assert found == pytest.approx(float(values[-1]), rel=1e-9)
    early, residual = top_eigenvalue(lambda v: h @ v, start, steps=4, tolerance=0)
    assert early <= values[-1]
    assert float((values - early).abs().min()) <= residual


def test_trace_by_all_signs(dense: tuple[nn.Module, torch.Tensor, torch.Tensor]) -> None:
    _, _, h = dense
    block = h[:6, :6]
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 6)  # over all of them the mean is exact
    samples = trace_samples(lambda v: block @ v, signs)
    assert float(samples.mean()) == pytest.approx(float(block.trace()))
    expected = 2 * float(block.square().sum() - block.diagonal().square().sum())
    assert float(samples.var(correction=0)) == pytest.approx(expected)
