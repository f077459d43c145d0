"""Every allocation that PyTorch's operations make, and its release."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Operators that keep a workspace for their backward -> the library that alone knows its size: fake tensors say 0.
WORKSPACES = {
    torch.ops.aten.mkldnn_rnn_layer.default: "oneDNN",
    torch.ops.aten._cudnn_rnn.default: "cuDNN",
    torch.ops.aten.miopen_rnn.default: "MIOpen",
}


class Allocations(TorchDispatchMode):
    """Follows, while active, which storages operations make on one kind of device and when each is released.

    A storage counts once, however many views it has; what a kernel takes and gives back inside itself is not seen.

    Args:
        device: kind of device whose memory is followed, such as ``cpu``.
        known: tensors that were there before.

    Attributes:
        live: bytes allocated inside and not released yet.
        levels: ``live`` right after each allocation, in order.
        unknown: operators among ``WORKSPACES`` that ran on fake tensors.
    """

    def __init__(self, device: str, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # carries no annotations
        self.live = 0
        self.levels: list[int] = []
        self.unknown: set[Any] = set()
        self._device = device
        self._sizes: dict[int, int] = {}  # number of an allocation that lives -> its bytes
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        for tensor in known:
            self._seen.add(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        if func in WORKSPACES and hasattr(returned[0], "fake_mode"):
            self.unknown.add(func)
        for tensor in tree_leaves(returned):
            if isinstance(tensor, Tensor) and tensor.device.type == self._device and tensor.layout is torch.strided:
                self._note(tensor.untyped_storage())
        return returned

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        number, size = len(self.levels), storage.nbytes()
        self._sizes[number] = size
        self.live += size
        self.levels.append(self.live)
        weakref.finalize(storage, self._release, number).atexit = False

    def _release(self, number: int) -> None:
        self.live -= self._sizes.pop(number)

    def alive(self, first: int = 0, last: int | None = None) -> int:
        """Bytes that allocations number ``first`` to ``last`` - 1 still hold."""
        end = len(self.levels) if last is None else last
        return sum(size for number, size in self._sizes.items() if first <= number < end)

    def peak(self, first: int = 0, last: int | None = None) -> int:
        """The most bytes that lived at once while these allocations were made; 0 where there are none."""
        return max(self.levels[first:last], default=0)
