"""How much a whole sequential model can stretch a difference of its inputs: the product of its layers' constants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from inspector.errors import InspectionError
from inspector.toeplitz.circulant import UNIT
from inspector.toeplitz.constants import HOOKED, Constant, constant_of, hooked


@dataclass(frozen=True, slots=True)
class Factor:
    """One layer's part.

    Attributes:
        path: the module's path, or the function's name where forward calls one.
        kind: class name, or the function.
        value: proved constant in the 2-norm, rounding included; None where none is known.
        reason: the proof in a word, or why there is none.
    """

    path: str
    kind: str
    value: float | None
    reason: str

    @property
    def certified(self) -> bool:
        """Whether the constant is proved."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class LipschitzBound:
    """‖f(x) − f(y)‖₂ ≤ ``value``·‖x − y‖₂ in exact arithmetic, for single samples and whole batches alike.

    Attributes:
        factors: every layer in the order of its call.
    """

    factors: tuple[Factor, ...]

    @property
    def value(self) -> float | None:
        """The product of all factors; None where one is not bounded."""
        return None if self.unbounded else self.known

    @property
    def known(self) -> float:
        """The product of the factors that are bounded."""
        values = [factor.value for factor in self.factors if factor.value is not None]
        return math.prod(values) * (1 + 2 * len(values) * UNIT)

    @property
    def certified(self) -> bool:
        """Every factor is proved."""
        return not self.unbounded

    @property
    def unbounded(self) -> tuple[Factor, ...]:
        """The layers that nothing is known of."""
        return tuple(factor for factor in self.factors if not factor.certified)

    def __str__(self) -> str:
        width = max((len(f"{factor.path} ({factor.kind})") for factor in self.factors), default=0)
        lines = []
        for factor in self.factors:
            value = "not bounded" if factor.value is None else f"{factor.value:.6g}"
            lines.append(f"{f'{factor.path} ({factor.kind})':{width}}  {value:>11}  {factor.reason}")
        if self.unbounded:
            names = ", ".join(f"{factor.path} ({factor.kind})" for factor in self.unbounded)
            lines.append(f"Lipschitz bound: none, for {names}; the other layers' product is {self.known:.6g}")
        else:
            lines.append(f"Lipschitz bound: {self.known:.6g} (certified: each factor is proved)")
        return "\n".join(lines)


def lipschitz_bound(model: nn.Module, input_size: Sequence[int]) -> LipschitzBound:
    """Bound the Lipschitz constant of a model that is a sequence of layers, in its present mode.

    Each layer's constant is proved on its own, convolutions by the certified norm of their matrix at their own input
    size; the product bounds the model. What cannot be bounded is named. Nothing of the model changes; it does not run.

    Args:
        model: an ``nn.Sequential``, or a module whose forward passes one tensor from layer to layer.
        input_size: the input's shape, batch included, as for `inspector.predict`.

    Raises:
        InspectionError: the input does not fit the model, or a weight is not finite.

    >>> net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Sigmoid())
    >>> with torch.no_grad():
    ...     _ = net[0].weight.copy_(torch.diag(torch.tensor([1.0, 2.0, 4.0])))
    >>> round(lipschitz_bound(net, (1, 3)).value, 9)
    1.0
    """
    if not isinstance(model, nn.Module):
        raise InspectionError(f"lipschitz_bound takes a torch.nn.Module, got a {type(model).__name__}")
    sizes = _checked(input_size)
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point() or p.is_complex()), torch.float32)
    x = torch.empty(sizes, device="meta", dtype=dtype)
    walk = _Walk(x)
    if hooked(model):
        return LipschitzBound((Factor("forward", type(model).__name__, None, HOOKED),))
    if torch.fx.Tracer().is_leaf_module(model, ""):
        walk.layer("", model, x)
        return LipschitzBound(tuple(walk.factors))
    try:
        graph = torch.fx.Tracer().trace(model)
    except Exception as error:  # a forward that branches on values, or takes other things than tensors
        said = str(error).partition("\n")[0]
        return LipschitzBound((Factor("forward", type(model).__name__, None, f"cannot be followed: {said}"),))
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        return LipschitzBound((Factor("forward", type(model).__name__, None, "takes more than one input"),))
    try:
        _Follower(model, graph, walk).run(x)
    except InspectionError as error:  # the interpreter has added where it was
        raise InspectionError(str(error).partition("\n")[0]) from error.__cause__
    return LipschitzBound(tuple(walk.factors))


def _checked(input_size: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(input_size) if isinstance(input_size, Sequence) else ()
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise InspectionError(
            f"input_size is a shape of positive integers with the batch, as (1, 3, 32, 32); got {input_size!r}"
        )
    return sizes


class _Walk:
    """Collects the factors while one tensor goes from layer to layer; on the meta device, nothing is computed."""

    def __init__(self, x: Tensor) -> None:
        self.current = x
        self.factors: list[Factor] = []

    def layer(self, path: str, module: nn.Module, x: Tensor) -> Any:
        kind = type(module).__name__
        try:
            result = _forward(module, x)
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise InspectionError(
                f"{path or 'the model'} ({kind}) cannot take an input of shape {list(x.shape)}: {said}"
            ) from error
        try:
            constant = constant_of(module, tuple(x.shape))
        except InspectionError as error:
            raise InspectionError(f"{path or 'the model'} ({kind}): {error}") from error
        self.took(path or kind, kind, constant, (x,), result)
        return result

    def took(self, path: str, kind: str, constant: Constant, tensors: Sequence[Tensor], result: Any) -> None:
        """Note a step from ``tensors`` to ``result``, which is one of a sequence only from the current tensor alone."""
        if not isinstance(result, Tensor):
            constant = Constant(None, "returns more than one tensor")
        elif len(tensors) != 1:
            constant = Constant(None, "joins several tensors: not a step of a sequence")
        elif tensors[0] is not self.current:
            constant = Constant(None, "reads something else than the result before it: not a step of a sequence")
        self.factors.append(Factor(path, kind, constant.value, constant.reason))
        if isinstance(result, Tensor):
            self.current = result


class _Follower(torch.fx.Interpreter):
    """Runs a traced forward on the meta device and gives each step to the walk."""

    def __init__(self, model: nn.Module, graph: torch.fx.Graph, walk: _Walk) -> None:
        super().__init__(model, garbage_collect_values=False, graph=graph)
        self._walk = walk

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            return self._walk.layer(str(target), module, args[0])
        return self._call(str(target), type(module).__name__, lambda *a, **k: _forward(module, *a, **k), args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = getattr(target, "__name__", str(target))
        return self._call(name, name, target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._call(str(target), str(target), getattr(type(args[0]), str(target)), args, kwargs)

    def output(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The model's result is that of the last step, or the steps say nothing of it."""
        if args[0] is not self._walk.current:
            said = "the model returns something else than the result of its last step: not a step of a sequence"
            self._walk.factors.append(Factor("output", type(args[0]).__name__, None, said))
        return super().output(target, args, kwargs)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value = super().get_attr(target, args, kwargs)
        return torch.empty_like(value, device="meta") if isinstance(value, Tensor) else value

    def _call(
        self, name: str, kind: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        tensors = [value for value in pytree.tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        try:
            with torch.no_grad():
                result = function(*args, **kwargs)
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise InspectionError(f"{name} in forward cannot take its input: {said}") from error
        if tensors and not _is_size(result):
            self._walk.took(name, kind, _function_constant(function, kind, args, kwargs, result), tensors, result)
        return result


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, torch.Size, torch.dtype, torch.device))


def _forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """The module on the meta device, with parameters and buffers that hold nothing."""
    state = {
        name: torch.empty_like(tensor, device="meta")
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    with torch.no_grad():
        return torch.func.functional_call(module, state, args, kwargs)


#: Functions and methods by name, and the layer that each of them is.
_AS_LAYER: dict[str, Callable[..., nn.Module]] = {
    "relu": lambda inplace=False: nn.ReLU(),
    "relu_": lambda: nn.ReLU(),
    "relu6": lambda inplace=False: nn.ReLU6(),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": lambda inplace=False: nn.SiLU(),
    "gelu": nn.GELU,
    "elu": lambda alpha=1.0, inplace=False: nn.ELU(alpha),
    "leaky_relu": lambda negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
    "softplus": nn.Softplus,
    "dropout": lambda p=0.5, training=True, inplace=False: nn.Dropout(p).train(training),
    "hardtanh": lambda min_val=-1.0, max_val=1.0, inplace=False: nn.Hardtanh(min_val, max_val),
    "softmax": lambda dim=None, _stacklevel=3, dtype=None: nn.Softmax(dim),
    "log_softmax": lambda dim=None, _stacklevel=3, dtype=None: nn.LogSoftmax(dim),
    **dict.fromkeys(
        ("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "contiguous", "clone", "neg"),
        lambda *args, **kwargs: nn.Identity(),
    ),
    **{f"max_pool{n}d": kind for n, kind in enumerate((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), 1)},
    **{f"avg_pool{n}d": kind for n, kind in enumerate((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), 1)},
    **{
        f"adaptive_avg_pool{n}d": kind
        for n, kind in enumerate((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), 1)
    },
}
_HOMES = (torch, F, Tensor, operator)


def _function_constant(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Constant:
    x, rest = (args[0] if args else None), args[1:]
    known = any(getattr(home, name, None) is function for home in _HOMES) or name == "boolean_dispatch"
    if not known or any(isinstance(value, torch.dtype) for value in (*args, *kwargs.values())):
        return Constant(None, "no bound of this function is known here")
    numbers = [float(value) for value in args if isinstance(value, (int, float)) and math.isfinite(value)]
    if len(args) == 2 and len(numbers) == 1 and not kwargs:
        size = abs(numbers[0])
        if name in ("add", "sub", "subtract", "rsub"):
            return Constant(1.0, "a shift, or one of the negative")
        if name in ("mul", "multiply"):
            return Constant(size, "a number times the input")
        if name in ("truediv", "div", "divide", "true_divide") and isinstance(x, Tensor) and size:
            return Constant(1 / size * (1 + 2 * UNIT), "the input by a number")
    if name == "getitem" and _is_slice(rest[0]):
        return Constant(1.0, "takes some elements, each once")
    if name == "mean" and isinstance(x, Tensor):
        n = x.numel() // max(1, result.numel())
        return Constant(1 / math.sqrt(n) * (1 + 4 * UNIT), f"the mean of {n} elements: √{n}/{n}")
    word = _pooling(function) or name
    if not isinstance(x, Tensor) or word not in _AS_LAYER:
        return Constant(None, "no bound of this function is known here")
    try:
        layer = _AS_LAYER[word](*rest, **kwargs)
    except TypeError:
        return Constant(None, "no bound is known for these arguments")
    return constant_of(layer, tuple(x.shape))


def _is_slice(index: Any) -> bool:
    """Whether an index of this kind names no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is ... or isinstance(part, (int, slice)) for part in parts)


def _pooling(function: Callable[..., Any]) -> str:
    """The name of a max pooling, which `F` dispatches through a function without one."""
    return next((name for name in _AS_LAYER if name.startswith("max_pool") and getattr(F, name) is function), "")
