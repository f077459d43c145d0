"""``inspector experiment``: predict how a training behaves, measure it, judge."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.entry import INTERRUPTED
from inspector.cli.question import guarded
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from inspector.experiments.records import Result

_HELP = """Predict how a training behaves, measure it, and judge the prediction.

\b
inspector experiment list
inspector experiment outliers --quick
inspector experiment batch-statistics --device cuda --seed 0 --out runs/
inspector experiment all --quick --out runs/
inspector experiment data --export mnist.npz

WHAT is the name of an experiment, list, all or data. With --out, predictions, every measured cell, the result and its
figures are kept, and the same command goes on where it was stopped.

Exit codes: 0 pass (or, without --strict, inconclusive), 1 fail, 2 the question could not be put.
"""
#: Of more classes than these the numbers are not listed.
_LISTED = 20


@click.command(help=_HELP)
@click.argument("what")
@click.option(
    "--device", default="cpu", show_default=True, metavar="DEVICE", help="Where to compute: cpu, cuda, cuda:1."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--quick", is_flag=True, help="Small sizes and few replications: all on two CPU cores in minutes.")
@click.option("--out", metavar="DIR", help="Keep records and figures here, and go on from those that are there.")
@click.option("--fault", metavar="NAME", help="Plant this fault; the verdict is then fail. list shows their names.")
@click.option("--control", is_flag=True, help="Compare the same thing with itself; the verdict is then not fail.")
@click.option("--data", metavar="FILE|DIR", help="Images of your own: .npz, IDX, or a folder for each class.")
@click.option(
    "--jobs", type=int, default=1, show_default=True, help="Processes for the cells; on CUDA one for each GPU."
)
@click.option("--scheduler", metavar="ADDRESS", help="Run the cells on the workers of Dask: tcp://host:8786.")
@click.option("--export", metavar="FILE.npz", help="With data: write the images to this file, for another machine.")
@click.option("--strict", is_flag=True, help="Exit with 1 also where a verdict is inconclusive.")
@guarded
@in_forms(
    json="Everything as JSON; of all, one record after the other.",
    markdown="The claims as a table for GitHub.",
)
def experiment(
    what: str, export: str | None, jobs: int, scheduler: str | None, strict: bool, form: str | None, **asked: Any
) -> None:
    """See ``_HELP``."""
    if export is not None and what != "data":
        raise InspectionError("--export belongs to data: inspector experiment data --export mnist.npz")
    if form is not None and (what == "data" or (what == "list" and form != "json")):
        raise InspectionError(f"{what} does not answer so: leave out --{form}")
    if what == "list":
        screen.answer(_listed(form))
        return
    if what == "data":
        screen.answer(_data(asked["data"], export))
        return
    from inspector.experiments.distributed import opened
    from inspector.experiments.environment import rank
    from inspector.experiments.registry import experiment as find
    from inspector.experiments.registry import names

    chosen = names() if what == "all" else [find(what).name]
    if what == "all" and asked["fault"] is not None:
        raise InspectionError("--fault belongs to one experiment: inspector experiment list shows their names")
    speaks = rank() == 0  # under torchrun one process speaks for all
    with opened(jobs, scheduler, asked["device"]) as executor:
        verdicts = _all(chosen, asked, executor, form, speaks)
    if len(chosen) > 1 and speaks and form is None:
        screen.answer(_summary(verdicts))
    found = {verdict for verdict, _ in verdicts.values()}
    if "fail" in found or (strict and "inconclusive" in found):
        sys.exit(1)
    if "not run" in found:
        sys.exit(2)


def _all(
    chosen: list[str], asked: dict[str, Any], executor: Executor | None, form: str | None, speaks: bool
) -> dict[str, tuple[str, float]]:
    """Run one after the other, each printed when it is there: name → verdict and seconds."""
    from inspector.experiments.running import run

    verdicts: dict[str, tuple[str, float]] = {}
    for name in chosen:
        start = time.monotonic()
        try:
            with _progress(name, speaks) as progress:
                result = run(name, executor=executor, progress=progress, **asked)
        except InspectionError as error:
            if len(chosen) == 1:
                raise
            screen.complain(f"error: {name}: {error}")
            verdicts[name] = "not run", time.monotonic() - start
            continue
        except KeyboardInterrupt:
            kept = "give --out to keep what is measured"
            if asked["out"] is not None:
                kept = f"what was measured is kept in {asked['out']}: run the same again to go on"
            screen.complain(f"{name} was stopped; {kept}")
            sys.exit(INTERRUPTED)
        verdicts[name] = result.verdict, time.monotonic() - start
        if speaks:
            screen.answer(_printed(result, form))
    return verdicts


@contextmanager
def _progress(name: str, speaks: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar with the cells done and the time left, on a standard error that people read."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not (speaks and console.is_terminal):
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[cell]}"),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        task = bars.add_task(name, total=None, cell="")
        yield lambda done, of, key: bars.update(task, completed=done, total=of, cell=key)


def _printed(result: Result, form: str | None) -> str:
    if form == "json":
        return result.to_json()
    if form == "markdown":
        return result.to_markdown()
    from inspector.experiments.documents import to_text

    return to_text(result, screen.width(sys.stdout)) + "\n"


def _summary(verdicts: dict[str, tuple[str, float]]) -> str:
    widest = max(map(len, verdicts))
    lines = [f"{name:<{widest}}  {verdict:<12}  {seconds:6.1f} s" for name, (verdict, seconds) in verdicts.items()]
    return "\n".join(
        [*lines, f"{'all':<{widest}}  {'':<12}  {sum(seconds for _, seconds in verdicts.values()):6.1f} s"]
    )


def _listed(form: str | None) -> str:
    from inspector.experiments.registry import experiment as find
    from inspector.experiments.registry import names
    from inspector.report.columns import wrapped
    from inspector.report.document import to_json

    experiments = {name: find(name) for name in names()}
    if form == "json":
        return to_json(
            {name: {"about": found.about, "faults": dict(found.faults)} for name, found in experiments.items()}
        )
    width = screen.width(sys.stdout)
    lines = []
    for name, found in experiments.items():
        lines += [name, *(f"    {part}" for part in wrapped(found.about, None if width is None else width - 4))]
        lines += [f"    --fault {fault}: {broken}" for fault, broken in found.faults.items()]
        lines.append("")
    return "\n".join(lines)


def _data(data: str | None, export: str | None) -> str:
    from inspector.experiments.data import images, write

    if export is not None:
        return f"{export}: {write(export, data)} images; read them with --data {export}"
    x, y = images(data)
    counts = y.bincount().tolist()
    classes = "classes " + ", ".join(f"{label}: {count}" for label, count in enumerate(counts))
    if len(counts) > _LISTED:
        classes = f"{len(counts)} classes of {min(counts)} to {max(counts)} images"
    return f"{len(x)} images of {x.shape[-2]} × {x.shape[-1]}, {classes}"
