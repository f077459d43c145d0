"""models/TABLES.md is what its command writes, and what it says of known networks is what torchvision counts."""

from __future__ import annotations

import pytest

from benchmarks.printed_tables import CASES, PAGE, PRINTED, page
from inspector.tables import Contradiction, read, solve


@pytest.mark.slow
def test_the_page_is_what_its_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m benchmarks.printed_tables"


@pytest.mark.parametrize("case", [case for case in CASES if case.reference], ids=lambda case: case.title)
def test_what_torchvision_has_agrees(case) -> None:  # type: ignore[no-untyped-def]
    solution = solve(read(PRINTED / case.file, column=case.column), case.size, **case.given)
    assert solution.total_params == case.reference()


def test_a_misprint_of_mobilenet_is_found() -> None:
    """The paper prints stride 2 for a depthwise convolution from 7×7 to 7×7."""
    with pytest.raises(Contradiction, match=r"from 1024×7×7 to 1024×7×7 has no solution") as caught:
        solve(read(PRINTED / "mobilenet_v1.md"), (3, 224, 224), rows={"conv": {"bias": False}})
    assert len(caught.value.conflicts) == 1


def test_alexnet_has_its_known_count() -> None:
    """Krizhevsky, Sutskever & Hinton 2012: "60 million parameters", in two groups."""
    solution = solve(read(PRINTED / "alexnet.md"), (3, 227, 227))
    groups = {row.name: row.hyperparameters["groups"] for row in solution.rows if row.kind == "conv"}
    assert list(groups.values()) == [1, 2, 1, 2, 2]
    # 96·(3·121 + 1) + 256·(48·25 + 1) + 384·(256·9 + 1) + 384·(192·9 + 1) + 256·(192·9 + 1)
    # + 4096·(9216 + 1) + 4096·(4096 + 1) + 1000·(4096 + 1)
    convolutions = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
    assert solution.total_params == convolutions + 37_752_832 + 16_781_312 + 4_097_000
