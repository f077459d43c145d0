"""Views in every form, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inspector.rules import RULES, ValuesNeeded, view
from tests.rules.draw import EXAMPLES, FLOATING, agree, cases, dim, dims, full_shape, shape, smaller, tensor
from tests.rules.harness import check, refused


def alone(draw: Any) -> Any:
    return (tensor(draw),), {}


def at_most(rank: int) -> Any:
    return lambda draw: ((tensor(draw, shape(draw, 0, rank)),), {})


def split_shape(draw: Any, sizes: Any) -> list[int]:
    """Another shape of as many elements: some axes merged, sometimes one of them −1."""
    merged: list[int] = []
    for size in sizes:
        if merged and draw(st.booleans()):
            merged[-1] *= size
        else:
            merged.append(size)
    if merged and draw(st.booleans()):
        merged[draw(st.integers(0, len(merged) - 1))] = -1
    return merged


def reshaped(draw: Any) -> Any:
    sizes = full_shape(draw)
    asked = split_shape(draw, sizes)
    return ((tensor(draw, sizes), *asked) if asked and draw(st.booleans()) else (tensor(draw, sizes), asked)), {}


def reshaped_function(draw: Any) -> Any:
    (x, *asked), _ = reshaped(draw)
    return (x, asked[0] if asked and isinstance(asked[0], list) else asked), {}


def view_of(draw: Any) -> Any:
    if draw(st.integers(0, 3)) == 0:
        return (
            tensor(draw, (*full_shape(draw, 0, 2), 4), FLOATING),
            draw(st.sampled_from((torch.int32, torch.uint8))),
        ), {}
    return reshaped(draw)


def two_axes(draw: Any) -> Any:
    x = tensor(draw)
    return (x, dim(draw, x.dim()), dim(draw, x.dim())), {}


def permuted(draw: Any) -> Any:
    x = tensor(draw)
    return (x, draw(st.permutations(range(x.dim())))), {}


def expanded(draw: Any) -> Any:
    sizes = full_shape(draw)
    return (tensor(draw, smaller(draw, sizes)), sizes), {}


def expanded_as(draw: Any) -> Any:
    sizes = full_shape(draw)
    return (tensor(draw, smaller(draw, sizes)), tensor(draw, sizes)), {}


def squeezed(draw: Any) -> Any:
    x = tensor(draw)
    form = draw(st.integers(0, 2))
    return ((x,) if form == 0 else (x, dim(draw, x.dim())) if form == 1 else (x, tuple(dims(draw, x.dim())))), {}


def unsqueezed(draw: Any) -> Any:
    x = tensor(draw)
    return (x, draw(st.integers(-x.dim() - 1, x.dim()))), {}


def one_slice(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    return (x, axis, draw(st.integers(-x.shape[axis], x.shape[axis] - 1))), {}


def one_axis(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    return (x, dim(draw, x.dim())), {}


def pieces(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    return (x, draw(st.integers(1, 4)), axis), {}


def sizes_of_pieces(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    first = draw(st.integers(0, x.shape[axis]))
    return (x, [first, x.shape[axis] - first], axis), {}


def split(draw: Any) -> Any:
    return pieces(draw) if draw(st.booleans()) else sizes_of_pieces(draw)


def cut(draw: Any) -> Any:
    x = tensor(draw, (4, 4, 4))
    return (x, draw(st.sampled_from((1, 2, 4, (1, 3))))), {}


def sections(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    return (x, draw(st.sampled_from((1, 2, 3, (1, 2)))), dim(draw, x.dim())), {}


def moved(draw: Any) -> Any:
    x = tensor(draw)
    if draw(st.booleans()):
        return (x, dim(draw, x.dim()), dim(draw, x.dim())), {}
    axes = dims(draw, x.dim())
    return (x, axes, draw(st.permutations(axes))), {}


def diagonal(draw: Any) -> Any:
    x = tensor(draw, shape(draw, 2))
    return (x,), {"offset": draw(st.integers(-2, 2)), "dim1": -1, "dim2": draw(st.integers(-2, 1))}


def windows(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    return (x, axis, draw(st.integers(1, x.shape[axis])), draw(st.integers(1, 3))), {}


def narrowed(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 1))
    axis = dim(draw, x.dim())
    start = draw(st.integers(-x.shape[axis], x.shape[axis]))
    return (x, axis, start, draw(st.integers(0, x.shape[axis]))), {}


def parts_of_complex(draw: Any) -> Any:
    return (tensor(draw, (*shape(draw, 0, 3), 2), FLOATING[:2]),), {}


def numbers(draw: Any) -> Any:
    return (tensor(draw, dtypes=(torch.complex64,)),), {}


def matrix(draw: Any) -> Any:
    return (tensor(draw, shape(draw, 2)),), {}


def flattened(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw))
    first, last = sorted((draw(st.integers(0, max(x.dim() - 1, 0))), draw(st.integers(0, max(x.dim() - 1, 0)))))
    return (x,), {"start_dim": first, "end_dim": last}


def unflattened(draw: Any) -> Any:
    x = tensor(draw, (*full_shape(draw, 0, 2), 6))
    return (x, -1, draw(st.sampled_from(((2, 3), (-1, 2), (6, 1))))), {}


def several(draw: Any) -> Any:
    sizes = full_shape(draw)
    return (tensor(draw, sizes), tensor(draw, smaller(draw, sizes))), {}


def strided(draw: Any) -> Any:
    return (torch.ones(30), (2, 3), draw(st.sampled_from(((3, 1), (1, 2), (0, 1))))), {}


STRATEGIES: dict[Any, Any] = {
    **dict.fromkeys(("detach", "conj", "resolved", "ravel", "atleast_1d", "atleast_2d", "atleast_3d"), alone),
    "t": at_most(2),
    Tensor.T.__get__: at_most(2),
    **dict.fromkeys((Tensor.data.__get__, Tensor.real.__get__, "real"), alone),
    **dict.fromkeys((Tensor.mT.__get__, "adjoint"), matrix),
    **dict.fromkeys((Tensor.H.__get__, Tensor.mH.__get__), lambda draw: ((tensor(draw, shape(draw, 2, 2)),), {})),
    **dict.fromkeys((Tensor.imag.__get__, "imag", "view_as_real"), numbers),
    "view_as_complex": parts_of_complex,
    Tensor.view: view_of,
    Tensor.reshape: reshaped,
    torch.reshape: reshaped_function,
    **dict.fromkeys(
        ("view_as", "reshape_as"), lambda draw: (((x := tensor(draw, full_shape(draw))), x.reshape(-1)), {})
    ),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), two_axes),
    "permute": permuted,
    **dict.fromkeys(("expand", "broadcast_to"), expanded),
    "expand_as": expanded_as,
    "squeeze": squeezed,
    "unsqueeze": unsqueezed,
    "select": one_slice,
    "unbind": one_axis,
    **dict.fromkeys(("chunk", "unsafe_chunk", "unsafe_split"), pieces),
    "split": split,
    **dict.fromkeys(("split_with_sizes", "unsafe_split_with_sizes"), sizes_of_pieces),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), cut),
    "tensor_split": sections,
    **dict.fromkeys(("movedim", "moveaxis"), moved),
    "diagonal": diagonal,
    "linalg_diagonal": lambda draw: ((tensor(draw, shape(draw, 2)),), {"offset": draw(st.integers(-2, 2))}),
    "unfold": windows,
    **dict.fromkeys(("narrow", "narrow_copy"), narrowed),
    "flatten": flattened,
    "unflatten": unflattened,
    "broadcast_tensors": several,
    "as_strided": strided,
    **dict.fromkeys(
        ("resize_",), lambda draw: ((torch.ones(2, 3), draw(st.sampled_from(((3, 2), (4,), (2, 2, 2))))), {})
    ),
    "resize_as_": lambda draw: ((torch.ones(2, 3), torch.ones(full_shape(draw))), {}),
    "set_": lambda draw: ((torch.ones(2, 3), torch.ones(full_shape(draw))), {}),
}
for name in [function.__name__.removesuffix("_copy") for function in view.RULES if function.__name__.endswith("_copy")]:
    if name in STRATEGIES:
        STRATEGIES[f"{name}_copy"] = STRATEGIES[name]


@pytest.mark.parametrize(("function", "strategy"), cases(view.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    agree(function, strategy(data.draw), held=not function.__name__.endswith("_") or function.__name__.startswith("__"))


def test_a_view_shares_memory_and_reshape_copies_only_where_it_must() -> None:
    x = torch.empty(2, 3, 4, device="meta")
    for function, arguments, shares in (
        (torch.reshape, ((6, 4),), True),
        (torch.flatten, (1,), True),
        (Tensor.view, (6, 4), True),
        (lambda y, *_: RULES[torch.reshape](y.transpose(0, 1), (-1,))[0], (), False),
    ):
        rule = RULES.get(function)
        output = rule(x, *arguments)[0] if rule else function(x)
        assert (output._base is x) == shares


@settings(EXAMPLES, max_examples=200)
@given(data=st.data())
def test_a_view_is_foreseen_as_pytorch_allows_it(data: st.DataObject) -> None:
    x = tensor(data.draw, full_shape(data.draw))
    asked = split_shape(data.draw, x.shape)
    try:
        x.view(asked)
        allowed = True
    except RuntimeError:
        allowed = False
    assert view.may_view(x, asked) == allowed


def test_a_view_in_place_leaves_data_alone() -> None:
    real = torch.ones(2, 3)
    with pytest.raises(TypeError, match="not the trace's to change"):
        RULES[Tensor.transpose_](real, 0, 1)
    assert real.shape == (2, 3)


def test_where_a_slice_begins_may_be_unknown() -> None:
    assert RULES[torch.narrow](torch.empty(5, 2, device="meta"), 0, torch.empty((), device="meta"), 3)[0].shape == (
        3,
        2,
    )
    with pytest.raises(ValuesNeeded):
        RULES[torch.tensor_split](torch.empty(5, device="meta"), torch.empty(2, device="meta"))


def test_sizes_that_pytorch_refuses() -> None:
    assert "6 elements and takes no shape [4]" in refused(torch.reshape, torch.ones(2, 3), (4,))
    assert "shape '[4]' is invalid for input of size 6" in refused(Tensor.view, torch.ones(2, 3), 4)
    assert "takes 4 elements from 0 on axis 1 of [2, 3]" in refused(torch.narrow, torch.ones(2, 3), 1, 0, 4)
    assert "comes after" in refused(torch.flatten, torch.ones(2, 3, 4), 2, 1)
    assert "expanded size" in refused(Tensor.expand, torch.ones(2, 3), 4, 3)
    check(torch.flatten, torch.tensor(1.0))
