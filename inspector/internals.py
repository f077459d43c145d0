"""The one adapter of PyTorch's private interfaces that following a forward pass needs.

Each function says which public behaviour it stands in for. Checked on torch 2.9 to 2.15.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch._C._functorch import (
    _add_batch_dim,
    get_unwrapped,
    is_batchedtensor,
    maybe_get_bdim,
    maybe_get_level,
    peek_interpreter_stack,
)
from torch.overrides import _pop_mode, _push_mode
from torch.utils._python_dispatch import _disable_current_modes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

#: A context in which no function mode is asked.
DisableTorchFunction = torch._C.DisableTorchFunction
#: True while any device's autocast is on; the public ``is_autocast_enabled`` needs a question for each device.
any_autocast_enabled = torch._C._is_any_autocast_enabled
#: The innermost functorch transform, or None: not None means that tensors may be batched by ``vmap``.
functorch_level = peek_interpreter_stack


@contextmanager
def without_outer_modes() -> Iterator[None]:
    """Inside, no function mode and no dispatch mode of the caller is active; afterwards the same stack stands again."""
    with ExitStack() as stack:
        stack.enter_context(_disable_current_modes())
        modes = [_pop_mode() for _ in range(torch._C._len_torch_function_stack())]
        for mode in modes:  # callbacks run last in, first out: the outermost mode is pushed back first
            stack.callback(_push_mode, mode)
        yield


def unbatched(tensor: Tensor) -> tuple[Tensor, int, int] | None:
    """(tensor with the mapped axis first, its size, vmap level) of a tensor batched by ``vmap``, else None."""
    if not is_batchedtensor(tensor):
        return None
    inner = get_unwrapped(tensor).movedim(maybe_get_bdim(tensor), 0)
    return inner, inner.shape[0], maybe_get_level(tensor)


def batched(tensor: Tensor, level: int) -> Tensor:
    """The tensor as ``vmap`` sees it at this level, its first axis mapped."""
    return _add_batch_dim(tensor, 0, level)
