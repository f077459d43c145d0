"""Layers printed as the call that makes them: ``Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), bias=False)``."""

from __future__ import annotations

import ast
import re
from typing import Final

from inspector.tables.reading.kinds import kind_of_class
from inspector.tables.reading.limits import bounded

_CALL: Final = re.compile(r"(?:nn\.|torch\.nn\.|layers\.|keras\.layers\.)?([A-Za-z_]\w{0,60})\((.*)\)", re.DOTALL)
_WINDOW: Final = ("in_channels", "out_channels", "kernel", "stride", "padding")
_POSITIONS: Final = {
    "conv": _WINDOW,
    "conv_transpose": (*_WINDOW, "output_padding", "groups", "bias", "dilation"),
    "max_pool": ("kernel", "stride", "padding", "dilation"),
    "avg_pool": ("kernel", "stride", "padding"),
    "adaptive_avg_pool": ("output_size",),
    "adaptive_max_pool": ("output_size",),
    "linear": ("in_features", "out_features", "bias"),
    "embedding": ("in_features", "out_features"),
    "dropout": ("p",),
    "batch_norm": ("out_channels",),
    "instance_norm": ("out_channels",),
    "group_norm": ("groups", "out_channels"),
    "layer_norm": ("normalized_shape",),
    "rms_norm": ("normalized_shape",),
    "pad": ("padding",),
}
_KERAS_POSITIONS: Final = {
    "conv": ("out_channels", "kernel", "stride", "padding"),
    "linear": ("out_features", "activation"),
}
_KEYWORDS: Final = {
    "kernel_size": "kernel",
    "pool_size": "kernel",
    "strides": "stride",
    "stride": "stride",
    "padding": "padding",
    "dilation": "dilation",
    "dilation_rate": "dilation",
    "groups": "groups",
    "num_groups": "groups",
    "bias": "bias",
    "use_bias": "bias",
    "ceil_mode": "ceil_mode",
    "output_padding": "output_padding",
    "output_size": "output_size",
    "in_channels": "in_channels",
    "out_channels": "out_channels",
    "filters": "out_channels",
    "in_features": "in_features",
    "out_features": "out_features",
    "units": "out_features",
    "num_heads": "heads",
    "scale_factor": "scale",
    "num_features": "out_channels",
    "num_channels": "out_channels",
    "normalized_shape": "normalized_shape",
    "elementwise_affine": "elementwise_affine",
    "affine": "affine",
    "start_dim": "start_dim",
    "p": "p",
    "rate": "p",
    "activation": "activation",
}
TUPLES: Final = frozenset(
    {"kernel", "stride", "padding", "dilation", "output_padding", "output_size", "normalized_shape"}
)


def read_call(text: str) -> tuple[str, str, dict[str, object]] | None:
    """(class, kind, stated) of a layer printed as a call; None where the text is none, or of no kind that we know.

    >>> read_call("nn.Conv2d(1, 6, 5, bias=False)")
    ('Conv2d', 'conv', {'dims': 2, 'in_channels': 1, 'out_channels': 6, 'kernel': (5,), 'bias': False})
    """
    match = _CALL.fullmatch(text.strip())
    if match is None:
        return None
    name = match[1]
    kind, stated = kind_of_class(name)
    if kind == "unknown":
        return None
    try:
        call = ast.parse(f"f({match[2]})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    assert isinstance(call, ast.Call)
    keras = ("filters" not in text and re.search(r"[1-3]D\b", name) is not None) or name == "Dense"
    positions = (_KERAS_POSITIONS if keras else _POSITIONS).get(kind, ())
    given = [*zip(positions, call.args, strict=False)]
    given += [(_KEYWORDS[word.arg], word.value) for word in call.keywords if word.arg in _KEYWORDS]
    for word, node in given:
        value = _value(node)
        if value is not None:
            stated[word] = (value,) if word in TUPLES and isinstance(value, int) else value
    return name, kind, stated


def _value(node: ast.expr) -> object:
    """A literal of the kinds that layers take; None for anything else."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return int(value)
    if isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int):
        return bounded(str(abs(value))) * (1 if value >= 0 else -1)
    if isinstance(value, (tuple, list)) and all(isinstance(entry, int) for entry in value):
        return tuple(bounded(str(abs(entry))) for entry in value)
    return None
