"""The formulas of a row at work: its sizes, its kernel, its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

from inspector import layers
from inspector.formula import BoundFormula, Formula
from inspector.tables.solving.windows import MODES, size_formula

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.tables.solving.solution import SolvedRow

_AXES: Final = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclass(frozen=True, slots=True)
class Line:
    """One formula at work.

    Attributes:
        what: what it gives: ``size``, ``kernel`` or ``parameters``.
        axis: which axis it speaks of, ``""`` for all.
        formula: bound to its numbers.
    """

    what: str
    axis: str
    formula: BoundFormula

    @property
    def symbolic(self) -> str:
        """The formula in symbols."""
        return _floored(self.formula.formula, self.formula.formula.render())

    @property
    def worked(self) -> str:
        """The numbers put in, and what comes out."""
        return _floored(self.formula.formula, self.formula.worked)


def lines(row: SolvedRow) -> tuple[Line, ...]:
    """The formulas of a row: the size of each axis (once where all are equal), the kernel where it follows, the
    parameters.
    """
    return (*_size_lines(row), *_params_lines(row))


def _size_lines(row: SolvedRow) -> list[Line]:
    mode = MODES.get(row.kind)
    if mode is None or not row.choice.windows:
        return []
    sizes, outputs = row.input_shapes[0][1:], row.output_shape[1:]
    ceil_mode = row.hyperparameters.get("ceil_mode") is True
    found: list[Line] = []
    seen: set[object] = set()
    names = _AXES[len(sizes)]
    for name, size, output, option in zip(names, sizes, outputs, row.choice.windows, strict=True):
        key = (size, output, option[1:])
        if key in seen:
            continue
        seen.add(key)
        axis = name if len({*zip(sizes, outputs, (w[1:] for w in row.choice.windows), strict=True)}) > 1 else ""
        found.append(Line("size", axis, size_formula(mode, size, option._asdict(), ceil_mode=ceil_mode)))
        if mode != "transposed" and (option.stride, option.dilation) == (1, 1) and not ceil_mode:
            kernel = layers.KERNEL_SIZE(I=size, O=output, P=option.padding)
            found.append(Line("kernel", axis, kernel))
    return found


def _params_lines(row: SolvedRow) -> list[Line]:
    bound = params_formula(row)
    return [] if bound is None else [Line("parameters", "", bound)]


def params_formula(row: SolvedRow) -> BoundFormula | None:
    """The formula of the row's parameters, bound; None where it has none."""
    h: Mapping[str, Any] = row.hyperparameters
    b = int(bool(h.get("bias", True)))
    if row.kind in ("conv", "conv_transpose"):
        n = len(row.choice.windows)
        formula = (layers.CONVOLUTION_PARAMS if row.kind == "conv" else layers.TRANSPOSED_PARAMS)[n]
        sides = dict(zip(layers.KERNEL[n], h["kernel"], strict=True))
        return formula(C_out=h["out_channels"], C_in=h["in_channels"], G=h["groups"], b=b, **sides)
    if row.kind == "linear":
        return layers.LINEAR_PARAMS(F_out=h["out_features"], F_in=h["in_features"], b=b)
    if row.kind in ("batch_norm", "instance_norm", "group_norm") and h.get("affine"):
        return layers.CHANNEL_PARAMS(C=row.output_shape[0], b=1)
    if row.kind in ("layer_norm", "rms_norm") and h.get("elementwise_affine", True):
        return layers.FEATURE_PARAMS(n=prod(h["normalized_shape"]), b=int(row.kind == "layer_norm" and b))
    if row.kind == "embedding":
        return layers.EMBEDDING_PARAMS(V=h["num_embeddings"], D=h["embedding_dim"])
    if row.kind == "attention":
        return layers.ATTENTION_PARAMS(E=h["embed_dim"], b=b)
    if row.kind in ("class_token", "position_embedding"):
        return layers.TOKEN_PARAMS(T=h.get("tokens", 1), D=h["features"])
    return layers.SLOPE_PARAMS(n=h["num_parameters"]) if row.kind == "prelu" else None


def _floored(formula: Formula, words: str) -> str:
    """A size formula's division floors; print it so."""
    if formula.counts != "size":
        return words
    return re.sub(r"(\([^()]*(?:\([^()]*\)[^()]*)*\)/\w+)", r"⌊\1⌋", words)
