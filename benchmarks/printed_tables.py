"""Solves the tables that papers printed and writes models/TABLES.md: ``python -m benchmarks.printed_tables``.

References are counted by torchvision's own models on the meta device, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from inspector.errors import InspectionError
from inspector.formula import format_count
from inspector.tables import Contradiction, read, solve

ROOT = Path(__file__).parent.parent
PRINTED = ROOT / "tests" / "tables" / "printed"
PAGE = ROOT / "models" / "TABLES.md"


def count(name: str, kinds: tuple[type[nn.Module], ...] = (), without: str = "\0") -> int:
    """Parameters of a torchvision model, or of its layers of some classes outside paths that hold ``without``."""
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision.models, name)(weights=None)
    if not kinds:
        return sum(parameter.numel() for parameter in model.parameters())
    return sum(
        parameter.numel()
        for path, layer in model.named_modules()
        if isinstance(layer, kinds) and without not in path
        for parameter in layer.parameters(recurse=False)
    )


@dataclass(frozen=True)
class Case:
    """One printed table, what is told beside it, and what it is held against."""

    title: str
    file: str
    size: tuple[int, ...]
    column: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    reference: Callable[[], int] | None = None
    against: str = ""


_MAIN = (nn.Conv2d, nn.Linear)
_RESNET = "convolutions and classifier of torchvision's {} without its shortcuts' projections, which are not printed"
CASES = (
    Case("LeNet-5, as it is taught", "lenet_torchsummary.md", (1, 32, 32), given={"stride": 1, "padding": 0}),
    Case("LeNet-5, 1998", "lenet5.md", (1, 32, 32)),
    Case("AlexNet, 2012", "alexnet.md", (3, 227, 227)),
    Case("VGG-16, 2014", "vgg.tex", (3, 224, 224), "D", {}, lambda: count("vgg16"), "torchvision's vgg16"),
    *(
        Case(
            f"ResNet-{depth}, 2015",
            "resnet.md",
            (3, 224, 224),
            f"{depth}-layer",
            {"rows": {"conv": {"bias": False}}},
            lambda depth=depth: count(f"resnet{depth}", _MAIN, "downsample"),
            _RESNET.format(f"resnet{depth}"),
        )
        for depth in (18, 34, 50)
    ),
    Case("GoogLeNet, 2014", "googlenet.md", (3, 224, 224)),
    Case("MobileNet v1, 2017", "mobilenet_v1.md", (3, 224, 224), given={"rows": {"conv": {"bias": False}}}),
    Case("MobileNet v2, 2018", "mobilenet_v2.md", (3, 224, 224)),
    Case("DenseNet-121, 2016", "densenet.html", (3, 224, 224), "DenseNet-121"),
    Case("U-Net, 2015", "unet.csv", (1, 572, 572)),
    Case("EfficientNet-B0, 2019", "efficientnet_b0.md", (3, 224, 224)),
    Case("ViT-Base, 2020", "vit.md", (3, 224, 224)),
)


def section(case: Case) -> str:
    """One table: what was found, what it is held against, what is open; or why it has no solution."""
    lines = [f"## {case.title}", ""]
    told = ", ".join(f"{name} {value}" for name, value in case.given.items()) or "nothing"
    told += f"; column {case.column}" if case.column else ""
    lines += [f"`{case.file}`, input {'×'.join(map(str, case.size))}; told beside it: {told}.", ""]
    try:
        solution = solve(read(PRINTED / case.file, column=case.column), case.size, **case.given)
    except Contradiction as error:
        return "\n".join(
            [*lines, "The table contradicts itself, or standard layers:", "", "```text", str(error), "```", ""]
        )
    except InspectionError as error:
        return "\n".join([*lines, "Not solved:", "", "```text", str(error), "```", ""])
    lines.append(f"- **{format_count(solution.total_params)} parameters** in {len(solution.rows)} rows")
    if case.reference is not None:
        expected = case.reference()
        verdict = "agrees" if expected == solution.total_params else "differs"
        lines.append(f"- {verdict} with {format_count(expected)}, {case.against}")
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
        "a block that the table abbreviates and that standard layers do not explain.",
        "",
    ]
    return "\n".join([*head, *(section(case) for case in CASES)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
