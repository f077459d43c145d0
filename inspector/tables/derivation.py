"""The worked answer to a table: size formula, numbers put in, parameter formula, worked line; for each row and summed.

Every line comes from the formulas of ``inspector.layers``, bound to the numbers that solving found.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from math import prod
from typing import TYPE_CHECKING, Any, Final

from inspector import layers
from inspector.formula import BoundFormula, Formula, format_count
from inspector.report.markdown import escape as escape_markdown
from inspector.tables.solving.problem import shown
from inspector.tables.solving.ranking import CONVENTION
from inspector.tables.solving.windows import MODES, size_formula

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.tables.solving.solution import Solution, SolvedRow

#: Version of the JSON's layout.
SCHEMA_VERSION: Final = 1
_AXES: Final = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_SHORT: Final = {"kernel": "kernel", "stride": "stride", "padding": "padding", "dilation": "dilation"}


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
    return layers.SLOPE_PARAMS(n=h["num_parameters"]) if row.kind == "prelu" else None


def hyperparameters_text(row: SolvedRow) -> str:
    """What was found, in words: ``kernel 5×5, stride 1, padding 0``; what is PyTorch's default and plain is left out.

    A value that holds for all axes stands once, a kernel always with every axis.
    """
    words = []
    for name, value in row.hyperparameters.items():
        plain = {"dilation": 1, "groups": 1, "bias": True, "ceil_mode": False, "affine": True}.get(name)
        if isinstance(value, tuple) and value and all(isinstance(entry, int) for entry in value):
            if set(value) == {plain}:
                continue
            once = len(set(value)) == 1 and name != "kernel" and name in _SHORT
            words.append(f"{name} {value[0] if once else shown(value)}")
        elif name in ("in_channels", "out_channels", "in_features", "out_features") or value == plain:
            continue
        elif isinstance(value, bool):
            words.append(f"{name}={value}")
        elif name == "before":
            words.append(f"after a {value} that is not printed")
        else:
            words.append(f"{name} {value}")
    return ", ".join(words)


def open_text(row: SolvedRow) -> str:
    """What a row leaves open, or ``""``."""
    if not row.ambiguous:
        return ""
    number = row.solutions.count
    fact, left = row.decided_by
    second = row.alternatives[0] if row.alternatives else {}
    changed = ", ".join(
        f"{name} {shown(value) if isinstance(value, tuple) else value}"
        for name, value in second.items()
        if row.hyperparameters.get(name) != value
    )
    deciding = f"knowing its {fact} leaves {left}"
    return f"{format_count(number)} solutions within the bounds, next {changed or 'another'}; {deciding}"


def row_text(row: SolvedRow) -> str:
    """The worked answer for one row, as text."""
    takes = " and ".join(shown(shape) for shape in row.input_shapes) or "?"
    found = hyperparameters_text(row)
    text = [f"{row.name}: {takes} → {shown(row.output_shape)}" + (f"   {found}" if found else "")]
    for line in lines(row):
        what = {"size": "output", "kernel": "so K"}.get(line.what, line.what) + (f" ({line.axis})" if line.axis else "")
        text.append(f"  {what} = {line.symbolic} = {line.worked}")
    if row.params and params_formula(row) is None:
        text.append(f"  parameters as printed: {format_count(row.params)}")
    text += [f"  open: {open_text(row)}"] if row.ambiguous else []
    text += [f"  note: {row.note}"] if row.note else []
    return "\n".join(text)


def sum_text(solution: Solution) -> str:
    """All counts added up: ``156 + 2 416 + ... = 61 706``."""
    counts = [format_count(row.params) for row in solution.rows if row.params]
    shown_counts = counts if len(counts) <= 12 else [*counts[:10], "…", counts[-1]]
    return (
        f"{' + '.join(shown_counts) or '0'} = {format_count(solution.total_params)}" if len(counts) != 1 else counts[0]
    )


def remarks(solution: Solution) -> list[str]:
    """What stands below an answer: what is open, what was assumed, the bounds."""
    found = []
    opened = solution.ambiguous
    if opened:
        weighty = [row for row in solution.rows if row.ambiguous and len(row.solutions.values) > 1]
        tell = "which of them it is changes the parameters of " + ", ".join(row.name for row in weighty[:5])
        names = ", ".join(opened[:8]) + (f" and {len(opened) - 8} more" if len(opened) > 8 else "")
        found.append(f"open: {names}; {tell if weighty else 'no solution of theirs changes the parameters'}")
        found.append(f"ranked by convention: {CONVENTION}")
    if solution.asked_total is not None and solution.joint:
        found.append(f"the total {format_count(solution.asked_total)} is met")
    found += solution.notes
    found.append(f"bounds: {solution.bounds}")
    found += [f"not read, line {line.line}: {line.reason}: {line.text.strip()[:80]}" for line in solution.table.unread]
    return found


def text(solution: Solution) -> str:
    """The whole worked answer."""
    rows = [row_text(row) for row in solution.rows]
    return "\n".join([*rows, "", f"parameters: {sum_text(solution)}", *(f"{remark}" for remark in remarks(solution))])


def markdown(solution: Solution) -> str:
    """The same as Markdown; formulas as LaTeX between dollars, as GitHub prints them."""
    printed = ["| Layer | Output shape | Found | Derivation | Parameters |", "|:---|:---|:---|:---|---:|"]
    for row in solution.rows:
        work = "<br>".join(f"${_sides(line)}$" for line in lines(row))
        cells = (row.name, shown(row.output_shape), hyperparameters_text(row))
        printed.append(
            f"| {' | '.join(escape_markdown(cell) for cell in cells)} | {work} | {format_count(row.params)} |"
        )
    printed += ["", f"Parameters: ${latex(sum_text(solution))}$", ""]
    return "\n".join([*printed, *(f"- {escape_markdown(remark)}" for remark in remarks(solution))])


def _sides(line: Line) -> str:
    left = {"size": "O", "kernel": "K"}.get(line.what, "")
    axis = rf"_{{\text{{{line.axis}}}}}" if line.axis and left else ""
    return f"{left}{axis}{' = ' if left else ''}{latex(line.symbolic)} = {latex(line.worked)}"


def latex(words: str) -> str:
    r"""A printed formula as LaTeX math.

    >>> print(latex("C_out × (C_in/G × K² + b)"), latex("6 × 5² = 61 706"), latex("⌊(I − K)/S⌋"))
    C_{\mathrm{out}} \times (C_{\mathrm{in}}/G \times K^{2} + b) 6 \times 5^{2} = 61\,706 \lfloor(I - K)/S\rfloor
    """
    found = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda power: f"^{{{power[0].translate(_PLAIN)}}}", words)
    found = re.sub(r"_([A-Za-z]+)", r"_{\\mathrm{\1}}", found)
    found = re.sub(r"(?<=\d) (?=\d{3})", r"\\,", found)
    for sign, command in {"×": r"\times", "−": "-", "⌊": r"\lfloor", "⌋": r"\rfloor", "…": r"\dots"}.items():
        found = found.replace(sign, command)
    return found


_PLAIN: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def _floored(formula: Formula, words: str) -> str:
    """A size formula's division floors; print it so."""
    if formula.counts != "size":
        return words
    return re.sub(r"(\([^()]*(?:\([^()]*\)[^()]*)*\)/\w+)", r"⌊\1⌋", words)


def document(solution: Solution) -> dict[str, Any]:
    """Everything as plain data for JSON; its layout is versioned."""
    return {
        "schema": "inspector.table",
        "version": SCHEMA_VERSION,
        "input_shape": list(solution.input_shape),
        "total_params": solution.total_params,
        "asked_total": solution.asked_total,
        "ambiguous": list(solution.ambiguous),
        "bounds": str(solution.bounds),
        "convention": CONVENTION,
        "notes": list(solution.notes),
        "unread": [{"line": line.line, "text": line.text, "reason": line.reason} for line in solution.table.unread],
        "rows": [_row_document(row) for row in solution.rows],
        "alternatives": list(solution.alternatives),
    }


def _row_document(row: SolvedRow) -> dict[str, Any]:
    fact, left = row.decided_by
    return {
        "name": row.name,
        "line": row.row.line,
        "kind": row.kind,
        "inputs": list(row.inputs),
        "input_shapes": [list(shape) for shape in row.input_shapes],
        "output_shape": list(row.output_shape),
        "hyperparameters": row.hyperparameters,
        "params": row.params,
        "solutions": row.solutions.count,
        "alternatives": list(row.alternatives),
        "decided_by": {"fact": fact, "leaves": left} if fact else None,
        "derivation": [
            {
                "what": line.what,
                "axis": line.axis,
                "formula": line.formula.text,
                "values": line.formula.values,
                "worked": line.worked,
                "number": line.formula.number,
            }
            for line in lines(row)
        ],
        "note": row.note,
    }


def to_json(solution: Solution) -> str:
    """``document`` as JSON."""
    return json.dumps(document(solution), ensure_ascii=False, indent=1)


_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:2px 12px;text-align:left;vertical-align:top;border-bottom:1px solid #8884}td.n{text-align:right}"
    "code{white-space:pre-wrap}"
)


def html(solution: Solution) -> str:
    """One page that stands alone: no script, nothing loaded."""
    body = []
    for row in solution.rows:
        work = "<br>".join(f"<code>{escape(line.symbolic)} = {escape(line.worked)}</code>" for line in lines(row))
        note = "".join(f"<br><small>{escape(words)}</small>" for words in (open_text(row), row.note) if words)
        body.append(
            f"<tr><td>{escape(row.name)}</td><td>{escape(shown(row.output_shape))}</td>"
            f"<td>{escape(hyperparameters_text(row))}{note}</td><td>{work}</td>"
            f'<td class="n">{format_count(row.params)}</td></tr>'
        )
    titles = "".join(f"<th>{title}</th>" for title in ("Layer", "Output shape", "Found", "Derivation", "Parameters"))
    rest = "".join(f"<li>{escape(remark)}</li>" for remark in remarks(solution))
    newline = "\n"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Table, solved</title>'
        f"<style>{_STYLE}</style>"
        f"</head>\n<body><table><thead><tr>{titles}</tr></thead>\n<tbody>\n{newline.join(body)}\n</tbody></table>\n"
        f"<p>Parameters: {escape(sum_text(solution))}</p><ul>{rest}</ul></body></html>\n"
    )
