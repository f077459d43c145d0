"""The derivation of the worked example, line by line, in its four forms."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from inspector.tables import PrintedRow, Solution, Table, derivation, read, solve

LENET = Path(__file__).parent / "printed" / "lenet_torchsummary.md"


@pytest.fixture(scope="module")
def solution() -> Solution:
    return solve(read(LENET), (1, 32, 32), stride=1, padding=0)


def test_each_worked_line_is_that_of_the_worked_answer(solution: Solution) -> None:
    """The five lines of the source, and its filter = input − output + 1."""
    worked = {row.name: derivation.lines(row)[-1].worked for row in solution.rows if row.params}
    assert worked == {
        "Conv2d-1": "6 × (1 × 5² + 1) = 156",
        "Conv2d-4": "16 × (6 × 5² + 1) = 2 416",
        "Conv2d-7": "120 × (16 × 5² + 1) = 48 120",
        "Linear-9": "84 × (120 + 1) = 10 164",
        "Linear-11": "10 × (84 + 1) = 850",
    }
    assert solution.rows[0].derivation.splitlines() == [
        "Conv2d-1: 1×32×32 → 6×28×28   kernel 5×5, stride 1, padding 0",
        "  output = ⌊(I − K + 2 × P)/S⌋ + 1 = (32 − 5 + 2 × 0) + 1 = 28",
        "  so K = I − O + 2 × P + 1 = 32 − 28 + 2 × 0 + 1 = 5",
        "  parameters = C_out × (C_in/G × K_h × K_w + b) = 6 × (1 × 5² + 1) = 156",
    ]
    assert "parameters: 156 + 2 416 + 48 120 + 10 164 + 850 = 61 706" in str(solution)


def test_every_number_of_a_line_is_the_formulas_own(solution: Solution) -> None:
    for row in solution.rows:
        for line in derivation.lines(row):
            if line.what == "size":
                assert line.formula.number in row.output_shape[1:]
            elif line.what == "kernel":
                assert line.formula.number in row.hyperparameters["kernel"]  # type: ignore[operator]
            else:
                assert line.formula.number == row.params


def test_json_holds_everything(solution: Solution) -> None:
    found = json.loads(derivation.to_json(solution))
    assert (found["schema_version"], found["total_params"]) == ("1.0", 61706)
    assert sum(row["params"] for row in found["rows"]) == 61706
    assert found["rows"][0]["hyperparameters"]["kernel"] == [5, 5]
    assert found["rows"][0]["derivation"][-1]["worked"] == "6 × (1 × 5² + 1) = 156"
    assert found["ambiguous"] == ["MaxPool2d-3", "MaxPool2d-6"]
    assert found["rows"][2]["decided_by"] == {"fact": "kernel", "leaves": 1}


def test_markdown_has_latex(solution: Solution) -> None:
    printed = derivation.markdown(solution)
    assert r"= 6 \times (1 \times 5^{2} + 1) = 156$" in printed
    assert r"C_{\mathrm{out}} \times (C_{\mathrm{in}}/G" in printed
    assert "= 61\\,706$" in printed
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(solution.rows)
    assert all(line.replace(r"\|", "").count("|") == 6 for line in rows)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_html_is_one_page_and_escapes_the_tables_words(solution: Solution) -> None:
    page = Tags()
    page.feed(derivation.html(solution))
    assert page.open == []
    assert page.seen.count("tr") == 1 + len(solution.rows)
    assert "6 × (1 × 5² + 1) = 156" in page.words
    evil = Table((PrintedRow(1, "", "<script>alert(1)</script>", "activation", output_shape=(3,)),), "markdown")
    assert "<script>" not in derivation.html(solve(evil, (3,)))


@pytest.mark.parametrize(
    ("kind", "size", "output", "given", "worked"),
    [
        # ⌊(27 − 1·(2 − 1) − 1 + 0 + 2 − 1)/2⌋ + 1 = ⌊26/2⌋ + 1 = 14
        ("max_pool", 27, 14, {"kernel": 2, "stride": 2, "ceil_mode": True}, "= 14"),
        # (14 − 1)·2 − 0 + 1·(2 − 1) + 0 + 1 = 28
        ("conv_transpose", 14, 28, {"kernel": 2, "stride": 2}, "(14 − 1) × 2 − 2 × 0 + 1 × (2 − 1) + 0 + 1 = 28"),
        # ⌊(16 − 2·(3 − 1) − 1 + 2·2)/1⌋ + 1 = 15 + 1
        ("conv", 16, 16, {"kernel": 3, "dilation": 2, "stride": 1}, "(16 − 2 × (3 − 1) − 1 + 2 × 2) + 1 = 16"),
    ],
)
def test_other_windows_state_their_own_formula(
    kind: str, size: int, output: int, given: dict[str, object], worked: str
) -> None:
    table = Table((PrintedRow(1, "", "x", kind, output_shape=(4, output, output)),), "markdown")
    (row,) = solve(table, (4, size, size), rows={"x": given}).rows
    assert derivation.lines(row)[0].worked.endswith(worked)


def test_axes_that_differ_are_named() -> None:
    table = Table((PrintedRow(1, "", "x", "conv", output_shape=(4, 8, 6)),), "markdown")
    (row,) = solve(table, (4, 8, 8), stride=1, padding=0).rows
    assert [line.axis for line in derivation.lines(row) if line.what == "size"] == ["height", "width"]
