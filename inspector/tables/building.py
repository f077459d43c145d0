"""The model that a solved table describes: as readable Python source, and as the module that this source defines.

Source is written, then run: what is built is what can be read. A chain becomes an ``nn.Sequential``; where the table
shows sums, concatenations or branches, a module with a forward of one line for each row. No torch until it is built.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any, Final

from inspector.errors import InspectionError
from inspector.tables.derivation import params_formula
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from inspector.tables.solving.solution import Solution, SolvedRow

_ACTIVATIONS: Final = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leakyrelu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "celu": "CELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "swish": "SiLU",
    "mish": "Mish",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "hardswish": "Hardswish",
    "hswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "hardtanh": "Hardtanh",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "logsigmoid": "LogSigmoid",
    "tanhshrink": "Tanhshrink",
    "hardshrink": "Hardshrink",
    "softshrink": "Softshrink",
    "rrelu": "RReLU",
}
_POOLS: Final = {"max_pool": "MaxPool", "avg_pool": "AvgPool"}
# Attributes of nn.Module and nn.Sequential, which a layer may not take.
_RESERVED: Final = {
    *("forward", "train", "eval", "parameters", "buffers", "modules", "children", "apply", "cuda", "cpu", "to", "type"),
    *("float", "double", "half", "add_module", "register_buffer", "state_dict", "training", "named_modules"),
    *(
        "zero_grad",
        "share_memory",
        "extra_repr",
        "compile",
        "keys",
        "values",
        "items",
        "pop",
        "append",
        "extend",
        "insert",
    ),
}
_IN_FORWARD: Final = {
    "add": "{0}",
    "multiply": "{0}",
    "concat": "torch.cat(({1}), dim={dim})",
    "reshape": "{1}.reshape(-1, {sizes})",
}


def source(solution: Solution, name: str = "Network") -> str:
    """Python source of a class ``name`` for the solved table.

    Args:
        solution: every row's hyperparameters; where rows are open, those ranked first.
        name: of the class.

    Raises:
        InspectionError: a row of which no layer is known, or a wiring that the table does not show; the row is named.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InspectionError(f"{name!r} is no name for a Python class")
    rows = solution.rows
    _see_wiring(solution)
    names = _names(rows)
    alone = {*_IN_FORWARD, "attention"}  # take more than one input
    chain = all(row.inputs == (n - 1,) and row.kind not in alone and not row.reused for n, row in enumerate(rows))
    origin = f"the printed table {_quoted(solution.table.source)}" if solution.table.source else "a printed table"
    head = [
        f'"""A model of {origin}: {solution.total_params} parameters, for inputs of {shown(solution.input_shape)}.',
        "",
        *_header(solution),
        '"""',
        "",
    ]
    body = _sequential(rows, names, name) if chain else _module(rows, names, name)
    return "\n".join([*head, *body, ""])


def build(solution: Solution, name: str = "Network") -> nn.Module:
    """The module that ``source`` defines, with PyTorch's own initial weights.

    Raises:
        InspectionError: as ``source``.
    """
    written = source(solution, name)
    space: dict[str, Any] = {"__name__": "inspector_built_table"}
    exec(compile(written, f"<{name} built from a table>", "exec"), space)  # noqa: S102  written above, of names and integers
    model: nn.Module = space[name]()
    return model


_BLOCK: Final = re.compile(r"block|bottleneck|residual|inception|fire|encoderlayer", re.IGNORECASE)


def _see_wiring(solution: Solution) -> None:
    """Refuse a table whose blocks join what it does not print.

    Raises:
        InspectionError: an output that no row takes, or blocks with classes of their own and no row that adds or
            concatenates.
    """
    unfed = next((row for row in solution.rows if not row.inputs), None)
    if unfed is not None:
        raise _no_wiring(unfed)
    taken = {index for row in solution.rows for index in row.inputs}
    for number, row in enumerate(solution.rows[:-1]):
        if number not in taken:
            raise InspectionError(
                f"line {row.row.line}: {row.name}: a table cannot show this wiring: no printed row takes its output. "
                "The parameters are counted; the model has to be wired by hand"
            )
    if any(row.kind in _IN_FORWARD for row in solution.rows):
        return
    for printed in solution.table.rows:
        if printed.kind == "container" and _BLOCK.search(printed.cls):
            raise InspectionError(
                f"line {printed.line}: {printed.name}: a table cannot show this wiring: "
                f"a {printed.cls} may join branches, and no row prints it. "
                "The parameters are counted; the model has to be wired by hand"
            )


def _header(solution: Solution) -> list[str]:
    lines = ["Hyperparameters were found from its shapes and counts."]
    if solution.ambiguous:
        lines.append(f"Left open, taken by convention: {', '.join(solution.ambiguous[:12])}.")
    if any(row.kind == "container" and not row.cls and row.repeat > 1 for row in solution.table.rows):
        lines.append("Blocks are repeated as a chain: a table cannot show whether their inputs are added again.")
    lines += [f"{row.name}: {row.note}." for row in solution.rows if row.note]
    return [_quoted(line) for line in lines]


def _quoted(words: str) -> str:
    """Words of the table as they may stand in a docstring: no quote or backslash that could end it."""
    return re.sub(r'[\\"]', "'", words)


def _names(rows: tuple[SolvedRow, ...]) -> list[str]:
    """Attribute names from the table's own: ``Conv2d-1`` → ``conv2d_1``, ``layer1.0.conv2`` → ``layer1_0_conv2``."""
    found: list[str] = []
    seen: set[str] = set()
    for row in rows:
        plain = re.sub(r"\W+", "_", row.name, flags=re.ASCII).strip("_").lower() or row.kind
        if plain[0].isdigit() or keyword.iskeyword(plain) or plain in _RESERVED or plain.startswith("__"):
            plain = f"{row.kind}_{plain}".rstrip("_")
        unique, number = plain, 2
        while unique in seen:
            unique, number = f"{plain}_{number}", number + 1
        seen.add(unique)
        found.append(unique)
    return found


def _sequential(rows: tuple[SolvedRow, ...], names: list[str], name: str) -> list[str]:
    lines = ["from collections import OrderedDict", "", "from torch import nn", "", "", f"class {name}(nn.Sequential):"]
    lines += ["    def __init__(self) -> None:", "        layers = OrderedDict()"]
    for row, attribute in zip(rows, names, strict=True):
        for extra, layer in _before(row):
            lines.append(f'        layers["{attribute}_{extra}"] = {layer}  # not printed')
        lines.append(f'        layers["{attribute}"] = {_layer(row)}{_comment(row)}')
    return [*lines, "        super().__init__(layers)"]


def _module(rows: tuple[SolvedRow, ...], names: list[str], name: str) -> list[str]:
    made: list[str] = []
    steps: list[str] = []
    variables = {-1: "image"}
    last_use = {source: n for n, row in enumerate(rows) for source in row.inputs}
    by_name = {row.name: attribute for row, attribute in zip(rows, names, strict=True)}
    for n, (row, attribute) in enumerate(zip(rows, names, strict=True)):
        inputs = [variables[source] for source in row.inputs]
        result = "x" if n + 1 == len(rows) or last_use.get(n) == n + 1 else attribute
        variables[n] = result
        if row.kind in _IN_FORWARD:
            joined = (" * " if row.kind == "multiply" else " + ").join(inputs)
            sizes = ", ".join(map(str, row.output_shape))
            call = _IN_FORWARD[row.kind].format(
                joined, ", ".join(inputs), dim=row.hyperparameters.get("dim", 1), sizes=sizes
            )
        else:
            call = inputs[0]
            for extra, layer in _before(row):
                made.append(f"        self.{attribute}_{extra} = {layer}  # not printed")
                call = f"self.{attribute}_{extra}({call})"
            again = row.row.stated.get("reused")
            if row.reused and isinstance(again, str) and again in by_name:
                call = f"self.{by_name[again]}({call})"
            else:
                made.append(f"        self.{attribute} = {_layer(row)}{_comment(row)}")
                call = f"self.{attribute}({f'{call}, {call}, {call}' if row.kind == 'attention' else call})"
                call += "[0]" if row.kind == "attention" else ""
        steps.append(f"        {result} = {call}")
    steps.append(f"        return {variables[len(rows) - 1]}")
    torch = ["import torch"] if any("torch.cat" in step for step in steps) else []
    return [
        *torch,
        "from torch import Tensor, nn",
        "",
        "",
        f"class {name}(nn.Module):",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *made,
        "",
        "    def forward(self, image: Tensor) -> Tensor:",
        *steps,
    ]


def _no_wiring(row: SolvedRow) -> InspectionError:
    return InspectionError(
        f"line {row.row.line}: {row.name}: a table cannot show this wiring: {row.note or 'its input is not printed'}. "
        "The parameters are counted; the model has to be wired by hand"
    )


def _comment(row: SolvedRow) -> str:
    bound = params_formula(row)
    return f"  # {shown(row.output_shape)}" + (f"; {bound.worked}" if bound is not None else "")


def _before(row: SolvedRow) -> list[tuple[str, str]]:
    """Layers that the table leaves out before a linear one."""
    how = row.hyperparameters.get("before")
    if how == "flatten":
        return [("flatten", "nn.Flatten()")]
    if how == "mean":
        n = len(row.input_shapes[0]) - 1
        return [("pool", f"nn.AdaptiveAvgPool{n}d(1)"), ("flatten", "nn.Flatten()")]
    if how == "first":
        raise InspectionError(
            f"line {row.row.line}: {row.name} takes a part of {shown(row.input_shapes[0])}: "
            "a table cannot show which position, or whether their mean"
        )
    return []


def _layer(row: SolvedRow) -> str:
    """The constructor call of a row."""
    writer = _WRITERS.get(row.kind)
    if writer is None:
        raise InspectionError(
            f"line {row.row.line}: {row.name}: no layer is known for {(row.row.cls or row.kind)!r}; "
            "its counts are taken as printed, and the model has to be written by hand"
        )
    return writer(row, row.hyperparameters)


def _call(cls: str, *positional: object, **named: object) -> str:
    written = [*(repr(value) for value in positional), *(f"{name}={value!r}" for name, value in named.items())]
    return f"nn.{cls}({', '.join(written)})"


def _each(value: tuple[int, ...]) -> int | tuple[int, ...]:
    return value[0] if len(set(value)) == 1 else value


def _window(h: Mapping[str, Any], *, pool: bool) -> dict[str, object]:
    """Arguments of a window that are not PyTorch's defaults."""
    found: dict[str, object] = {"kernel_size": _each(h["kernel"])}
    default_stride = h["kernel"] if pool else (1,) * len(h["kernel"])
    if h["stride"] != default_stride:
        found["stride"] = _each(h["stride"])
    for name, default in (("padding", 0), ("output_padding", 0), ("dilation", 1)):
        value = h.get(name)
        if value and set(value) != {default}:
            found[name] = _each(value)
    return found


def _convolution(row: SolvedRow, h: Mapping[str, Any]) -> str:
    cls = f"{'Conv' if row.kind == 'conv' else 'ConvTranspose'}{len(h['kernel'])}d"
    rest = ({"groups": h["groups"]} if h["groups"] != 1 else {}) | ({} if h["bias"] else {"bias": False})
    return _call(cls, h["in_channels"], h["out_channels"], **_window(h, pool=False), **rest)


def _pool(row: SolvedRow, h: Mapping[str, Any]) -> str:
    rest = {"ceil_mode": True} if h["ceil_mode"] else {}
    return _call(f"{_POOLS[row.kind]}{len(h['kernel'])}d", **_window(h, pool=True), **rest)


def _adaptive(row: SolvedRow, h: Mapping[str, Any]) -> str:
    size = h["output_size"]
    cls = f"Adaptive{'Max' if 'max' in row.kind else 'Avg'}Pool{len(size)}d"
    pooled = _call(cls, _each(size))
    return f"nn.Sequential({pooled}, nn.Flatten())" if h.get("flattens") else pooled


def _normalization(row: SolvedRow, h: Mapping[str, Any]) -> str:
    axes = max(len(row.output_shape) - 1, 1)
    cls = f"{'Batch' if row.kind == 'batch_norm' else 'Instance'}Norm{axes}d"
    default = row.kind == "batch_norm"
    return _call(cls, h["num_features"], **({} if h["affine"] == default else {"affine": h["affine"]}))


def _group_norm(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del row
    return _call("GroupNorm", h["num_groups"], h["num_channels"], **({} if h["affine"] else {"affine": False}))


def _layer_norm(row: SolvedRow, h: Mapping[str, Any]) -> str:
    if h.get("over") == "channels":
        raise InspectionError(
            f"line {row.row.line}: {row.name} normalizes channels alone; nn.LayerNorm does not do that"
        )
    rest = {name: False for name in ("bias", "elementwise_affine") if h.get(name) is False}
    return _call("RMSNorm" if row.kind == "rms_norm" else "LayerNorm", h["normalized_shape"], **rest)


def _activation(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del h
    word = row.row.stated.get("activation", row.row.cls.lower())
    cls = _ACTIVATIONS.get(str(word), row.row.cls if row.row.cls in _ACTIVATIONS.values() else "ReLU")
    return _call(cls)


def _softmax(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del h
    log = row.row.cls == "LogSoftmax" or row.row.stated.get("activation") == "log_softmax"
    return _call("LogSoftmax" if log else "Softmax", dim=1)


def _resized(row: SolvedRow, h: Mapping[str, Any]) -> str:
    sign = 1 if row.kind == "pad" else -1
    amounts = [sign * amount for before, after in reversed(h["sides"]) for amount in (before, after)]
    return _call(f"ZeroPad{len(h['sides'])}d", tuple(amounts))


def _upsample(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del row
    name = "scale_factor" if "scale_factor" in h else "size"
    return _call("Upsample", **{name: h[name]})


def _pixels(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del row
    up = h.get("upscale_factor")
    return _call("PixelShuffle", up) if up else _call("PixelUnshuffle", h["downscale_factor"])


_WRITERS: Final[dict[str, Callable[[SolvedRow, Mapping[str, Any]], str]]] = {
    "conv": _convolution,
    "conv_transpose": _convolution,
    "max_pool": _pool,
    "avg_pool": _pool,
    "adaptive_max_pool": _adaptive,
    "adaptive_avg_pool": _adaptive,
    "global_max_pool": _adaptive,
    "global_avg_pool": _adaptive,
    "batch_norm": _normalization,
    "instance_norm": _normalization,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "activation": _activation,
    "softmax": _softmax,
    "pad": _resized,
    "crop": _resized,
    "upsample": _upsample,
    "pixel_shuffle": _pixels,
    "linear": lambda _, h: _call(
        "Linear", h["in_features"], h["out_features"], **({} if h["bias"] else {"bias": False})
    ),
    "embedding": lambda _, h: _call("Embedding", h["num_embeddings"], h["embedding_dim"]),
    "attention": lambda _, h: _call(
        "MultiheadAttention", h["embed_dim"], h["num_heads"], **({} if h["bias"] else {"bias": False}), batch_first=True
    ),
    "prelu": lambda _, h: _call("PReLU", h["num_parameters"]),
    "flatten": lambda _, h: _call("Flatten", *(() if h["start_dim"] == 1 else (h["start_dim"],))),
    "dropout": lambda row, _: _call("Dropout", row.row.stated.get("p", 0.5)),
    "identity": lambda _, __: _call("Identity"),
    "local_response_norm": lambda _, __: _call("LocalResponseNorm", 5),
}
