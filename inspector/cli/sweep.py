"""``inspector bench sweep``: a model's time over batch sizes, and where its knee lies."""

from __future__ import annotations

import sys
from typing import Any

import click

from inspector.cli import screen
from inspector.cli.numbers import read_numbers
from inspector.cli.question import Question, asks_to_time_a_model
from inspector.errors import InspectionError


@click.command()
@asks_to_time_a_model
@click.option("--sizes", metavar="N,N,...", help="Batch sizes.  [default: 1,2,4,... as memory and time allow]")
@click.option("--mode", default="eager", show_default=True, help="One of those of bench.")
@click.option("--backward", is_flag=True, help="Time forward and backward.")
@click.option("--samples", type=click.IntRange(min=6), default=30, show_default=True, metavar="N")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, help="In all.")
@click.option("--json", "form", flag_value="json", help="Everything as JSON.")
def sweep(
    sizes: str | None, mode: str, backward: bool, samples: int, seconds: float, form: str | None, **options: Any
) -> None:
    """Time TARGET at many batch sizes; the first axis of every input is the batch, whatever its size there."""
    from inspector.bench.batches import sweep_batches
    from inspector.bench.ceilings import usable
    from inspector.bench.knee import knee_of
    from inspector.report import document
    from inspector.report import sweep as report

    asked = None if sizes is None else _whole(sizes)
    question = Question(**options)
    device = question.device or "cpu"
    usable(device)
    with question.asked():
        model = question.build(question.find())
        keywords = question.keywords(model)
        del keywords["mode"]  # eval, or with --backward train
        found = sweep_batches(
            model,
            sizes=asked,
            device=device,
            mode=mode,
            backward=backward,
            samples=samples,
            seconds=seconds,
            **keywords,
        )
    law, knee = knee_of(found.timings) if len(found.timings) > 1 else (None, None)
    if form == "json":
        screen.answer(document.to_json(report.document(found, law, knee)))
    else:
        screen.answer(report.render(found, law, knee, width=screen.width(sys.stdout), color=screen.color(sys.stdout)))
    if any(timing.stopped for timing in found.timings.values()):
        screen.complain("stopped by ctrl-C: what was measured until then is above")
        sys.exit(2)


def _whole(text: str) -> list[int]:
    """Batch sizes in ascending order."""
    rows = read_numbers(text, "--sizes")
    if len(rows) != 1 or any(value != int(value) or value < 1 for value in rows[0]):
        raise InspectionError(f"--sizes {text!r}: batch sizes are whole numbers from 1, such as 1,8,64")
    return sorted({int(value) for value in rows[0]})
