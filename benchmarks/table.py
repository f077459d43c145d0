"""The benchmark's JSON as Markdown tables, put between the markers of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.report.benchmark import duration

#: The model whose time stands in README.
_SHOWN = "resnet152"


def write_between(path: Path, suite: str, written: str) -> None:
    """Replace what stands between the markers of a suite."""
    begin, end = f"<!-- {suite}: written by python -m benchmarks.{suite} -->", f"<!-- {suite}: end -->"
    text = path.read_text()
    before, after = text.index(begin) + len(begin), text.index(end)
    path.write_text(f"{text[:before]}\n{written}\n{text[after:]}")


def write_tables(path: Path, report: dict[str, Any]) -> None:
    """The tables of the inspection."""
    write_between(path, "inspection", tables(report))


def write_overview(path: Path, report: dict[str, Any]) -> None:
    """The few figures of README: accuracy over the zoo, and one model's time."""
    write_between(path, "inspection", overview(report))


def overview(report: dict[str, Any]) -> str:
    """One line for each tool."""
    zoo, subject = report["zoo"], report["subjects"][_SHOWN]
    rows = []
    for tool, tally in zoo["tally"].items():
        seconds = subject["tools"][tool].get("seconds")
        time = "fails" if seconds is None else f"{seconds['median'] * 1e3:.0f} ms"
        rows.append([tool, *(str(tally[key]) for key in ("exact", "near", "far")), _exact_params(report, tool), time])
    head = [
        f"{len(zoo['models'])} classifiers of torchvision",
        "MACs exact",
        "within 2 %",
        "farther",
        "parameters exact",
        f"{_SHOWN} takes",
    ]
    return grid(head, rows)


def tables(report: dict[str, Any]) -> str:
    """Speed, accuracy, memory, the zoo and growth."""
    parts = [_conditions(report), _speed(report), _accuracy(report), _memory(report), _zoo(report), _growth(report)]
    return "\n\n".join(parts)


def grid(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _conditions(report: dict[str, Any]) -> str:
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"{machine['processor']}, cores used: {machine['cores']}, {machine['system']}. Versions: {versions}. "
        f"Medians of {report['rounds']} interleaved rounds."
    )


def _by_subject(title: str, report: dict[str, Any], cell: Callable[[dict[str, Any]], str]) -> str:
    tools = list(report["tools"])
    rows = [[name, *(cell(subject["tools"][tool]) for tool in tools)] for name, subject in report["subjects"].items()]
    return f"{title}\n\n{grid(['', *tools], rows)}"


def _speed(report: dict[str, Any]) -> str:
    def cell(entry: dict[str, Any]) -> str:
        if "seconds" not in entry:
            return "fails"
        where = "" if entry["device"] == "meta" else " (cpu)"
        seconds = entry["seconds"]
        median, low, high = (duration(seconds[name]) for name in ("median", "low", "high"))
        time = f"{median} ({low} to {high})"
        if "times_ours" not in entry or entry["times_ours"] == 1:
            return time
        by_round = entry["times_ours_by_round"]["median"]
        return f"{time}, {entry['times_ours']:.1f}× ({by_round:.1f}× by round){where}"

    return _by_subject("### Time of one answer (quartiles), and how often inspector answers meanwhile", report, cell)


def _accuracy(report: dict[str, Any]) -> str:
    def cell(entry: dict[str, Any]) -> str:
        if "error" in entry:
            return f"fails: {entry['error'].partition(':')[0]}"
        return f"{_off(entry['macs_off'])}; {_params(entry)}; {entry.get('rows', '—')} rows"

    return _by_subject("### MACs, parameters and lines of detail that each states", report, cell)


def _off(share: float | None) -> str:
    if share is None:
        return "MACs unconfirmed"
    return "MACs exact" if share == 0 else f"MACs {share:+.2%}"


def _params(entry: dict[str, Any]) -> str:
    if "params_exact" not in entry:
        return "params —"
    return "params exact" if entry["params_exact"] else "params wrong"


def _memory(report: dict[str, Any]) -> str:
    def cell(entry: dict[str, Any]) -> str:
        found = entry.get("memory")
        return "—" if not found else f"{found['rise_mib']:.1f}"

    return _by_subject(
        "### Rise of memory to its peak during the answer, MiB (meta device, a process each)", report, cell
    )


def _zoo(report: dict[str, Any]) -> str:
    zoo = report["zoo"]
    rows = [
        [tool, *(str(tally[key]) for key in ("exact", "near", "far", "failed")), _exact_params(report, tool)]
        for tool, tally in zoo["tally"].items()
    ]
    head = ["tool", "MACs exact", "within 2 %", "farther", "no answer", "parameters exact"]
    return f"### All {len(zoo['models'])} classifiers of torchvision\n\n{grid(head, rows)}"


def _exact_params(report: dict[str, Any], tool: str) -> str:
    """How often its parameters are exact; a tool that states none has none wrong."""
    states = any("params_exact" in subject["tools"][tool] for subject in report["subjects"].values())
    return str(report["zoo"]["tally"][tool]["params_exact"]) if states else "—"


def _growth(report: dict[str, Any]) -> str:
    growth = report["growth"]
    rows = [
        [name, str(entry["calls"]), f"{entry['seconds'] * 1e3:.1f}", f"{entry['seconds_per_call'] * 1e6:.1f}"]
        for name, entry in growth["blocks"].items()
    ]
    table = grid(["residual blocks", "calls", "ms", "µs per call"], rows)
    return f"### Growth with the number of calls: time ~ calls^{growth['exponent']:.2f}\n\n{table}"
