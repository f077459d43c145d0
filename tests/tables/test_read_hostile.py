"""Texts made to take a reader's time and memory: refused by size before work begins, or read as what they are."""

from __future__ import annotations

import tracemalloc

import pytest

from inspector.errors import InspectionError
from inspector.tables import read
from inspector.tables.reading.limits import HostileTable

MARKDOWN = "| Layer | Output Shape | Params |\n|---|---|---|\n"
SUMMARY = f"{'-' * 64}\nLayer (type)   Output Shape   Param #\n{'=' * 64}\n"
TEX = r"\begin{tabular}{cc}"

REFUSED = {
    "100 000 rows of Markdown": MARKDOWN + "| Conv2d-1 | [-1, 6, 28, 28] | 156 |\n" * 100_000,
    "30 000 rows of torchsummary": SUMMARY + "Conv2d-1   [-1, 6, 28, 28]    156\n" * 30_000,
    "100 000 rows of JSON": "[" + '{"layer":"conv","output":"[1,2,3,4]"},' * 90_000 + "{}]",
    "5 million characters": "x" * 5_000_000,
    "a size of 5 000 digits": f"{MARKDOWN}| Conv2d-1 | [-1, {'9' * 5000}, 28, 28] | 156 |\n",
    "a size of 20 digits": f"{MARKDOWN}| Conv2d-1 | [-1, {'9' * 20}, 28, 28] | 156 |\n",
    "a size of 12 digits": f"{MARKDOWN}| Conv2d-1 | [-1, {'9' * 12}, 28, 28] | 156 |\n",
    "a count of 20 digits": f"{MARKDOWN}| Conv2d-1 | [-1, 6, 28, 28] | {'9' * 20} |\n",
    "a count of 5 000 digits in JSON": f'{{"modules":[],"rows":[],"totals":{{"params":{"9" * 5000}}}}}',
    "a block repeated 999 999 times": f"{MARKDOWN}| [3x3, 64; 3x3, 64] × 999999 | [-1, 6, 28, 28] | 1 |\n",
    "brackets": "[" * 100_000,
    "bars": "│" * 100_000 + "\n" + "│" * 300 + "\n-----\n",
    "quotes in Markdown": ">" * 100_000 + "\n" + MARKDOWN,
    "emphasis in Markdown": MARKDOWN + "| " + "*a_" * 100_000,
    "spans in HTML": f"<table><tr>{'<td colspan=99999999 rowspan=9999>x</td>' * 100}</tr></table>",
    "spans over spans in HTML": f"<table>{'<tr><td colspan=200 rowspan=9999>x</td></tr>' * 9000}</table>",
    "tables in tables": "<table><tr><td>" * 10_000,
    "cells of HTML": f"<table><tr>{'<td>a' * 250_000}",
    "comments of HTML": f"<table>{'<!-' * 100_000}",
    "a tag of HTML": "<table><tr><td " + 'a="' * 100_000,
    "objects in objects": '{"a":' * 100_000,
    "braces of LaTeX": TEX + "{" * 100_000,
    "tables in tables of LaTeX": TEX * 10_000,
    "columns of LaTeX": TEX + r"\multicolumn{999999}{c}{x} & y \\ \end{tabular}",
    "cells of LaTeX": TEX + "& " * 100_000,
    "rows of LaTeX": TEX + r"a & b \\ " * 20_000,
    "a command of LaTeX that grows": r"\newcommand{\x}[1]{"
    + "#1" * 240
    + "}"
    + TEX
    + (r"\x{" + "b" * 3000 + "}") * 1000,
    "an unclosed quote of CSV": 'layer,output,params\n"' + "a\n" * 39_000,
}
READ_OR_NAMED = {
    "kernels without end": ("1x" * 900 + "\n") * 200,
    "spaces": ("a" + " " * 1900 + "b\n") * 200,
    "phrases": ("conv, " * 300 + "\n") * 200,
    "brackets in cells": MARKDOWN + f"| {'[' * 1900} | x | 1 |\n" * 100,
    "calls in cells": MARKDOWN + f"| Conv2d({'(' * 1900} | x | 1 |\n" * 50,
    "trees": ("│    " * 390 + "\n") * 200 + SUMMARY,
    "totals": ("total" + ":" * 60 + "x" * 1900 + "\n") * 200,
    "backslashes": "\\" * 100_000 + r"\begin{tabular}",
    "NUL": "\0" * 100_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_beyond_the_limits_is_refused_in_one_sentence(name: str) -> None:
    text = REFUSED[name]
    tracemalloc.start()
    try:
        with pytest.raises(HostileTable) as refusal:
            read(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(refusal.value)) < 300
    assert peak < 400_000_000


@pytest.mark.parametrize("name", READ_OR_NAMED)
def test_the_worst_cases_of_expressions_end(name: str) -> None:
    try:
        table = read(READ_OR_NAMED[name])
    except InspectionError:
        return
    assert table.rows or table.unread


@pytest.mark.parametrize("rows", [1000, 9000])
def test_large_tables_below_the_limits_are_read_whole(rows: int) -> None:
    lines = "".join(f"| Conv2d-{row} | [-1, 6, 28, 28] | 156 |\n" for row in range(rows))
    assert len(read(MARKDOWN + lines).rows) == rows
