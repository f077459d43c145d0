"""``sharp-minima``: what is gathered, said and drawn, from cells with known numbers."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from inspector.experiments import Config, Result
from inspector.experiments.judge import judge
from inspector.experiments.records import JSON
from inspector.experiments.sharp_minima import _PLACES, _SIDE, SharpMinima


def _values(config: Config, runs: int = 4) -> dict[str, dict[str, JSON]]:
    """The large batch's figures are e times the small one's; its error is larger by 0.01 ± 0.01."""
    found: dict[str, dict[str, JSON]] = {}
    for cell in SharpMinima().cells(config)[: 2 * runs]:
        large, run = cell.arguments["side"] == "large", int(str(cell.arguments["run"]))
        sharp = math.e if large else 1.0
        found[cell.key] = {
            **dict.fromkeys(("top", "trace", "keskar", "keskar-near"), sharp),
            "loss": 0.1,
            "error": 0.2 + large * (0.02 if run % 2 else 0.0),
            "curve": [0.1 + sharp * place**2 for place in _PLACES],
        }
        if run == 0:
            found[cell.key]["plane"] = [0.1 + sharp * (a * a + b * b) for b in _SIDE for a in _SIDE]
        if not large:
            rescaled = {"top-rescaled": 2.0, "keskar-rescaled": 2.0, "block-trace": math.log(16)}
            found[cell.key] |= {"same-function": 0.0, **rescaled}
    return found


def test_what_is_gathered_said_and_drawn() -> None:
    config = Config(quick=True)
    claims, values = SharpMinima().predict(config), _values(config)
    found = SharpMinima().gather(config, values)
    assert set(found) == {claim.name for claim in claims}
    assert found["keskar-near"] == [1.0] * 4
    said = SharpMinima().notes(config, values)
    assert said[0] == "φ at ε = 1e-3: 1/2.718"
    assert "takes about 11 trainings" in said[1]  # (2.8·0.01155/0.01)² = 10.5
    assert "F1 1.23/205.1" in said[2]
    drawn = Figure()
    SharpMinima().draw(drawn, Result("sharp-minima", "", "", config, "", "", judge(claims, found), values, {}))
    assert [axes.get_title() for axes in drawn.axes if "two directions" in axes.get_title()] == [
        "batch 5, two directions",
        "batch 50, two directions",
    ]


def test_the_fault_takes_one_side_for_the_other() -> None:
    config = Config(quick=True, fault="swapped")
    assert SharpMinima().gather(config, _values(config))["top"] == [-1.0] * 4


def test_errors_that_point_the_other_way_are_said() -> None:
    config = Config(quick=True)
    values = _values(config)
    for key, value in values.items():
        value["error"] = 0.2 if key.startswith("large") else 0.3
    assert "not in the claimed direction" in SharpMinima().notes(config, values)[1]
