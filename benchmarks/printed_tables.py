"""Solves the tables that papers printed and writes models/TABLES.md: ``python -m benchmarks.printed_tables``.

References are counted from torchvision's own models on the meta device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables import Contradiction, Solution, SolvedRow, Table, read, solve
from inspector.tables.derivation import hyperparameters_text
from inspector.tables.reading.numbers import exact, rounded

ROOT = Path(__file__).parent.parent
PRINTED = ROOT / "tests" / "tables" / "printed"
PAGE = ROOT / "models" / "TABLES.md"


#: Arguments of torchvision's models.
ARGUMENTS: dict[str, dict[str, Any]] = {"googlenet": {"aux_logits": False, "init_weights": False}}


def count(name: str) -> int:
    """Parameters of a torchvision model."""
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision.models, name)(weights=None, **ARGUMENTS.get(name, {}))
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class Case:
    """One printed table, what is told beside it, and what it is held against.

    Attributes:
        title: heading of its section.
        file: in ``tests/tables/printed``.
        size: the network's input.
        column: heading or name of the network, where several are printed.
        given: further arguments of ``solve``.
        reference: name of torchvision's model, or ``""``.
        beside: of torchvision's model: why it is another network, or ``""`` where it is the same.
        figure: the paper's own count as it prints it, and where; or ``""``.
        against: why the paper's figure is another, or ``""``.
        altered: printed text → what stands in its place, and why.
        why: of ``altered``.
    """

    title: str
    file: str
    size: tuple[int, ...]
    column: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    reference: str = ""
    beside: str = ""
    figure: tuple[str, str] = ("", "")
    against: str = ""
    altered: dict[str, str] = field(default_factory=dict)
    why: str = ""

    def table(self) -> Table:
        """As printed, or with its alterations."""
        if not self.altered:
            return read(PRINTED / self.file, column=self.column)
        text = (PRINTED / self.file).read_text(encoding="utf-8")
        for pattern, new in self.altered.items():
            text, times = re.subn(pattern, new, text)
            assert times, pattern
        return read(text, column=self.column)

    def solve(self) -> Solution:
        """The table's solution."""
        return solve(self.table(), self.size, **self.given)


_IMAGE = (3, 224, 224)
CASES = (
    Case(
        "LeNet-5, as it is taught",
        "lenet_torchsummary.md",
        (1, 32, 32),
        given={"stride": 1, "padding": 0},
        figure=("61,706", "the worked answer"),
    ),
    Case("LeNet-5, 1998", "lenet5.md", (1, 32, 32)),
    Case(
        "LeNet-5, 1998, as standard layers",
        "lenet5.md",
        (1, 32, 32),
        altered={r"(S2|C3|S4)(.*)\| [\d,]+ \|": r"\1\2| |"},
        why="the three counts that the message above refuses are left out",
        figure=("60,000", "section II.B"),
        against="its subsampling has 12 + 32 weights, its C3 is joined to a part of S2 and has 900 fewer, and the "
        "850 of its output are fixed",
    ),
    Case(
        "AlexNet, 2012",
        "alexnet.md",
        (3, 227, 227),
        reference="alexnet",
        beside="the network of Krizhevsky 2014, arXiv 1404.5997: 64, 192, 384, 256 and 256 channels in one group",
        figure=("60 million", "abstract"),
        against="rounded down",
    ),
    Case("VGG-16, 2014", "vgg.tex", _IMAGE, "D", reference="vgg16", figure=("138 million", "Table 2")),
    *(
        Case(f"ResNet-{depth}, 2015", "resnet.md", _IMAGE, f"{depth}-layer", reference=f"resnet{depth}")
        for depth in (18, 34, 50)
    ),
    *(
        Case(f"ResNet-{depth}, 2015", "resnet.tex", _IMAGE, f"{depth}-layer", reference=f"resnet{depth}")
        for depth in (101, 152)
    ),
    Case("GoogLeNet, 2014", "googlenet.md", _IMAGE),
    Case(
        "GoogLeNet, its printed counts left out",
        "googlenet.md",
        _IMAGE,
        altered={r"\| [\d.]+K \|": "| |"},
        why="the counts above contradict the layers",
        reference="googlenet",
        beside="without its auxiliary classifiers; it has batch normalization for biases, and 3×3 where the paper has "
        "5×5",
        figure=("6.8 million", "sum of the column"),
        against="the column counts no biases, 2.7K for 9.2K in the first row, and thousands of 1 024",
    ),
    Case("MobileNet v1, 2017", "mobilenet_v1.md", _IMAGE, given={"rows": {"conv": {"bias": False}}}),
    Case(
        "MobileNet v1, its last stride put right",
        "mobilenet_v1.md",
        _IMAGE,
        given={"rows": {"conv": {"bias": False}}},
        altered={r"(Conv dw) / s2(.*1024 dw)": r"\1 / s1\2"},
        why="the stride that the message above proposes",
        figure=("4.2 million", "Table 8"),
    ),
    Case(
        "MobileNet v2, 2018",
        "mobilenet_v2.md",
        _IMAGE,
        reference="mobilenet_v2",
        figure=("3.4M", "Table 4"),
        against="rounded down, normalizations left out",
    ),
    Case("DenseNet-121, 2016", "densenet.html", _IMAGE, "DenseNet-121", reference="densenet121"),
    Case("DenseNet-169, 2016", "densenet.html", _IMAGE, "DenseNet-169", reference="densenet169"),
    Case("U-Net, 2015", "unet.csv", (1, 572, 572)),
    Case(
        "EfficientNet-B0, 2019",
        "efficientnet_b0.md",
        _IMAGE,
        reference="efficientnet_b0",
        figure=("5.3M", "Table 2"),
    ),
    Case("ViT-Base, 2020", "vit.md", _IMAGE, "ViT-Base", reference="vit_b_16"),
    Case("ViT-Large, 2020", "vit.md", _IMAGE, "ViT-Large"),
)


def section(case: Case) -> str:
    """One table: what was found, what it is held against, what is open; or why it has no solution."""
    lines = [f"## {case.title}", ""]
    told = ", ".join(f"{name} {value}" for name, value in case.given.items()) or "nothing"
    told += f"; network {case.column}" if case.column else ""
    told += f"; altered: {case.why}" if case.altered else ""
    lines += [f"`{case.file}`, input {'×'.join(map(str, case.size))}; told beside it: {told}.", ""]
    try:
        solution = case.solve()
    except Contradiction as error:
        return "\n".join(
            [*lines, "The table contradicts itself, or standard layers:", "", "```text", str(error), "```", ""]
        )
    except InspectionError as error:
        return "\n".join([*lines, "Not solved:", "", "```text", str(error), "```", ""])
    lines.append(f"- **{format_count(solution.total_params)} parameters** in {len(solution.rows)} layers")
    if case.reference:
        expected = count(case.reference)
        verdict = "agrees with" if expected == solution.total_params else "differs from"
        why = f": {case.beside}" if case.beside else ""
        lines.append(f"- {verdict} {format_count(expected)}, torchvision's {case.reference}{why}")
    lines += figure_line(case, solution.total_params)
    lines += [f"- left open: {left_open(row)}" for row in solution.rows if row.ambiguous] or ["- left open: nothing"]
    lines += [f"- {note}" for note in solution.notes]
    return "\n".join([*lines, ""])


def figure_line(case: Case, params: int) -> list[str]:
    """The paper's own figure beside ours."""
    printed, where = case.figure
    if not printed:
        return [] if case.reference else ["- the paper prints no count"]
    within = rounded(printed)
    agrees = within[0] <= params <= within[1] if within else exact(printed) == params
    why = f": {case.against}" if case.against else ""
    return [f"- {'agrees with' if agrees else 'differs from'} {printed}, the paper's figure ({where}){why}"]


def left_open(row: SolvedRow) -> str:
    """What the table leaves open of a row: how many solutions, the best two, and the fact that decides."""
    fact, left = row.decided_by
    first, second = (hyperparameters_text(replace(row, choice=choice)) for choice in islice(row.solutions, 2))
    decides = f"its {fact} would leave {format_count(left)}"
    return f"{row.name}, {format_count(row.solutions.count)} solutions, such as {first} or {second}; {decides}"


def page() -> str:
    """The whole page."""
    head = [
        "# Printed tables, solved",
        "",
        "Written by `python -m benchmarks.printed_tables`; the tables, typed from the papers, are in",
        "`tests/tables/printed/`. Where a row is refused, the message is inspector's own: a mistake in print, or",
        "a layer that is none of the standard ones. What blocks leave to a paper's text is taken by convention,",
        "and said.",
        "",
    ]
    return "\n".join([*head, *(section(case) for case in CASES)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
