"""models/TABLES.md is what its command writes, and what it says of known networks is what torchvision counts."""

from __future__ import annotations

import pytest
import torch

from benchmarks.printed_tables import CASES, PAGE, PRINTED, Case, count, page
from inspector.tables import Contradiction, build, read, solve


@pytest.mark.slow
def test_the_page_is_what_its_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m benchmarks.printed_tables"


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.reference and not case.beside], ids=lambda case: case.title
)
def test_what_torchvision_has_agrees(case: Case) -> None:
    assert case.solve().total_params == count(case.reference)


@pytest.mark.parametrize(
    "name",
    [
        *("LeNet-5", "AlexNet", "VGG-16", "ResNet-18", "ResNet-34", "ResNet-50", "GoogLeNet", "MobileNet v1"),
        *("MobileNet v2", "DenseNet-121", "U-Net", "EfficientNet-B0", "ViT-Base"),
    ],
)
def test_each_of_thirteen_architectures_is_solved_and_held_against_something(name: str) -> None:
    """Against torchvision, the paper's own figure, or both; U-Net's paper prints none."""
    solved = [part for part in PAGE.read_text(encoding="utf-8").split("\n## ") if part.startswith(name)]
    assert any("parameters** in" in part and "- left open: " in part for part in solved)
    held = ("torchvision's", "the paper's figure", "the paper prints no count")
    assert any(words in part for part in solved for words in held)


def test_the_paper_of_lenet_counts_what_it_prints() -> None:
    """LeCun et al. 1998: "60,000 trainable free parameters"; the output's weights are fixed."""
    table = read(PRINTED / "lenet5.md")
    assert sum(row.params or 0 for row in table.rows) == 60_000
    case = next(case for case in CASES if case.title == "LeNet-5, 1998, as standard layers")
    assert case.solve().total_params - 60_000 == 900 + 850 - 12 - 32


def test_misprints_of_googlenet_are_found() -> None:
    """Its counts of the first convolution and of seven modules are none of their layers'; those of 3a and 3b are."""
    case = next(case for case in CASES if case.title == "GoogLeNet, 2014")
    with pytest.raises(Contradiction, match=r"convolution: from 3×224×224 to 64×112×112 has no solution") as caught:
        case.solve()
    assert caught.value.changes[0].must_be == 64 * 3 * 7 * 7
    text = (PRINTED / "googlenet.md").read_text().replace("| 2.7K |", "| 9.2K |")
    with pytest.raises(Contradiction) as caught:
        solve(read(text), case.size)
    refused = [line.split("(")[1][:2] for line in str(caught.value).splitlines()]
    assert refused == ["4a", "4b", "4c", "4d", "4e", "5a", "5b"]


def test_a_misprint_of_mobilenet_is_found() -> None:
    """The paper prints stride 2 for a depthwise convolution from 7×7 to 7×7."""
    with pytest.raises(Contradiction, match=r"from 1024×7×7 to 1024×7×7 has no solution") as caught:
        solve(read(PRINTED / "mobilenet_v1.md"), (3, 224, 224), rows={"conv": {"bias": False}})
    assert len(caught.value.conflicts) == 1
    assert str(caught.value.changes[0]) == "Conv dw / s2#5 (line 22): the 2 of its stride would have to be 1"


def test_alexnet_has_its_known_count() -> None:
    """Krizhevsky, Sutskever & Hinton 2012: "60 million parameters", in two groups."""
    solution = solve(read(PRINTED / "alexnet.md"), (3, 227, 227))
    groups = {row.name: row.hyperparameters["groups"] for row in solution.rows if row.kind == "conv"}
    assert list(groups.values()) == [1, 2, 1, 2, 2]
    # 96·(3·121 + 1) + 256·(48·25 + 1) + 384·(256·9 + 1) + 384·(192·9 + 1) + 256·(192·9 + 1)
    # + 4096·(9216 + 1) + 4096·(4096 + 1) + 1000·(4096 + 1)
    convolutions = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
    assert solution.total_params == convolutions + 37_752_832 + 16_781_312 + 4_097_000


@pytest.mark.parametrize(
    "title",
    [
        *("LeNet-5, 1998, as standard layers", "AlexNet, 2012", "VGG-16, 2014", "ResNet-34, 2015", "U-Net, 2015"),
        *("GoogLeNet, its printed counts left out", "MobileNet v1, its last stride put right"),
    ],
)
def test_what_is_solved_is_built(title: str) -> None:
    """The other papers' models are built and verified in test_composites."""
    case = next(case for case in CASES if case.title == title)
    solution = case.solve()
    with torch.device("meta"):
        model = build(solution)
        output = model(torch.empty(2, *case.size))
    assert sum(parameter.numel() for parameter in model.parameters()) == solution.total_params
    assert output.shape == (2, *solution.rows[-1].output_shape)
