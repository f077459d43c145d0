"""The convolution and its adjoint without the matrix, and a weight's gradient; all differentiable again."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.axis import Axis
    from inspector.toeplitz.configuration import Convolution

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_SPREAD = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def forward(convolution: Convolution, weight: Tensor, images: Tensor) -> Tensor:
    """What the matrix does, on images: (batch, C, *size) -> (batch, C, *size).

    Raises:
        InspectionError: PyTorch has no convolution of this dtype on this device.
    """
    try:
        return (spread if convolution.transposed else slide)(convolution, weight, images)
    except NotImplementedError as error:
        way = "transposes no convolution" if convolution.transposed else "convolves nothing"
        raise InspectionError(
            f"PyTorch {way} of {weight.dtype} on {weight.device.type}; convert operator and input: "
            "A.to(torch.float32), or torch.float64, which holds whole numbers up to 2⁵³"
        ) from error


def slide(convolution: Convolution, weight: Tensor, images: Tensor) -> Tensor:
    """The windows' values of an image, by PyTorch's convolution: (batch, *image.shape) -> (batch, *windows.shape)."""
    if 0 in images.shape or 0 in weight.shape:  # PyTorch refuses most of these; the empty sum is zero
        return _zero(images, weight, convolution.windows.shape)
    axes = convolution.axes
    for number, axis in enumerate(axes, start=2):
        if axis.mode != "zeros" and axis.before + axis.after:
            images = images.index_select(number, _padded_places(axis, images.device))
    zeros = [(axis.before, axis.after) if axis.mode == "zeros" else (0, 0) for axis in axes]
    if all(before == after for before, after in zeros):
        padding = [before for before, _ in zeros]
    else:
        images, padding = F.pad(images, _pad_order(zeros)), [0] * len(axes)
    strides, dilations = [axis.stride for axis in axes], [axis.dilation for axis in axes]
    out = _CONV[len(axes)](images, weight, None, strides, padding, dilations, convolution.groups)
    for number, axis in enumerate(axes, start=2):  # one more where the image has output_padding ≥ stride
        out = out.narrow(number, 0, axis.outputs)
    return out


def spread(convolution: Convolution, weight: Tensor, windows: Tensor) -> Tensor:
    """The adjoint of `slide` (without conjugation): every window's value laid back where it was read."""
    if 0 in windows.shape or 0 in weight.shape:
        return _zero(windows, weight, convolution.image.shape)
    axes = convolution.axes
    strides, dilations = [axis.stride for axis in axes], [axis.dilation for axis in axes]
    out = _SPREAD[len(axes)](windows, weight, None, strides, 0, 0, convolution.groups, dilations)
    unread = [(0, _padded_size(axis) - length) for axis, length in zip(axes, out.shape[2:], strict=True)]
    out = F.pad(out, _pad_order(unread))  # what the stride leaves at the end
    for number, axis in enumerate(axes, start=2):
        if axis.mode == "zeros":
            out = out.narrow(number, axis.before, axis.size)
        else:
            shape = (*out.shape[:number], axis.size, *out.shape[number + 1 :])
            out = out.new_zeros(shape).index_add(number, _padded_places(axis, out.device), out)
    return out


def weight_gradient(convolution: Convolution, images: Tensor, windows: Tensor) -> Tensor:
    """Σ over everything that a tap multiplies: the gradient of ⟨windows, slide(images)⟩ in the weight.

    Gathers tap by tap, so it needs the memory of one copy of its arguments and none of the matrix.
    """
    G = convolution.groups
    images, windows = (x.unflatten(1, (G, x.shape[1] // G)) for x in (images, windows))
    taps = [[tuple(map(torch.from_numpy, axis.read_by(k))) for k in range(axis.kernel)] for axis in convolution.axes]
    found = []
    for chosen in product(*taps):
        read, written = images, windows
        for number, (outputs, inputs) in enumerate(chosen, start=3):
            read = read.index_select(number, inputs.to(images.device))
            written = written.index_select(number, outputs.to(images.device))
        found.append(torch.einsum("bgop,bgip->goi", written.flatten(3), read.flatten(3)))
    return torch.stack(found, -1).reshape(convolution.weight_shape)


def _padded_size(axis: Axis) -> int:
    return axis.before + axis.size + axis.after


def _padded_places(axis: Axis, device: torch.device) -> Tensor:
    return torch.from_numpy(axis.fold(np.arange(-axis.before, axis.size + axis.after))).to(device)


def _pad_order(sides: Any) -> list[int]:
    """As `F.pad` takes them: the last axis first."""
    return [length for pair in reversed(sides) for length in pair]


def _zero(x: Tensor, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros that still hang on both arguments, so that their gradients are zero and not missing."""
    return x.new_zeros(len(x), *shape) + 0 * (x.sum() + weight.sum())
