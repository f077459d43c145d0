"""Batch normalization put out of action, on a copy: frozen at its running statistics, or replaced by GroupNorm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from inspector.errors import InspectionError
from inspector.structure import deep_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class FrozenBatchNorm(nn.Module):
    """Batch normalization as the fixed affine map of its running statistics, whatever the mode; scale and shift stay as
    they are.

    The practice of Fast R-CNN's fine-tuning. The statistics stay buffers, under the names that they had.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        self.weight, self.bias = norm.weight, norm.bias
        for each in (self.weight, self.bias):
            if each is not None:
                each.requires_grad_(False)
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.register_buffer("num_batches_tracked", norm.num_batches_tracked)
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def freeze_batch_norm(model: nn.Module) -> nn.Module:
    """A copy whose batch normalization is frozen: its output depends on no other sample, and no statistics move.

    Raises:
        InspectionError: a layer has no running statistics.

    >>> import torch
    >>> frozen = freeze_batch_norm(nn.Sequential(nn.BatchNorm1d(2))).train()
    >>> bool((frozen(torch.ones(1, 2)) == frozen(torch.ones(3, 2))[:1]).all())
    True
    """

    def frozen(path: str, norm: _BatchNorm) -> nn.Module:
        if norm.running_mean is None:
            raise InspectionError(f"{path or 'the model'} keeps no running statistics at which it could be frozen")
        return FrozenBatchNorm(norm)

    return _replaced(model, frozen)


def to_group_norm(model: nn.Module, groups: int = 32) -> nn.Module:
    """A copy with GroupNorm in place of batch normalization; its scales and shifts are kept.

    Args:
        model: any module.
        groups: of channels; where a layer's channels cannot be cut into so many, the next smaller number that divides
        them.

    Raises:
        InspectionError: fewer than one group.

    >>> to_group_norm(nn.Sequential(nn.BatchNorm2d(6)), groups=4)[0].num_groups
    3
    """
    if groups < 1:
        raise InspectionError(f"channels form at least one group, got {groups}")

    def grouped(_path: str, norm: _BatchNorm) -> nn.Module:
        channels = norm.num_features
        number = max(n for n in range(1, min(groups, channels) + 1) if channels % n == 0)
        made = nn.GroupNorm(number, channels, norm.eps, affine=norm.affine)
        if norm.affine:
            made.weight, made.bias = norm.weight, norm.bias
        return made.train(norm.training)

    return _replaced(model, grouped)


def _replaced(model: nn.Module, make: Callable[[str, _BatchNorm], nn.Module]) -> nn.Module:
    """A copy in which every batch normalization is what ``make`` gives for it; a shared layer stays shared."""
    copy = deep_copy(model)
    made: dict[nn.Module, nn.Module] = {}
    for path, module in [*copy.named_modules(remove_duplicate=False)]:
        if not isinstance(module, _BatchNorm):
            continue
        if module not in made:
            made[module] = make(path, module)
        if not path:
            return made[module]
        parent, _, name = path.rpartition(".")
        setattr(copy.get_submodule(parent), name, made[module])
    return copy
