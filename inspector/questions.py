"""What code asks of a tensor that holds no data, answered as for the tensor it stands for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import check_backward_validity


def _requires_grad(tensor: Tensor, _home: torch.device) -> bool:
    """The tensor's own flag; to checkpointing, which warns where it finds none set, results without data have it."""
    if tensor.requires_grad or not tensor.is_meta:
        return tensor.requires_grad
    frame = sys._getframe(1)
    for _ in range(_FRAMES):
        if frame.f_code is check_backward_validity.__code__:
            return True
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


#: How far above an answer the code that asked may stand: the answerer's own calls and an expression's frame.
_FRAMES = 10


#: Getter or function -> (tensor, the model's device) -> answer.
ANSWERS: dict[Any, Callable[[Tensor, torch.device], Any]] = {
    Tensor.device.__get__: lambda tensor, home: home if tensor.is_meta else tensor.device,
    Tensor.is_meta.__get__: lambda tensor, home: tensor.is_meta and home.type == "meta",  # type: ignore[attr-defined]  # a property of C, in the stubs a plain bool
    Tensor.is_cpu.__get__: lambda tensor, home: (home if tensor.is_meta else tensor.device).type == "cpu",  # type: ignore[attr-defined]  # likewise
    Tensor.is_cuda.__get__: lambda tensor, home: (home if tensor.is_meta else tensor.device).type == "cuda",  # type: ignore[attr-defined]  # likewise
    # nn.TransformerEncoder asks this before it finds that a mode is watching, which keeps it from nested tensors.
    torch._nested_tensor_from_mask_left_aligned: lambda *_: False,
    Tensor.requires_grad.__get__: _requires_grad,  # type: ignore[attr-defined]  # likewise
}

SET_GRAD: Any = Tensor.grad.__set__  # type: ignore[union-attr]  # a property of C, in the stubs a plain value
SET_DATA: Any = Tensor.data.__set__  # type: ignore[attr-defined]  # likewise
#: Calls that change how gradients reach a tensor, not its values; what they did to a model is taken back.
SETTERS: frozenset[Any] = frozenset(
    (
        Tensor.requires_grad_,
        Tensor.requires_grad.__set__,  # type: ignore[attr-defined]  # a property of C, in the stubs a plain bool
        SET_GRAD,
    )
)
