"""What happens to a call that no rule speaks for."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inspector
from inspector.fallback import ask_pytorch, asks_for_values, body_of, lacks_kernel
from inspector.symbolic import Symbols


def meta(*sizes: int, **options: Any) -> Tensor:
    return torch.empty(sizes, device="meta", **options)


def test_pytorch_gives_shape_and_macs() -> None:
    output, macs = ask_pytorch(torch.mm, (meta(2, 3), meta(3, 4)), {}, Symbols())
    assert output.shape == (2, 4)
    assert macs == 2 * 3 * 4


def test_work_without_products_is_zero() -> None:
    assert ask_pytorch(torch.sin, (meta(2, 3),), {}, Symbols())[1] == 0


def test_real_tensors_among_the_arguments_are_neither_run_nor_changed() -> None:
    weight = torch.ones(3, 4, requires_grad=True)
    output, macs = ask_pytorch(torch.mm, (meta(2, 3), weight), {}, Symbols())
    assert output.is_meta
    assert macs == 24
    buffer = torch.ones(2)
    given = ask_pytorch(Tensor.add_, (buffer, meta(2)), {}, Symbols())[0]
    assert given is buffer, "what PyTorch would return as it was given comes back as the caller's own"
    assert buffer.tolist() == [1, 1]


def test_strides_are_pytorchs() -> None:
    x = meta(2, 3, 4).permute(2, 0, 1)
    assert ask_pytorch(torch.sin, (x,), {}, Symbols())[0].stride() == torch.sin(x).stride()


def test_an_operator_of_others_has_no_count() -> None:
    @torch.library.custom_op("fallback::mystery", mutates_args=())
    def mystery(x: Tensor) -> Tensor:
        return x @ x

    @mystery.register_fake
    def _(x: Tensor) -> Tensor:
        return torch.empty_like(x)

    assert ask_pytorch(mystery, (meta(3, 3),), {}, Symbols())[1] is None


def test_symbols_go_through() -> None:
    symbols = Symbols()
    x = torch.empty((symbols.size("N"), 3), device="meta")
    output, macs = ask_pytorch(torch.mm, (x, meta(3, 4)), {}, symbols)
    assert str(symbols.read(macs)) == "12*N"
    assert str(symbols.read(output.shape[0])) == "N"


def test_bodies_in_python_are_followed() -> None:
    body = body_of(F.gumbel_softmax)
    assert body is not None
    assert body(meta(2, 3), tau=2).shape == (2, 3)
    assert body_of(torch.mm) is None
    assert body_of(lambda x: x) is None


def test_which_errors_ask_for_values() -> None:
    with pytest.raises(RuntimeError) as caught:
        meta(1).item()
    assert asks_for_values(caught.value)
    with pytest.raises(NotImplementedError) as caught_copy:
        meta(2).to("cpu")
    assert asks_for_values(caught_copy.value)
    assert lacks_kernel(caught_copy.value)
    with pytest.raises(RuntimeError) as mistake:
        torch.mm(meta(2, 3), meta(2, 3))
    assert not asks_for_values(mistake.value)


class Fn(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def test_a_scripted_function_is_followed_as_the_python_it_was_made_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated in later versions, and still met

        @torch.jit.script
        def scripted(x):
            return torch.mm(x, x.t()).relu() + 1

    p = inspector.predict(Fn(scripted), (3, 5))
    assert [(row.kind, row.macs, row.source) for row in p.rows] == [
        ("t", 0, "formula"),
        ("mm", 3 * 5 * 3, "formula"),
        ("relu", 0, "formula"),
        ("add", 0, "formula"),
    ]
    assert p.modules[0].output_shapes == ((3, 3),)
    assert scripted(torch.ones(2, 2)).tolist() == [[3, 3], [3, 3]]


def test_an_error_of_pytorch_is_passed_on() -> None:
    with pytest.raises(inspector.InspectionError, match="forward stopped in the root"):
        inspector.predict(Fn(lambda x: torch.ops.aten.mm(x, x)), (3, 5))
