"""What each tool says of a model, and whether that is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from benchmarks.peers import COUNTER, INSPECTOR, Figures, Peer
from benchmarks.subjects import Subject
from benchmarks.timing import time_limit

#: A tool that cannot ask the meta device gets the model for real, where parameters take no more than this.
REAL_BYTES = 4 * 2**30
#: A figure this near is called near.
NEAR = 0.02


@dataclass(frozen=True)
class Answer:
    """One tool's word on one model.

    Attributes:
        figures: its totals; None where it has none to give.
        error: why not.
        device: where the model lived.
        ask: asks again.
        rows: lines of detail.
    """

    figures: Figures | None
    error: str = ""
    device: str = "meta"
    ask: Callable[[], object] | None = None
    rows: int | None = None


def answer(peer: Peer, subject: Subject, limit: float, details: bool = False) -> Answer:
    """Ask on the meta device, and where that fails for real; every call within ``limit`` seconds."""
    model, x = subject.on("meta")
    found = _asked(peer, model, x, limit, details)
    small = sum(p.numel() * p.element_size() for p in model.parameters()) <= REAL_BYTES
    if found.figures is not None or not small:
        return found
    return _asked(peer, *subject.on("cpu"), limit, details)


def _asked(peer: Peer, model: nn.Module, x: Tensor, limit: float, details: bool) -> Answer:
    try:
        with time_limit(limit):
            figures = peer.figures(model, x)
        with time_limit(limit):
            rows = peer.rows(model, x) if details and peer.rows is not None else None
    except Exception as error:
        words = str(error).strip().splitlines() or [""]
        return Answer(None, f"{type(error).__name__}: {words[0]}"[:200], x.device.type)
    return Answer(figures, "", x.device.type, lambda: peer.figures(model, x), rows)


def truth(answers: dict[str, Answer]) -> int | None:
    """The MACs on which the prediction and PyTorch's counter agree; None where they do not, or one is silent."""
    both = [answers[peer.name].figures for peer in (INSPECTOR, COUNTER)]
    if both[0] is None or both[1] is None or both[0].macs != both[1].macs:
        return None
    return both[0].macs


def deviation(macs: int | None, true: int | None) -> float | None:
    """Share by which a figure is off; 0.0 only where it is exact."""
    return None if macs is None or not true else macs / true - 1


def recorded(found: Answer, true: int | None, params: int) -> dict[str, Any]:
    """For the JSON."""
    entry: dict[str, Any] = {"device": found.device}
    if found.figures is None:
        return {**entry, "error": found.error}
    entry |= {"macs": found.figures.macs, "params": found.figures.params}
    entry["macs_off"] = deviation(found.figures.macs, true)
    if found.figures.params is not None:
        entry["params_exact"] = found.figures.params == params
    return entry if found.rows is None else {**entry, "rows": found.rows}


def zoo_accuracy(
    peers: list[Peer], subjects: list[Subject], limit: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Every tool on every model: the single answers, and how many are exact, near, far and missing."""
    models: dict[str, Any] = {}
    for subject in subjects:
        answers = {peer.name: answer(peer, subject, limit) for peer in peers}
        true = truth(answers)
        params = sum(p.numel() for p in subject.on("meta")[0].parameters())
        entries = {name: recorded(found, true, params) for name, found in answers.items()}
        models[subject.name] = {"macs": true, "params": params, "tools": entries}
        tell(f"{subject.name}: {true} MACs")
    return {"models": models, "tally": {peer.name: _tally(peer.name, models) for peer in peers}}


def _tally(name: str, models: dict[str, Any]) -> dict[str, int]:
    tally = dict.fromkeys(("exact", "near", "far", "failed", "unjudged", "params_exact"), 0)
    for model in models.values():
        entry = model["tools"][name]
        tally["params_exact"] += bool(entry.get("params_exact"))
        if "error" in entry:
            tally["failed"] += 1
        elif entry["macs_off"] is None:
            tally["unjudged"] += 1
        elif entry["macs_off"] == 0:
            tally["exact"] += 1
        else:
            tally["near" if abs(entry["macs_off"]) <= NEAR else "far"] += 1
    return tally
