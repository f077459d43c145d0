"""Solves the tables that papers printed and writes models/TABLES.md: ``python -m benchmarks.printed_tables``.

References are counted from torchvision's own models on the meta device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables import Contradiction, Solution, Table, read, solve

ROOT = Path(__file__).parent.parent
PRINTED = ROOT / "tests" / "tables" / "printed"
PAGE = ROOT / "models" / "TABLES.md"


def count(name: str) -> int:
    """Parameters of a torchvision model."""
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision.models, name)(weights=None)
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
        altered: printed text → what stands in its place, and why.
        why: of ``altered``.
    """

    title: str
    file: str
    size: tuple[int, ...]
    column: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    reference: str = ""
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
    Case("LeNet-5, as it is taught", "lenet_torchsummary.md", (1, 32, 32), given={"stride": 1, "padding": 0}),
    Case("LeNet-5, 1998", "lenet5.md", (1, 32, 32)),
    Case("AlexNet, 2012", "alexnet.md", (3, 227, 227)),
    Case("VGG-16, 2014", "vgg.tex", _IMAGE, "D", reference="vgg16"),
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
    ),
    Case("MobileNet v1, 2017", "mobilenet_v1.md", _IMAGE, given={"rows": {"conv": {"bias": False}}}),
    Case(
        "MobileNet v1, its last stride put right",
        "mobilenet_v1.md",
        _IMAGE,
        given={"rows": {"conv": {"bias": False}}},
        altered={r"(Conv dw) / s2(.*1024 dw)": r"\1 / s1\2"},
        why="the stride that the message above proposes",
    ),
    Case("MobileNet v2, 2018", "mobilenet_v2.md", _IMAGE, reference="mobilenet_v2"),
    Case("DenseNet-121, 2016", "densenet.html", _IMAGE, "DenseNet-121", reference="densenet121"),
    Case("DenseNet-169, 2016", "densenet.html", _IMAGE, "DenseNet-169", reference="densenet169"),
    Case("U-Net, 2015", "unet.csv", (1, 572, 572)),
    Case("EfficientNet-B0, 2019", "efficientnet_b0.md", _IMAGE, reference="efficientnet_b0"),
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
        verdict = "agrees" if expected == solution.total_params else "differs"
        lines.append(f"- {verdict} with {format_count(expected)}, torchvision's {case.reference}")
    opened = solution.ambiguous
    lines.append(f"- left open: {', '.join(opened) if opened else 'nothing'}")
    lines += [f"- {note}" for note in solution.notes]
    return "\n".join([*lines, ""])


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
