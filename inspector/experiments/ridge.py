"""Ridge regression as gradient descent finds it, seen along the singular directions of the data.

PyTorch's ``weight_decay`` w adds w·x to the gradient of the mean squared error (1/n)‖Ax − b‖², which is that of the
penalty (w/2)‖x‖². Times n that is ‖Ax − b‖² + (n·w/2)‖x‖²: ridge regression with λ = n·w/2. Along a right singular
vector of A with singular value d, its solution is d²/(d² + λ) times that of least squares.
"""

from __future__ import annotations

import torch

SAMPLES, FEATURES = 100, 6
#: Singular values, from weakly to strongly determined directions; the condition number bounds the steps needed.
_LEAST, _MOST = 2.0, 14.0
#: Steps of Adam on a weight that the loss leaves alone.
STEPS = 200


def penalty(decay: float) -> float:
    """λ of ``weight_decay`` under the mean squared error of :data:`SAMPLES` samples.

    >>> penalty(0.02)
    1.0
    """
    return SAMPLES * decay / 2


def share(gain: float, penalty: float) -> float:
    """What a penalty leaves of a direction with this singular value.

    >>> share(2.0, 4.0)
    0.5
    """
    return gain**2 / (gain**2 + penalty)


def kept(decay: float, seed: int, device: str, *, adam: bool = False) -> tuple[list[float], list[float]]:
    """Train a linear model and compare it with least squares, direction by direction.

    Args:
        decay: ``weight_decay`` of the optimiser.
        seed: of the data.
        device: where to train.
        adam: train with Adam in place of gradient descent; its rate then falls to 0.

    Returns:
        Share kept of each direction's coefficient, and the directions' singular values.
    """
    generator = torch.Generator().manual_seed(seed)

    def orthonormal(rows: int) -> torch.Tensor:
        drawn = torch.randn(rows, FEATURES, generator=generator, dtype=torch.float64)
        Q: torch.Tensor = torch.linalg.qr(drawn).Q
        return Q

    gains = torch.linspace(_LEAST, _MOST, FEATURES, dtype=torch.float64)
    U, V = orthonormal(SAMPLES), orthonormal(FEATURES)
    A = (U * gains @ V.T).to(device)
    truth = torch.rand(FEATURES, generator=generator, dtype=torch.float64) + 1  # far from 0 along every direction
    noise = torch.randn(SAMPLES, generator=generator, dtype=torch.float64) / 10
    b = A @ (V @ truth).to(device) + noise.to(device)

    model = torch.nn.Linear(FEATURES, 1, bias=False, dtype=torch.float64, device=device)
    torch.nn.init.zeros_(model.weight)
    steps = 3000 if adam else 1500
    curvature = 2 * _MOST**2 / SAMPLES + decay
    optimizer: torch.optim.Optimizer
    if adam:
        optimizer = torch.optim.Adam(model.parameters(), 0.02, weight_decay=decay)
    else:
        optimizer = torch.optim.SGD(model.parameters(), 1 / curvature, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if adam else None
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(A)[:, 0], b).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    free = torch.linalg.lstsq(A.cpu(), b.cpu()[:, None]).solution[:, 0]
    found = model.weight.detach().cpu()[0]
    return ((V.T @ found) / (V.T @ free)).tolist(), gains.tolist()


def idle(kind: type[torch.optim.Optimizer], rate: float, decay: float, device: str) -> list[float]:
    """What is left of a weight of 1, on which the loss does not depend, after each of :data:`STEPS` steps.

    >>> idle(torch.optim.SGD, 0.5, 0.1, "cpu")[:2]  # 1 − 0.5·0.1, and its square
    [0.95, 0.9025]
    """
    weight = torch.ones(1, dtype=torch.float64, device=device, requires_grad=True)
    left = []
    optimizer = kind([weight], lr=rate, weight_decay=decay)  # type: ignore[call-arg]
    for _ in range(STEPS):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        left.append(float(weight.detach()))
    return left
