"""``inspector bench``: a model's time beside its floor; its records compared, drawn and exported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.entry import INTERRUPTED
from inspector.cli.files import writable
from inspector.cli.question import Question, asks_to_time_a_model, guarded
from inspector.cli.scaling import scaling
from inspector.cli.sweep import sweep
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from inspector.bench.comparing import Comparison
    from inspector.bench.records import Record
    from inspector.bench.run import Benchmark


class _Group(click.Group):
    """What is no command's name is a TARGET: ``bench my_net.py:Net`` is ``bench run my_net.py:Net``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


# The character backspace, before a paragraph, keeps click from wrapping it.
_HELP = """Time a model, state the floor that its device sets to it, and say what holds it back.

\b
inspector bench my_net.py:Net --input 64,3,224,224 --device cuda --dtype bfloat16 --mode eager,compile,graph
inspector bench my_net.py:Net --input 8,3,64,64 --save base.json
inspector bench my_net.py:Net --input 8,3,64,64 --baseline base.json --fail-if "p50 > 1.05*baseline"
inspector bench sweep my_net.py:Net --input 1,3,64,64 --device cuda
inspector bench compare base.json now.json
inspector bench history records/*.json --out history.svg
inspector bench export now.json --pytest-benchmark out.json --torch out.pkl
"""


@click.group(cls=_Group, help=_HELP)
def bench() -> None:
    """Run the command, or bench the TARGET, that the arguments name."""


bench.add_command(scaling)
bench.add_command(sweep)


@bench.command()
@asks_to_time_a_model
@click.option("--dtype", metavar="DTYPE", help="Convert parameters and inputs, such as bfloat16.")
@click.option("--mode", "modes", default="eager", show_default=True, help="With commas: eager,compile,graph,...")
@click.option("--backward", is_flag=True, help="Time a training step.")
@click.option("--layers/--no-layers", default=True, help="Time every layer too.")
@click.option("--cold", is_flag=True, help="Empty the caches before each forward.")
@click.option("--samples", type=click.IntRange(min=6), default=30, show_default=True, metavar="N")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True, help="A mode.")
@click.option("--most", type=click.IntRange(min=0), default=30, show_default=True, help="Show N layers.")
@click.option("--save", metavar="FILE.json", help="Keep the records.")
@click.option("--baseline", metavar="FILE.json", help="Compare with the records kept there.")
@click.option("--across", is_flag=True, help="Compare also with another machine's.")
@click.option("--fail-if", "conditions", metavar="CONDITION", multiple=True, help='Exit 1 where "p50 > 1.05*baseline".')
@click.option("--roofline", metavar="FILE.svg", help="Draw every layer under the device's ceilings.")
@click.option("--json", "form", flag_value="json", help="The records as JSON.")
def run(
    dtype: str | None,
    modes: str,
    backward: bool,
    layers: bool,
    cold: bool,
    samples: int,
    seconds: float,
    most: int,
    save: str | None,
    baseline: str | None,
    across: bool,
    conditions: tuple[str, ...],
    roofline: str | None,
    form: str | None,
    **options: Any,
) -> None:
    """Time TARGET; it is package.module:attr or path/to/file.py:attr, a model, its class or a factory."""
    from inspector.bench.baseline import read_records, write_records
    from inspector.bench.condition import read_condition
    from inspector.bench.records import QUANTITIES

    asked = [read_condition(text, QUANTITIES) for text in conditions]
    if baseline is None and any(condition.needs_baseline for condition in asked):
        raise InspectionError("--fail-if names a baseline: give --baseline FILE.json")
    earlier = read_records(baseline) if baseline is not None else ()
    question = Question(**options)
    named = [mode.strip() for mode in modes.split(",") if mode.strip()]
    settings = {
        "dtype": dtype,
        "backward": backward,
        "layers": layers,
        "cold": cold,
        "samples": samples,
        "seconds": seconds,
    }
    with question.asked():
        found, stopped = _measured(question, named, settings)
    records = [one.record for one in found]
    screen.answer(_printed(records, most, form))
    if save is not None:
        with writable(save) as file:
            write_records(file, records)
    if roofline is not None:
        _draw(found[0], roofline)
    held = [_held(record, earlier, across) for record in records] if earlier else []
    for record, (_, comparison) in zip(records, held, strict=False):
        screen.complain(_told(record, comparison))
    failed = False
    for number, record in enumerate(records):
        for condition in asked:
            verdict = condition.decide(record.quantities, held[number][0].quantities if held else None)
            screen.complain(f"{record.mode}: {condition.text}: {verdict}")
            failed |= verdict == "holds"
    if stopped:
        screen.complain("stopped by ctrl-C: what was measured until then is above")
        sys.exit(INTERRUPTED)
    sys.exit(1 if failed else 0)


def _measured(question: Question, modes: list[str], settings: dict[str, Any]) -> tuple[list[Benchmark], bool]:
    """What was measured, and whether ctrl-C stopped it."""
    from inspector.bench.ceilings import usable
    from inspector.bench.modes import MODES
    from inspector.bench.run import bench as measure

    if question.device is not None:
        usable(question.device)
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        raise InspectionError(f"--mode {', '.join(unknown) or 'names none'}; there are {', '.join(MODES)}")
    model = question.build(question.find())
    keywords = question.keywords(model)
    del keywords["mode"]  # eval, or with --backward train
    found: list[Benchmark] = []
    try:
        for mode in modes:
            found.append(measure(model, device=question.device, mode=mode, **settings, **keywords))
            if found[-1].record.timing.stopped:
                return found, True
    except KeyboardInterrupt:
        if not found:
            raise
        return found, True
    return found, False


def _held(record: Record, earlier: tuple[Record, ...], across: bool) -> tuple[Record, Comparison]:
    from inspector.bench.baseline import compare_records, counterpart

    before = counterpart(record, earlier)
    return before, compare_records(before, record, across=across)


def _told(record: Record, found: Comparison) -> str:
    low, high = found.interval
    said = (
        f"{record.model}, {record.mode}: {found.ratio:.3f} × the baseline ({low:.3f} to {high:.3f}): {found.decision}"
    )
    return f"{said}; slowdowns above {found.finds:.1%} are found in 95 of 100 runs{_because(found)}"


def _because(found: Comparison) -> str:
    return f" ({found.reason})" if found.reason else ""


def _draw(found: Benchmark, file: str) -> None:
    from inspector.report.roofline import roofline

    with writable(file) as path:
        path.write_text(roofline(found.record, found.ceilings), encoding="utf-8")


def _printed(records: list[Record], most: int, form: str | None) -> str:
    from inspector.report import benchmark, document

    if form == "json":
        return document.to_json({"records": [record.to_json() for record in records]})
    return benchmark.render(records, width=screen.width(sys.stdout), color=screen.color(sys.stdout), most=most)


@bench.command()
@click.argument("before")
@click.argument("now")
@click.option("--across", is_flag=True, help="Compare also records of different machines.")
@guarded
def compare(before: str, now: str, across: bool) -> None:
    """Hold the records in NOW against those in BEFORE, by their intervals; exit with 1 where one is slower."""
    from inspector.bench.baseline import read_records

    earlier = read_records(before)
    slower = False
    for record in read_records(now):
        _, found = _held(record, earlier, across)
        screen.answer(_told(record, found))
        slower |= found.decision == "slower"
    sys.exit(1 if slower else 0)


@bench.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--out", required=True, metavar="FILE.svg")
@guarded
def history(files: tuple[str, ...], out: str) -> None:
    """Draw the medians of all FILES by date, with their intervals and floors."""
    from inspector.bench.baseline import read_records
    from inspector.report.roofline import history as draw

    drawn = draw([record for file in files for record in read_records(file)])
    with writable(out) as path:
        path.write_text(drawn, encoding="utf-8")


@bench.command()
@click.argument("file")
@click.option("--pytest-benchmark", "as_pytest", metavar="OUT.json", help="As pytest-benchmark writes it.")
@click.option("--torch", "as_torch", metavar="OUT.pkl", help="A pickled list of torch.utils.benchmark.Measurement.")
@guarded
def export(file: str, as_pytest: str | None, as_torch: str | None) -> None:
    """Write the records in FILE for other tools."""
    import json
    import pickle

    from inspector.bench.baseline import read_records
    from inspector.bench.exports import to_pytest_benchmark, to_torch

    if as_pytest is None and as_torch is None:
        raise InspectionError("name a format: --pytest-benchmark OUT.json, --torch OUT.pkl")
    records = read_records(file)
    if as_pytest is not None:
        with writable(as_pytest) as path:
            path.write_text(json.dumps(to_pytest_benchmark(records), indent=1), encoding="utf-8")
    if as_torch is not None:
        with writable(as_torch) as path:
            path.write_bytes(pickle.dumps([to_torch(record) for record in records]))
