"""``inspector summary``: the table, without verification."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.question import Question, asks, complain_of_unknown

if TYPE_CHECKING:
    from inspector.prediction import Prediction
    from inspector.report.view import PredictionView


@click.command()
@asks
@in_forms(
    json="Everything as JSON; its schema is versioned.",
    markdown="The table for GitHub.",
    csv="One record for each line.",
    html="One file to attach.",
    svg="A picture.",
)
def summary(form: str | None, **options: Any) -> None:
    """Print shapes, parameters and MACs of TARGET, call by call, with their formulas. Nothing runs.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a model, its class or a factory.
    Sizes may be symbols: --input N,3,H,W.
    """
    question = Question(**options)
    with question.asked():
        prediction = _predict(question)
    screen.answer(_printed(question.shown(prediction), question, form))
    if question.strict and prediction.unknown_macs:
        complain_of_unknown(prediction.unknown_macs)
        sys.exit(1)


def _predict(question: Question) -> Prediction:
    from inspector.predict import predict

    model = question.build(question.find())
    return predict(model, **question.keywords(model))


def _printed(view: PredictionView, question: Question, form: str | None) -> str:
    from inspector.report import document, markdown, spreadsheet, table, web

    depth, sort, expand = question.depth, question.sort, question.expand
    if form == "json":
        return document.to_json(document.document(view))
    if form == "markdown":
        return markdown.render(view, depth=depth, sort=sort, expand=expand)
    if form == "csv":
        return spreadsheet.render(view, depth=depth, sort=sort)
    if form == "html":
        return web.page(view, depth=depth, sort=sort, expand=expand)
    if form == "svg":
        return table.svg(view, depth=depth, sort=sort, expand=expand)
    width, color = screen.width(sys.stdout), screen.color(sys.stdout)
    return table.render(view, width=width, color=color, depth=depth, sort=sort, expand=expand)
