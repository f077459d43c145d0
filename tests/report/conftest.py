"""Records made by hand: what a report prints is tested without a prediction, and without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from inspector.formula import BoundFormula, Formula
from inspector.records import ModuleCall, Row, TensorRecord

LINEAR = Formula("N*F_out*F_in", source="torch.nn.Linear")
LINEAR_PARAMS = Formula("F_out*(F_in + b)", counts="params", source="torch.nn.Linear")
EACH = Formula("n", counts="elementwise")


@dataclass(frozen=True)
class Call:
    """A function call to put into a module."""

    kind: str
    shape: tuple[Any, ...] = (2, 4)
    params: int = 0
    macs: Any = 0
    elementwise: Any = 0
    source: str = "formula"
    formula: BoundFormula | None = None
    params_formula: BoundFormula | None = None
    data_dependent: bool = False
    note: str = ""


@dataclass(frozen=True)
class Module:
    """A module call to put into another."""

    path: str
    kind: str
    inside: tuple[Module | Call, ...] = ()
    shape: tuple[Any, ...] = (2, 4)
    call: int = 1


@dataclass
class View:
    """A prediction as reports read it; the totals are sums over the rows."""

    rows: tuple[Row, ...]
    modules: tuple[ModuleCall, ...]
    tensors: tuple[TensorRecord, ...] = ()
    unused_parameters: tuple[str, ...] = ()
    tied_parameters: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    model_name: str = "Net"
    input_description: tuple[str, ...] = ("x: [2, 4] float32",)
    trainable_params: int = 0
    buffer_elements: int = 0
    param_bytes: int = 0
    buffer_bytes: int = 0
    bytes_by_dtype: dict[str, int] = field(default_factory=dict)

    @property
    def total_params(self) -> int:
        return sum(row.params for row in self.rows)

    @property
    def total_macs(self) -> Any:
        return sum(row.macs for row in self.rows if row.macs is not None)

    @property
    def unknown_macs(self) -> int:
        return sum(row.macs is None for row in self.rows)

    @property
    def total_elementwise_ops(self) -> Any:
        return sum(row.elementwise_ops for row in self.rows)


def linear(path: str, inputs: int, outputs: int, batch: Any = 2, call: int = 1) -> Module:
    """nn.Linear with bias: outputs·(inputs + 1) parameters at its first call, batch·outputs·inputs MACs."""
    macs = LINEAR(N=batch, F_out=outputs, F_in=inputs)
    params = LINEAR_PARAMS(F_out=outputs, F_in=inputs, b=1)
    first = call == 1
    row = Call(
        "linear",
        (batch, outputs),
        params.number if first else 0,
        macs.number,
        formula=macs,
        params_formula=params if first else None,
    )
    return Module(path, "Linear", (row,), (batch, outputs), call)


def relu(path: str, width: int = 4) -> Module:
    return Module(
        path, "ReLU", (Call("relu", (2, width), elementwise=2 * width, formula=EACH(n=2 * width)),), (2, width)
    )


def view_of(root: Module, **facts: Any) -> View:
    rows: list[Row] = []
    modules: list[ModuleCall] = []

    def add(module: Module, parent: int, depth: int) -> None:
        index, first = len(modules), len(rows)
        modules.append(None)  # type: ignore[arg-type]  # its sums are known when its inside is
        for part in module.inside:
            if isinstance(part, Module):
                add(part, index, depth + 1)
            else:
                rows.append(
                    Row(
                        module.path,
                        part.kind,
                        (part.shape,),
                        "float32",
                        part.params,
                        part.macs,
                        part.elementwise,
                        part.source,  # type: ignore[arg-type]
                        part.formula,
                        part.params_formula,
                        index,
                        part.data_dependent,
                        part.note,
                    )
                )
        inside = rows[first:]
        macs = [row.macs for row in inside]
        modules[index] = ModuleCall(
            module.path,
            module.kind,
            (module.shape,),
            ("float32",),
            sum(row.params for row in inside),
            None if None in macs else sum(macs),
            sum(count for count in macs if count is not None),
            sum(row.elementwise_ops for row in inside),
            parent,
            depth,
            (first, len(rows)),
            module.call,
        )

    add(root, -1, 0)
    return View(tuple(rows), tuple(modules), **facts)


@pytest.fixture
def two_layers() -> View:
    """4 → 8 → 4 with a ReLU between and a residual addition.

    Parameters 8·(4 + 1) + 4·(8 + 1) = 76; MACs at batch 2: 2·8·4 + 2·4·8 = 128.
    """
    block = Module("", "Net", (linear("up", 4, 8), relu("act", 8), linear("down", 8, 4), Call("add", elementwise=8)))
    return view_of(
        block,
        trainable_params=76,
        param_bytes=304,
        bytes_by_dtype={"float32": 304},
        tensors=(TensorRecord(("up.weight",), (8, 4), "float32", 32, 128, True, False, True),),
    )


@pytest.fixture
def stack() -> View:
    """12 identical blocks of Linear and ReLU under ``layers``, after another Linear; 12·20 + 20 = 260 parameters."""
    blocks = tuple(
        Module(f"layers.{index}", "Block", (linear(f"layers.{index}.fc", 4, 4), relu(f"layers.{index}.act")))
        for index in range(12)
    )
    return view_of(Module("", "Stack", (linear("first", 4, 4), *blocks)))
