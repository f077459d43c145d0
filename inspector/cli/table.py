"""``inspector table``: read a printed table, solve it, show the work; build and verify, or hold against a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.question import guarded
from inspector.cli.shapes import parse_input
from inspector.cli.target import build as build_target
from inspector.cli.target import find_target, near_files, parse_arguments
from inspector.cli.users_code import users_code
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from inspector.tables import Conventions, Solution, Table

#: Of the built model and of the target: with two examples, batch normalization runs in training too.
_BATCH = 2


@click.command()
@click.argument("file")
@click.option("--input", "size", metavar="SHAPE", help="Input of the network without the batch: 1,32,32.")
@click.option("--kernel", metavar="K", help="Kernel of every convolution that prints none: 3, or 3,5.")
@click.option("--stride", metavar="S", help="Stride of every convolution that prints none.")
@click.option("--padding", metavar="P", help="Padding of every convolution that prints none: a number, same or valid.")
@click.option("--dilation", metavar="D", help="Dilation of every convolution that prints none.")
@click.option("--groups", type=click.IntRange(min=1), metavar="G", help="Groups of every convolution that prints none.")
@click.option("--bias/--no-bias", default=None, help="Bias of every convolution and linear layer that prints none.")
@click.option(
    "--row",
    "each",
    multiple=True,
    metavar="NAME:K=V;...",
    help="For one row, class or kind: max_pool:stride=2;padding=0.",
)
@click.option("--param-total", type=click.IntRange(min=0), metavar="N", help="Parameters of the whole, where known.")
@click.option("--bounds", metavar="K=V,...", help="Search further: kernel=31,stride=8,padding=15,dilation=4.")
@click.option("--wide", is_flag=True, help="Search dilation, groups, ceil_mode and bias for every row.")
@click.option(
    "--assume",
    multiple=True,
    metavar="K=V",
    help="What blocks leave to the paper's text: classes=1000, growth=32, patch=16, squeeze=4, norms=false, "
    "blocks=residual or chain.",
)
@click.option("--column", metavar="HEADING", help="Which network, where the table prints several side by side.")
@click.option("--build", "written", metavar="FILE.py", help="Write the model as Python source.")
@click.option("--name", default="Network", help="Class name in that file.", show_default=True)
@click.option(
    "--verify", "verified", is_flag=True, help="Build the model, verify it, and hold every printed row against it."
)
@click.option(
    "--against", metavar="TARGET", help="Say which printed rows this model breaks: module:attr or file.py:attr."
)
@click.option(
    "--arg", "arguments", metavar="K=V", multiple=True, help="Argument of TARGET's class or factory: a literal."
)
@guarded
@in_forms(
    json="Solution and derivation as JSON.",
    markdown="Derivation as Markdown with LaTeX formulas.",
    html="Derivation as one page.",
    csv="One record for each row: what was found, and its parameters.",
)
def table(file: str, form: str | None, **options: Any) -> None:
    """Solve the printed table in FILE (- for standard input): hyperparameters, parameters, the work shown.

    Reads torchsummary, torchinfo, Keras, print(model), Markdown, LaTeX, CSV and HTML. Exits with 1 where the table
    contradicts itself, its total or the model, and with 2 where the question cannot be put.
    """
    from inspector.tables import Contradiction, read

    _asked_together(options, form)
    found = read(_text(file), column=options["column"])
    if options["against"]:
        pairs, agrees = _against(found, options)
        screen.answer(pairs)
        sys.exit(0 if agrees else 1)
    try:
        solution = _solved(found, options)
    except Contradiction as error:
        screen.complain(f"error: {error}")
        sys.exit(1)
    answer = [_printed(solution, form)]
    agrees = True
    if options["written"]:
        _write(options["written"], solution.source(options["name"]))
    if options["verified"]:
        said, agrees = _verified(found, solution, options["name"])
        if form is None:
            answer.append(said)
        else:
            screen.complain(said)
    screen.answer("\n\n".join(answer))
    if not agrees:
        sys.exit(1)


def _asked_together(options: dict[str, Any], form: str | None) -> None:
    """Refuse options that would be passed over in silence."""
    if not options["against"]:
        if options["arguments"]:
            raise InspectionError("--arg is for the model of --against; the table's own facts are --stride, --row, ...")
        return
    if form is not None:
        raise InspectionError(f"--against answers as text: leave out --{form}")
    solving = ("kernel", "stride", "padding", "dilation", "groups", "bias", "bounds")
    given = [name for name in solving if options[name] is not None]
    more = {"wide": "wide", "each": "row", "written": "build", "verified": "verify"}
    given += [option for name, option in more.items() if options[name]]
    if given:
        raise InspectionError(
            f"--against holds the printed rows beside the model and solves nothing: leave out --{', --'.join(given)}"
        )


def _text(file: str) -> Any:
    if file == "-":
        return sys.stdin.read() + "\n"
    if Path(file).is_dir():
        raise InspectionError(f"{file} is a folder; give the file that holds the table, or - for standard input")
    if not Path(file).exists():
        raise InspectionError(f"there is no file {file}. {near_files(Path(file))}".rstrip())
    return Path(file)


def _solved(found: Table, options: dict[str, Any]) -> Solution:
    from inspector.tables import solve

    return solve(
        found,
        _size(options["size"]),
        **{name: _value(name, options[name]) for name in ("kernel", "stride", "padding", "dilation")},
        groups=options["groups"],
        bias=options["bias"],
        param_total=options["param_total"],
        rows=dict(_row(text) for text in options["each"]),
        bounds=_bounds(options["bounds"], wide=options["wide"]),
        conventions=_conventions(options["assume"]),
    )


def _conventions(given: Sequence[str]) -> Conventions:
    from inspector.tables import Conventions
    from inspector.tables.composites.conventions import KNOWN

    truths = {"true": True, "false": False}
    values: dict[str, Any] = {
        name: truths.get(value.lower(), value) if isinstance(value, str) else value
        for name, value in parse_arguments(given, "--assume").items()
    }
    for name in values:
        if name not in KNOWN:
            raise InspectionError(f"--assume {name}: known are {', '.join(KNOWN)}")
    return Conventions(**values)


def _size(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    sizes = parse_input(text).sizes
    numbers = tuple(size for size in sizes if isinstance(size, int))
    if len(numbers) != len(sizes):
        raise InspectionError(f"--input {text!r}: a table is solved for numbers, without the batch: 1,32,32")
    return numbers


def _value(name: str, text: str | None) -> Any:
    if text is None or (name == "padding" and text in ("same", "valid")):
        return text
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise InspectionError(f"{name} {text!r} is no number, nor one for each axis such as 3,5") from None


def _row(text: str) -> tuple[str, dict[str, Any]]:
    name, colon, rest = text.rpartition(":")
    if not colon or not name:
        raise InspectionError(f"--row {text!r} must be NAME:K=V, such as MaxPool2d-3:kernel=2;stride=2")
    values: dict[str, Any] = {}
    for key, value in parse_arguments((part for part in rest.split(";") if part), "--row").items():
        values[key] = tuple(value) if isinstance(value, list) else value
    return name, values


def _bounds(text: str | None, *, wide: bool) -> Any:
    from inspector.tables import Bounds

    given = parse_arguments((part for part in (text or "").split(",") if part), "--bounds")
    try:
        return Bounds(**given, wide=wide)
    except TypeError:
        raise InspectionError(f"--bounds {text!r}: known are kernel, stride, padding, dilation and states") from None


def _printed(solution: Solution, form: str | None) -> str:
    from inspector.tables import derivation

    if form is None:
        return derivation.text(solution)
    forms = {
        "json": derivation.to_json,
        "markdown": derivation.markdown,
        "html": derivation.html,
        "csv": derivation.spreadsheet,
    }
    return forms[form](solution)


def _write(file: str, source: str) -> None:
    try:
        Path(file).write_text(source, encoding="utf-8")
    except OSError as error:
        raise InspectionError(f"--build {file}: cannot be written: {error.strerror}") from None


def _verified(found: Table, solution: Solution, name: str) -> tuple[str, bool]:
    """The verdicts on the built model, and whether all agrees: the witnesses, and every printed shape and count."""
    from inspector.tables import build
    from inspector.tables.alignment import align, text
    from inspector.tables.beside import model_layers, printed_layers
    from inspector.verify import verify

    model = build(solution, name)
    verification = verify(model, (_BATCH, *solution.input_shape), input_dtypes=_dtypes(found))
    printed = printed_layers((row.row, row.output_shape) for row in solution.rows if row.kind != "container")
    pairs = align(printed, model_layers(verification.prediction))
    broken = [pair for pair in pairs if pair.breaks]
    total = solution.asked_total
    count = verification.prediction.total_params + solution.beside
    said = [
        str(verification),
        "",
        f"{len(printed)} printed rows beside the model: " + (text(broken) if broken else "all agree"),
    ]
    if total is not None and total != count:
        said.append(f"total printed {total}, the model has {count}")
    return "\n".join(said), verification.ok and not broken and total in (None, count)


def _against(found: Table, options: dict[str, Any]) -> tuple[str, bool]:
    """The table beside a model of the user's."""
    from inspector.predict import predict
    from inspector.tables.alignment import align, text
    from inspector.tables.beside import leaves, model_layers, printed_depth, printed_layers
    from inspector.tables.composites import written_out
    from inspector.tables.solving.solve import input_shape_of

    size = input_shape_of(found, _size(options["size"]))
    printed_out = written_out(found, size, _conventions(options["assume"])).table
    with users_code():
        model: nn.Module = build_target(find_target(options["against"]), parse_arguments(options["arguments"]))
        prediction = predict(model, (_BATCH, *size), input_dtypes=_dtypes(found))
    printed = printed_layers((row, row.output_shape) for row in leaves(printed_out) if row.repeat == 1)
    pairs = align(printed, model_layers(prediction, printed_depth(found)))
    said = text(pairs)
    agrees = not any(pair.breaks for pair in pairs)
    total = found.total_params if options["param_total"] is None else options["param_total"]
    if total is not None and total != prediction.total_params:
        said, agrees = f"{said}\ntotal printed {total}, the model has {prediction.total_params}", False
    return said, agrees


def _dtypes(found: Table) -> list[str] | None:
    first = next((row for row in found.rows if row.kind not in ("container", "input")), None)
    return ["int64"] if first is not None and first.kind == "embedding" else None
