"""Constants of layers beside gradients and finite differences; the product of whole models; what has none is named."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inspector
from inspector.errors import InspectionError
from inspector.toeplitz import ConvOperator, lipschitz_bound
from inspector.toeplitz.constants import HOOKED, constant_of
from models.lenet import LeNet5
from models.normalized import LeNetBatchNorm
from models.residual import ResidualLeNet

SHAPE = (2, 3, 9, 8)


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build().double().eval()


#: Layers with a bound, and how much of it random directions must reach (0 where only special inputs come near).
BOUNDED: dict[str, tuple[nn.Module, tuple[int, ...], float]] = {
    "conv": (seeded(lambda: nn.Conv2d(3, 4, 3, padding=1)), SHAPE, 0.9),
    "strided reflected conv": (
        seeded(lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="reflect")),
        SHAPE,
        0.9,
    ),
    "transposed conv": (seeded(lambda: nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=1)), SHAPE, 0.9),
    "conv 1d": (seeded(lambda: nn.Conv1d(2, 2, 3)), (1, 2, 9), 0.9),
    "linear": (seeded(lambda: nn.Linear(8, 5)), SHAPE, 0.9),
    "batch norm": (seeded(lambda: nn.BatchNorm2d(3)), SHAPE, 0.9),
    "layer norm": (seeded(lambda: nn.LayerNorm(8)), SHAPE, 0.0),
    "group norm": (seeded(lambda: nn.GroupNorm(3, 3)), SHAPE, 0.0),
    "rms norm": (seeded(lambda: nn.RMSNorm(8)), SHAPE, 0.0),
    "instance norm": (seeded(lambda: nn.InstanceNorm2d(3)), SHAPE, 0.0),
    "max pool, overlapping": (nn.MaxPool2d(3, 1), SHAPE, 0.0),
    "max pool": (nn.MaxPool2d(2), SHAPE, 0.9),
    "max pool, dilated and padded": (nn.MaxPool2d(3, 2, padding=1, dilation=2, ceil_mode=True), SHAPE, 0.0),
    "adaptive max pool": (nn.AdaptiveMaxPool2d((4, 3)), SHAPE, 0.0),
    "avg pool": (nn.AvgPool2d(2), SHAPE, 0.9),
    "avg pool, overlapping": (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), SHAPE, 0.7),
    "avg pool by a divisor": (nn.AvgPool2d(2, divisor_override=3), SHAPE, 0.9),
    "adaptive avg pool": (nn.AdaptiveAvgPool2d((4, None)), SHAPE, 0.7),
    "reflection pad": (nn.ReflectionPad2d(2), SHAPE, 0.9),
    "replication pad": (nn.ReplicationPad2d((1, 2, 0, 3)), SHAPE, 0.9),
    "circular pad": (nn.CircularPad2d(1), SHAPE, 0.9),
    "zero pad": (nn.ZeroPad2d(1), SHAPE, 0.9),
    "constant pad": (nn.ConstantPad2d(1, 3.5), SHAPE, 0.9),
    "flatten": (nn.Flatten(), SHAPE, 0.9),
    "pixel shuffle": (nn.PixelShuffle(1), SHAPE, 0.9),
    "dropout": (nn.Dropout(0.3).eval(), SHAPE, 0.9),
    "softmax": (nn.Softmax(1), (4, 2), 0.5),
    "log softmax": (nn.LogSoftmax(1), (4, 6), 0.3),
}
ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Hardtanh(-2, 1),
    nn.LeakyReLU(0.2),
    nn.LeakyReLU(3.0),
    nn.PReLU(init=-2.0),
    nn.RReLU().eval(),
    nn.ELU(),
    nn.ELU(2.5),
    nn.CELU(0.7),
    nn.SELU(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.SiLU(),
    nn.Mish(),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Softplus(),
    nn.Softsign(),
    nn.LogSigmoid(),
    nn.Softshrink(),
    nn.Tanhshrink(),
    nn.Threshold(0.5, 0.5),
]


def stretched(module: nn.Module, shape: tuple[int, ...], tries: int = 40) -> float:
    """The largest ‖f(x) − f(y)‖/‖x − y‖ found by following the gradient from random pairs."""
    best = 0.0
    generator = torch.Generator().manual_seed(1)
    for scale in (1.0, 1e-3):
        x = torch.randn(shape, dtype=torch.float64, generator=generator) * scale
        direction = torch.randn(shape, dtype=torch.float64, generator=generator)
        for _ in range(tries):
            direction = direction / torch.linalg.vector_norm(direction)
            step = 1e-6 * scale
            image = (module(x + step * direction) - module(x)).detach() / step
            best = max(best, float(torch.linalg.vector_norm(image)))
            _, direction = torch.autograd.functional.vjp(module, x, image)  # the power method on the Jacobian
            if not direction.any():
                break
    return best


@pytest.mark.parametrize("name", BOUNDED)
def test_no_pair_is_stretched_more_than_the_constant(name: str) -> None:
    module, shape, reached = BOUNDED[name]
    constant = constant_of(module, shape)
    assert constant.value is not None
    found = stretched(module, shape)
    assert found <= constant.value * (1 + 1e-6), (found, constant)
    assert found >= constant.value * reached, (found, constant)


@pytest.mark.parametrize("module", ACTIVATIONS, ids=str)
def test_slopes_on_a_fine_grid_reach_the_constant_and_stay_below(module: nn.Module) -> None:
    """The largest |f′| on a grid: not above the constant, and at 0.99 of it at least."""
    x = torch.linspace(-12, 12, 400_001, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(module.double()(x).sum(), x)
    constant = constant_of(module, (1,)).value
    assert constant is not None
    assert float(slopes.abs().max()) <= constant * (1 + 1e-9)
    assert float(slopes.abs().max()) >= 0.99 * constant or isinstance(module, nn.RReLU)


def test_layer_norm_reaches_its_constant_near_a_constant_input() -> None:
    """1/√ε at x = 0: the Jacobian there is the centring over √ε."""
    module = nn.LayerNorm(8, elementwise_affine=False).double()
    jacobian = torch.autograd.functional.jacobian(module, torch.zeros(8, dtype=torch.float64))
    constant = constant_of(module, (8,)).value
    assert float(torch.linalg.matrix_norm(jacobian, 2)) == pytest.approx(constant, rel=1e-9)


def test_product_of_lenet_bounds_what_training_pairs_do() -> None:
    torch.manual_seed(0)
    model = LeNet5().eval()
    bound = lipschitz_bound(model, (1, 1, 32, 32))
    assert bound.certified
    assert bound.value == pytest.approx(math.prod(factor.value or 0 for factor in bound.factors), rel=1e-12)
    assert [factor.path for factor in bound.factors][:3] == ["features.0", "features.1", "features.2"]
    found = stretched(model.double(), (1, 1, 32, 32), tries=10)
    assert 0 < found <= (bound.value or 0)


def test_a_convolution_s_factor_is_its_certified_norm_at_its_own_size() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
    second = lipschitz_bound(model, (1, 1, 8, 8)).factors[2]
    bracket = ConvOperator.from_module(model[2], (6, 6)).operator_norm()
    assert second.value == bracket.upper
    assert f"{bracket.lower:.6g}" in second.reason


class Written(nn.Module):
    """A sequence written as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.conv(x)), 2)
        x = x.view(x.size(0), -1)
        return torch.softmax(self.head(x) * 2.0 + 1, dim=1)


def test_functions_of_a_forward_are_followed() -> None:
    torch.manual_seed(0)
    model = Written().eval()
    bound = lipschitz_bound(model, (2, 1, 8, 8))
    assert bound.certified
    values = {factor.path: factor.value for factor in bound.factors}
    assert values["mul"] == 2.0
    assert values["softmax"] == 0.5
    assert stretched(model.double(), (1, 1, 8, 8), tries=10) <= (bound.value or 0)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


UNBOUNDED: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "a jump": (nn.Sequential(nn.ReLU(), nn.Hardshrink()), (1, 4), "jumps at"),
    "a batch's own statistics": (nn.Sequential(nn.BatchNorm2d(3)), SHAPE, "training mode"),
    "random in training": (nn.Sequential(nn.Dropout(0.5)), (1, 4), "training mode"),
    "a gate": (nn.Sequential(nn.GLU()), (1, 4), "no bound of this layer is known"),
    "branches": (Branching(), (1, 4), "cannot be followed"),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_what_cannot_be_bounded_is_named_and_never_guessed(name: str) -> None:
    model, shape, word = UNBOUNDED[name]
    bound = lipschitz_bound(model.train(), shape)
    assert bound.value is None
    assert not bound.certified
    (layer,) = bound.unbounded
    assert word in layer.reason
    assert "Lipschitz bound: none" in str(bound)
    assert layer.kind in str(bound).splitlines()[-1]


def test_a_residual_model_is_no_sequence_and_says_where() -> None:
    bound = lipschitz_bound(ResidualLeNet().eval(), (1, 1, 32, 32))
    assert bound.value is None
    assert "add" in {factor.kind for factor in bound.unbounded}
    assert bound.known > 0


def model_of(forward: Callable[[Tensor], object]) -> nn.Module:
    """A module whose forward is this one."""
    return type("Written", (nn.Module,), {"forward": lambda self, x: forward(x)})().eval()


@pytest.mark.parametrize(
    ("forward", "word"),
    [
        (lambda x: torch.cat([x, x], 1), "joins several tensors"),
        (lambda x: (x.relu(), x), "returns something else"),
        (lambda x: [y := x * 5, torch.relu(y * 0.0)][0], "returns something else"),
        (lambda x: torch.div(x, 2, rounding_mode="floor"), "no bound of this function"),
        (lambda x: torch.add(1.0, x, alpha=7), "no bound of this function"),
        (lambda x: x / 0, "no bound of this function"),
        (lambda x: x * math.nan, "no bound of this function"),
        (lambda x: x.view(torch.int32), "no bound of this function"),
        (lambda x: x[:, [0, 0]], "no bound of this function"),
        (lambda x: 1 / x, "no bound of this function"),
    ],
)
def test_no_forward_is_certified_by_what_is_overlooked(forward: Callable[[Tensor], object], word: str) -> None:
    bound = lipschitz_bound(model_of(forward), (1, 4))
    assert bound.value is None
    assert any(word in layer.reason for layer in bound.unbounded)


@pytest.mark.parametrize(
    ("forward", "value"),
    [
        (lambda x: 1 - x, 1.0),
        (lambda x: -x, 1.0),
        (lambda x: 3 * x.add(2), 3.0),
        (lambda x: x.mul(3).div(2), 1.5),
        (lambda x: x[:, 1:, None], 1.0),
        (lambda x: x, 1.0),
    ],
)
def test_arithmetic_with_numbers(forward: Callable[[Tensor], Tensor], value: float) -> None:
    assert lipschitz_bound(model_of(forward), (1, 4)).value == pytest.approx(value, rel=1e-12)


def test_a_hook_may_do_anything() -> None:
    layer, whole, own = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.ReLU())
    layer[0].register_forward_hook(lambda module, args, result: result * 100)
    whole.register_forward_pre_hook(lambda module, args: (args[0] * 100,))
    own[0].forward = lambda x: 100 * x
    for model in (layer, whole, own):
        assert [layer.reason for layer in lipschitz_bound(model, (1, 2)).unbounded] == [HOOKED]


def test_a_parametrized_convolution_is_bounded_by_its_weight_and_stays_as_it_was() -> None:
    """In training mode each look at the weight of `spectral_norm` moves its buffers."""
    torch.manual_seed(0)
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3, padding=1))
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    training = lipschitz_bound(nn.Sequential(conv), (1, 3, 6, 6))
    assert training.certified
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    evaluated = lipschitz_bound(nn.Sequential(conv.eval()), (1, 3, 6, 6)).value
    weight = conv.weight.detach()
    assert evaluated == pytest.approx(inspector.toeplitz.conv_operator(weight, (6, 6), padding=1).operator_norm().upper)


def test_a_layer_of_several_tensors_is_named() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Bilinear(4, 4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x, x)

    (layer,) = lipschitz_bound(Attention(), (1, 4)).unbounded
    assert (layer.path, layer.kind) == ("inner", "Bilinear")
    assert "joins several tensors" in layer.reason


def test_batch_norm_counts_in_evaluation_mode() -> None:
    assert lipschitz_bound(LeNetBatchNorm().eval(), (1, 1, 32, 32)).certified
    assert not lipschitz_bound(LeNetBatchNorm().train(), (2, 1, 32, 32)).certified


def test_nothing_of_the_model_changes() -> None:
    model = LeNetBatchNorm().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    lipschitz_bound(model, (1, 1, 32, 32))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not model.training


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((1, 3, 32, 32), r"features\.0 \(Conv2d\) cannot take an input of shape \[1, 3, 32, 32\]"),
        ((0, 1), "positive integers with the batch"),
        ("32", "positive integers with the batch"),
    ],
)
def test_inputs_that_do_not_fit_say_so(size: object, message: str) -> None:
    with pytest.raises(InspectionError, match=message):
        lipschitz_bound(LeNet5(), size)  # type: ignore[arg-type]


def test_weights_that_are_not_finite_are_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Conv1d(1, 1, 1))
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    with pytest.raises(InspectionError, match=r"0 \(Linear\)"):
        lipschitz_bound(model, (1, 1, 2))
    with pytest.raises(InspectionError, match=r"takes a torch\.nn\.Module"):
        lipschitz_bound(3, (1,))  # type: ignore[arg-type]
