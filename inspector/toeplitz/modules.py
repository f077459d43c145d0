"""What a convolution module says of itself, as the arguments of `conv_operator`."""

from __future__ import annotations

from typing import Any

from torch import nn

from inspector.errors import InspectionError

_TRANSPOSED: dict[type[nn.Module], bool] = {
    nn.Conv1d: False,
    nn.Conv2d: False,
    nn.Conv3d: False,
    nn.ConvTranspose1d: True,
    nn.ConvTranspose2d: True,
    nn.ConvTranspose3d: True,
}
_NAMES = ("weight", "bias", "stride", "padding", "dilation", "groups", "padding_mode", "output_padding")


def convolutions_in(model: nn.Module) -> list[str]:
    """Paths of the convolutions inside a model, itself left out."""
    return [path for path, module in model.named_modules() if path and isinstance(module, tuple(_TRANSPOSED))]


def arguments_of(module: nn.Module) -> dict[str, Any]:
    """Everything but the input's size.

    Raises:
        InspectionError: the module is no convolution of 1, 2 or 3 axes, or does not know its channels yet.
    """
    transposed = next((flag for kind, flag in _TRANSPOSED.items() if isinstance(module, kind)), None)
    if transposed is None or isinstance(module, nn.modules.lazy.LazyModuleMixin):
        known = ", ".join(kind.__name__ for kind in _TRANSPOSED)
        raise InspectionError(f"from_module: expected one of {known}, got {type(module).__name__}")
    return {name: getattr(module, name) for name in _NAMES} | {"transposed": transposed}
