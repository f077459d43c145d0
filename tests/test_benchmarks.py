"""The tables in print are those of the recorded measurement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.table import overview, tables

ROOT = Path(__file__).parent.parent
REPORT = json.loads((ROOT / "benchmarks" / "results" / "inspection.json").read_text())


@pytest.mark.parametrize(("page", "written"), [("README.md", overview), ("benchmarks/README.md", tables)])
def test_printed_tables_are_the_records(page: str, written: Callable[[dict[str, Any]], str]) -> None:
    text = (ROOT / page).read_text()
    between = (
        text.partition("<!-- inspection: written by")[2].partition("-->\n")[2].partition("\n<!-- inspection: end")[0]
    )
    assert between == written(REPORT)
