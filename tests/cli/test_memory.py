"""``inspector memory``: the table, JSON and bad questions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import jsonschema
from click.testing import Result

from inspector.report import document

Run = Callable[..., Result]


def test_the_table_and_its_totals(run: Run) -> None:
    printed = run("memory", "models.lenet:LeNet5", "--input", "2,1,32,32")
    assert printed.exit_code == 0
    assert "Kept for backward" in printed.stdout
    assert "features (Sequential)" in printed.stdout
    assert "Training" in printed.stdout
    shallow = run("memory", "models.lenet:LeNet5", "--input", "2,1,32,32", "--depth", "0")
    assert "features" not in shallow.stdout


def test_a_level_is_a_call_and_not_a_dot_in_the_path(run: Run) -> None:
    """The blocks of a list, which itself is never called, stand beside the stem under the names of summary."""
    shallow = run("memory", "Blocks", "--input", "2,4", "--depth", "1").stdout
    names = [line.partition("  [")[0].rstrip() for line in shallow.splitlines()[2:6]]
    assert names == ["Blocks", "  stem (Linear)", "  blocks.0 (Good)", "  blocks.1 (Good)"]
    assert "    fc (Linear)" in run("memory", "Blocks", "--input", "2,4").stdout
    called = json.loads(run("memory", "Blocks", "--input", "2,4", "--json").stdout)["modules"]
    assert [called[call["parent"]]["path"] for call in called[1:]] == ["", "", "blocks.0", "", "blocks.1"]


def test_json_holds_to_its_schema(run: Run) -> None:
    found = json.loads(run("memory", "models.lenet:LeNet5", "--input", "2,1,32,32", "--json").stdout)
    jsonschema.validate(found, document.schema("memory"))
    whole = found["modules"][0]
    assert found["kept"] == whole["kept"]
    assert found["outputs"]["output"] == whole["output_bytes"]


def test_the_other_forms_hold_the_same_calls(run: Run) -> None:
    asked = ("memory", "models.normalized:LeNetBatchNorm", "--input", "2,1,32,32", "--eval")
    found = json.loads(run(*asked, "--json").stdout)
    assert "both followed in eval mode" in found["notes"]
    records = list(csv.DictReader(io.StringIO(run(*asked, "--csv", "--depth", "9").stdout)))
    assert [(r["path"], int(r["kept"]), int(r["peak"])) for r in records] == [
        (call["path"], call["kept"], call["peak"]) for call in found["modules"]
    ]
    printed = run(*asked, "--markdown", "--depth", "9").stdout
    assert printed.count("\n| ") == len(records)
    assert found["kept"] < json.loads(run(*asked[:-1], "--json").stdout)["kept"]  # the batch's own statistics


def test_the_meta_device_takes_no_memory_and_means_the_same_kernels(run: Run) -> None:
    here, there = (
        json.loads(run("memory", "models.lenet:LeNet5", "--input", "2,1,32,32", "--json", *device).stdout)
        for device in ((), ("--device", "meta"))
    )
    assert here == there


def test_bad_questions_end_with_two(run: Run) -> None:
    for arguments in (
        ("models.lenet:LeNet", "--input", "2,1,32,32"),
        ("models.lenet:LeNet5", "--input", "2,3,32,32"),
        ("models.lenet:LeNet5",),
        ("models.lenet:LeNet5", "--input", "N,1,32,32"),
        ("models.lenet:LeNet5", "--input", "2,1,32,32", "--device", "gpu"),
    ):
        refused = run("memory", *arguments)
        assert refused.exit_code == 2, arguments
        assert refused.stdout == ""
        assert "Traceback" not in refused.stderr
