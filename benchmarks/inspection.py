"""Time, memory and accuracy of a prediction beside its peers.

``python -m benchmarks.inspection [--quick] [--out DIR]`` writes ``inspection.json`` into the folder, and without
--quick the tables of benchmarks/README.md and README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from pathlib import Path
from typing import Any

from benchmarks import growth, machine, memory
from benchmarks.accuracy import Answer, answer, recorded, truth, zoo_accuracy
from benchmarks.peers import INSPECTOR, PEERS, Peer
from benchmarks.subjects import SUBJECTS, Subject, zoo
from benchmarks.table import write_overview, write_tables
from benchmarks.timing import interleaved, spread

HERE = Path(__file__).parent


def measure(subject: Subject, peers: list[Peer], rounds: int, limit: float) -> dict[str, Any]:
    """Figures, times and memory of every tool on one model, each tool with a model of its own."""
    answers = {peer.name: answer(peer, subject, limit, details=True) for peer in peers}
    true = truth(answers)
    params = sum(p.numel() for p in subject.on("meta")[0].parameters())
    tools = {name: recorded(found, true, params) for name, found in answers.items()}
    for name, times in _times(answers, rounds).items():
        tools[name] |= times
    if memory.available():
        for name, found in answers.items():
            if found.device == "meta" and found.figures is not None:
                tools[name]["memory"] = memory.peak(subject.name, name, 5 * limit)
    return {"input": list(subject.input_size), "target": subject.target, "macs": true, "params": params, "tools": tools}


def _times(answers: dict[str, Answer], rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of every tool that answers; its ratio to ours, of the medians and round by round."""
    samples = interleaved({name: found.ask for name, found in answers.items() if found.ask is not None}, rounds)
    ours = samples.get(INSPECTOR.name)
    found: dict[str, dict[str, Any]] = {}
    for name, values in samples.items():
        found[name] = {"seconds": spread(values)._asdict()}
        if ours is not None:
            found[name]["times_ours"] = statistics.median(values) / statistics.median(ours)
            pairs = [theirs / mine for theirs, mine in zip(values, ours, strict=True)]
            found[name]["times_ours_by_round"] = spread(pairs)._asdict()
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inspection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and models, to see that all of it works")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR", help="for inspection.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # what the peers and old formats warn of is not our subject

    rounds, limit = (3, 20.0) if options.quick else (15, 60.0)
    peers = [peer for peer in PEERS if peer.installed]
    report: dict[str, Any] = {
        "schema_version": 1,
        "machine": machine.machine(),
        "versions": machine.versions(peers),
        "rounds": rounds,
        "tools": {peer.name: {"distribution": peer.distribution, "unit": peer.unit} for peer in peers},
        "subjects": {},
    }
    for subject in SUBJECTS[-2:] if options.quick else SUBJECTS:
        report["subjects"][subject.name] = measured = measure(subject, peers, rounds, limit)
        print(subject.name, *(_line(name, entry) for name, entry in measured["tools"].items()), sep="\n  ", flush=True)
    report["growth"] = growth.growth([10, 100] if options.quick else [10, 30, 100, 300, 1000], rounds)
    print("growth", report["growth"], flush=True)
    models = zoo()[::20] if options.quick else zoo()
    report["zoo"] = zoo_accuracy(peers, models, limit, lambda line: print(line, flush=True))
    print("zoo", report["zoo"]["tally"])

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "inspection.json").write_text(json.dumps(report, indent=1) + "\n")
    if not options.quick:
        write_tables(HERE / "README.md", report)
        write_overview(HERE.parent / "README.md", report)


def _line(name: str, entry: dict[str, Any]) -> str:
    if "error" in entry:
        return f"{name}: {entry['error']}"
    milliseconds, ratio = entry["seconds"]["median"] * 1e3, entry.get("times_ours", 1)
    return f"{name}: {milliseconds:.1f} ms, {ratio:.1f} × ours, {entry['macs']} MACs"


if __name__ == "__main__":
    main()
