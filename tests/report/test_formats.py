"""JSON against its schema, Markdown, CSV, HTML and a subtree."""

from __future__ import annotations

import copy
import csv
import io
import json
from html.parser import HTMLParser

import jsonschema
import pytest
import sympy

from inspector.errors import InspectionError
from inspector.records import TensorRecord
from inspector.report import document, markdown, spreadsheet, web
from inspector.report.subtree import subtree

from .conftest import Call, Module, View, linear, relu, view_of


def test_json_holds_to_its_schema(two_layers: View, stack: View) -> None:
    for view in (two_layers, stack):
        found = json.loads(document.to_json(document.document(view)))
        jsonschema.validate(found, document.schema())
        assert found["schema_version"] == document.SCHEMA_VERSION
        assert len(found["rows"]) == len(view.rows)
        assert sum(row["params"] for row in found["rows"]) == found["totals"]["params"]


def test_json_of_symbols_and_unknowns_holds_to_its_schema() -> None:
    N = sympy.Symbol("N", integer=True, positive=True)
    view = view_of(Module("", "Net", (linear("fc", 4, 4, batch=N), Call("opaque", macs=None))))
    found = json.loads(document.to_json(document.document(view)))
    jsonschema.validate(found, document.schema())
    assert found["totals"]["macs"] == "16*N"
    assert found["rows"][1]["macs"] is None
    assert found["totals"]["calls_with_unknown_macs"] == 1
    assert found["rows"][0]["formula"]["worked"] == "N × 4 × 4 = 16*N"


def test_the_schema_is_one_and_refuses_what_it_does_not_know(two_layers: View) -> None:
    jsonschema.Draft202012Validator.check_schema(document.schema())
    for break_it in (
        lambda found: found.update(extra=1),
        lambda found: found["totals"].pop("macs"),
        lambda found: found["rows"][0].update(source="guess"),
        lambda found: found.update(schema_version="0.9"),
        lambda found: found["totals"].update(params=None),
    ):
        broken = copy.deepcopy(document.document(two_layers))
        break_it(broken)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, document.schema())


def test_markdown_is_a_table_of_the_same_lines(stack: View) -> None:
    printed = markdown.render(stack).split("\n")
    table = [line for line in printed if line.startswith("|")]
    assert len(table) == 2 + 5
    assert {line.count(" | ") for line in [table[0], *table[2:]]} == {5}
    assert "layers.0–11 (Block) ×12" in table[4]
    assert "- **MACs**: 416" in printed


def test_markdown_escapes_what_it_would_read_as_markup() -> None:
    view = view_of(Module("", "Net", (linear("a_b", 4, 4), Call("__or__"), Call("x|y"))))
    printed = markdown.render(view)
    assert r"a\_b (Linear)" in printed
    assert r"x\|y" in printed


def test_csv_has_a_record_for_every_line(stack: View) -> None:
    records = list(csv.DictReader(io.StringIO(spreadsheet.render(stack))))
    assert len(records) == 1 + 1 + 12 * 3
    leaves = [record for record in records if record["type"] in ("Linear", "ReLU")]
    assert sum(int(record["params"]) for record in leaves) == stack.total_params
    assert sum(int(record["macs"]) for record in leaves) == stack.total_macs
    assert records[-1]["path"] == "layers.11.act"


def test_csv_leaves_unknown_macs_empty() -> None:
    view = view_of(Module("", "Net", (Call("opaque", macs=None), Call("add"))))
    records = list(csv.DictReader(io.StringIO(spreadsheet.render(view))))
    assert [record["macs"] for record in records] == ["", "", "0"]
    assert [record["function"] for record in records] == ["", "opaque", "add"]


class Tags(HTMLParser):
    """Collects elements and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_well_formed_file_that_loads_nothing(stack: View) -> None:
    page = web.page(stack)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("tr") == 1 + 5
    assert tags.links == []
    assert "script" not in tags.seen
    assert web.fragment(stack) in page


def test_html_escapes_names() -> None:
    view = view_of(Module("", "Net<script>", (relu("a&b"), Call("add"))))
    page = web.page(view)
    assert "<script>" not in page
    assert "a&amp;b" in page


def test_subtree_is_a_prediction_of_its_own(stack: View) -> None:
    weights = tuple(
        TensorRecord((f"layers.{index}.fc.weight",), (4, 4), "float32", 16, 64, True, False, True)
        for index in range(12)
    )
    stack.tensors = weights
    part = subtree(stack, "layers.3")
    assert (part.modules[0].path, part.modules[0].parent, part.modules[0].depth) == ("layers.3", -1, 0)
    assert [module.path for module in part.modules] == ["layers.3", "layers.3.fc", "layers.3.act"]
    assert (part.total_params, part.trainable_params, part.param_bytes, part.total_macs) == (16, 16, 64, 2 * 4 * 4)
    assert part.bytes_by_dtype == {"float32": 64}
    jsonschema.validate(document.document(part), document.schema())


def test_an_unknown_subtree_names_what_is_close(stack: View) -> None:
    with pytest.raises(InspectionError, match=r"no module 'layer.3' was called. Did you mean .*layers\.3"):
        subtree(stack, "layer.3")
