"""``inspector batch-size``: which batch size, or which normalization, for one's own model, loss and data."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.files import read_inputs
from inspector.cli.question import Question, guarded
from inspector.cli.shapes import parse_input
from inspector.cli.target import described, find_target
from inspector.errors import InspectionError
from inspector.formula import format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from inspector.experiments.advice import Samples
    from inspector.experiments.recommendation import Advice

_LOSSES = {
    "cross_entropy": "cross_entropy",
    "bce": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
    "l1": "l1_loss",
    "nll": "nll_loss",
}
#: Those whose labels are numbers of classes.
_OF_CLASSES = ("cross_entropy", "nll")
_INPUTS, _LABELS = ("images", "x", "X", "inputs", "data", "x_train"), ("labels", "y", "Y", "targets", "y_train")
#: How many samples stand in where no data are given.
_RANDOM = 256


@click.command("batch-size")
@click.argument("target")
@click.option("--arg", "arguments", metavar="K=V", multiple=True, help="Argument of the class or factory: a literal.")
@click.option("--input", "size", metavar="SHAPE", help="Of one sample, without the batch: 3,32,32.")
@click.option("--data", metavar="FILE", help="Samples and labels: .npz, .pt, .safetensors, IDX, a folder of images.")
@click.option(
    "--loss",
    default="cross_entropy",
    show_default=True,
    metavar="NAME|TARGET",
    help=f"{', '.join(_LOSSES)}; or file.py:function of output and labels.",
)
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda, ...")
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and draws.")
@click.option(
    "--tolerance", type=click.FloatRange(0, 1, min_open=True), help="Share of σ a batch's mean may scatter by."
)
@click.option("--most", type=click.IntRange(min=2), default=8192, show_default=True, help="Largest batch to time.")
@click.option(
    "--updates", type=click.IntRange(min=0), default=100, show_default=True, help="Of training on a copy first."
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Give up after this.")
@guarded
@in_forms(
    json="Everything as JSON.",
    markdown="Tables for GitHub.",
)
def batch_size(
    form: str | None,
    size: str | None,
    data: str | None,
    loss: str,
    device: str,
    seed: int,
    tolerance: float | None,
    most: int,
    updates: int,
    **asked: Any,
) -> None:
    """Recommend a batch size, or another normalization, for TARGET; each figure with interval and evidence.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a model, its class or a factory. Measured on
    copies of it: the smallest batch that its batch normalization bears, layer by layer, the noise of its gradient, the
    time of an update, and what helps where the batch must stay small. Without --data only times and memory are real.
    """
    question = Question(inputs=(), input_file=None, device=None, rules=(), **asked)
    with question.asked():
        advice = _advice(question, size, data, loss, device, seed, tolerance, most, updates)
    screen.answer(_printed(advice, form))


def _advice(
    question: Question,
    size: str | None,
    data: str | None,
    loss: str,
    device: str,
    seed: int,
    tolerance: float | None,
    most: int,
    updates: int,
) -> Advice:
    import torch

    from inspector.experiments.advice import advise
    from inspector.experiments.environment import usable
    from inspector.experiments.layer_needs import TOLERANCE

    usable(device)
    function = _loss(loss)
    torch.manual_seed(seed)
    model = question.build(question.find())
    samples = _samples(data, size, loss) if data is not None else _random(model, size, loss)
    if loss == "cross_entropy":
        _check_classes(model, samples, data)
    with _progress() as told:
        return advise(
            model,
            samples,
            function,
            loss_name=loss,
            device=device,
            seed=seed,
            tolerance=TOLERANCE if tolerance is None else tolerance,
            most=most,
            updates=updates,
            progress=told,
        )


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on a terminal's standard error that says what is measured."""
    if not sys.stderr.isatty():
        yield lambda _said: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda said: status.update(f"measuring: {said}")


def _loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    if ":" in name:
        found = find_target(name).found
        if not callable(found):
            raise InspectionError(f"--loss {name} is a {type(found).__name__}, not a function of output and labels")
        made: Callable[[Tensor, Tensor], Tensor] = found() if isinstance(found, type) else found
        return made
    if name not in _LOSSES:
        raise InspectionError(f"--loss {name}: expected one of {', '.join(_LOSSES)}, or path/to/file.py:function")
    import torch.nn.functional as F

    function: Callable[[Tensor, Tensor], Tensor] = getattr(F, _LOSSES[name])
    return function


def _sizes(size: str) -> tuple[int, ...]:
    shape = parse_input(size)
    if shape.name or shape.dtype or not all(isinstance(each, int) for each in shape.sizes):
        raise InspectionError(f"--input {size}: expected the sizes of one sample, without the batch, such as 3,32,32")
    return tuple(int(each) for each in shape.sizes)


def _samples(data: str, size: str | None, loss: str) -> Samples:
    """The user's samples; whole numbers from 0 to 255 become shares of 255, and classes whole numbers."""
    import torch

    from inspector.experiments.advice import Samples
    from inspector.experiments.files import read

    path = Path(data)
    if not path.exists():
        raise InspectionError(f"--data {data}: no such file or folder")
    if path.is_dir() or "idx" in path.name:
        x, y = read(path)
    else:
        x, y = _pair(data)
    if len(x) != len(y) or len(x) < 8:
        raise InspectionError(
            f"--data {data}: expected as many labels as samples, 8 or more; got {len(x)} and {len(y)}"
        )
    if not x.is_floating_point():
        x = x.float() / 255 if x.dtype == torch.uint8 else x
    if x.dtype == torch.float64:
        x = x.float()
    if size is not None and tuple(x.shape[1:]) != _sizes(size):
        raise InspectionError(f"--input {size}: the samples of {data} are {', '.join(map(str, x.shape[1:]))}")
    if x.is_floating_point() and not bool(x.isfinite().all()):
        first = int((~x.flatten(1).isfinite()).any(1).nonzero()[0])
        raise InspectionError(f"--data {data}: sample {first} (from 0) holds a number that is not finite")
    y = y.float() if y.is_floating_point() else y.long()
    if loss in _OF_CLASSES and y.is_floating_point() and y.dim() == 1:
        if not bool((y == y.round()).all()):
            raise InspectionError(f"--data {data}: {loss} takes classes, whole numbers from 0, and the labels are not")
        y = y.long()
    return Samples(x, y, True, f"{format_count(len(x))} samples of {path.name}")


def _pair(data: str) -> tuple[Tensor, Tensor]:
    """Samples and labels of a file of tensors."""
    try:
        found = read_inputs(data)
    except InspectionError as error:  # that names the option which other commands read files by
        raise InspectionError(str(error).replace("--input-file", "--data", 1)) from error
    if isinstance(found, tuple) and len(found) == 2:
        return found[0], found[1]
    if isinstance(found, dict):
        x, y = (next((found[name] for name in names if name in found), None) for names in (_INPUTS, _LABELS))
        if x is not None and y is not None:
            return x, y
        held = ", ".join(found)
    else:
        held = described(found)
    raise InspectionError(
        f"--data {data}: expected samples ({', '.join(_INPUTS)}) and labels ({', '.join(_LABELS)}), it holds {held}"
    )


def _random(model: nn.Module, size: str | None, loss: str) -> Samples:
    """Numbers of the right shapes, with which times and memory are what they are with data."""
    import torch

    from inspector.experiments.advice import Samples
    from inspector.predict import predict

    if size is None:
        raise InspectionError("give --data FILE with samples and labels, or --input SHAPE of one sample: 3,32,32")
    x = torch.randn(_RANDOM, *_sizes(size))
    output = predict(model, (2, *_sizes(size))).modules[0].output_shapes[0]
    if loss in _OF_CLASSES:
        y = torch.randint(int(output[1]), (_RANDOM, *map(int, output[2:])))
    else:
        y = torch.rand(_RANDOM, *map(int, output[1:]))
    return Samples(x, y, False, "random numbers in place of data")


def _check_classes(model: nn.Module, samples: Samples, data: str | None) -> None:
    """Labels beyond the outputs are said here: on a GPU they would end the process's use of it."""
    from inspector.predict import predict

    if samples.y.is_floating_point():
        return
    output = predict(model, input_data=samples.x[:2]).modules[0].output_shapes[0]
    low, high = int(samples.y.min()), int(samples.y.max())
    if len(output) > 1 and (low < 0 or high >= int(output[1])):
        raise InspectionError(
            f"--data {data}: labels run from {low} to {high}, and the model gives {output[1]} outputs: labels must be "
            f"0 to {int(output[1]) - 1}"
        )


def _printed(advice: Advice, form: str | None) -> str:
    if form == "json":
        import json

        from inspector.experiments.documents import finite

        return json.dumps(finite(advice.to_dict()), ensure_ascii=False, indent=1, allow_nan=False)
    from inspector.experiments.advice_text import markdown, text

    return markdown(advice) if form == "markdown" else text(advice, screen.width(sys.stdout))
