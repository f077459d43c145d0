"""``inspector bench``: run, baselines and conditions, compare, history, export, bad questions."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import CliRunner, Result

from inspector.bench import run
from inspector.cli import main
from inspector.report import document
from tests.bench.devices import CEILINGS

Bench = Callable[..., Result]
LENET = ("models.lenet:LeNet5", "--input", "2,1,32,32", "--samples", "6", "--seconds", "0.1")


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Ceilings that nobody waits for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "measured_ceilings", lambda _: CEILINGS)
        yield


@pytest.fixture
def bench(quick: None) -> Bench:
    def runs(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["bench", *arguments], catch_exceptions=False)

    return runs


@pytest.fixture(scope="module")
def base(quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bench") / "base.json"
    made = CliRunner().invoke(main, ["bench", *LENET, "--save", str(file), "--roofline", f"{file}.svg"])
    assert made.exit_code == 0, made.stderr
    return file


def test_saved_records_hold_to_their_schema(base: Path) -> None:
    found = json.loads(base.read_text())
    jsonschema.validate(found, document.schema("benchmark"))
    del found["records"][0]["rows"][0]["lost"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, document.schema("benchmark"))


def altered(base: Path, name: str, **changes: object) -> str:
    """A copy of the baseline with other fields; ``factor`` multiplies its times."""
    found = json.loads(base.read_text())
    record = found["records"][0]
    factor = float(changes.pop("factor", 1.0))
    timing = record["timing"]
    timing["samples"] = [factor * (1 + step / 1000) for step in range(20)]
    timing |= {
        "p50": factor * 1.01,
        "interval": [factor, factor * 1.02],
        "iqr": factor / 100,
        "noisy": False,
        "reason": "",
    }
    record["environment"] |= changes.pop("environment", {})
    record |= changes
    file = base.with_name(name)
    file.write_text(json.dumps(found))
    return str(file)


def test_the_table_and_its_totals(bench: Bench) -> None:
    printed = bench(*LENET, "--most", "3")
    assert printed.exit_code == 0
    assert "Bound by" in printed.stdout
    assert "10 layers with less time lost are not shown" in printed.stdout
    assert "with ideal fusion" in printed.stdout


@pytest.mark.slow
def test_json_modes_and_the_baseline(bench: Bench, base: Path) -> None:
    found = bench(*LENET, "--mode", "eager,channels_last", "--no-layers", "--json")
    printed = json.loads(found.stdout)
    jsonschema.validate(printed, document.schema("benchmark"))
    assert [record["mode"] for record in printed["records"]] == ["eager", "channels_last"]
    held = bench(*LENET, "--no-layers", "--baseline", str(base))
    assert held.exit_code == 0
    assert "× the baseline" in held.stderr
    assert "are found in 95 of 100 runs" in held.stderr


@pytest.mark.slow
def test_conditions_decide_the_exit_code(bench: Bench, base: Path) -> None:
    quicker = altered(base, "quicker.json", factor=1e-9)
    failed = bench(*LENET, "--no-layers", "--baseline", quicker, "--fail-if", "p50 > 1.05*baseline")
    assert failed.exit_code == 1
    assert "p50 > 1.05*baseline: holds" in failed.stderr
    passed = bench(*LENET, "--no-layers", "--fail-if", "efficiency < 0", "--fail-if", "p50 > 1000")
    assert passed.exit_code == 0
    assert passed.stderr.count("does not hold") == 2


def test_compare(bench: Bench, base: Path) -> None:
    one, slow = altered(base, "one.json"), altered(base, "slow.json", factor=1.3)
    assert bench("compare", one, one).exit_code == 0
    found = bench("compare", one, slow)
    assert found.exit_code == 1
    assert "slower" in found.stdout
    assert bench("compare", slow, one).exit_code == 0
    elsewhere = altered(base, "elsewhere.json", environment={"name": "another GPU"})
    refused = bench("compare", one, elsewhere)
    assert refused.exit_code == 2
    assert "another GPU" in refused.stderr
    assert bench("compare", one, elsewhere, "--across").exit_code == 0
    upgraded = bench("compare", one, altered(base, "upgraded.json", environment={"torch": "9.9"}))
    assert upgraded.exit_code == 0
    assert "and 9.9)" in upgraded.stdout, "another version is compared, and told"


def test_figures_are_svg_and_name_every_layer(bench: Bench, base: Path) -> None:
    pytest.importorskip("matplotlib")
    text = Path(f"{base}.svg").read_text()
    ElementTree.fromstring(text)
    assert all(f">{path}<" in text for path in ("features.0", "classifier.3", "features.1"))
    out = base.with_name("history.svg")
    later = altered(base, "later.json", factor=2, environment={"date": "2999-01-01", "revision": "abcdef"})
    assert bench("history", altered(base, "now.json"), later, "--out", str(out)).exit_code == 0
    assert "abcdef" in out.read_text()
    mixed = altered(base, "mixed.json", environment={"driver": "0"})
    assert bench("history", later, mixed, "--out", str(out)).exit_code == 2


def test_exports(bench: Bench, base: Path) -> None:
    as_json, as_pickle = base.with_name("p.json"), base.with_name("t.pkl")
    assert bench("export", str(base), "--pytest-benchmark", str(as_json), "--torch", str(as_pickle)).exit_code == 0
    assert json.loads(as_json.read_text())["benchmarks"][0]["stats"]["median"] > 0
    (measurement,) = pickle.loads(as_pickle.read_bytes())
    assert measurement.median > 0


def test_where_times_are_taken_is_said_rightly(bench: Bench) -> None:
    """The help of summary would promise the meta device, which this command refuses."""
    for command in ("run", "sweep"):
        assert "Where to time the model: cpu or cuda." in " ".join(bench(command, "--help").stdout.split())
    assert bench(*LENET, "--device", "meta").exit_code == 2


def test_ctrl_c_keeps_what_was_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure, calls = run.bench, []

    def interrupted(*args: object, **kwargs: object) -> object:
        calls.append(kwargs["mode"])
        if len(calls) > 1:
            raise KeyboardInterrupt
        return measure(*args, **kwargs)

    monkeypatch.setattr(run, "bench", interrupted)
    file = tmp_path / "kept.json"
    stopped = bench(*LENET, "--mode", "eager,channels_last", "--no-layers", "--save", str(file))
    assert stopped.exit_code == 130
    assert "ctrl-C" in stopped.stderr
    assert len(json.loads(file.read_text())["records"]) == 1


def test_ctrl_c_within_a_mode_begins_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it came while samples were taken, the mode returns with those it has."""
    measure, modes = run.bench, []

    def stopped(*args: object, **kwargs: object) -> object:
        modes.append(kwargs["mode"])
        found = measure(*args, **kwargs)
        timing = dataclasses.replace(found.record.timing, stopped=True)
        return dataclasses.replace(found, record=dataclasses.replace(found.record, timing=timing))

    monkeypatch.setattr(run, "bench", stopped)
    ended = bench(*LENET, "--mode", "eager,channels_last", "--no-layers")
    assert modes == ["eager"]
    assert ended.exit_code == 130
    assert "ctrl-C" in ended.stderr
    assert "Median" in ended.stdout


def test_files_that_cannot_be_written_take_no_figures_with_them(bench: Bench, base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "out")
    kept = bench(*LENET, "--no-layers", "--save", nowhere)
    assert kept.exit_code == 2
    assert f"{nowhere} cannot be written" in kept.stderr
    assert "Median" in kept.stdout
    for arguments in (
        ("export", str(base), "--torch", nowhere),
        ("export", str(base), "--pytest-benchmark", nowhere),
        ("history", str(base), "--out", nowhere),
    ):
        refused = bench(*arguments)
        assert refused.exit_code == 2
        assert "cannot be written" in refused.stderr


def test_what_is_wrong_with_a_question_is_said_before_it_is_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "bench", lambda *_, **__: pytest.fail("measured"))
    for arguments, told in (
        (("--fail-if", "p51 > 3"), "p51"),
        (("--fail-if", "p50 > 1.05*baseline"), "--baseline FILE.json"),
        (("--device", "cuda:99"), "--device cuda:99 cannot be used here"),
        (("--mode", "eager;compile"), "there are eager"),
    ):
        refused = bench(*LENET, *arguments)
        assert refused.exit_code == 2
        assert told in refused.stderr
        assert "nothing of the prediction" not in refused.stderr


def test_bad_questions_end_with_two(bench: Bench, base: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.json"
    junk.write_text('{"records": [{"schema_version": "1.0", "timing": 3}]}')
    for arguments in (
        (*LENET, "--device", "gpu"),
        (*LENET, "--device", "meta"),
        (*LENET, "--mode", "eager,quick"),
        (*LENET, "--mode", ","),
        (*LENET, "--mode", "graph"),
        (*LENET, "--dtype", "float33"),
        (*LENET, "--dtype", "int8"),
        (*LENET, "--fail-if", "p50 > 1.05*baseline"),
        (*LENET, "--fail-if", "__import__('os') > 1"),
        (*LENET, "--baseline", "nowhere.json"),
        (*LENET, "--baseline", str(junk)),
        (*LENET, "--baseline", str(Path(__file__))),
        ("models.lenet:LeNet5", "--input", "2,3,32,32"),
        ("models.lenet:LeNet5", "--input", "N,1,32,32"),
        ("export", str(base)),
        ("compare", str(base), "nowhere.json"),
    ):
        refused = bench(*arguments)
        assert refused.exit_code == 2, (arguments, refused.output)
        assert "Traceback" not in refused.stderr
        assert "a fault of inspector" not in refused.stderr, (arguments, refused.stderr)


@pytest.mark.slow
def test_bad_questions_that_show_when_all_is_measured(bench: Bench, base: Path, tmp_path: Path) -> None:
    for arguments, told in (
        (("--baseline", altered(base, "other.json", model="Other")), "no record of LeNet5"),
        (("--baseline", altered(base, "gpu.json", environment={"name": "a GPU"})), "a GPU"),
        (("--roofline", str(tmp_path / "r.svg")), "no layers to draw"),
    ):
        refused = bench(*LENET, "--no-layers", *arguments)
        assert refused.exit_code == 2
        assert told in refused.stderr
