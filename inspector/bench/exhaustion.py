"""Whether an error says that memory ran out."""

from __future__ import annotations

import torch

_TOLD = ("out of memory", "can't allocate memory", "not enough memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on whichever device; also where another error came of that, as in a CUDA graph.

    >>> [out_of_memory(error) for error in (MemoryError(), RuntimeError("CUDA error: out of memory"), KeyError())]
    [True, True, False]
    """
    reasons: list[BaseException] = []
    reason: BaseException | None = error
    while reason is not None and reason not in reasons:
        reasons.append(reason)
        reason = reason.__cause__ or reason.__context__
    return any(map(_tells, reasons))


def _tells(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _TOLD)
    )
