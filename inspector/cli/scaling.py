"""``torchrun ... -m inspector bench scaling``: a training step on several devices."""

from __future__ import annotations

import os
from typing import Any

import click

from inspector.cli import screen
from inspector.cli.question import Question, asks_to_time_a_model
from inspector.errors import InspectionError


@click.command()
@asks_to_time_a_model
@click.option("--rounds", type=click.IntRange(min=4), default=15, show_default=True, metavar="N")
def scaling(rounds: int, **options: Any) -> None:
    """Time a training step of TARGET on every process that torchrun started, each with its own batch of --input."""
    if "RANK" not in os.environ:
        raise InspectionError(
            "scaling needs torchrun: torchrun --nproc-per-node=2 -m inspector bench scaling TARGET --input SHAPE"
        )
    import torch.distributed as dist

    from inspector.bench.scaling import scaling as measure
    from inspector.report.benchmark import duration

    question = Question(**options)
    with question.asked():
        model = question.build(question.find())
        keywords = question.keywords(model)
        del keywords["mode"]
        device = question.device or "cpu"
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
        try:
            found = measure(model, device=device, rounds=rounds, **keywords)
            first = dist.get_rank() == 0
        finally:
            dist.destroy_process_group()
    if not first:
        return
    ratio, (low, high) = found.efficiency
    for name, timing in (
        ("alone", found.alone),
        (f"{found.processes} together", found.together),
        ("with exchange", found.exchanging),
    ):
        ends = " to ".join(map(duration, timing.interval))
        screen.answer(f"{name:<14} {duration(timing.p50):>10} ({ends}){', noisy' if timing.noisy else ''}")
    screen.answer(f"{'efficiency':<14} {ratio:>9.1%}  ({low:.1%} to {high:.1%}) of {found.processes} times the speed")
