"""Answers each call of a forward: what its rule says, what PyTorch says where there is none, what follows from values.

A ``TorchFunctionMode`` sees every call and leaves nothing on the model. No kernel runs: outputs are meta tensors. Where
real data was given and the forward needs its values, PyTorch executes each call, and it is predicted all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inspector.calls import (
    Call,
    described,
    first_tensor,
    is_shape,
    levels_of,
    name_of,
    shaped,
    told_by_numbers,
    with_levels,
)
from inspector.control_flow import meaning_of
from inspector.errors import InspectionError, NeedsData
from inspector.fallback import ask_pytorch, asks_for_values, body_of, count_inside, lacks_kernel
from inspector.inputs import meta_twin
from inspector.internals import (
    any_autocast_enabled,
    derivative,
    functorch_level,
    handler_of,
    handlers_enabled,
    in_class,
)
from inspector.known import FRESH, Unknown, map_arguments
from inspector.questions import ANSWERS, SET_DATA, SET_GRAD, SETTERS
from inspector.recording import Recorder
from inspector.rules import PASSIVE, RULES, ValuesNeeded, rule_for
from inspector.rules.autocast import autocast_output
from inspector.rules.common import META, empty, product
from inspector.rules.dtypes import refuse_kinds
from inspector.structure import SEQUENCES, map_tensors, tensors

if TYPE_CHECKING:
    from inspector.symbolic import Symbols


class Answerer(Recorder):
    """Answers and records every call of one forward; its arguments are the recorder's."""

    def __init__(self, parameters: dict[int, int], home: torch.device, symbols: Symbols, real: bool) -> None:
        super().__init__(parameters, home, symbols, real)
        self._followed: Any = None
        level = functorch_level()
        self._outside = 0 if level is None else level.level()  # depth of the caller's own transforms
        self._derivatives: set[tuple[int, int, str]] = set()  # module call, depth and name of those noted
        self._taken_back: list[tuple[Any, Tensor, Any]] = []  # (setter, tensor, value before)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer and record one call; what is out of the ordinary goes the longer way of ``_answer``."""
        rule = RULES.get(func)
        if rule is None and func in PASSIVE and not self._symbolic and _PLAIN_CLASSES.issuperset(types):
            return func(*args, **kwargs) if kwargs else func(*args)
        steps = self._steps
        first = unknown = args[0] if args else None
        if type(first) is not Tensor or id(first) in steps:  # its values are known; perhaps those of another are not
            several = first if type(first) in SEQUENCES else args[1:]
            unknown = several[-1] if several else None
        if (
            rule is None
            or type(unknown) is not Tensor
            or not unknown.is_meta
            or id(unknown) in steps
            or func in FRESH
            or self._careful
            or any_autocast_enabled()
            or functorch_level() is not None
            or (types and not _PLAIN_CLASSES.issuperset(types))
            or (kwargs and "out" in kwargs)
        ):
            return self._answer(func, types, args, kwargs)
        try:
            output, formula = rule(*args, **kwargs) if kwargs else rule(*args)
        except Exception:  # told, or answered from values, on the longer way
            return self._answer(func, types, args, kwargs)
        if type(output) is Tensor:
            shapes: tuple[Any, ...] = (output.shape,)
            dtype: torch.dtype | None = output.dtype
            self._last = output
        elif type(output) is torch.Size or (type(output) is tuple and is_shape(output)):
            dtype = first_tensor(args, kwargs).dtype
            self._last = output = empty(output, dtype)
            shapes = (output.shape,)
        else:
            shapes, dtypes = described(output)
            dtype = dtypes[0] if dtypes else None
            self._last = None
        if dtype is not None and not dtype.is_floating_point:
            refuse_kinds(func, args, kwargs)
        if first is not unknown and isinstance(first, Tensor) and (output is first or output is None):
            self._known.forget(first)
        pending = self._pending
        for value in args:
            if id(value) in pending or type(value) in SEQUENCES:
                used = self._first_uses(args, kwargs)
                break
        else:
            used = self._first_uses(kwargs.values(), None) if kwargs and pending else ()
        if used:
            params = self._parameters_formula(rule, args, kwargs or {})
            self.calls.append((func, shapes, dtype, formula, self._open[-1], used, params))
        else:
            self.calls.append((func, shapes, dtype, formula, self._open[-1]))
        return output

    def _answer(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not _PLAIN_CLASSES.issuperset(types) and handlers_enabled():
            return self._by_handler(func, types, args, kwargs)
        if self._symbolic:
            with self.symbols.in_a_rule():
                return self._call(func, args, kwargs)
        return self._call(func, args, kwargs)

    def _by_handler(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """As the class of a tensor among the arguments handles the call; what it calls itself is recorded here."""
        for kind in types:
            handler = handler_of(kind)
            if handler is None:
                return in_class(self.__torch_function__(func, (), args, kwargs), func, kind)
            with self:
                output = handler(func, types, args, kwargs or {})
            if output is not NotImplemented:
                return output
        return self.__torch_function__(func, (), args, kwargs)

    def _call(self, func: Any, args: Any, kwargs: Any) -> Any:
        rule = RULES.get(func)
        if rule is None:
            return self._without_rule(func, args, kwargs or {})
        if self._real or functorch_level() is not None or any_autocast_enabled():
            return self._with_care(func, rule, args, kwargs or {})
        try:
            output, formula = shaped(rule, args, kwargs or {})
        except InspectionError:
            raise
        except ValuesNeeded:
            return self._from_values(func, args, kwargs or {})
        except Exception:
            return self._rule_failed(func, rule, args, kwargs or {})
        if type(output) is Tensor and not output.dtype.is_floating_point and not self._symbolic:
            refuse_kinds(func, args, kwargs)
        return self._record(func, rule, args, kwargs, output, formula, output)

    def _without_rule(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func in PASSIVE or isinstance(func, type):  # torch.device, torch.Size: values, no tensors
            return func(*args, **kwargs)
        answer = ANSWERS.get(func)
        if answer is not None:
            return answer(args[0], self._home)
        if func in SETTERS:
            if args[0].is_leaf:
                self._taken_back += [
                    (Tensor.requires_grad_, args[0], args[0].requires_grad),
                    (SET_GRAD, args[0], args[0].grad),
                ]
            return func(*args, **kwargs)
        if func == SET_DATA:  # a new object each time
            return self._set_data(*args)
        if func is torch.autograd.grad and not self._real:
            return self._gradients(*args, **kwargs)
        rule = rule_for(func)
        if rule is not None:
            return self._with_care(func, rule, args, kwargs)
        meaning = meaning_of(func)
        if meaning is not None:
            with self:
                return meaning(*args, **kwargs)
        body = body_of(func)
        if body is not None and func is not self._followed:
            self._followed = func  # a body that asks for itself again is no body to follow
            try:
                with self:
                    return body(*args, **kwargs)
            finally:
                self._followed = None
        return self._ask_pytorch(func, args, kwargs)

    def _set_data(self, tensor: Tensor, value: Tensor) -> None:
        """``tensor.data = value``: a lazy parameter gets its size; what holds values keeps them."""
        if is_lazy(tensor) or self._real:
            SET_DATA(tensor, value)
        elif tensor.is_meta:
            self._taken_back.append((SET_DATA, tensor, tensor.detach()))
            SET_DATA(tensor, meta_twin(value))

    def _gradients(self, outputs: Any, inputs: Any, *_: Any, **__: Any) -> tuple[Tensor, ...]:
        """Of a backward inside a forward only the shapes are known: what it multiplies is not written in the
        forward.
        """
        found = tuple(torch.empty_like(tensor, device=META) for tensor in tensors(inputs))
        return self._record(torch.autograd.grad, None, (outputs, inputs), {}, found, None, found, macs=None)  # type: ignore[no-any-return]

    def _rule_failed(self, func: Any, rule: Any, args: Any, kwargs: Any) -> Any:
        """The rule does not know these arguments: ``out=`` names the result, or None; all else PyTorch answers or
        refuses.
        """
        if "out" in kwargs:
            target = kwargs["out"]
            rest = {key: value for key, value in kwargs.items() if key != "out"}
            try:
                output, formula = shaped(rule, args, rest)
            except Exception:
                return self._ask_pytorch(func, args, kwargs)
            if target is None:
                return self._record(func, rule, args, rest, output, formula, output)
            shapes = [t.shape for t in tensors(output)]
            for tensor, shape in zip(tensors(target), shapes, strict=False):
                if tensor.is_meta and not tensor.numel():
                    tensor.resize_(shape)  # as PyTorch does, without a warning
            if shapes == [t.shape for t in tensors(target)]:
                return self._record(func, rule, args, kwargs, target, formula, target)
        return self._ask_pytorch(func, args, kwargs)

    def _ask_pytorch(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self._real:
            try:
                _, macs = ask_pytorch(func, args, kwargs, self.symbols)
            except Exception:  # no meta kernel: what runs for real is counted
                output, macs, _ = count_inside(func, args, kwargs, real=True)
            else:
                output = func(*args, **kwargs)
        else:
            try:
                output, macs = ask_pytorch(func, args, kwargs, self.symbols)
            except Exception as error:
                if asks_for_values(error):
                    return self._from_values(func, args, kwargs, error)
                raise
        if output is NotImplemented:  # an operator of Python that declines, such as ``tensor == "text"``
            return output
        return self._record(func, None, args, kwargs, output, None, output, macs=macs, by_pytorch=True)

    def _from_values(self, func: Any, args: Any, kwargs: Any, error: Exception | None = None) -> Any:
        """A call whose outcome hangs on values: computed where these follow from constants."""
        known = self._known
        try:
            real = [map_arguments(value, known.value) for value in (args, kwargs)]
        except Unknown:
            rule = rule_for(func)
            told = None if rule is None else told_by_numbers(rule, args, kwargs, known.value_or_itself)
            if told is None:
                raise NeedsData(f"{name_of(func)} {self.lack(error)}. {GIVE_DATA}") from error
            return self._record(func, rule, args, kwargs, told[0], told[1], told[0], data_dependent=True)
        output = func(*real[0], **real[1])
        if not tensors(output):
            return output
        twin = map_tensors(output, meta_twin)
        return self._record(func, None, args, kwargs, twin, None, twin, data_dependent=True)

    @staticmethod
    def lack(error: Exception | None) -> str:
        """Why a call has no answer without data."""
        if error is None or not lacks_kernel(error):
            return "needs the values of a tensor, and the input has none"
        return "has no rule here, and PyTorch knows no shape of its result (no meta kernel, no fake implementation)"

    # Real data, vmap and autocast

    def _with_care(self, func: Any, rule: Any, args: Any, kwargs: Any) -> Any:
        levels: dict[int, Any] = {}
        if functorch_level() is not None:
            self._note_derivative()
            levels = levels_of(args, kwargs)
        if self._real:
            return self._execute(func, rule, args, kwargs, levels)
        try:
            output, formula = shaped(rule, args, kwargs)
        except InspectionError:
            raise
        except ValuesNeeded:
            return self._from_values(func, args, kwargs)
        except Exception:
            return self._rule_failed(func, rule, args, kwargs)
        if any_autocast_enabled():
            output = autocast_output(func, output, self._home.type)
        facts: dict[str, Any] = {}
        if levels:
            facts["times"] = product(levels.values())
            output = map_tensors(output, lambda tensor: with_levels(tensor, levels))
        return self._record(func, rule, args, kwargs, output, formula, output, **facts)

    def _note_derivative(self) -> None:
        """One row for each derivative that a module takes: what a backward multiplies is not written in the forward."""
        found = derivative(self._outside)
        if found is not None and (self._open[-1], *found) not in self._derivatives:
            self._derivatives.add((self._open[-1], *found))
            self.calls.append(Call(getattr(torch.func, found[1]), (), None, None, self._open[-1], macs=None))

    def _execute(self, func: Any, rule: Any, args: Any, kwargs: Any, levels: dict[int, Any]) -> Any:
        """Run the call for real; its row is what the rule says of twins without data."""
        facts: dict[str, Any] = {"times": product(levels.values())} if levels else {}
        predicted = formula = None
        named = {key: value for key, value in kwargs.items() if key != "out"}
        try:
            predicted, formula = shaped(rule, map_tensors(args, meta_twin), map_tensors(named, meta_twin))
        except InspectionError:
            raise
        except Exception as error:
            told = told_by_numbers(rule, args, named, _itself)
            if told is not None:
                predicted, formula = told
            elif not isinstance(error, ValuesNeeded):
                return self._ask_pytorch(func, args, kwargs)
            facts["data_dependent"] = True
        output = func(*args, **kwargs)
        if "data_dependent" in facts and not tensors(output):
            return output
        return self._record(
            func, rule, args, kwargs, output, formula, output if predicted is None else predicted, **facts
        )


GIVE_DATA = "Give real data: --input-file data.npz, or input_data=..."
#: Classes of tensors whose calls are the calls of any tensor.
_PLAIN_CLASSES = frozenset((Tensor, nn.Parameter))


def _itself(tensor: Tensor) -> Tensor:
    return tensor
