"""``inspector compare``: two models side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.question import Question, complain_of_unknown, guarded, in_mode
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from inspector.comparison import Comparison
    from inspector.prediction import Prediction


@click.command()
@click.argument("target_a")
@click.argument("target_b")
@click.option("--arg", "arguments", metavar="K=V", multiple=True, help="Argument of both classes or factories.")
@click.option("--arg-a", "arguments_a", metavar="K=V", multiple=True, help="Argument of the first alone.")
@click.option("--arg-b", "arguments_b", metavar="K=V", multiple=True, help="Argument of the second alone.")
@click.option(
    "--input",
    "inputs",
    metavar="[NAME=]SHAPE[:DTYPE]",
    multiple=True,
    help="Input of both, as in summary; N is a name.",
)
@click.option(
    "--input-b", "inputs_b", metavar="[NAME=]SHAPE[:DTYPE]", multiple=True, help="Input of the second, if another."
)
@click.option("--input-file", metavar="FILE", help="Real data for both: .pt, .npz or .safetensors.")
@click.option("--input-file-b", metavar="FILE", help="Real data for the second, if other.")
@click.option("--device", metavar="DEVICE", help="Where to build the models: cpu, cuda, meta.")
@click.option("--rules", metavar="FILE.py", multiple=True, help="Run this file first; it registers rules of your own.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Give each model up after this."
)
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Show N levels of modules.")
@click.option("--expand", is_flag=True, help="Show each of equal parts.")
@click.option("--strict", is_flag=True, help="Exit with 1 where MACs of a call are unknown.")
@guarded
@in_mode
@in_forms(
    json="Everything as JSON; its schema is versioned.",
    markdown="The table for GitHub.",
)
def compare(
    target_a: str,
    target_b: str,
    arguments: tuple[str, ...],
    arguments_a: tuple[str, ...],
    arguments_b: tuple[str, ...],
    inputs: tuple[str, ...],
    inputs_b: tuple[str, ...],
    input_file: str | None,
    input_file_b: str | None,
    mode: Literal["train", "eval"] | None,
    device: str | None,
    rules: tuple[str, ...],
    timeout: float | None,
    depth: int | None,
    expand: bool,
    strict: bool,
    form: str | None,
) -> None:
    """Put TARGET_A and TARGET_B side by side: shapes, parameters and MACs of both, and what differs. Nothing runs.

    Targets are as in summary. Layers are aligned by name, then by what they compute, so that an inserted one shifts
    none of those after it. Exits with 0 where calls, shapes, dtypes, parameters and MACs are the same, with 1 where
    they differ; settings that change none of these, such as a dilation with its padding or a dropout rate, are not
    compared. Unknown MACs cannot be compared; the verdict counts their calls.
    """
    from inspector.comparison import compare as put_side_by_side

    own = bool(inputs_b or input_file_b)  # the second's input replaces the whole of the first's
    asked_of = (
        (target_a, (*arguments, *arguments_a), inputs, input_file),
        (target_b, (*arguments, *arguments_b), inputs_b if own else inputs, input_file_b if own else input_file),
    )
    predictions: list[Prediction] = []
    for target, its_arguments, its_inputs, its_file in asked_of:
        question = Question(
            target=target,
            arguments=its_arguments,
            inputs=its_inputs,
            input_file=its_file,
            mode=mode,
            device=device,
            rules=() if predictions else rules,
            timeout=timeout,
        )
        predictions.append(_predict(question, "B" if predictions else "A"))
    labels = target_a, target_b
    if target_a == target_b:
        labels = f"{target_a} (A)", f"{target_b} (B)"
    found = put_side_by_side(predictions[0], predictions[1], labels=labels)
    screen.answer(_printed(found, form, depth, expand))
    unknown = found.unknown_macs if strict else 0
    if unknown:
        complain_of_unknown(unknown)
    if unknown or not found.same:
        sys.exit(1)


def _predict(question: Question, side: str) -> Prediction:
    from inspector.predict import predict

    try:
        with question.asked():
            _forget_namesakes(question.target)
            model = question.build(question.find())
            return predict(model, **question.keywords(model))
    except InspectionError as error:
        raise type(error)(f"TARGET_{side} {question.target}: {error}", error.partial) from error


def _forget_namesakes(target: str) -> None:
    """Let a file import its own neighbours, also where a file elsewhere has brought modules of the same names.

    Two versions of one project, ``old/net.py`` and ``new/net.py``, both say ``import parts`` and mean another each.
    """
    file = Path(target.partition(":")[0])
    if file.suffix != ".py" or not file.is_file():
        return
    root = file.resolve().parent
    while (root / "__init__.py").is_file():
        root = root.parent
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        origin = getattr(module, "__file__", None)
        if origin is None or top in sys.stdlib_module_names or "site-packages" in origin:
            continue
        here = (root / top).is_dir() or (root / f"{top}.py").is_file()
        if here and not Path(origin).resolve().is_relative_to(root):
            del sys.modules[name]
    if str(root) in sys.path:
        sys.path.remove(str(root))  # it is put first again when the file is loaded


def _printed(comparison: Comparison, form: str | None, depth: int | None, expand: bool) -> str:
    from inspector.report import comparison as report
    from inspector.report.document import to_json

    if form == "json":
        return to_json(report.document(comparison))
    if form == "markdown":
        return report.markdown(comparison, depth=depth, expand=expand)
    width, color = screen.width(sys.stdout), screen.color(sys.stdout)
    return report.render(comparison, width=width, color=color, depth=depth, expand=expand)
