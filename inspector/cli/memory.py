"""``inspector memory``: bytes of a forward and a backward."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms, one_of
from inspector.cli.question import Question, asks_of_a_model

if TYPE_CHECKING:
    from inspector.memory import Memory


@click.command()
@asks_of_a_model
@click.option("--depth", type=click.IntRange(min=0), default=2, show_default=True, help="Show N levels of modules.")
@one_of(
    "mode",
    "modes of one model",
    train="Follow the model in training mode, for inference too.",
    eval="Follow the model in evaluation mode, for training too, as where statistics are frozen.",
)
@in_forms(
    json="Everything as JSON; its schema is versioned.",
    markdown="The table for GitHub.",
    csv="One record for each call of a module.",
)
def memory(depth: int, form: str | None, **options: Any) -> None:
    """Print how many bytes a forward of TARGET takes, what it keeps for the backward, and the peaks of both.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a model, its class or a factory. Nothing runs:
    PyTorch's operations are followed on tensors without data. With --device cuda they are those of the GPU; with
    --device meta not even the parameters take memory.
    """
    question = Question(**options)
    with question.asked():
        found = _followed(question)
    screen.answer(_printed(found, depth, form))


def _followed(question: Question) -> Memory:
    from inspector.memory import memory as follow

    model = question.build(question.find())
    keywords = question.keywords(model)
    device = "cpu" if question.device in (None, "meta") else question.device
    return follow(model, device=device, **keywords)


def _printed(found: Memory, depth: int, form: str | None) -> str:
    from inspector.report import document, memory

    if form == "json":
        return document.to_json(memory.document(found))
    if form == "markdown":
        return memory.markdown(found, depth=depth)
    if form == "csv":
        return memory.spreadsheet(found, depth=depth)
    return memory.render(found, width=screen.width(sys.stdout), color=screen.color(sys.stdout), depth=depth)
