"""``bce-vs-mse``: why a classifier is trained on the cross-entropy and not on the squared error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional as F

from inspector import losses
from inspector.experiments import logistic
from inspector.experiments.data import images, split
from inspector.experiments.environment import seed_of
from inspector.experiments.experiment import Experiment, column, series
from inspector.experiments.figures import COLORS, points
from inspector.experiments.judge import interval
from inspector.experiments.records import Cell, Claim, Measured, Predicted
from inspector.experiments.training import lenet, train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from inspector.experiments.records import JSON, Config, Result

_REACH, _START = 40.0, -10.0
#: A few roundings of numbers near 1, in float64 and in float32.
_ULPS64, _ULPS32 = 2.0**-50, 2.0**-21
#: Small enough that the first large gradients of the cross-entropy leave the rectifiers alive.
_RATE, _BATCH = 0.05, 32
#: The worked example: labels and predicted probabilities.
LABELS, PROBABILITIES = (1.0, 0.0, 0.0), (0.2, 0.5, 0.1)


class BceVsMse(Experiment):
    """See ``about``."""

    name = "bce-vs-mse"
    title = "Cross-entropy against squared error behind a sigmoid"
    about = (
        "Behind a sigmoid the squared error's gradient (p − y)p(1 − p) vanishes where the unit saturates, also when it "
        "is wrong; the cross-entropy's, p − y, does not. From a logit of −10 that is the difference between 11 and "
        "22 059 units of time, and between a LeNet that learns and one that stays where it is. The cross-entropy is "
        "the likelihood of Bernoulli labels, so that its estimates also vary less."
    )
    faults: ClassVar = {
        "vanishing": "the cross-entropy is differentiated with the factor p(1 − p) of the squared error",
        "naive-logarithm": "the cross-entropy is computed as the logarithm of a rounded probability",
        "unsaturated": "the training starts at a logit of 0, where nothing is saturated",
        "miscalibrated": "labels are drawn with a quarter of them flipped",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        if config.control:
            return _control_claims()
        return [*_gradient_claims(), *_time_claims(), *_training_claims(config), *_likelihood_claims()]

    def cells(self, config: Config) -> Sequence[Cell]:
        seeds = range(4 if config.quick else 10)
        trained = [
            Cell(f"{side},seed={seed}", {"side": side, "seed": seed}) for seed in seeds for side in ("bce", "mse")
        ]
        likelihood = [
            Cell(f"likelihood,group={group}", {"group": group}) for group in range(10 if config.quick else 40)
        ]
        return [*([] if config.control else [Cell("gradients"), Cell("flow")]), *trained, *likelihood]

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        if cell.key == "gradients":
            return _gradients(config)
        if cell.key == "flow":
            return {
                "bce": _flow(_loss("bce", config.fault), config.device),
                "mse": _flow(_loss("mse", config.fault), config.device),
            }
        if "group" in cell.arguments:
            flipped = 0.25 if config.fault == "miscalibrated" else 0.0
            second = "bce" if config.control else "mse"
            seed = seed_of(config.seed, cell.key)
            return logistic.variances(seed, ("bce", second), flipped, config.device, fresh=config.control)
        return _trained(config, str(cell.arguments["side"]), int(str(cell.arguments["seed"])))

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        sides = {
            side: {name: column(values, name, f"{side},") for name in ("error", "slope")} for side in ("bce", "mse")
        }
        ratio = [bce / mse for bce, mse in zip(sides["bce"]["slope"], sides["mse"]["slope"], strict=True)]
        second, first = column(values, "second", "likelihood"), column(values, "first", "likelihood")
        # Of logarithms: the mean of ratios of estimates lies above the ratio.
        logs = interval([math.log(b / a) for a, b in zip(first, second, strict=True)])
        efficiency = Measured(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)
        if config.control:
            pairs = zip(sides["bce"]["error"], sides["mse"]["error"], strict=True)
            return {"slope": ratio, "error": [a - b for a, b in pairs], "efficiency": efficiency}
        exact = {
            name: Measured.exactly(column(values, name, "gradients")[0])
            for name in ("bce-gradient", "mse-gradient", "mse-limit", "stable", "naive", "worked", "likelihood")
        }
        return {
            **exact,
            "bce-time": Measured.exactly(column(values, "bce", "flow")[0]),
            "mse-time": Measured.exactly(column(values, "mse", "flow")[0]),
            "slope": ratio,
            "bce-error": sides["bce"]["error"],
            "mse-error": sides["mse"]["error"],
            "variance": first,
            "efficiency": efficiency,
            "calibration": Measured.exactly(max(column(values, "miscalibration", "likelihood"))),
        }

    def draw(self, figure: Figure, result: Result) -> None:
        left, middle, right = figure.subplots(1, 3)
        z = torch.linspace(-10, 10, 401, dtype=torch.float64)
        for loss, label, color in (
            (losses.bce_with_logits, "cross-entropy: p − y", COLORS[0]),
            (losses.mse_with_logits, "squared error: (p − y)p(1 − p)", COLORS[1]),
        ):
            left.plot(z, loss.gradient(z, torch.ones_like(z)) * len(z), label=label, color=color)
        at = series(result.values, "gradients", "z")
        for name, color in (("bce", COLORS[0]), ("mse", COLORS[1])):
            if found := series(result.values, "gradients", name):
                left.plot(at, found, "o", markersize=4, color=color)
        left.set(xlabel="logit z", ylabel="gradient by z, label y = 1", title="lines: formulas, points: autograd")
        left.legend(fontsize="small", loc="lower right")
        steps = _steps(result.config)
        for side, name, color in (("bce", "cross-entropy", COLORS[0]), ("mse", "squared error", COLORS[1])):
            for seed in range(20):
                curve = series(result.values, f"{side},seed={seed}", "logits")
                at = [step * steps / max(1, len(curve) - 1) for step in range(len(curve))]
                middle.plot(at, curve, color=color, alpha=0.6, label=name if seed == 0 else None)
        middle.set(xlabel="step", ylabel="mean logit of images with y = 1", title="LeNet from a saturated start")
        middle.axhline(0, color="0.5", linestyle=":")
        middle.legend(fontsize="small", loc="center right")
        judged = result.claim("efficiency")
        right.axhline(judged.claim.predicted.value, color=COLORS[1], label="predicted: squared error")
        right.axhline(1.0, color=COLORS[0], label="cross-entropy")
        points(right, [0], [judged.measured], "measured", COLORS[1])
        right.set(ylabel="variance of the fitted slope over the likelihood's", title="Bernoulli labels", xticks=[])
        right.margins(y=0.3)
        right.legend(fontsize="small")


def _gradient_claims() -> list[Claim]:
    terms = " + ".join(f"{'ln ' + format(p if y else 1 - p, 'g')}" for p, y in zip(PROBABILITIES, LABELS, strict=True))
    worked = -sum(math.log(p if y else 1 - p) for p, y in zip(PROBABILITIES, LABELS, strict=True)) / len(LABELS)
    rounding = "a few roundings in float64"
    broken = 24 * math.log(2), 25 * math.log(2)
    return [
        Claim(
            "bce-gradient",
            "the cross-entropy's gradient by the logit is p − y over z in [−40, 40]: largest difference",
            Predicted.exactly(_ULPS64, f"|autograd − (p − y)| ≤ 2⁻⁵⁰, {rounding}"),
            "at most",
        ),
        Claim(
            "mse-gradient",
            "the squared error's is (p − y)p(1 − p): largest difference",
            Predicted.exactly(_ULPS64, f"|autograd − (p − y)p(1 − p)| ≤ 2⁻⁵⁰, {rounding}"),
            "at most",
        ),
        Claim(
            "mse-limit",
            "the squared error's gradient is never larger than 4/27 (tolerance: the grid's step of 0.01)",
            Predicted.exactly(losses.mse_with_logits.slope, "max p(1 − p)² = 4/27 at p = 1/3"),
            tolerance=1e-5,
        ),
        Claim(
            "stable",
            "from logits the cross-entropy keeps its digits in float32: largest error over z in [−40, 40]",
            Predicted.exactly(_ULPS32, "max(z, 0) − zy + log1p(e^(−|z|)) to 2⁻²¹·max(1, itself)"),
            "at most",
        ),
        Claim(
            "naive",
            "−log(1 − σ(z)) is infinite in float32 from this z on, by how σ is rounded",
            Predicted(sum(broken) / 2, *broken, "1 + e^(−z) rounds to 1 at 24·ln 2, σ(z) at 25·ln 2"),
            tolerance=1e-3,
        ),
        Claim(
            "worked",
            f"J of Y = {LABELS} and P = {PROBABILITIES} is 0.8026 (tolerance: rounding)",
            Predicted.exactly(worked, f"−({terms})/{len(LABELS)}"),
            tolerance=1e-12,
        ),
        Claim(
            "likelihood",
            "the cross-entropy is the negative log-likelihood of Bernoulli labels: relative difference",
            Predicted.exactly(1e-12, "n·BCE = −log ∏ p^y(1 − p)^(1 − y), within rounding"),
            "at most",
        ),
    ]


def _time_claims() -> list[Claim]:
    said = "time in which gradient flow moves z from −10 to 0 at y = 1 (tolerance: the integrator's)"
    return [
        Claim(
            "bce-time",
            f"cross-entropy: {said}",
            Predicted.exactly(losses.flow_time_bce(_START, 0), "z + e^z between −10 and 0"),
            tolerance=1e-4,
        ),
        Claim(
            "mse-time",
            f"squared error: {said}",
            Predicted.exactly(losses.flow_time_mse(_START, 0), "−e^(−z) + 3z + 3e^z + ½e^(2z) between −10 and 0"),
            tolerance=1e-4,
        ),
    ]


def _training_claims(config: Config) -> list[Claim]:
    _, y = images(config.data)
    share = float((y % 2 == 1).float().mean())
    slope = math.exp(-_START) + 2 + math.exp(_START)
    return [
        Claim(
            "slope",
            "LeNet with all logits at −10: cross-entropy's gradient over the squared error's (tolerance: float32)",
            Predicted.exactly(slope, "1/(p(1 − p)) = e¹⁰ + 2 + e⁻¹⁰"),
            tolerance=1e-3,
        ),
        Claim(
            "bce-error",
            "LeNet trained on the cross-entropy from there: share of test images it gets wrong, below half of chance",
            Predicted.exactly(share / 2, f"half of the share of odd digits, {share:.3g}/2"),
            "at most",
        ),
        Claim(
            "mse-error",
            "LeNet trained on the squared error for as long still answers no to every image",
            Predicted.exactly(share, "the share of odd digits (to within one image of the test set)"),
            tolerance=0.01,
        ),
    ]


def _likelihood_claims() -> list[Claim]:
    first, second = (logistic.asymptotic_variance(side) for side in ("bce", "mse"))
    said = f"(tolerance: the next order in 1/{logistic.SAMPLES})"
    return [
        Claim(
            "variance",
            f"logistic regression by cross-entropy: variance of the slope times n {said}",
            Predicted.exactly(first, "inverse Fisher information E[p(1 − p)xxᵀ]⁻¹"),
            tolerance=0.05,
        ),
        Claim(
            "efficiency",
            f"by squared error its variance is larger by this factor {said}",
            Predicted.exactly(second / first, "A⁻¹BA⁻¹ over I⁻¹, A = E[p²(1 − p)²xxᵀ], B = E[p³(1 − p)³xxᵀ]"),
            tolerance=0.05,
        ),
        Claim(
            "calibration",
            "fitted by cross-entropy, probabilities have the mean of the labels: largest difference",
            Predicted.exactly(1e-9, "Σ(p − y) = 0 at the optimum, within its tolerance"),
            "at most",
        ),
    ]


def _control_claims() -> list[Claim]:
    return [
        Claim(
            "slope",
            "both sides train on the cross-entropy: ratio of their gradients",
            Predicted.exactly(1.0, "1"),
            tolerance=1e-3,
        ),
        Claim("error", "difference of their errors", Predicted.exactly(0.0, "0"), decides=0.25),
        Claim(
            "efficiency",
            "ratio of the slope's variances on independent labels",
            Predicted.exactly(1.0, "1"),
        ),
    ]


def _gradients(config: Config) -> dict[str, JSON]:
    """Autograd through PyTorch's losses beside the formulas, on a grid."""
    z = torch.linspace(-_REACH, _REACH, 8001, dtype=torch.float64, device=config.device)
    found: dict[str, JSON] = {}
    for side, formula in (("bce", losses.bce_with_logits), ("mse", losses.mse_with_logits)):
        worst, largest = 0.0, 0.0
        for label in (0.0, 1.0):
            y = torch.full_like(z, label)
            measured = _slopes(_loss(side, config.fault), z, y)
            predicted = formula.gradient(z, y) * len(z)
            worst = max(worst, float((measured - predicted).abs().max()))
            largest = max(largest, float(measured.abs().max()))
        found |= {f"{side}-gradient": worst, f"{side}-limit": largest}
        shown = torch.linspace(-10, 10, 21, dtype=torch.float64, device=config.device)
        found |= {side: _slopes(_loss(side, config.fault), shown, torch.ones_like(shown)).tolist(), "z": shown.tolist()}
    single, zeros = z.float(), torch.zeros_like(z)
    naive = -torch.log(1 - torch.sigmoid(single))
    stable = (
        naive
        if config.fault == "naive-logarithm"
        else F.binary_cross_entropy_with_logits(single, zeros.float(), reduction="none")
    )
    reference = losses.bce_with_logits.terms(single.double(), zeros)
    error = (stable.double() - reference).abs() / reference.clamp(min=1.0)
    p, y = (torch.tensor(row, dtype=torch.float64, device=config.device) for row in (PROBABILITIES, LABELS))
    bernoulli = -torch.distributions.Bernoulli(p).log_prob(y).sum()
    return found | {
        "stable": float(error.nan_to_num(1.0, posinf=1.0).clamp(max=1.0).max()),
        "naive": float(single[torch.isinf(naive)].min()),
        "worked": float(F.binary_cross_entropy(p, y)),
        "likelihood": float((losses.bce.value(p, y) * len(p) / bernoulli - 1).abs()),
    }


def _loss(side: str, fault: str | None) -> Callable[[Tensor, Tensor], Tensor]:
    """From logits and labels; ½(p − y)² for the squared error."""
    if side == "mse" or fault == "vanishing":
        return lambda z, y: F.mse_loss(torch.sigmoid(z), y) / 2
    return F.binary_cross_entropy_with_logits


def _slopes(loss: Callable[[Tensor, Tensor], Tensor], z: Tensor, y: Tensor) -> Tensor:
    """Of each element's own loss, by its logit."""
    z = z.detach().requires_grad_()
    (found,) = torch.autograd.grad(loss(z, y) * len(z), z)
    return found


def _flow(loss: Callable[[Tensor, Tensor], Tensor], device: str) -> float:
    """Time in which gradient flow takes one logit from −10 to 0: Runge–Kutta, each step about 0.05 long."""
    one = torch.ones(1, dtype=torch.float64, device=device)

    def rate(z: Tensor) -> Tensor:
        return -_slopes(loss, z, one)

    z, time = one * _START, 0.0
    while float(z) < -1e-10:
        step = min(0.05, -float(z)) / float(rate(z))
        first = rate(z)
        second = rate(z + step / 2 * first)
        third = rate(z + step / 2 * second)
        fourth = rate(z + step * third)
        z = z + step / 6 * (first + 2 * second + 2 * third + fourth)
        time += step
    return time - float(z) / float(rate(z))  # the last step went a little too far


def _steps(config: Config) -> int:
    return 350 if config.quick else 600


def _saturated(seed: int, config: Config) -> nn.Module:
    """A LeNet that answers no to everything, and is sure of it."""
    torch.manual_seed(seed)
    model = lenet(classes=1)
    weight, bias = list(model[-1].parameters())
    with torch.no_grad():
        weight.zero_()
        bias.fill_(0.0 if config.fault == "unsaturated" else _START)
    return model.to(config.device)


def _trained(config: Config, side: str, seed: int) -> dict[str, JSON]:
    """One LeNet on "is the digit odd?", with the logits on its way."""
    loss = _loss("bce" if config.control else side, config.fault)
    x, y = images(config.data, seed=config.seed)
    training, test = split(len(y), min(2000, len(y) * 3 // 5), min(1000, len(y) * 2 // 5), seed=seed)
    x, y = x.to(config.device), (y % 2 == 1).float()[:, None].to(config.device)
    model = _saturated(seed_of(config.seed, "model", seed), config)
    loss(model(x[training[:_BATCH]]), y[training[:_BATCH]]).backward()
    slope = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    model.zero_grad()
    watched = x[test][y[test][:, 0] == 1][:100]
    logits: list[Tensor] = []
    steps = _steps(config)

    def watch(step: int) -> None:
        if step % (steps // 25) == 0:
            with torch.no_grad():
                logits.append(model(watched).mean())

    order = torch.Generator().manual_seed(seed_of(config.seed, "order", seed, side if config.control else ""))
    optimizer = torch.optim.SGD(model.parameters(), _RATE)
    x_train, y_train = x[training], y[training]
    values = train(model, loss, optimizer, x_train, y_train, batch=_BATCH, steps=steps, generator=order, each=watch)
    with torch.no_grad():
        wrong = (model(x[test]) > 0) != (y[test] == 1)
    return {
        "slope": float(slope),
        "error": float(wrong.float().mean()),
        "loss": float(values[-10:].mean()),
        "logits": torch.stack(logits).tolist(),
    }
