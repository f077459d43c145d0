"""What ``summary`` and ``verify`` ask in common: the options, and from them the model and its input."""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from inspector.cli import screen
from inspector.cli.alternatives import one_of
from inspector.cli.deadline import deadline
from inspector.cli.files import read_inputs
from inspector.cli.shapes import arrange, parse_input
from inspector.cli.target import Target, build, find_target, load_file, parse_arguments
from inspector.cli.users_code import users_code
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from inspector.report.lines import Sort
    from inspector.report.view import PredictionView

_F = TypeVar("_F", bound="Callable[..., Any]")

#: Which model, and on what input.
_ASKING = (
    click.argument("target"),
    click.option(
        "--arg", "arguments", metavar="K=V", multiple=True, help="Argument of the class or factory: a literal."
    ),
    click.option(
        "--input",
        "inputs",
        metavar="[NAME=]SHAPE[:DTYPE]",
        multiple=True,
        help="1,3,224,224 or tokens=2,16:int64; once for each argument of forward, by position or by name.",
    ),
    click.option(
        "--input-file",
        metavar="FILE",
        help="Real data: .pt, .npz or .safetensors. A dict is keyword arguments, a tuple positional ones.",
    ),
    click.option(
        "--rules", metavar="FILE.py", multiple=True, help="Run this file first; it registers rules of your own."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Give up after this, as soon as Python itself runs: a call that never returns to it is not ended.",
    ),
)
_BUILT_ON = click.option(
    "--device", metavar="DEVICE", help="Where to build (and, in verify, to run) the model: cpu, cuda, meta."
)
_TIMED_ON = click.option("--device", metavar="DEVICE", help="Where to time the model: cpu or cuda.")
#: How to follow it, and what to show of it.
_SHOWING = (
    click.option("--module-path", metavar="PATH", help="Show this module and what is inside it alone."),
    click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Show N levels of modules."),
    click.option(
        "--sort", type=click.Choice(["macs", "params"]), help="List what costs most first instead of the tree."
    ),
    click.option("--expand", is_flag=True, help="Show each of repeated identical blocks."),
    click.option("--strict", is_flag=True, help="Exit with 1 where MACs are unknown or a witness could not run."),
)


def guarded(command: _F) -> _F:
    """An InspectionError of a command becomes exit code 2 and one message on standard error."""

    @functools.wraps(command)
    def runs(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InspectionError as error:
            _explain(error)
        except Exception as error:
            step = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {error}\n  at {step.filename}:{step.lineno}: {step.line}"
            screen.complain(f"error: a fault of inspector itself, please report it: {told}")
        sys.exit(2)  # 1 would say that something differs

    return runs  # type: ignore[return-value]  # functools.wraps keeps the signature that click reads


def asks(command: _F) -> _F:
    """Give a command the options that say which model, on what input, and how to show it; and guard it."""
    return _with(in_mode(command), (*_ASKING, _BUILT_ON, *_SHOWING))


def in_mode(command: _F) -> _F:
    """Give a command the mode of the model, ``train``, ``eval`` or None for the one that it has."""
    as_it_is = "Follow the model in %s mode.  [default: as it is]"
    return one_of("mode", "modes of one model", train=as_it_is % "training", eval=as_it_is % "evaluation")(command)


def asks_of_a_model(command: _F) -> _F:
    """Give a command the options that say which model, on what input; and guard it."""
    return _with(command, (*_ASKING, _BUILT_ON))


def asks_to_time_a_model(command: _F) -> _F:
    """The same, of a model that is to run where times can be taken."""
    return _with(command, (*_ASKING, _TIMED_ON))


def complain_of_unknown(calls: int) -> None:
    """What --strict says of this many calls of unknown MACs."""
    from inspector.report.text import unknown_macs

    screen.complain(f"error: {unknown_macs(calls)} (--strict)")


def _with(command: _F, options: tuple[Callable[[_F], _F], ...]) -> _F:
    asking = guarded(command)
    for option in reversed(options):
        asking = option(asking)
    return asking


@dataclass(frozen=True)
class Question:
    """A model, its input and how to show the answer."""

    target: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    input_file: str | None
    device: str | None
    rules: tuple[str, ...]
    timeout: float | None
    mode: Literal["train", "eval"] | None = None
    module_path: str | None = None
    depth: int | None = None
    sort: Sort | None = None
    expand: bool = False
    strict: bool = False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """While the user's code runs: not longer than the timeout, its prints to standard error, its exits an error."""
        import inspector.predict  # noqa: F401  PyTorch with it: the clock is for the user's code

        with users_code(), deadline(self.timeout):
            yield

    def shown(self, prediction: PredictionView) -> PredictionView:
        """The whole prediction, or the module that --module-path names."""
        from inspector.report.subtree import subtree

        return prediction if self.module_path is None else subtree(prediction, self.module_path)

    def find(self) -> Target:
        """The target, after the files with rules have run."""
        for file in self.rules:
            load_file(file)
        return find_target(self.target)

    def build(self, target: Target) -> nn.Module:
        """The model, built on the device."""
        import torch

        arguments = parse_arguments(self.arguments)
        try:
            place: Any = torch.device(self.device) if self.device else nullcontext()
            torch.empty(0, device=place if self.device else None)  # raises here, not in the user's first layer
        except (RuntimeError, AssertionError, NotImplementedError) as error:  # as each kind of device says it
            raise InspectionError(
                f"--device {self.device} cannot be used here: {_first_sentence(error)}\n  Without --device, or "
                "with --device meta, nothing of the prediction needs it"
            ) from None
        with place:
            return build(target, arguments)

    def keywords(self, model: nn.Module) -> dict[str, Any]:
        """The input and the mode as keyword arguments of ``predict`` and ``verify``."""
        if self.inputs and self.input_file:
            raise InspectionError("give --input or --input-file, not both")
        if self.input_file:
            return {"input_data": read_inputs(self.input_file), "mode": self.mode}
        parameters = _positional(model)
        if not self.inputs:
            needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
            if needed:
                raise InspectionError(
                    f"forward needs {', '.join(needed)}: give --input SHAPE for each, or --input-file FILE"
                )
            return {"mode": self.mode}
        sizes, dtypes = arrange(
            [parse_input(text, least=0) for text in self.inputs], [parameter.name for parameter in parameters]
        )
        return {"input_size": sizes, "input_dtypes": dtypes, "mode": self.mode}


def _positional(model: nn.Module) -> list[inspect.Parameter]:
    """The positional parameters of forward, as far as Python knows them."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # compiled or written in C
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter for parameter in parameters if parameter.kind in kinds]


def _first_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0]


def _explain(error: InspectionError) -> None:
    """The table up to the call that failed, if there is one, and the message under it."""
    from inspector.report import table

    if error.partial is not None and error.partial.rows:
        width, color = screen.width(sys.stderr), screen.color(sys.stderr)
        screen.complain(table.render(error.partial, width=width, color=color, totals=False))
    screen.complain(f"error: {error}")
