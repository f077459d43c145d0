"""What a model is given: from sizes, or from data, to arguments on a device."""

from __future__ import annotations

import difflib
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from inspector.errors import InspectionError
from inspector.structure import map_tensors, tensors, unwrap

#: Turns the name of a size, such as ``"N"``, into the size that stands for it.
SymbolMaker: TypeAlias = Callable[[str], Any]

_MODEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class ModelInputs:
    """Arguments of one forward.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        synthetic: tensors were made from sizes and hold no values: they are meta tensors.
        names: names of forward's positional parameters, as far as they are known.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    synthetic: bool
    names: tuple[str, ...] = ()

    def on(self, device: torch.device | str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """(args, kwargs) on ``device``. The user's own tensors are returned themselves where they already live there.

        Values for sizes alone come from a private generator with a fixed seed: floats are normal, integers 0 or 1
        (valid as index, token and class), booleans True. For the meta device every tensor becomes a twin of the same
        size, stride and dtype.
        """
        device = torch.device(device)
        twins: dict[int, Tensor] = {}
        if device.type == "meta":
            make = meta_twin
        else:
            generator = torch.Generator().manual_seed(0)

            def make(tensor: Tensor) -> Tensor:
                return (_values(tensor, generator) if tensor.is_meta else tensor).to(device)

        def convert(tensor: Tensor) -> Tensor:
            twin = twins.get(id(tensor))
            if twin is None:
                twin = twins[id(tensor)] = make(tensor)
            return twin

        if {*map(type, self.args)} <= {Tensor}:  # a walk for other things among them takes twenty times as long
            args = tuple(map(convert, self.args))
        else:
            args = map_tensors(self.args, convert)
        return args, {key: map_tensors(value, convert) for key, value in self.kwargs.items()}

    def describe(self) -> tuple[str, ...]:
        """One line for each tensor or plain argument, such as ``x: [1, 1, 32, 32] float32``."""
        names = [*self.names[: len(self.args)]]
        names += [f"argument {position + 1}" for position in range(len(names), len(self.args))]
        lines: list[str] = []
        for name, value in [*zip(names, self.args, strict=True), *self.kwargs.items()]:
            if isinstance(value, Tensor):
                lines.append(f"{name}: {_describe(value)}")
            elif found := tensors(value):
                kind = type(value).__name__
                lines.append(f"{name}: {kind} of {', '.join(_describe(tensor) for tensor in found)}")
            else:
                text = repr(value)
                lines.append(f"{name}: {text if len(text) <= 60 else text[:57] + '...'}")
        return tuple(lines)


def _describe(tensor: Tensor) -> str:
    return f"[{', '.join(map(str, tensor.shape))}] {dtype_name(tensor.dtype)}"


def meta_twin(tensor: Tensor) -> Tensor:
    """A tensor without memory of the same size, stride, dtype and ``requires_grad``."""
    if tensor.is_meta and not hasattr(tensor, "fake_mode"):  # a fake tensor does not mix with others outside its mode
        return tensor
    if tensor.layout in _STORED:
        return _stored_twin(tensor.detach()).requires_grad_(tensor.requires_grad)
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return tensor.detach().to("meta")
    twin = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="meta")
    return twin.requires_grad_(tensor.requires_grad)


#: Compressed sparse layout -> whether it keeps pointers to rows, not to columns.
_COMPRESSED = {torch.sparse_csr: True, torch.sparse_bsr: True, torch.sparse_csc: False, torch.sparse_bsc: False}
_STORED = {torch.sparse_coo, *_COMPRESSED}


def _stored_twin(tensor: Tensor) -> Tensor:
    """A sparse tensor without memory that stores as many elements; ``tensor.to("meta")`` stores none."""
    size = list(tensor.shape)
    if tensor.layout is torch.sparse_coo:
        indices, values = meta_twin(tensor._indices()), meta_twin(tensor._values())
        coalesced = tensor.is_coalesced()
        return torch.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced, check_invariants=False)
    by_rows = _COMPRESSED[tensor.layout]
    outer = tensor.crow_indices() if by_rows else tensor.ccol_indices()
    inner = tensor.col_indices() if by_rows else tensor.row_indices()
    parts = meta_twin(outer), meta_twin(inner), meta_twin(tensor.values())
    return torch.sparse_compressed_tensor(*parts, size, layout=tensor.layout, check_invariants=False)


def _values(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Values of the shape and dtype of a meta tensor."""
    shape, dtype = tensor.shape, tensor.dtype
    if dtype is torch.bool:
        return torch.ones(shape, dtype=dtype)
    if dtype.is_complex:
        return torch.randn(shape, generator=generator, dtype=torch.complex64).to(dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(dtype).requires_grad_(tensor.requires_grad)
    return torch.randint(0, 2, shape, generator=generator).to(dtype)


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def dtype_of(dtype: torch.dtype | str) -> torch.dtype:
    """The dtype of this name; InspectionError tells those that are close, or all that there are.

    >>> dtype_of("int64"), dtype_of(torch.bool)
    (torch.int64, torch.bool)
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else None
    if not isinstance(found, torch.dtype):
        names = sorted({dtype_name(value) for value in vars(torch).values() if isinstance(value, torch.dtype)})
        near = difflib.get_close_matches(str(dtype), names, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(names)}"
        raise InspectionError(f"{dtype!r} is no dtype; {hint}")
    return found


def make_inputs(
    model: Any,
    input_size: Any = None,
    input_data: Any = None,
    input_dtypes: Any = None,
    input_kwargs: Mapping[str, Any] | None = None,
    symbol: SymbolMaker | None = None,
) -> ModelInputs:
    """Arguments for ``model.forward`` from sizes or from data.

    Args:
        model: whose forward takes them.
        input_size: a shape for one positional tensor, a list of shapes for several, or a dict from parameter name to
            shape. A size is an int, or a name where ``symbol`` is given.
        input_data: the one positional argument; a tuple holds several, a mapping keyword arguments.
        input_dtypes: dtypes or their names, one for all or in the structure of ``input_size``. Default: that of the
            model's first floating-point parameter, else float32.
        input_kwargs: further keyword arguments, passed on as they are.
        symbol: makes the size that stands for a name.

    Raises:
        InspectionError: the model is none, or the arguments cannot be forward's.
    """
    if not isinstance(model, nn.Module):
        hint = "; call it first" if isinstance(model, type) and issubclass(model, nn.Module) else ""
        shown = model.__name__ if isinstance(model, type) else type(model).__name__
        raise InspectionError(
            f"the model must be a torch.nn.Module, and this is {'the class ' if hint else ''}{shown}{hint}"
        )
    if input_size is not None and input_data is not None:
        raise InspectionError("give input_size or input_data, not both")
    if input_size is None and input_dtypes is not None:
        raise InspectionError("input_dtypes belongs to input_size; data has dtypes of its own")
    model = unwrap(model)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if input_size is not None:
        args, kwargs = _synthetic(model, input_size, input_dtypes, symbol)
    elif type(input_data) is tuple:  # a named tuple or packed sequence is one argument
        args = input_data
    elif isinstance(input_data, Mapping):
        kwargs = {str(key): value for key, value in input_data.items()}
    elif input_data is not None:
        args = (input_data,)
    twice = sorted(kwargs.keys() & (input_kwargs or {}).keys())
    if twice:
        raise InspectionError(f"{', '.join(twice)} given twice: among the inputs and in input_kwargs")
    kwargs |= input_kwargs or {}
    for value in (*args, *kwargs.values()):
        for tensor in tensors(value):
            if tensor.is_nested and tensor.layout is torch.strided:
                told = "a nested tensor with layout=torch.strided tells no sizes; use layout=torch.jagged"
                raise InspectionError(told)
    names = _check_arity(model, args, kwargs)
    return ModelInputs(args, kwargs, input_size is not None, names)


def _synthetic(
    model: nn.Module, input_size: Any, input_dtypes: Any, symbol: SymbolMaker | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Meta tensors for the sizes given."""
    if isinstance(input_size, Mapping):
        if isinstance(input_dtypes, Mapping):
            unknown = sorted(map(str, input_dtypes.keys() - input_size.keys()))
            if unknown:
                raise InspectionError(f"input_dtypes names {', '.join(unknown)}, which input_size does not")
            dtypes = {key: input_dtypes.get(key) for key in input_size}
        elif isinstance(input_dtypes, (list, tuple)):
            raise InspectionError("input_size is a dict, so input_dtypes must be a dtype or a dict with the same names")
        else:
            dtypes = dict.fromkeys(input_size, input_dtypes)
        return (), {str(key): _tensor(model, str(key), shape, dtypes[key], symbol) for key, shape in input_size.items()}
    if not isinstance(input_size, (list, tuple)):
        raise InspectionError(f"input_size is a shape, a list of shapes or a dict of them, not {input_size!r}")
    several = bool(input_size) and all(isinstance(item, (list, tuple)) for item in input_size)
    shapes: Sequence[Any] = input_size if several or (isinstance(input_size, list) and not input_size) else [input_size]
    if isinstance(input_dtypes, Mapping):
        raise InspectionError("input_dtypes is a dict, so input_size must be a dict with the same names")
    each = list(input_dtypes) if isinstance(input_dtypes, (list, tuple)) else [input_dtypes] * len(shapes)
    if len(each) != len(shapes):
        raise InspectionError(f"input_dtypes has {len(each)} entries for {len(shapes)} shapes")
    labels = [f"input {position + 1}" for position in range(len(shapes))]
    return tuple(
        _tensor(model, label, shape, dtype, symbol) for label, shape, dtype in zip(labels, shapes, each, strict=True)
    ), {}


def _tensor(model: nn.Module, label: str, shape: Any, dtype: Any, symbol: SymbolMaker | None) -> Tensor:
    if not isinstance(shape, (list, tuple)):
        raise InspectionError(f"{label}: a shape is a tuple of sizes, not {shape!r}")
    chosen = _default_dtype(model) if dtype is None else dtype_of(dtype)
    sizes = [_size(label, shape, size, symbol) for size in shape]
    nbytes = chosen.itemsize
    for size in sizes:
        nbytes *= size if isinstance(size, int) else 1
    if nbytes >= 2**63:
        raise InspectionError(
            f"{label}: {list(shape)} {dtype_name(chosen)} would be {nbytes} bytes, more than memory can address"
        )
    return torch.empty(sizes, dtype=chosen, device="meta")


def _size(label: str, shape: Any, size: Any, symbol: SymbolMaker | None) -> Any:
    if isinstance(size, str):
        if symbol is None:
            raise InspectionError(f"{label}: {list(shape)} names the size {size!r}; only numbers can be given here")
        if not size.isidentifier():
            raise InspectionError(f"{label}: {size!r} in {list(shape)} is neither a number nor a name")
        return symbol(size)
    if isinstance(size, torch.SymInt):
        return size
    try:
        number = operator.index(size)
    except TypeError:
        number = -1
    if number < 0 or isinstance(size, bool):
        raise InspectionError(f"{label}: {size!r} in {list(shape)} is no size; sizes are whole numbers from 0")
    return number


def _default_dtype(model: nn.Module) -> torch.dtype:
    for parameter in model.parameters():
        if parameter.dtype in _MODEL_DTYPES:
            return parameter.dtype
    return torch.float32


class _Signature(NamedTuple):
    """A signature of forward, and what a call with positional arguments alone needs to know of it."""

    whole: inspect.Signature
    names: tuple[str, ...]  # of the parameters that take a positional argument
    least: int  # how many of them have no default

    @property
    def bare(self) -> str:
        """The signature without annotations, such as ``(x, *, mask=None)``."""
        bare = [parameter.replace(annotation=parameter.empty) for parameter in self.whole.parameters.values()]
        return str(self.whole.replace(parameters=bare, return_annotation=inspect.Signature.empty))

    def takes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError | None:
        """Why it cannot take these arguments; binding is left out where counting is enough."""
        if not kwargs and self.least <= len(args) <= len(self.names):
            return None
        try:
            self.whole.bind(*args, **kwargs)
        except TypeError as error:
            return error
        return None


_SIGNATURES: WeakKeyDictionary[FunctionType, tuple[_Signature, ...]] = WeakKeyDictionary()


def _signatures(model: nn.Module) -> tuple[_Signature, ...]:
    """Signatures of forward: a decorator may add or take arguments, so what it wraps is not the last word."""
    forward = model.forward
    function = getattr(forward, "__func__", None)
    if type(function) is not FunctionType:
        return tuple(_readable(forward))
    found = _SIGNATURES.get(function)
    if found is None:
        found = _SIGNATURES[function] = tuple(_readable(forward))
    return found


def _readable(forward: Any) -> Iterator[_Signature]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for follow in (True, False):
        try:
            signature = inspect.signature(forward, follow_wrapped=follow)
        except (TypeError, ValueError):  # compiled by TorchScript, or written in C
            return
        parameters = signature.parameters.values()
        names = tuple([parameter.name for parameter in parameters if parameter.kind in kinds])
        demanded = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        by_name_only = any(parameter.kind is parameter.KEYWORD_ONLY for parameter in demanded)
        yield _Signature(signature, names, len(names) + 1 if by_name_only else len(demanded))


def _check_arity(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
    """Names of forward's positional parameters; InspectionError where forward cannot take these arguments."""
    names: tuple[str, ...] = ()
    signature: _Signature | None = None
    refused: TypeError | None = None
    for signature in _signatures(model):
        names = names or signature.names
        if model._forward_pre_hooks:  # a hook may change the arguments
            return names
        error = signature.takes(args, kwargs)
        if error is None:
            return names
        refused = refused or error
    if refused is None or signature is None:
        return names
    taken = f"{type(model).__name__}.forward{signature.bare}"
    if not args and not kwargs:
        raise InspectionError(f"{taken} needs input: give input_size or input_data")
    given = [f"{len(args)} positional"] if args else []
    given += [f"keywords {', '.join(kwargs)}"] if kwargs else []
    told = f"{taken} cannot take these inputs: {refused} (given: {', '.join(given)})"
    if kwargs and not args and len(names) == 1:
        one = names[0]
        told += f"; where {one} is the mapping itself, give input_data=({{...}},), or a file with {{{one!r}: {{...}}}}"
    raise InspectionError(told)
