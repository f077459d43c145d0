"""Calls of every sort: functional transforms, custom functions and operators, exotic dtypes, control flow on values."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inspector
from inspector.errors import NeedsData
from tests.held import held, kinds, sums_hold


class Fn(nn.Module):
    """A forward that is the given function, beside a linear layer it may use."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.linear, x)


def test_vmap_counts_every_example() -> None:
    p = held(Fn(lambda linear, x: torch.vmap(lambda row: linear(row).relu())(x)), (5, 4))
    assert p.total_macs == 5 * 4 * 4
    assert p.modules[0].output_shapes == ((5, 4),)
    assert "5 mapped examples" in p.rows[0].note


def test_vmap_in_vmap() -> None:
    def nested(linear: nn.Linear, x: Tensor) -> Tensor:
        return torch.vmap(torch.vmap(lambda row: linear(row) * row.sum()))(x)

    p = held(Fn(nested), (5, 3, 4))
    assert p.total_macs == 5 * 3 * 4 * 4
    assert p.modules[0].output_shapes == ((5, 3, 4),)


def test_vmap_over_other_axes() -> None:
    def pairs(linear: nn.Linear, x: Tensor) -> Tensor:
        return torch.vmap(lambda a, b: a @ linear.weight @ b, in_dims=(0, None), out_dims=0)(x, x[0])

    p = held(Fn(pairs), (5, 4))
    assert p.modules[0].output_shapes == ((5,),)


def test_functional_call_with_other_parameters() -> None:
    def stacked(linear: nn.Linear, x: Tensor) -> Tensor:
        doubled = {name: 2 * value for name, value in linear.named_parameters()}
        return torch.func.functional_call(linear, doubled, (x,))

    model = Fn(stacked)
    weight = model.linear.weight
    p = held(model, (5, 4))
    assert p.total_macs == 5 * 4 * 4
    assert p.unused_parameters == ()
    assert model.linear.weight is weight


def test_torch_func_grad_in_a_forward() -> None:
    def energy(linear: nn.Linear, x: Tensor) -> Tensor:
        return torch.func.grad(lambda row: linear(row).square().sum())(x)

    p = inspector.predict(Fn(energy), input_data=torch.rand(5, 4))
    assert p.modules[0].output_shapes == ((5, 4),)
    assert p.total_macs >= 5 * 4 * 4


def test_an_autograd_function_is_seen_by_its_parts() -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(weight)
            return (x @ weight) * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
            (weight,) = ctx.saved_tensors
            return 2 * grad @ weight.T, None

    p = held(Fn(lambda linear, x: Doubled.apply(linear(x), linear.weight)), (5, 4))
    assert p.total_macs == 2 * 5 * 4 * 4
    assert kinds(p) == ["linear", "matmul", "mul"]


@torch.library.custom_op("held::opaque", mutates_args=())
def opaque(x: Tensor) -> Tensor:
    return x * 2


@torch.library.custom_op("held::faked", mutates_args=())
def faked(x: Tensor) -> Tensor:
    return x * 2


@faked.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_an_operator_that_nobody_knows_is_unknown_and_never_zero() -> None:
    p = inspector.predict(Fn(lambda linear, x: linear(faked(x))), (5, 4))
    sums_hold(p)
    assert [(row.kind, row.macs, row.source) for row in p.rows] == [
        ("held::faked", None, "pytorch"),
        ("linear", 5 * 4 * 4, "formula"),
    ]
    assert p.unknown_macs == 1
    assert p.modules[0].macs is None
    assert p.modules[0].known_macs == p.total_macs == 80
    assert "≥" in str(p)


def test_an_operator_without_a_shape_rule_asks_for_data() -> None:
    model = Fn(lambda linear, x: linear(opaque(linear(x))))
    with pytest.raises(inspector.InspectionError, match="held::opaque") as caught:
        inspector.predict(model, (5, 4))
    assert len(caught.value.partial.rows) == 1
    assert "--input-file" in str(caught.value)
    p = inspector.predict(model, input_data=torch.rand(5, 4))
    assert [(row.kind, row.macs) for row in p.rows] == [("linear", 80), ("held::opaque", None), ("linear", 80)]
    assert p.rows[1].output_shapes == ((5, 4),)


def test_opaque_operators_called_through_torch_ops() -> None:
    p = inspector.predict(Fn(lambda linear, x: torch.ops.held.faked(linear(x))), (5, 4))
    assert [row.kind for row in p.rows] == ["linear", "held::faked"]
    p = inspector.predict(Fn(lambda linear, x: torch.ops.held.faked.default(linear(x))), (5, 4))
    assert p.unknown_macs == 1


def test_flex_attention() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    def attend(linear: nn.Linear, x: Tensor) -> Tensor:
        q = linear(x).unflatten(-1, (2, 2)).transpose(1, 2)
        return flex_attention(q, q, q)

    p = inspector.predict(Fn(attend), (3, 5, 4))
    sums_hold(p)
    assert p.modules[0].output_shapes == ((3, 2, 5, 2),)
    # Scores and their sums: 2 products of 5 queries, 5 keys and 2 features, for 3 examples and 2 heads.
    assert p.total_macs == 3 * 5 * 4 * 4 + 2 * (3 * 2 * 5 * 5 * 2)


def test_complex_numbers_and_fourier_transforms() -> None:
    def spectrum(linear: nn.Linear, x: Tensor) -> tuple[Tensor, ...]:
        z = torch.fft.rfft(linear(x))
        w = torch.view_as_real(z * torch.exp(1j * z.real))
        return z, w, z.abs(), torch.fft.irfft(z, n=4), torch.fft.fft2(x), torch.complex(x, x).conj()

    p = held(Fn(spectrum), (5, 4))
    assert p.modules[0].output_shapes == ((5, 3), (5, 3, 2), (5, 3), (5, 4), (5, 4), (5, 4))
    assert p.modules[0].dtypes == ("complex64", "float32", "float32", "float32", "complex64", "complex64")


def test_in_place_and_out_forms() -> None:
    def writes(linear: nn.Linear, x: Tensor) -> Tensor:
        y = linear(x).relu_()
        y += 1
        y[:, 0] = 0
        y[:, 1:].mul_(2)
        target = torch.empty(5, 4)
        torch.add(x, x, out=target)
        torch.mm(x, linear.weight.detach(), out=target)
        return y.clamp_(min=0).add_(F.relu(target, inplace=True))

    p = held(Fn(writes), (5, 4))
    assert p.total_macs == 2 * 5 * 4 * 4
    assert p.modules[0].output_shapes == ((5, 4),)


def test_an_out_that_is_none_is_no_out() -> None:
    p = held(Fn(lambda linear, x: torch.mean(linear(x), dim=-1, out=None) + torch.add(x, 1, out=None).sum()), (5, 4))
    assert kinds(p) == ["linear", "mean", "add", "sum", "add"]


def test_a_forward_that_catches_what_a_submodule_raises() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("not today")

    class Tolerant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picky, self.linear = Picky(), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            try:
                x = self.picky(x)
            except RuntimeError:
                x = self.linear(x)
            return x.relu()

    p = inspector.predict(Tolerant(), (5, 4))
    sums_hold(p)
    assert [(call.path, call.depth, call.parent) for call in p.modules] == [
        ("", 0, -1),
        ("picky", 1, 0),
        ("linear", 1, 0),
    ]
    assert [row.path for row in p.rows] == ["linear", ""]


def test_a_branch_on_values_without_data_says_where_and_asks_for_data() -> None:
    def branch(linear: nn.Linear, x: Tensor) -> Tensor:
        y = linear(x)
        if y.sum() > 0:  # here
            return y
        return y @ linear.weight

    with pytest.raises(NeedsData) as caught:
        inspector.predict(nn.Sequential(nn.ReLU(), Fn(branch)), (5, 4))
    message = str(caught.value)
    assert "1 (Fn)" in message
    assert "if y.sum() > 0:  # here" in message
    assert "test_trace_calls.py:" in message
    assert "--input-file" in message
    assert [row.kind for row in caught.value.partial.rows] == ["relu", "linear", "sum", "gt"]


def test_with_data_the_real_branch_is_followed() -> None:
    def branch(linear: nn.Linear, x: Tensor) -> Tensor:
        return linear(x) if x.sum() > 0 else x

    taken = inspector.predict(Fn(branch), input_data=torch.ones(5, 4))
    left = inspector.predict(Fn(branch), input_data=-torch.ones(5, 4))
    assert taken.total_macs == 80
    assert left.total_macs == 0
    assert left.unused_parameters == ("linear.weight", "linear.bias")
    assert any("branch" in note for note in taken.notes)
    sums_hold(taken)
    assert all(row.source == "formula" for row in taken.rows)


def test_sizes_that_depend_on_values_say_what_they_were() -> None:
    def select(linear: nn.Linear, x: Tensor) -> Tensor:
        return linear(x[x[:, 0] > 0])

    data = torch.tensor([[1.0] * 4, [-1.0] * 4, [2.0] * 4])
    p = inspector.predict(Fn(select), input_data=data)
    assert p.modules[0].output_shapes == ((2, 4),)
    assert p.total_macs == 2 * 4 * 4
    assert [row.kind for row in p.rows if row.data_dependent] == ["getitem"] or any(r.data_dependent for r in p.rows)


def test_derivatives_inside_a_forward_are_unknown_work() -> None:
    forward = 5 * 4 * 4
    for function in (
        lambda linear, x: torch.func.grad(lambda row: linear(row).square().sum())(x),
        lambda linear, x: torch.vmap(torch.func.grad(lambda row: linear(row).square().sum()))(x),
    ):
        p = inspector.predict(Fn(function), (5, 4))
        assert p.modules[0].output_shapes == ((5, 4),)
        assert p.total_macs == forward
        assert p.unknown_macs > 0
        real = inspector.predict(Fn(function), input_data=torch.rand(5, 4))
        assert real.total_macs == forward
        assert real.unknown_macs > 0


def test_derivatives_in_weights_of_each_example() -> None:
    def gradients(linear: nn.Linear, x: Tensor) -> Tensor:
        return torch.vmap(torch.func.grad(lambda w, row: (row @ w).square().sum()), in_dims=(None, 0))(linear.weight, x)

    p = inspector.predict(Fn(gradients), (5, 4))
    assert p.modules[0].output_shapes == ((5, 4, 4),)
    assert p.total_macs == 5 * 4 * 4
    assert p.unknown_macs == 1


def test_forces_without_data() -> None:
    class Forces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x.requires_grad_()
            energy = self.net(x).sum()
            return energy, -torch.autograd.grad(energy, x, create_graph=True)[0]

    p = inspector.predict(Forces(), (5, 3))
    assert p.modules[0].output_shapes == ((), (5, 3))
    assert p.total_macs == 5 * (3 * 8 + 8)
    assert [row.kind for row in p.rows if row.macs is None] == ["grad"]


def test_an_ensemble_by_vmap_over_parameters() -> None:
    def ensemble(linear: nn.Linear, x: Tensor) -> Tensor:
        stacked = {name: torch.stack([value, 2 * value, 3 * value]) for name, value in linear.named_parameters()}
        return torch.vmap(lambda p, x: torch.func.functional_call(linear, p, (x,)), in_dims=(0, None))(stacked, x)

    p = inspector.predict(Fn(ensemble), (5, 4))
    assert p.modules[0].output_shapes == ((3, 5, 4),)
    assert p.total_macs == 3 * 5 * 4 * 4
    assert p.unused_parameters == ()


def test_vmap_on_real_data_counts_every_example() -> None:
    def mapped(linear: nn.Linear, x: Tensor) -> Tensor:
        return torch.vmap(linear)(x) if x.sum() > 0 else x

    assert inspector.predict(Fn(mapped), input_data=torch.ones(5, 4)).total_macs == 5 * 4 * 4


def test_flex_attention_with_a_block_mask_as_users_compile_it() -> None:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention, backend="eager")

    def attend(linear: nn.Linear, x: Tensor) -> Tensor:
        q = linear(x).unflatten(-1, (2, 2)).transpose(1, 2)
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, 256, 256, device=x.device)
        return compiled(q, q, q, block_mask=mask, score_mod=lambda score, *_: score * 0.5)

    p = inspector.predict(Fn(attend), (3, 256, 4))
    assert p.modules[0].output_shapes == ((3, 2, 256, 2),)
    assert p.total_macs == 3 * 256 * 16 + 2 * (3 * 2 * 256 * 256 * 2)
    assert p.unknown_macs == 0


def test_flex_attention_whose_mask_reads_the_documents() -> None:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def attend(linear: nn.Linear, x: Tensor) -> Tensor:
        q = linear(x).unflatten(-1, (2, 2)).transpose(1, 2)
        document = torch.arange(128, device=x.device) // 32
        mask = create_block_mask(lambda b, h, i, j: document[i] == document[j], None, None, 128, 128, device=x.device)
        return flex_attention(q, q, q, block_mask=mask)

    p = inspector.predict(Fn(attend), (3, 128, 4))
    assert {row.source for row in p.rows} == {"formula"}
    assert p.total_macs == 3 * 128 * 16 + 2 * (3 * 2 * 128 * 128 * 2)


def test_nested_tensors_have_unknown_work() -> None:
    data = torch.nested.nested_tensor([torch.rand(2, 4), torch.rand(3, 4)], layout=torch.jagged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls this layout a prototype
        strided = torch.nested.nested_tensor([torch.rand(2, 4)])
    p = inspector.predict(nn.Linear(4, 3), input_data=data)
    assert p.unknown_macs == 1
    assert ", 3]" in str(p)  # the ragged size is a name of PyTorch's
    attention = Fn(lambda _, x: F.scaled_dot_product_attention(*[x.unflatten(-1, (2, 2)).transpose(1, 2)] * 3))
    p = inspector.predict(attention, input_data=data)
    assert p.rows[-1].kind == "scaled_dot_product_attention"
    assert p.unknown_macs > 0
    with pytest.raises(inspector.InspectionError, match=r"layout=torch\.jagged"):
        inspector.predict(nn.Linear(4, 3), input_data=strided)


def test_a_result_of_no_elements_grows_to_what_is_written() -> None:
    p = held(Fn(lambda linear, x: torch.mm(x, linear.weight.detach(), out=torch.empty(0))), (3, 4))
    assert p.modules[0].output_shapes == ((3, 4),)
    p = held(Fn(lambda _, x: torch.sort(x, out=(torch.empty(0), torch.empty(0, dtype=torch.long)))), (3, 4))
    assert p.modules[0].output_shapes == ((3, 4), (3, 4))


def test_exported_and_symbolically_traced_programs() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    exported = torch.export.export(model, (torch.rand(2, 4),)).module()
    for program in (torch.fx.symbolic_trace(model), exported):
        p = inspector.predict(program, (2, 4))
        assert p.total_macs == 2 * 16
        assert p.total_params == 20
        assert {row.source for row in p.rows} == {"formula"}


def test_modules_made_or_copied_inside_a_forward_are_part_of_it() -> None:
    def makes(linear: nn.Linear, x: Tensor) -> Tensor:
        return nn.Linear(4, 2)(copy.deepcopy(linear)(x))

    p = inspector.predict(Fn(makes), (2, 4))
    assert p.total_macs == 2 * (16 + 8)
    assert [call.path for call in p.modules] == [""]


def test_printing_a_tensor_in_a_forward_makes_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    def prints(linear: nn.Linear, x: Tensor) -> Tensor:
        print(linear(x))  # noqa: T201  what a person debugging does
        return x

    assert kinds(inspector.predict(Fn(prints), (2, 4))) == ["linear"]
    assert "size=(2, 4)" in capsys.readouterr().out
