"""``inspector verify``: the table, then the witnesses' verdicts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import github, screen
from inspector.cli.alternatives import in_forms
from inspector.cli.question import Question, asks, complain_of_unknown
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from inspector.cli.target import Target
    from inspector.verify import Verification


@click.command()
@asks
@in_forms(
    json="Prediction, checks and witnesses as JSON; its schema is versioned.",
    markdown="Verdicts and table for GitHub.",
)
def verify(form: str | None, **options: Any) -> None:
    """Hold the prediction of TARGET against PyTorch's execution, PyTorch's own counter, torchinfo and its tensors.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a model, its class or a factory. Sizes alone
    run on the meta device; real data (--input-file), or any input with --device, run for real. Exits with 1 where a
    witness contradicts the prediction.
    """
    question = Question(**options)
    target: Target | None = None
    try:
        with question.asked():
            target = question.find()
            verification = _verify(question, target)
        answer = _printed(verification, question, form)
    except InspectionError as error:
        if github.on_github():
            github.annotate([str(error)], target)
        raise
    screen.answer(answer)
    if github.on_github():
        from inspector.report.verification import difference_lines

        differences = [
            "\n".join(line.strip() for line in difference_lines(check)) for check in verification.differences
        ]
        github.annotate(differences, target)
        github.append_summary(_markdown(verification, question))
    unknown = verification.prediction.unknown_macs
    silent = [check.reference for check in verification.not_counted if check.what == "run"]
    if question.strict and unknown:
        complain_of_unknown(unknown)
    if question.strict and silent:
        screen.complain(f"error: {', '.join(silent)} could not run (--strict)")
    if not verification.ok or (question.strict and (unknown or silent)):
        sys.exit(1)


def _verify(question: Question, target: Target) -> Verification:
    from inspector.verify import verify as verify_model

    model = question.build(target)
    return verify_model(model, device=question.device, **question.keywords(model))


def _printed(verification: Verification, question: Question, form: str | None) -> str:
    from inspector.report import document, table

    if form == "json":
        found = document.verification_document(verification.prediction, verification.checks, verification.measurements)
        return document.to_json(found)
    if form == "markdown":
        return _markdown(verification, question)
    shown = question.shown(verification.prediction)
    width, color = screen.width(sys.stdout), screen.color(sys.stdout)
    printed = table.render(
        shown, width=width, color=color, depth=question.depth, sort=question.sort, expand=question.expand
    )
    return f"{printed}\n\n{_verdicts(verification)}"


def _markdown(verification: Verification, question: Question) -> str:
    from inspector.report import markdown

    shown = question.shown(verification.prediction)
    printed = markdown.render(shown, depth=question.depth, sort=question.sort, expand=question.expand)
    return f"```text\n{_verdicts(verification)}\n```\n\n{printed}"


def _verdicts(verification: Verification) -> str:
    """The verdicts without notes, which stand under the table already."""
    from inspector.report.verification import verification_text

    return verification_text(
        verification.prediction.model_name, verification.checks, verification.measurements, notes=()
    )
