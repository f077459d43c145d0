"""The rule of a function however it is spelled, and rules that users add for functions of their own."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable
from functools import cache, wraps
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._library.custom_ops import CustomOpDef
from torch._ops import OpOverload, OpOverloadPacket
from torch.overrides import get_testing_overrides, handle_torch_function, has_torch_function

from inspector.errors import InspectionError
from inspector.formula import BoundFormula, Formula
from inspector.internals import with_constants
from inspector.rules import aten, vision
from inspector.rules.common import ValuesNeeded
from inspector.structure import tensors

if TYPE_CHECKING:
    from inspector.rules.common import Rule


class Registry:
    """The table of all rules, and what it takes to look into it.

    Args:
        rules: function -> rule; rules of users go into the same dict.
    """

    def __init__(self, rules: dict[Any, Rule]) -> None:
        self._rules = rules
        self._found: dict[Any, Rule | None] = {}

    def rule_for(self, function: Any) -> Rule | None:
        """The rule of a function that is spelled in another way, such as ``torch.ops.aten.add.Tensor``."""
        if not isinstance(function, (OpOverload, OpOverloadPacket)):
            return self._rules.get(function)
        try:
            return self._found[function]
        except KeyError:
            rule = self._found[function] = self._rules.get(function) or self._resolved(function)
            return rule

    def _resolved(self, function: OpOverload | OpOverloadPacket) -> Rule | None:
        if isinstance(function, OpOverload):
            packet = function.overloadpacket
            if packet in self._rules:
                return self._rules[packet]
        else:
            packet = function
        space, _, name = packet._qualified_op_name.partition("::")
        if space == "torchvision":
            return vision.BY_NAME.get(name)
        if space != "aten":
            return None
        if name in aten.RULES:
            return aten.RULES[name]
        for room, spelled in _spellings(name):
            public = getattr(room, spelled, None)
            # A function written in Python often takes other arguments than the operator of its name.
            if public in self._rules and (not isinstance(public, FunctionType) or name in aten.SAME_ARGUMENTS):
                return self._rules[public]
        return None

    def register(self, function: Any, rule: Rule) -> None:
        """Teach the textbook a function: ``rule`` takes its arguments and returns its output and the work's formula.

        Args:
            function: a function of PyTorch; an operator (``torch.ops.ns.name`` or what ``torch.library.custom_op``
                gives); a Python function of your own, such as the launcher of a kernel; or a subclass of
                ``torch.autograd.Function``, whose ``apply`` then is one call.
            rule: returns ``(output, formula)``; the output is a shape, which takes the first tensor's dtype, or meta
                tensors in the structure that the function returns; the formula is bound (one of ``n`` alone need not
                be: its row takes the elements of the result), or None where no work is counted. A second registration
                replaces the first. What else it returns is an InspectionError when it is called.

        Raises:
            TypeError: nothing can see calls of ``function``, or the rule cannot be called.
        """
        if not callable(rule):
            raise TypeError(f"a rule is a function of the call's arguments, not {rule!r}")
        keys = list(_keys(function))
        checked = _checked(rule, getattr(keys[0], "__name__", str(keys[0])))
        for key in keys:
            self._rules[key] = checked
        self._found.clear()


def _checked(rule: Rule, function: str) -> Rule:
    """The rule of a user, refused by name where it returns something else than rules return."""
    name = f"the rule {getattr(rule, '__name__', repr(rule))} for {function}"

    @wraps(rule)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            returned = rule(*args, **kwargs)
        except (InspectionError, ValuesNeeded):
            raise
        except Exception as error:
            # What cannot be bound is another form of the call; a rule of the textbook leaves such to PyTorch itself.
            unbound = error.__traceback__ is None or error.__traceback__.tb_next is None
            if unbound or rule.__module__.startswith("inspector.rules"):
                raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"at {place.filename}:{place.lineno}: {place.line}"
            raise InspectionError(f"{name} raised {type(error).__name__}: {error}\n  {where}") from error
        if (
            type(returned) is tuple
            and len(returned) == 2
            and _is_output(returned[0])
            and (returned[1] is None or isinstance(returned[1], BoundFormula) or _of_elements(returned[1]))
        ):
            bound = returned[1] if isinstance(returned[1], BoundFormula) else None
            fault = bound and bound.formula.fault(bound.values)
            if fault is None:
                return returned
            raise InspectionError(f"{name}: {fault}")
        raise InspectionError(
            f"{name} must return (output, formula or None), "
            f"the output a shape as a tuple or meta tensors, the formula bound to its values; got {returned!r}"
        )

    return checked


def _of_elements(formula: Any) -> bool:
    """A formula that its row binds, to the elements of the result, as in many rules of the textbook."""
    return isinstance(formula, Formula) and [*formula.symbols] == ["n"]


def _is_output(output: Any) -> bool:
    if isinstance(output, tuple) and all(isinstance(size, (int, torch.SymInt)) for size in output):
        return True
    return output is None or bool(tensors(output))


def _spellings(name: str) -> Iterable[tuple[Any, str]]:
    spaces: tuple[tuple[str, Any], ...] = (("special_", torch.special), ("linalg_", torch.linalg), ("fft_", torch.fft))
    for prefix, space in spaces:
        if name.startswith(prefix):
            yield space, name.removeprefix(prefix)
    for room in (torch, Tensor, torch._C._nn):
        yield room, name


_DESCRIPTORS = (MethodDescriptorType, WrapperDescriptorType)


def _keys(function: Any) -> Iterable[Any]:
    """What PyTorch names when ``function`` is called; it is made visible first where it is not."""
    if isinstance(function, CustomOpDef):
        function = function._opoverload.overloadpacket
    if isinstance(function, OpOverloadPacket):
        return [function, *(getattr(function, overload) for overload in function.overloads())]
    if isinstance(function, OpOverload):
        return [function]
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return [_visible_apply(function)]
    if isinstance(function, FunctionType):
        if not (_overridable(function) and _asks_always(function)):
            _make_visible(function)
        return [function]
    if isinstance(function, _DESCRIPTORS) or _overridable(function):
        return [function]
    if isinstance(function, BuiltinFunctionType) and (getattr(function, "__module__", None) or "").startswith("torch"):
        return [function]
    raise TypeError(
        f"calls of {function!r} cannot be seen: give a function of PyTorch, an operator, a subclass of "
        "torch.autograd.Function, or the Python function that launches it"
    )


@cache
def _public() -> frozenset[Any]:
    return frozenset(get_testing_overrides())


def _overridable(function: Any) -> bool:
    try:
        return function in _public()
    except TypeError:  # not hashable
        return False


def _asks_always(function: FunctionType) -> bool:
    """Whether a Python function of PyTorch announces its calls itself; some do so for other classes than Tensor alone:
    ``if not set(map(type, tensors)).issubset((torch.Tensor, type(None))) and has_torch_function(tensors)``.
    """
    names = function.__code__.co_names
    return "handle_torch_function" in names and "issubset" not in names


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, ...]:
    return tuple([value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)])


#: Functions made visible -> what they did before.
_ORIGINALS: dict[FunctionType, FunctionType] = {}
_MARK = "stands for the function that is called"


def _make_visible(function: FunctionType) -> None:
    """Let every reference to a Python function announce its calls, as PyTorch's own functions do.

    Its code is swapped, so that names under which it was imported elsewhere see the same. Outside a function mode the
    original runs as before.
    """
    if function in _ORIGINALS:
        return
    original = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    original.__qualname__ = function.__qualname__

    def announce(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensors = _tensors(args, kwargs)
        if has_torch_function(tensors):
            return handle_torch_function(function, tensors, *args, **kwargs)
        return original(*args, **kwargs)

    signature = inspect.signature(function)
    function.__code__ = _announcing(function.__code__, announce)
    function.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect, unknown to the stubs
    _ORIGINALS[function] = original


def _announcing(code: Any, announce: Callable[..., Any]) -> Any:
    """Code of the same name and closure that hands its arguments to ``announce``, which it holds as a constant."""
    free = code.co_freevars
    lines = [
        "def around():",
        *(f"    {name} = None" for name in free),
        "    def calling(*args, **kwargs):",
        f"        announce = {_MARK!r}",
        "        return announce(args, kwargs)",
        *(f"        {name}" for name in free),
        "    return calling",
    ]
    room: dict[str, Any] = {}
    exec("\n".join(lines), room)  # noqa: S102  a text of our own with the names of variables that Python itself has read
    made = room["around"]().__code__
    return with_constants(made, {_MARK: announce}).replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )


def _visible_apply(cls: type[torch.autograd.Function]) -> Any:
    """Let ``cls.apply`` announce its calls; what is announced carries the name of the class."""
    present = vars(cls).get("apply")
    if isinstance(present, classmethod) and hasattr(present.__func__, "announced"):
        return present.__func__.announced
    original = next(vars(base)["apply"] for base in cls.__mro__ if "apply" in vars(base))

    def announced(*args: Any, **kwargs: Any) -> Any:
        return cls.apply(*args, **kwargs)

    def apply(of: type[torch.autograd.Function], *args: Any, **kwargs: Any) -> Any:
        tensors = _tensors(args, kwargs)
        if of is cls and has_torch_function(tensors):
            return handle_torch_function(announced, tensors, *args, **kwargs)
        return original.__get__(None, of)(*args, **kwargs)

    announced.__name__ = announced.__qualname__ = cls.__name__
    apply.announced = announced  # type: ignore[attr-defined]  # so that a second registration finds it
    cls.apply = classmethod(apply)
    return announced
