"""Laws behind bce-vs-mse, l2-regularisation and outliers, to the digit or beside independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import InspectionError
from inspector.experiments import logistic, ridge, robust

linear_model = pytest.importorskip("sklearn.linear_model")
optimize = pytest.importorskip("scipy.optimize")
stats = pytest.importorskip("scipy.stats")
integrate = pytest.importorskip("scipy.integrate")


def test_ridge_keeps_of_each_direction_what_sklearns_ridge_keeps() -> None:
    generator = np.random.default_rng(0)
    A, b = generator.normal(size=(50, 4)) * [1, 3, 0.3, 2], generator.normal(size=50)
    _, d, Vt = np.linalg.svd(A, full_matrices=False)
    for penalty in (0.1, 10.0):
        fitted = linear_model.Ridge(alpha=penalty, fit_intercept=False, tol=1e-12).fit(A, b).coef_
        free = np.linalg.lstsq(A, b, rcond=None)[0]
        assert (Vt @ fitted) / (Vt @ free) == pytest.approx([ridge.share(gain, penalty) for gain in d])


def test_weight_decay_is_ridge_with_half_of_n_times_it() -> None:
    """sklearn minimises ‖Ax − b‖² + λ‖x‖²; PyTorch's gradient is 2Aᵀ(Ax − b)/n + wx: both vanish together."""
    kept, gains = ridge.kept(0.2, seed=1, device="cpu")
    assert kept == pytest.approx([ridge.share(gain, ridge.SAMPLES * 0.2 / 2) for gain in gains], abs=1e-9)


@pytest.mark.slow
def test_adam_with_the_penalty_in_the_loss_ends_there_too() -> None:
    kept, gains = ridge.kept(0.2, seed=1, device="cpu", adam=True)
    assert kept == pytest.approx([ridge.share(gain, ridge.penalty(0.2)) for gain in gains], abs=1e-6)


def test_decoupled_decay_is_geometric_and_adams_is_not() -> None:
    left = [ridge.idle(torch.optim.AdamW, 1e-3, decay, "cpu")[-1] for decay in (0.1, 0.2)]
    assert left == pytest.approx([(1 - 1e-3 * decay) ** ridge.STEPS for decay in (0.1, 0.2)], rel=1e-12)
    ways = [1 - ridge.idle(torch.optim.Adam, 1e-3, decay, "cpu")[-1] for decay in (0.1, 0.2)]
    assert ways[0] == pytest.approx(ways[1], rel=1e-5)  # whatever the penalty
    assert 0.85 * ridge.STEPS < ways[0] / 1e-3 < ridge.STEPS


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_biases_solve_their_estimating_equations(share: float) -> None:
    """By scipy's integrals and roots, of ψ = sign for the median and ψ = clip for Huber's estimate."""
    for delta in (0.5, 1.345, 5.0):

        def pull(b: float, delta: float = delta) -> float:
            inside, _ = integrate.quad(lambda z: np.clip(z - b, -delta, delta) * stats.norm.pdf(z), -12, 12, limit=200)
            return (1 - share) * inside + share * delta

        assert robust.huber_bias(share, delta) == pytest.approx(optimize.brentq(pull, -1, 10), abs=1e-6)
    median = optimize.brentq(lambda m: (1 - share) * stats.norm.cdf(m) - 0.5, -1, 5)
    assert robust.median_bias(share) == pytest.approx(median)
    assert robust.huber_bias(share, 1e-7) == pytest.approx(median, abs=1e-5)  # δ → 0 is the median


def test_the_printed_figures() -> None:
    assert round(robust.median_bias(0.1), 3) == 0.14
    assert round(robust.crossing(), 4) == 0.1006
    assert robust.variance_ratio(robust.crossing()) == pytest.approx(1)
    assert robust.variance_ratio(robust.crossing() - 0.01) > 1 > robust.variance_ratio(robust.crossing() + 0.01)
    assert robust.variance_ratio(0) == pytest.approx(math.pi / 2)


def test_half_of_outliers_is_too_many_for_a_median() -> None:
    with pytest.raises(InspectionError, match="breaks down"):
        robust.median_bias(0.5)


@settings(derandomize=True, max_examples=10, deadline=None)
@given(st.integers(2, 40))
def test_breakdown_points(n: int) -> None:
    """The mean's is 1/n; the median's, midway between the middle two for even n, is half of all, rounded up."""
    assert robust.breakdown(torch.mean, n) == 1 / n
    assert robust.breakdown(lambda x: x.quantile(0.5), n) == (n + 1) // 2 / n
    assert robust.breakdown(lambda x: x.min(), n) == 1.0


def test_lines_are_sklearns() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=200)
    y = 1 + 2 * x + generator.normal(size=200)
    y[:20] += 15
    X, Y = torch.from_numpy(x)[None], torch.from_numpy(y)[None]
    least = robust.fit_lines(X, Y, lambda found, y: torch.nn.functional.mse_loss(found, y, reduction="sum"))[0]
    plain = linear_model.LinearRegression().fit(x[:, None], y)
    assert least.tolist() == pytest.approx([plain.intercept_, plain.coef_[0]], abs=1e-4)
    absolute = robust.fit_lines(X, Y, lambda found, y: torch.nn.functional.l1_loss(found, y, reduction="sum"))[0]
    median = linear_model.QuantileRegressor(quantile=0.5, alpha=0).fit(x[:, None], y)
    assert absolute.tolist() == pytest.approx([median.intercept_, median.coef_[0]], abs=0.02)


def test_logistic_fit_is_sklearns() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=300)
    y = (generator.random(300) < 1 / (1 + np.exp(-x - 0.5))).astype(float)
    fitted = logistic.fitted(torch.from_numpy(x)[None], torch.from_numpy(y)[None], "bce")[0]
    theirs = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], y)
    assert fitted.tolist() == pytest.approx([theirs.coef_[0, 0], theirs.intercept_[0]], abs=1e-4)
    squared = logistic.fitted(torch.from_numpy(x)[None], torch.from_numpy(y)[None], "mse")[0]
    found = optimize.minimize(lambda c: np.sum((1 / (1 + np.exp(-c[0] * x - c[1])) - y) ** 2), [1.0, 0.5], tol=1e-12)
    assert squared.tolist() == pytest.approx(found.x.tolist(), abs=1e-4)


def test_asymptotic_variance_is_scipys_integral() -> None:
    def moment(power: int, slope_power: int) -> float:
        def integrand(x: float) -> float:
            p = 1 / (1 + math.exp(-logistic.SLOPE * x - logistic.INTERCEPT))
            return x**power * (p * (1 - p)) ** slope_power * stats.norm.pdf(x)

        return float(integrate.quad(integrand, -10, 10)[0])

    def matrix(slope_power: int) -> np.ndarray:
        a, b, c = (moment(power, slope_power) for power in (2, 1, 0))
        return np.array([[a, b], [b, c]])

    assert logistic.asymptotic_variance("bce") == pytest.approx(np.linalg.inv(matrix(1))[0, 0])
    inverse = np.linalg.inv(matrix(2))
    assert logistic.asymptotic_variance("mse") == pytest.approx((inverse @ matrix(3) @ inverse)[0, 0])
