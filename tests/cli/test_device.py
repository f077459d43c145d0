"""``inspector device``: figures, JSON, and devices that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.bench.records import Ceilings
from inspector.cli import main


def device(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["device", *arguments], catch_exceptions=False)


def test_figures_and_json_and_nothing_is_kept_of_a_quick_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    printed = device("--quick")
    assert printed.exit_code == 0
    assert "TFLOP/s" in printed.stdout
    assert "Launch" in printed.stdout
    found = Ceilings.from_json(json.loads(device("--quick", "--json").stdout))
    assert found.peaks["float32"] > 0
    assert all(speed > 0 for _, speed in found.streams)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99", ""])
def test_no_such_device(name: str) -> None:
    refused = device("--device", name)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.stderr
    assert "--device" in refused.stderr
