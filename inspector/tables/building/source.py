"""The source of a solved table: a chain becomes an ``nn.Sequential``; where the table shows sums, concatenations or
branches, a module with a forward of one line for each row.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError
from inspector.tables.building.calls import HELPERS, assumed, before, constructor
from inspector.tables.building.names import attributes, quoted
from inspector.tables.building.sums import last_line, with_sums
from inspector.tables.derivation import params_formula
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from inspector.tables.solving.solution import Solution, SolvedRow

_IN_FORWARD: Final = {
    "add": "{0}",
    "multiply": "{0}",
    "concat": "torch.cat(({1}), dim={dim})",
    "reshape": "{1}.reshape(-1, {sizes})",
}


def source(solution: Solution, name: str = "Network") -> str:
    """Python source of a class ``name`` for the solved table.

    Args:
        solution: every row's hyperparameters; where rows are open, those ranked first.
        name: of the class.

    Raises:
        InspectionError: a row of which no layer is known, or a wiring that the table does not show; the row is named.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InspectionError(f"{name!r} is no name for a Python class")
    rows, sums = with_sums(solution)
    _see_wiring(solution, rows)
    names = attributes(rows)
    alone = {*_IN_FORWARD, "attention"}  # take more than one input
    chain = all(row.inputs == (n - 1,) and row.kind not in alone and not row.reused for n, row in enumerate(rows))
    origin = f"the printed table {quoted(solution.table.source)}" if solution.table.source else "a printed table"
    head = [
        f'"""A model of {origin}: {solution.total_params} parameters, for inputs of {shown(solution.input_shape)}.',
        "",
        *_header(solution, sums),
        '"""',
        "",
    ]
    body = _sequential(rows, names, name) if chain else _module(rows, names, name)
    return "\n".join([*head, *body, ""])


_BLOCK: Final = re.compile(r"block|bottleneck|residual|inception|fire|encoderlayer|squeeze", re.IGNORECASE)


def _see_wiring(solution: Solution, rows: tuple[SolvedRow, ...]) -> None:
    """Refuse a table whose blocks join what it does not print.

    Raises:
        InspectionError: an output that no row takes, or blocks with classes of their own and no row that adds or
            concatenates.
    """
    unfed = next((row for row in rows if not row.inputs), None)
    if unfed is not None:
        raise _no_wiring(unfed)
    taken = {index for row in rows for index in row.inputs}
    for number, row in enumerate(rows[:-1]):
        if number not in taken:
            raise InspectionError(
                f"line {row.row.line}: {row.name}: a table cannot show this wiring: no printed row takes its output. "
                "The parameters are counted; the model has to be wired by hand"
            )
    table = solution.table
    joins = [row.row.line for row in rows if row.kind in _IN_FORWARD]
    if joins and table.format != "torchinfo":
        return
    for at, printed in enumerate(table.rows):
        if printed.kind != "container" or not _BLOCK.search(printed.cls):
            continue
        if not any(printed.line <= line <= last_line(table.rows, at) for line in joins):
            raise InspectionError(
                f"line {printed.line}: {printed.name}: a table cannot show this wiring: "
                f"a {printed.cls} may join branches, and no row prints it. "
                "The parameters are counted; the model has to be wired by hand"
            )


def _header(solution: Solution, sums: tuple[str, ...]) -> list[str]:
    lines = ["Hyperparameters were found from its shapes and counts."]
    if solution.ambiguous:
        lines.append(f"Left open, taken by convention: {', '.join(solution.ambiguous[:12])}.")
    if any(row.kind == "container" and not row.cls and row.repeat > 1 for row in solution.table.rows):
        lines.append("Blocks are repeated as a chain: a table cannot show whether their inputs are added again.")
    lines += [f"{note[:1].upper()}{note[1:]}." for note in solution.notes if note.startswith("by convention")]
    if solution.table.format in ("torchinfo", "torchsummary") and not sums:
        lines.append(
            "The table prints modules in the order in which they ran; what is no module, a sum, it cannot show."
        )
    lines += [f"{words}." for words in sums]
    lines += [f"{row.name}: {row.note}." for row in solution.rows if row.note]
    return [quoted(line) for line in lines]


def _sequential(rows: tuple[SolvedRow, ...], names: list[str], name: str) -> list[str]:
    lines = [f"class {name}(nn.Sequential):", "    def __init__(self) -> None:", "        layers = OrderedDict()"]
    for row, attribute in zip(rows, names, strict=True):
        for extra, layer in before(row):
            lines.append(f'        layers["{attribute}_{extra}"] = {layer}  # not printed')
        lines.append(f'        layers["{attribute}"] = {constructor(row)}{_comment(row)}')
    return ["from collections import OrderedDict", "", *_headed([*lines, "        super().__init__(layers)"])]


def _module(rows: tuple[SolvedRow, ...], names: list[str], name: str) -> list[str]:
    made: list[str] = []
    steps: list[str] = []
    variables = {-1: "image"}
    last_use = {source: n for n, row in enumerate(rows) for source in row.inputs}
    by_name = {row.name: attribute for row, attribute in zip(rows, names, strict=True)}
    for n, (row, attribute) in enumerate(zip(rows, names, strict=True)):
        inputs = [variables[source] for source in row.inputs]
        result = "x" if n + 1 == len(rows) or last_use.get(n) == n + 1 else attribute
        variables[n] = result
        if row.kind in _IN_FORWARD:
            joined = (" * " if row.kind == "multiply" else " + ").join(inputs)
            sizes = ", ".join(map(str, row.output_shape))
            call = _IN_FORWARD[row.kind].format(
                joined, ", ".join(inputs), dim=row.hyperparameters.get("dim", 1), sizes=sizes
            )
        else:
            call = inputs[0]
            for extra, layer in before(row):
                made.append(f"        self.{attribute}_{extra} = {layer}  # not printed")
                call = f"self.{attribute}_{extra}({call})"
            again = row.row.stated.get("reused")
            if row.reused and isinstance(again, str) and again in by_name:
                call = f"self.{by_name[again]}({call})"
            else:
                made.append(f"        self.{attribute} = {constructor(row)}{_comment(row)}")
                call = f"self.{attribute}({f'{call}, {call}, {call}' if row.kind == 'attention' else call})"
                call += "[0]" if row.kind == "attention" else ""
        steps.append(f"        {result} = {call}")
    steps.append(f"        return {variables[len(rows) - 1]}")
    return _headed(
        [
            f"class {name}(nn.Module):",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *made,
            "",
            "    def forward(self, image: Tensor) -> Tensor:",
            *steps,
        ]
    )


def _headed(lines: list[str]) -> list[str]:
    """The class below its imports and the small modules that it uses."""
    used = [helper for cls, helper in HELPERS.items() if any(f" = {cls}(" in line for line in lines)]
    lines = [*(line for helper in used for line in [*helper.splitlines(), "", ""]), *lines]
    torch = ["import torch"] if any("torch." in line for line in lines) else []
    tensor = "Tensor, " if any("Tensor" in line for line in lines) else ""
    return [*torch, f"from torch import {tensor}nn", "", "", *lines]


def _no_wiring(row: SolvedRow) -> InspectionError:
    return InspectionError(
        f"line {row.row.line}: {row.name}: a table cannot show this wiring: {row.note or 'its input is not printed'}. "
        "The parameters are counted; the model has to be wired by hand"
    )


def _comment(row: SolvedRow) -> str:
    bound = params_formula(row)
    words = (shown(row.output_shape), bound.worked if bound is not None else "", assumed(row))
    return f"  # {'; '.join(word for word in words if word)}"
