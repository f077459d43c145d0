"""``inspector toeplitz``: a convolution as the matrix it is, step by step."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import screen
from inspector.cli.alternatives import in_forms
from inspector.cli.numbers import read_numbers
from inspector.cli.question import guarded
from inspector.cli.shapes import parse_input
from inspector.cli.target import build, find_target, parse_arguments
from inspector.cli.users_code import users_code
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from torch import Tensor

    from inspector.toeplitz.norms import NormBracket
    from inspector.toeplitz.operator import ConvOperator
    from inspector.toeplitz.paper import Steps

#: The first number changes when a reader of the former version would misread, the second when something is added.
SCHEMA_VERSION = "1.0"
_SIZES = re.compile(r"\s*\d+\s*([,x]\s*\d+\s*)*,?\s*")

_HELP = """Show a convolution as the matrix it is: kernel, flattened input, matrix, product term by term, reshape.

\b
inspector toeplitz --kernel "-1 0 1; -2 0 2; -1 0 1" --input "10 10 0 0; 10 10 0 0; 10 10 0 0; 10 10 0 0"
inspector toeplitz torch.nn:Conv2d --arg in_channels=3 --arg out_channels=8 --arg kernel_size=3 --input 16,16

Give --kernel, or TARGET: a convolution, or with --module-path a model that holds one. --input is the input's numbers
("1 2; 3 4") or, without channels and batch, its size alone (16,16).
"""


@click.command(help=_HELP)
@click.argument("target", required=False)
@click.option("--kernel", metavar="NUMBERS", help="Rows separated by semicolons, numbers by spaces.")
@click.option("--input", "given", metavar="NUMBERS|SIZE", required=True, help="The input's numbers, or its size.")
@click.option("--arg", "arguments", metavar="K=V", multiple=True, help="Argument of TARGET: a literal.")
@click.option("--module-path", metavar="PATH", help="The convolution inside TARGET, such as features.0.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random weights of TARGET.")
@click.option("--stride", metavar="N", help="Of --kernel: one number, or one for each axis (2,1).")
@click.option("--padding", metavar="N", help="One number, one for each axis, pairs, same or valid.")
@click.option("--dilation", metavar="N", help="One number, or one for each axis.")
@click.option("--padding-mode", metavar="MODE", help="zeros, circular, reflect or replicate.")
@click.option("--transposed", is_flag=True, help="A transposed convolution.")
@click.option("--output-padding", metavar="N", help="Of a transposed convolution.")
@click.option("--flip", is_flag=True, help="True convolution: the kernel is turned around.")
@click.option("--bias", type=float, metavar="B", help="Is added to every output.")
@click.option("--norm", is_flag=True, help="Bound the matrix's largest singular value too.")
@click.option("--plot", metavar="FILE.svg", help="Draw the matrix, coloured by tap, with words on hover.")
@guarded
@in_forms(
    json="Everything as JSON.",
    markdown="With LaTeX, for GitHub and notebooks.",
    html="One page with the picture in it.",
)
def toeplitz(form: str | None, plot: str | None, norm: bool, **options: Any) -> None:
    """See ``_HELP``."""
    if plot is not None and not plot.endswith(".svg"):
        raise InspectionError(f"--plot {plot}: the picture is an SVG, give a name that ends in .svg")
    operator, x = _Asked(**options).put()
    from inspector.toeplitz.paper import steps

    found = steps(operator, x)
    bracket = operator.operator_norm() if norm else None
    if plot is not None:
        from inspector.toeplitz.figure import svg

        try:
            Path(plot).write_text(svg(operator), encoding="utf-8")
        except OSError as error:
            raise InspectionError(f"--plot {plot}: {error.strerror}") from error
    screen.answer(_printed(operator, found, bracket, form))
    if found.agrees is False:
        sys.exit(1)


@dataclass(frozen=True)
class _Asked:
    """What the options ask about."""

    target: str | None
    kernel: str | None
    given: str
    arguments: tuple[str, ...]
    module_path: str | None
    seed: int
    stride: str | None
    padding: str | None
    dilation: str | None
    padding_mode: str | None
    transposed: bool
    output_padding: str | None
    flip: bool
    bias: float | None

    def put(self) -> tuple[ConvOperator, Tensor | None]:
        """The operator, and the input where its numbers are given."""
        if (self.target is None) == (self.kernel is None):
            raise InspectionError('give TARGET or --kernel "1 2; 3 4", one of them')
        return self._of_kernel() if self.target is None else self._of_target(self.target)

    def _of_kernel(self) -> tuple[ConvOperator, Tensor | None]:
        import torch

        from inspector.toeplitz.operator import conv_operator

        if self.arguments or self.module_path:
            raise InspectionError("--arg and --module-path belong to TARGET, not to --kernel")
        kernel = torch.tensor(read_numbers(str(self.kernel), "--kernel"))
        size, x = self._input()
        if len(kernel) == 1 and len(size) == 1:
            kernel = kernel[0]
        if x is not None and x.dim() == 1 and kernel.dim() == 2:
            x, size = x[None], (1, *size)
        operator = conv_operator(
            kernel[None, None],
            size,
            _literal("--stride", self.stride, 1),
            _literal("--padding", self.padding, 0),
            _literal("--dilation", self.dilation, 1),
            padding_mode=self.padding_mode or "zeros",
            transposed=self.transposed,
            output_padding=_literal("--output-padding", self.output_padding, 0),
            bias=None if self.bias is None else torch.tensor([self.bias]),
            flip=self.flip,
        )
        return operator, x

    def _of_target(self, target: str) -> tuple[ConvOperator, Tensor | None]:
        import torch

        from inspector.toeplitz.modules import convolutions_in
        from inspector.toeplitz.operator import ConvOperator

        own = ("stride", "padding", "dilation", "padding_mode", "output_padding", "bias")
        given = [name for name in own if getattr(self, name) is not None]
        given += [name for name in ("transposed", "flip") if getattr(self, name)]
        if given:
            option = given[0].replace("_", "-")
            raise InspectionError(f"--{option} belongs to --kernel; TARGET has its own: --arg {given[0]}=...")
        with users_code():
            torch.manual_seed(self.seed)
            model = build(find_target(target), parse_arguments(self.arguments))
        paths = convolutions_in(model)
        known = f"its convolutions are {', '.join(paths)}" if paths else "it holds no convolution"
        if self.module_path is not None:
            try:
                model = model.get_submodule(self.module_path)
            except AttributeError:
                raise InspectionError(f"--module-path {self.module_path}: no such module; {known}") from None
        elif paths:
            raise InspectionError(f"{target} is a whole {type(model).__name__}: name one with --module-path; {known}")
        size, x = self._input()
        operator = ConvOperator.from_module(model, size)
        return operator, x

    def _input(self) -> tuple[tuple[int, ...], Tensor | None]:
        """(size, numbers or None)."""
        import torch

        if _SIZES.fullmatch(self.given):
            sizes = parse_input(self.given).sizes
            return tuple(int(size) for size in sizes), None
        x = torch.tensor(read_numbers(self.given, "--input"))
        if len(x) == 1:
            x = x[0]
        return tuple(x.shape), x


def _literal(option: str, text: str | None, default: int) -> Any:
    """``2``, ``2,1``, ``(0,1),(2,0)`` or a word."""
    if text is None:
        return default
    if text.isalpha():
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise InspectionError(f"{option} {text!r} is no number, nor numbers as 2,1") from None


def _costs(operator: ConvOperator) -> str:
    from inspector.report.text import count
    from inspector.toeplitz.costs import in_bytes

    layouts = ", ".join(f"{layout} {in_bytes(operator.nbytes(layout))}" for layout in ("csr", "coo", "dense"))
    rows, columns = operator.shape
    return f"{count(operator.nnz)} of {count(rows * columns)} entries; {layouts}"


def _printed(operator: ConvOperator, found: Steps, bracket: NormBracket | None, form: str | None) -> str:
    if form == "json":
        return _json(operator, found, bracket)
    norm = [] if bracket is None else [str(bracket)]
    if form == "html":
        from inspector.toeplitz.figure import svg

        below = "".join(f"<p>{escape(line)}</p>" for line in (_costs(operator), *norm))
        return found.html(f"{below}\n{svg(operator)}")
    if form == "markdown":
        return found.markdown() + "".join(f"\n{line}\n" for line in (_costs(operator), *norm))
    lines = [f"Memory  {_costs(operator)}", *(f"Norm    {line}" for line in norm)]
    return f"{found.text()}\n" + "\n".join(lines) + "\n"


def _json(operator: ConvOperator, found: Steps, bracket: NormBracket | None) -> str:
    from dataclasses import asdict
    from json import dumps

    from inspector.toeplitz.costs import LAYOUTS

    norm = None
    if bracket is not None:
        norm = {
            "lower": bracket.lower,
            "upper": bracket.upper,
            "certified": bracket.certified,
            "method": bracket.method,
            "reason": bracket.reason,
        }
    document = {
        "schema_version": SCHEMA_VERSION,
        **asdict(found),
        "bytes": {layout: operator.nbytes(layout) for layout in LAYOUTS},
        "norm": norm,
    }
    return dumps(document, indent=2, ensure_ascii=False, default=str)
