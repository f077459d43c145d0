"""The figures of the whole model, under the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.report import text
from inspector.report.lines import PYTORCH_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.report.lines import Line
    from inspector.report.view import PredictionView


def totals(view: PredictionView) -> list[tuple[str, str]]:
    """(name, figure) of everything counted over the model; units and conventions stand in the text."""
    found = [("Input", entry) for entry in view.input_description[:1]]
    found += [("", entry) for entry in view.input_description[1:]]
    fixed = view.total_params - view.trainable_params
    found += [
        (
            "Parameters",
            f"{text.count(view.total_params)}  (trainable {text.count(view.trainable_params)}, "
            f"non-trainable {text.count(fixed)})",
        ),
        ("Buffers", f"{text.count(view.buffer_elements)} elements"),
        *zip(("Bytes", "", ""), _bytes(view), strict=False),
        ("MACs", macs(view)),
        ("FLOPs", f"{flops(view)}  ({text.FLOPS_CONVENTION}: a multiply and an add each)"),
        ("Element-wise", f"{text.count(view.total_elementwise_ops)} operations, not among the MACs"),
    ]
    return found


def macs(view: PredictionView) -> str:
    """The MACs of the model, ``≥`` where a call's are unknown."""
    if not view.unknown_macs:
        return text.count(view.total_macs)
    calls = "1 call" if view.unknown_macs == 1 else f"{text.count(view.unknown_macs)} calls"
    return f"≥ {text.count(view.total_macs)}  ({calls} unknown)"


def flops(view: PredictionView) -> str:
    """Twice the MACs, ``≥`` where a call's are unknown."""
    return f"{'≥ ' if view.unknown_macs else ''}{text.count(2 * view.total_macs)}"


def _bytes(view: PredictionView) -> list[str]:
    by_dtype = ", ".join(f"{dtype} {text.size_of(nbytes)}" for dtype, nbytes in view.bytes_by_dtype.items())
    if not by_dtype:
        return ["0"]
    kinds = f"parameters {text.count(view.param_bytes)}, buffers {text.count(view.buffer_bytes)}"
    return [by_dtype, f"{kinds}; {text.BYTES_CONVENTION}" if "MB" in by_dtype else kinds]


def legend(lines: Sequence[Line]) -> list[str]:
    """What the marks mean that these lines carry."""
    known = [
        (
            any(line.node.source == "pytorch" for line in lines),
            f"{PYTORCH_MARK} no rule here: PyTorch's meta kernel gave the shape, its counter the MACs",
        ),
        (
            any(line.macs is None for line in lines),
            "? MACs unknown: neither a rule nor PyTorch's counter speaks for a call",
        ),
        (any(line.times > 1 for line in lines), "×n stands for n identical neighbours; below it, figures of one"),
        (any(line.node.params_word == "(reused)" for line in lines), "(reused) parameters counted at an earlier call"),
        (any(line.node.params_word == "(tied)" for line in lines), "(tied) parameters counted under another name"),
        (any(line.node.data_dependent for line in lines), "data-dependent: the size follows from values of tensors"),
    ]
    return [meaning for present, meaning in known if present]


def remarks(view: PredictionView) -> list[str]:
    """Parameters that are tied or unused, and the prediction's own notes."""
    found = [f"tied: {' = '.join(names)}" for names in view.tied_parameters]
    if view.unused_parameters:
        found.append(f"used by no call: {some(view.unused_parameters)}")
    return [*found, *view.notes]


def some(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are.

    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"
