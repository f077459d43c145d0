"""The constructor call of each row, as Python source; and the small modules that PyTorch has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from inspector.errors import InspectionError
from inspector.tables.solving.problem import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inspector.tables.solving.solution import SolvedRow

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
#: Modules written into the source where a row needs them, by class.
HELPERS: Final = {
    "ChannelNorm": """class ChannelNorm(nn.LayerNorm):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image.movedim(1, -1)).movedim(-1, 1)
""",
    "ClassToken": """class ClassToken(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.cat((self.token.expand(tokens.shape[0], -1, -1), tokens), dim=1)
""",
    "PositionEmbedding": """class PositionEmbedding(nn.Module):
    def __init__(self, tokens: int, features: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, tokens, features))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.positions
""",
    "Tokens": """class Tokens(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image.flatten(2).transpose(1, 2)
""",
    "FirstToken": """class FirstToken(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]
""",
}


def before(row: SolvedRow) -> list[tuple[str, str]]:
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


def constructor(row: SolvedRow) -> str:
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
    rest = {name: False for name in ("bias", "elementwise_affine") if h.get(name) is False}
    written = _call("RMSNorm" if row.kind == "rms_norm" else "LayerNorm", h["normalized_shape"], **rest)
    if h.get("over") == "channels" and row.kind == "layer_norm":
        return written.replace("nn.LayerNorm", "ChannelNorm")
    if h.get("over") == "channels":
        raise InspectionError(f"line {row.row.line}: {row.name} normalizes channels alone; nn.RMSNorm does not do that")
    return written


def _activation(row: SolvedRow, h: Mapping[str, Any]) -> str:
    del h
    return _call(_function_of(row) or "ReLU")


def _function_of(row: SolvedRow) -> str | None:
    word = row.row.stated.get("activation", row.row.cls.lower())
    return _ACTIVATIONS.get(str(word), row.row.cls if row.row.cls in _ACTIVATIONS.values() else None)


def assumed(row: SolvedRow) -> str:
    """What of the constructor the table does not say, in words; ``""`` where it says all."""
    return "ReLU by convention" if row.kind == "activation" and _function_of(row) is None else ""


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
    "class_token": lambda _, h: f"ClassToken({h['features']})",
    "position_embedding": lambda _, h: f"PositionEmbedding({h['tokens']}, {h['features']})",
    "tokens": lambda _, __: "Tokens()",
    "first_token": lambda _, __: "FirstToken()",
    "prelu": lambda _, h: _call("PReLU", h["num_parameters"]),
    "flatten": lambda _, h: _call("Flatten", *(() if h["start_dim"] == 1 else (h["start_dim"],))),
    "dropout": lambda row, _: _call("Dropout", row.row.stated.get("p", 0.5)),
    "identity": lambda _, __: _call("Identity"),
    "local_response_norm": lambda _, __: _call("LocalResponseNorm", 5),
}
