"""Holds a rule against PyTorch's own run of the function it speaks for.

PyTorch answers on the meta device, or with real values where its meta kernel cannot (``on="cpu"``). The rule sees
twins of the arguments that hold no data, and once more the arguments themselves, which it must leave as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from inspector.calls import shaped
from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules import PARAMETERS, RULES, rule_for
from inspector.structure import tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspector.formula import BoundFormula


def twin(value: Any, device: str = "meta") -> Any:
    """``value`` with a new tensor for each of its tensors: size, stride and dtype stay, views of it are not tied."""
    if isinstance(value, Tensor):
        if value.device.type == device == "meta" or value.device.type != device:
            fresh = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)
        else:
            storage = value.detach().untyped_storage().clone()
            fresh = torch.empty(0, dtype=value.dtype).set_(storage, value.storage_offset(), value.shape, value.stride())
        return fresh.requires_grad_(value.requires_grad) if not value.is_inference() else fresh
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        items = [twin(item, device) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, dict):
        return {key: twin(item, device) for key, item in value.items()}
    return value


def predict(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, BoundFormula | None]:
    """What the rule says, its shapes made tensors as a trace makes them."""
    with torch.no_grad():
        rule = RULES.get(function) or rule_for(function)
        output, formula = shaped(rule, args, kwargs)
    if isinstance(formula, Formula):
        return output, formula.of(tensors(output)[0].shape)
    return output, formula


def parameters(function: Callable[..., Any], *args: Any, **kwargs: Any) -> BoundFormula:
    """The formula of what the parameters among these arguments must hold."""
    rule = RULES.get(function) or rule_for(function)
    formula = PARAMETERS[rule](*args, **kwargs)
    bound: BoundFormula = formula() if callable(formula) else formula
    return bound


def measure(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, int]:
    """What PyTorch returns, and the MACs that its counter counts."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = function(*args, **kwargs)
    return output, counter.get_total_flops() // 2


def compare(predicted: Any, measured: Any, strides: bool = True, place: str = "output") -> None:
    """AssertionError where structure, shape, dtype or (of axes longer than 1) strides differ."""
    if isinstance(measured, Tensor):
        assert isinstance(predicted, Tensor), f"{place}: a tensor, predicted {predicted!r}"
        assert tuple(predicted.shape) == tuple(measured.shape), (
            f"{place}: shape {list(measured.shape)}, predicted {list(predicted.shape)}"
        )
        assert predicted.dtype == measured.dtype, f"{place}: {measured.dtype}, predicted {predicted.dtype}"
        assert predicted.layout == measured.layout, f"{place}: {measured.layout}, predicted {predicted.layout}"
        if strides and measured.layout is torch.strided and measured.numel() > 1:
            ours, theirs = (
                [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
                for tensor in (predicted, measured)
            )
            assert ours == theirs, f"{place}: strides {theirs} of {list(measured.shape)}, predicted {ours}"
    elif isinstance(measured, (tuple, list)):
        assert type(predicted) is type(measured), f"{place}: {type(measured)}, predicted {type(predicted)}"
        assert len(predicted) == len(measured), f"{place}: {len(measured)} items, predicted {len(predicted)}"
        for index, (ours, theirs) in enumerate(zip(predicted, measured, strict=True)):
            compare(ours, theirs, strides, f"{place}[{index}]")
    else:
        assert predicted == measured, f"{place}: {measured!r}, predicted {predicted!r}"


def check(
    function: Callable[..., Any],
    *args: Any,
    strides: bool = True,
    on: str = "meta",
    macs: bool = True,
    held: bool = True,
    **kwargs: Any,
) -> None:
    """Compare the rule of ``function`` with PyTorch's own run, arguments being tensors of any device.

    Args:
        strides: also compare the strides of every output.
        on: the device on which PyTorch answers; "cpu" needs real arguments.
        held: show the rule the arguments themselves too, not only twins without data.
        macs: compare the rule's MACs with those of PyTorch's counter; False where that is known not to count.
    """
    theirs_args, theirs_kwargs = twin(list(args), on), twin(kwargs, on)
    measured, counted = measure(function, *theirs_args, **theirs_kwargs)
    ours_args, ours_kwargs = twin(list(args)), twin(kwargs)
    versions = [(tensor, tensor._version) for tensor in tensors([args, kwargs])]
    for given_args, given_kwargs in ((ours_args, ours_kwargs), (args, kwargs))[: 1 + held]:
        predicted, formula = predict(function, *given_args, **given_kwargs)
        compare(predicted, measured, strides)
        for index, (given, theirs) in enumerate(zip(given_args, theirs_args, strict=True)):
            # What comes back in place must be the very tensor that was given.
            if isinstance(given, Tensor):
                assert (predicted is given) == (measured is theirs), f"argument {index}: returned itself, or not"
        if formula is not None and formula.formula.counts == "macs":
            assert not macs or formula.number == counted, f"{formula.worked} MACs, PyTorch counts {counted}"
        else:
            assert not macs or counted == 0, f"no MACs predicted, PyTorch counts {counted}"
    assert all(tensor._version == version for tensor, version in versions), "the rule changed an argument"


def refused(function: Callable[..., Any], *args: Any, on: str = "meta", **kwargs: Any) -> str:
    """The message of the rule's ShapeError, after PyTorch too has refused these sizes."""
    try:
        with torch.no_grad():
            function(*twin(list(args), on), **twin(kwargs, on))
    except (RuntimeError, ValueError, IndexError):
        pass
    else:
        raise AssertionError(f"PyTorch takes {args} {kwargs}")
    try:
        predict(function, *args, **kwargs)
    except ShapeError as error:
        return str(error)
    raise AssertionError(f"the rule takes {args} {kwargs}")
