"""What helps against small batches, tried on copies of a model: freezing, group norm, accumulated gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.modules.dropout import _DropoutNd

from inspector.errors import InspectionError
from inspector.experiments.batch_noise import gradients
from inspector.experiments.layer_needs import batch_norms
from inspector.experiments.norms import freeze_batch_norm, to_group_norm
from inspector.experiments.recommendation import Remedy
from inspector.structure import deep_copy
from inspector.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    Loss = Callable[[Tensor, Tensor], Tensor]

#: Relative difference of two gradients that rounding alone explains: 32-bit sums over a batch, far below any
#: statistics'.
_ROUNDING = 1e-3
_GROUPS = 32


def remedies(model: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> tuple[Remedy, ...]:
    """Each remedy tried on a copy; none where no layer uses the batch.

    Args:
        model: in training mode; it stays as it is.
        loss: mean over a batch, from output and labels.
        x: some samples, an even number of at least 4.
        y: their labels.
    """
    if not batch_norms(model):
        return ()
    group, said = _group_norm(model, x)
    return (
        _frozen(model, loss, x, y),
        _tried("group norm", group, loss, x, y, said) if group is not None else Remedy("group norm", None, said),
        _accumulated(model, loss, x, y),
    )


def _frozen(model: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> Remedy:
    try:
        frozen = freeze_batch_norm(model)
    except InspectionError as error:
        return Remedy("freeze batch norm", None, str(error))
    return _tried("freeze batch norm", frozen, loss, x, y, "running statistics in place of the batch's")


def _group_norm(model: nn.Module, x: Tensor) -> tuple[nn.Module | None, str]:
    try:
        changed = to_group_norm(model, _GROUPS)
    except InspectionError as error:
        return None, str(error)
    found = verify(changed, input_data=x[:2])
    if not found.ok:
        return None, f"the conversion changes {len(found.differences)} figures that verify looks at"
    return changed, f"{len(found.checks)} checks of verify agree on the converted model"


def _apart(model: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> float:
    """|g of the whole − mean of the g of its halves| / |g of the whole|: zero where samples do not see each other."""
    half = len(x) // 2
    copy = deep_copy(model)
    for module in copy.modules():
        if isinstance(module, _DropoutNd):  # draws anew each time, which is no effect of the batch
            module.eval()
    whole = gradients(copy, loss, [(x, y)], 1)[0]
    parts = gradients(copy, loss, [(x[:half], y[:half]), (x[half:], y[half:])], 2).mean(0)
    return float((whole - parts).norm() / whole.norm())


def _tried(name: str, model: nn.Module, loss: Loss, x: Tensor, y: Tensor, said: str) -> Remedy:
    apart = _apart(model, loss, x, y)
    return Remedy(
        name,
        apart <= _ROUNDING,
        f"{said}; the gradient of {len(x)} samples and the mean of its halves' differ by {apart:.1e} of its length",
    )


def _accumulated(model: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> Remedy:
    apart = _apart(model, loss, x, y)
    return Remedy(
        "accumulate gradients",
        apart <= _ROUNDING,
        f"two halves of {len(x) // 2}, accumulated, give a gradient {apart:.1e} of its length away from that of all "
        f"{len(x)}: batch norm normalises each half by itself",
    )
