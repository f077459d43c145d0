"""What a trace keeps of each call: shapes, formula, the parameters first used, and values that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from inspector.calls import Call, described
from inspector.internals import functorch_level
from inspector.known import FRESH, KnownValues, stand_in
from inspector.rules import PARAMETERS, RANDOM
from inspector.structure import SEQUENCES, tensors

if TYPE_CHECKING:
    from inspector.formula import BoundFormula
    from inspector.rules.common import ToBind
    from inspector.symbolic import Symbols


class Recorder(TorchFunctionMode):
    """Keeps every call of one forward, on one thread; who answers the calls comes on top.

    Args:
        parameters: id of a registered parameter -> its number; a call's first use of one is noted.
        home: the device that tensors made here claim to live on, so that code that asks takes the branch it takes
            there.
        symbols: the names among the input's sizes.
        real: let PyTorch execute each call on real data, beside its prediction.
    """

    def __init__(self, parameters: dict[int, int], home: torch.device, symbols: Symbols, real: bool) -> None:
        super().__init__()
        #: Fields of `Call`, as many as differ from their defaults: a plain tuple is made in a fifth of the time.
        self.calls: list[tuple[Any, ...]] = []
        self._pending = parameters
        self._home = home
        self.symbols = symbols
        self._symbolic = bool(symbols)  # asked at every call
        self._real = real
        #: Every call goes through ``_record``: none is answered the short way.
        self._careful = real or self._symbolic
        self._known = KnownValues()
        self._steps = self._known.steps  # asked at every call
        self._open: list[int] = [-1]  # numbers of the module calls that are open, the innermost last
        self._last: Any = None  # the tensor that the last call returned

    def _record(
        self,
        func: Any,
        rule: Any,
        args: Any,
        kwargs: Any,
        output: Any,
        formula: Any,
        shown: Any,
        used: tuple[int, ...] | None = None,
        **facts: Any,
    ) -> Any:
        """Append the call, with the parameters it is the first to use, and remember values that are known.

        Returns ``output``; the row has the shapes and dtype of ``shown``.
        """
        if type(shown) is Tensor:
            shapes: tuple[Any, ...] = (shown.shape,)
            dtype: torch.dtype | None = shown.dtype
            self._last = output
        else:
            shapes, dtypes = described(shown)
            dtype = dtypes[0] if dtypes else None
            self._last = None
        if used is None:
            used = self._first_uses(args, kwargs) if self._pending else ()
        params = self._parameters_formula(rule, args, kwargs or {}) if used else None
        if facts:
            self.calls.append(Call(func, shapes, dtype, formula, self._open[-1], used, params, **facts))
        elif used:
            self.calls.append((func, shapes, dtype, formula, self._open[-1], used, params))
        else:
            self.calls.append((func, shapes, dtype, formula, self._open[-1]))
        if func in FRESH and args and not self._symbolic and functorch_level() is None:
            args = (stand_in(args[0]), *args[1:])
        first = args[0] if args else None
        lead = first[0] if type(first) in SEQUENCES and first else first
        known = self._known
        if not (self._real or (type(lead) is Tensor and id(lead) not in known.steps and lead.is_meta)):
            if func not in RANDOM and known.covers(args, kwargs or {}):
                known.remember(func, args, kwargs or {}, output)
            elif isinstance(first, Tensor) and (output is first or output is None):
                known.forget(first)
        if kwargs and kwargs.get("out") is not None and not known.covers(args, kwargs):
            for tensor in tensors(output):
                known.forget(tensor)
        return output

    @staticmethod
    def _parameters_formula(rule: Any, args: Any, kwargs: Any) -> BoundFormula | ToBind | None:
        formula = PARAMETERS.get(rule) or PARAMETERS.get(getattr(rule, "__wrapped__", rule))
        try:
            return None if formula is None else formula(*args, **kwargs)
        except Exception:  # a call form it does not know: the elements are counted all the same
            return None

    def _first_uses(self, args: Any, kwargs: Any) -> tuple[int, ...]:
        pending = self._pending
        used: tuple[int, ...] = ()
        for value in args if not kwargs else (*args, *kwargs.values()):
            if id(value) in pending:
                used += (pending.pop(id(value)),)
            elif type(value) in SEQUENCES and value and type(value[0]) is not int:
                if not SEQUENCES.isdisjoint(map(type, value)):
                    used += self._first_uses(value, None)
                elif not pending.keys().isdisjoint(map(id, value)):
                    used += tuple([pending.pop(key) for key in map(id, value) if key in pending])
        return used
