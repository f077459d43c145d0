"""Every shortcut makes the very call that its class's own forward makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from inspector.errors import InspectionError
from inspector.predict import predict
from inspector.shortcuts import SHORTCUTS

IMAGE = torch.randn(2, 4, 6, 6)
CASES: dict[str, tuple[nn.Module, torch.Tensor]] = {
    "Conv1d": (nn.Conv1d(4, 8, 3, stride=2, padding=1, groups=2), torch.randn(2, 4, 9)),
    "Conv2d": (nn.Conv2d(4, 8, (3, 1), padding="same", dilation=2, bias=False), IMAGE),
    "Conv2d circular": (nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"), IMAGE),
    "Conv3d": (nn.Conv3d(1, 2, 3, padding=(0, 1, 2)), torch.randn(2, 1, 4, 5, 6)),
    "Linear": (nn.Linear(6, 5), IMAGE),
    "Linear without bias": (nn.Linear(6, 5, bias=False), IMAGE),
    "BatchNorm2d": (nn.BatchNorm2d(4).eval(), IMAGE),
    "BatchNorm2d in training": (nn.BatchNorm2d(4), IMAGE),
    "BatchNorm2d without statistics": (nn.BatchNorm2d(4, track_running_stats=False).eval(), IMAGE),
    "BatchNorm2d averaging": (nn.BatchNorm2d(4, momentum=None, affine=False).eval(), IMAGE),
    "LayerNorm": (nn.LayerNorm((6, 6), eps=1e-3), IMAGE),
    "LayerNorm without scale": (nn.LayerNorm(6, elementwise_affine=False), IMAGE),
    "Embedding": (nn.Embedding(7, 3, padding_idx=1), torch.tensor([[1, 2], [3, 4]])),
    "Embedding renormalizing": (nn.Embedding(7, 3, max_norm=1.0), torch.tensor([[1, 2], [3, 4]])),
    "Dropout": (nn.Dropout(0.3), IMAGE),
    "Dropout in place": (nn.Dropout(0.3, inplace=True).eval(), IMAGE),
    "ReLU": (nn.ReLU(), IMAGE),
    "ReLU in place": (nn.ReLU(inplace=True), IMAGE),
    "ReLU6": (nn.ReLU6(), IMAGE),
    "SiLU": (nn.SiLU(), IMAGE),
    "Hardswish": (nn.Hardswish(), IMAGE),
    "GELU": (nn.GELU(approximate="tanh"), IMAGE),
    "Sigmoid": (nn.Sigmoid(), IMAGE),
    "Tanh": (nn.Tanh(), IMAGE),
    "MaxPool2d": (nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), IMAGE),
    "MaxPool2d dilated": (nn.MaxPool2d((2, 3), dilation=2), IMAGE),
    "MaxPool2d with indices": (nn.MaxPool2d(2, return_indices=True), IMAGE),
    "AvgPool2d": (nn.AvgPool2d(3, 1, 1, count_include_pad=False, divisor_override=5), IMAGE),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((None, 2)), IMAGE),
    "Flatten": (nn.Flatten(2), IMAGE),
}


class Heard(TorchFunctionMode):
    """The calls of a forward that are no questions about a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def same(one: Any, other: Any) -> bool:
    return one is other if isinstance(one, torch.Tensor) else bool(one == other)


def test_every_shortcut_has_a_case() -> None:
    assert {type(module) for module, _ in CASES.values()} == set(SHORTCUTS)


@pytest.mark.parametrize("name", CASES)
def test_the_forward_makes_this_call(name: str) -> None:
    module, x = CASES[name]
    shortcut = SHORTCUTS[type(module)](module, x)
    with Heard() as heard, torch.no_grad():
        module(x.clone() if getattr(module, "inplace", False) else x)
    if shortcut is None:  # it does more than one call
        assert name in {
            "Conv2d circular",
            "BatchNorm2d in training",
            "Embedding renormalizing",
            "MaxPool2d with indices",
        }
        return
    function, args, kwargs = shortcut
    found = [call for call in heard.calls if call[0] is function]
    assert len(found) == 1, heard.calls
    _, real_args, real_kwargs = found[0]
    # The forward may name what the shortcut gives by position: both must bind to the same values.
    given = [*args, *(kwargs or {}).values()]
    expected = [*real_args, *real_kwargs.values()]
    given[0] = expected[0]  # a clone where the module works in place
    padding = [value for value in expected[len(given) :] if value not in (None, 2.0, False)]
    assert not padding
    assert all(map(same, given, expected)), (given, expected)


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_of_the_forward(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = CASES[name]
    with_shortcut = predict(module, tuple(x.shape), input_dtypes=x.dtype)
    monkeypatch.setattr("inspector.trace.Tracer._at_once", lambda *given: None)
    followed = predict(module, tuple(x.shape), input_dtypes=x.dtype)
    assert with_shortcut.rows == followed.rows
    assert with_shortcut.modules == followed.modules


def test_a_module_with_a_forward_of_its_own_is_followed() -> None:
    module = nn.ReLU()
    module.forward = lambda x: torch.cat([x, x])  # type: ignore[method-assign]
    assert [row.kind for row in predict(module, (2, 3)).rows] == ["cat"]


def test_hooks_of_the_user_run() -> None:
    module = nn.ReLU()
    module.register_forward_hook(lambda _, __, output: output[0])
    assert predict(module, (2, 3)).modules[0].output_shapes == ((3,),)


def rows(model: nn.Module) -> list[tuple[str, str, tuple[Any, ...]]]:
    return [(row.path, row.kind, row.output_shapes) for row in predict(model, (2, 4)).rows]


class Reversed(nn.Sequential):
    def __iter__(self):
        return iter([*self._modules.values()][::-1])


class Doubling(nn.Sequential):
    def forward(self, x):
        return super().forward(super().forward(x))


def test_sequences_run_in_their_own_order():
    assert rows(nn.Sequential(nn.Linear(4, 3), nn.ReLU())) == [
        ("0", "linear", ((2, 3),)),
        ("1", "relu", ((2, 3),)),
    ]
    assert [path for path, *_ in rows(Reversed(nn.Linear(4, 3), nn.ReLU()))] == ["1", "0"]
    assert [path for path, *_ in rows(Doubling(nn.Linear(4, 4), nn.ReLU()))] == ["0", "1", "0", "1"]


def test_hooks_of_a_sequence_and_of_all_modules_are_called():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    model.register_forward_pre_hook(lambda module, args: (args[0].exp(),))
    assert [kind for _, kind, _ in rows(model)] == ["exp", "linear", "relu"]
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, output: output.sigmoid())
    try:
        kinds = [kind for _, kind, _ in rows(model)]
    finally:
        handle.remove()
    assert kinds == ["exp", "linear", "sigmoid", "relu", "sigmoid", "sigmoid"]


class CalledOtherwise(nn.ReLU):
    def _call_impl(self, x):
        return self.forward(x).exp()


def test_a_class_or_an_object_may_be_called_in_a_way_of_its_own():
    assert [kind for _, kind, _ in rows(CalledOtherwise())] == ["relu", "exp"]
    for module in (nn.Softplus(), nn.ReLU()):
        module._call_impl = lambda x, module=module: module.forward(x).exp()
        assert [kind for _, kind, _ in rows(nn.Sequential(module))] == [type(module).__name__.lower(), "exp"]


def test_a_layer_that_somebody_calls_otherwise_everywhere(monkeypatch):
    monkeypatch.setattr(nn.ReLU, "__call__", lambda self, x: nn.Module.__call__(self, x).exp(), raising=False)
    assert [kind for _, kind, _ in rows(nn.Sequential(nn.ReLU()))] == ["relu", "exp"]
    monkeypatch.undo()
    assert [kind for _, kind, _ in rows(nn.Sequential(nn.ReLU()))] == ["relu"]


def test_backward_hooks_see_the_modules_output():
    model = nn.Sequential(nn.Linear(4, 3), nn.Softplus())
    model[1].register_full_backward_hook(lambda *_: None)
    model[1].register_forward_pre_hook(lambda module, args: args[0].exp())
    assert [kind for _, kind, _ in rows(model)] == ["linear", "exp", "softplus"]


class HooksMeanwhile(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4))

    def forward(self, x):
        handle = nn.modules.module.register_module_forward_hook(lambda module, args, output: output.sigmoid())
        try:
            return self.inner(x)
        finally:
            handle.remove()


def test_hooks_of_all_modules_that_a_forward_registers_are_called():
    assert [kind for _, kind, _ in rows(HooksMeanwhile())] == ["linear", "sigmoid", "sigmoid"]


def test_integers_of_numpy_leave_plain_shapes():
    for padding in (np.int64(1), 1):
        shapes = predict(nn.Conv2d(3, 8, 3, padding=padding), (1, 3, 8, 8)).rows[0].output_shapes
        assert [type(size) for size in shapes[0]] == [int] * 4


def test_a_sequence_that_holds_none_fails_as_in_pytorch():
    model = nn.Sequential(nn.ReLU(), nn.ReLU())
    model._modules["1"] = None
    with pytest.raises(InspectionError, match="'NoneType' object is not callable"):
        predict(model, (2, 4))
