"""From named cells to rows: each record says which layers it holds, or why it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from inspector.tables.reading.blocks import read_cell
from inspector.tables.reading.kinds import kind_of_class, kind_of_name
from inspector.tables.reading.limits import MAX_REPEAT, HostileTable, bounded, check_cell
from inspector.tables.reading.numbers import NOTHING, exact, rounded
from inspector.tables.reading.phrases import Layer
from inspector.tables.reading.shapes import PrintedShape, shape_of
from inspector.tables.reading.sheet import Record
from inspector.tables.reading.windows import read_window


class Unreadable(Exception):
    """Why no row can be made of a record."""


@dataclass(slots=True)
class Draft:
    """A row before the table's layout is known."""

    line: int
    text: str
    name: str
    layer: Layer
    depth: int
    output: PrintedShape | None = None
    input: PrintedShape | None = None
    params: int | None = None
    input_names: tuple[str, ...] = ()
    stated: dict[str, object] = field(default_factory=dict)


_INSTANCE = re.compile(r"(.{1,120}?)\s*\(([A-Za-z_][\w.<>]{0,80})\)(?:\s*[×x](\d{1,9}))?")
_NUMBERED = re.compile(r"([A-Za-z_]\w{0,80}?)(?:-\d{1,7}|: ?\d{1,4}(?:-\d{1,7})?)?(?:\s*[×x](\d{1,9}))?")
_IMAGE = re.compile(r"(\d{1,9}\s*[x×]\s*\d{1,9}(?:\s*[x×]\s*\d{1,9})?)(\s*(?:rgb|colou?r))?", re.IGNORECASE)
_CONNECTION = re.compile(
    r"(?<![\w./:-])([\w./:-]{1,200}(?:…|(?=\[)))(?:\[\d{0,4}(?:[\]…]|$))*"
)  # "conv2d[0][0]", cut "conv2d[0…"
_ACTIVATIONS: Final = {"re": "relu", "hs": "hardswish", "hswish": "hardswish"}
_SHAPES: Final = ("output", "input", "resolution")
_SIZED: Final = frozenset({"conv", "container", "max_pool", "avg_pool", "global_avg_pool", "global_max_pool"})
_WEIGHTED: Final = frozenset(
    {"conv", "conv_transpose", "linear", "batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm", "prelu"}
)
_FLAT: Final = frozenset({"linear", "softmax", "dropout", "flatten", "activation"})
_DROPPED: Final = frozenset({"layer", "name", "cls", "type", "output", "input", "resolution", "params", "connected"})


def drafts_of(record: Record) -> list[Draft]:
    """The rows that a record stands for, a block's inside below it.

    Raises:
        Unreadable: it names no layer, or a cell does not hold what its column promises.
        HostileTable: a number, a repeat or a cell beyond the limits.
    """
    cells = {name: check_cell(cell.strip(), record.line) for name, cell in record.cells.items()}
    try:
        name, layers = _layers(cells)
        name = re.sub(r"\s*\n\s*", ", ", name)
        shapes = {column: _shape(cells.get(column, ""), column) for column in _SHAPES}
        if shapes["output"] is None and "@" in cells.get("channels", ""):  # a column "feature maps" of 6@28×28
            shapes["output"] = _shape(cells.pop("channels"), "output")
        if shapes["output"] is None and [layer.kind for layer in layers] == ["input"]:
            shapes["output"] = _shape(cells.get("type") or cells.get("layer") or "", "")
        params = _params(cells.get("params", ""))
        stated = _stated(cells)
        if "repeat" in cells and cells["repeat"].isdigit() and layers:
            layers[-1].repeat = max(1, bounded(cells["repeat"], MAX_REPEAT))
    except HostileTable as error:
        raise HostileTable(f"line {record.line}: {error}: {record.text.strip()[:80]!r}") from None
    if not layers:
        raise Unreadable("a name of a layer, such as Conv2d-1 or '5x5 conv, 64'")
    only = layers[0]
    if only.kind == "unknown" and not any((*shapes.values(), params, set(stated) - {"other"})) and not cells.get("cls"):
        raise Unreadable("a layer that we know, or its output shape, or its parameters")
    if "branches" in stated and only.kind == "conv" and len(layers) == 1:
        _split_reduced(only, stated)
    drafts = _placed(record, name, layers)
    last = next(draft for draft in reversed(drafts) if draft.depth == record.depth)
    _give_columns(last, drafts, stated)
    shaped = _shaped(drafts, last, shapes["output"])
    shaped.output = shapes["output"]
    drafts[0].input = shapes["input"] or (shapes["resolution"] if only.kind == "inverted_residual" else None)
    if shapes["resolution"] is not None:  # decided for the table in layout: EfficientNet's is what goes in
        drafts[0].stated["resolution"] = shapes["resolution"]
    if params is not None:
        _give_count(params, last, drafts)
    last.input_names = tuple(_CONNECTION.findall(cells.get("connected", "")))
    return drafts


def _give_count(params: int | tuple[int, int], last: Draft, drafts: list[Draft]) -> None:
    """A count is that of the cell's one layer with weights; of several it holds for all together."""
    weighted = [draft for draft in drafts if draft.layer.kind in _WEIGHTED] if not drafts[0].layer.inside else []
    if len(weighted) > 1:
        block = f"{last.name.rpartition('.')[0]} (line {last.line})"
        for draft in weighted:
            draft.stated |= {"block": block, "counted": True, "together": params}
        return
    counted = weighted[0] if weighted else last
    if isinstance(params, int):
        counted.params = params
    else:
        counted.stated["params_about"] = params


def _split_reduced(layer: Layer, stated: dict[str, object]) -> None:
    """GoogLeNet's second convolution, a 1×1 that reduces before a 3×3, as the block of two that its row stands for."""
    branches = stated["branches"]
    if isinstance(branches, dict) and set(branches) == {"3x3_reduce", "3x3"}:
        reduce = {"kernel": (1, 1), "out_channels": branches["3x3_reduce"]}
        whole = {"kernel": (3, 3), "out_channels": branches["3x3"]}
        if "stride" in stated:
            whole["stride"] = stated.pop("stride")
        layer.kind, layer.inside = "container", [Layer("", "conv", stated=reduce), Layer("", "conv", stated=whole)]
        for word in ("branches", "kernel"):
            stated.pop(word, None)


def _shaped(drafts: list[Draft], last: Draft, shape: PrintedShape | None) -> Draft:
    """Which layer of a cell a shape speaks of: the last, or for sizes alone the last that has sizes."""
    sizes_alone = shape is not None and shape.form == "product" and len(shape.sizes) == 2
    if not sizes_alone or last.layer.kind not in _FLAT:
        return last
    sized = [draft for draft in drafts if draft.depth == last.depth and draft.layer.kind in _SIZED]
    return sized[-1] if sized else last


def _layers(cells: dict[str, str]) -> tuple[str, list[Layer]]:
    """(what the table calls the row, the layers it holds)."""
    label = cells.get("layer") or cells.get("name") or ""
    if cls := cells.get("cls"):
        return label or cls, [_of_class(cls)]
    kind_cell = cells.get("type", "")
    if kind_cell and kind_cell not in NOTHING:
        if cells.get("layer"):
            kind_cell = kind_cell if _known(kind_cell) else f"{cells['layer']} {kind_cell}"
        layers = _phrase(kind_cell)
        if len(layers) == 1 and not label:
            label = kind_cell
        if len(layers) == 1 and layers[0].kind == "unknown":
            layers[0].kind = kind_of_name(label)
        elif len(layers) == 1 and layers[0].kind == "conv" and not re.search("conv", kind_cell, re.IGNORECASE):
            layers = _renamed(label, layers)
        return label, layers
    if not label:
        return "", []
    if match := _INSTANCE.fullmatch(label):
        known = _of_class(match[2])
        if known.kind != "unknown":
            known.repeat = _repeat(match[3])
            return match[1], [known]
    return label, _phrase(label)


def _renamed(label: str, layers: list[Layer]) -> list[Layer]:
    """A kernel without a word is a convolution's unless the row's own name says pool or linear."""
    kind = kind_of_name(label)
    if kind in ("max_pool", "avg_pool"):
        layers[0].kind = kind
    return layers


def _known(text: str) -> bool:
    return any(layer.kind != "unknown" for layer in read_cell(text))


def _phrase(text: str) -> list[Layer]:
    """Layers of a label in any words; one unknown layer where it names none."""
    if match := _NUMBERED.fullmatch(text):
        layer = _of_class(match[1])
        if layer.kind != "unknown" and match[1][:1].isupper() and not match[1].isupper():
            layer.repeat = _repeat(match[2])
            return [layer]
    layers = read_cell(text)
    if layers:
        return layers
    kind = kind_of_name(text)
    return [Layer(text, kind)] if re.search(r"\w", text) else []


def _of_class(cls: str) -> Layer:
    kind, stated = kind_of_class(cls)
    return Layer(cls, kind, cls, stated)


def _repeat(digits: str | None) -> int:
    return bounded(digits, MAX_REPEAT) if digits else 1


def _shape(cell: str, column: str) -> PrintedShape | None:
    if cell.lower() in NOTHING or cell.lower() in ("multiple", "[]", "()"):
        return None
    shape = shape_of(cell)
    if shape is None and (image := _IMAGE.search(cell)):  # "224 × 224 RGB image"
        shape = shape_of(f"{image[1]}×3" if image[2] and len(re.findall(r"\d+", image[1])) == 2 else image[1])
    if shape is None and column == "output" and re.search(r"\d", cell):
        raise Unreadable(f"a shape such as [-1, 6, 28, 28] or 28×28×6 where {cell[:60]!r} stands")
    return shape


def _params(cell: str) -> int | tuple[int, int] | None:
    if cell.lower() in NOTHING:
        return None
    number = exact(cell)
    if number is not None:
        return number
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){1,4}", cell):  # 61.706, as German prints it: a count has no decimals
        return exact(cell.replace(".", ","))
    about = rounded(cell)
    if about is None and re.search(r"\d", cell):
        if "=" in cell and (number := exact(cell.rsplit("=", 1)[1])) is not None:  # a course sheet's worked line
            return number
        raise Unreadable(f"a parameter count such as 61,706 or 2.7K where {cell[:60]!r} stands")
    return about


def _stated(cells: dict[str, str]) -> dict[str, object]:
    """What the columns beside name, shape and count state."""
    stated: dict[str, object] = {}
    branches: dict[str, int] = {}
    other: dict[str, str] = {}
    for column, cell in cells.items():
        if column in _DROPPED or cell.lower() in NOTHING or column in ("repeat", "?"):
            continue
        if column in ("kernel", "stride", "padding", "dilation"):
            found = read_window(column, cell)
            if not found:
                raise Unreadable(f"a {column} such as 3, 3×3 or (3, 3) where {cell[:60]!r} stands")
            stated |= found
        elif column.startswith("#"):
            if (channels := exact(cell)) is not None:
                branches[column[1:]] = channels
        elif column in (
            "channels",
            "in_channels",
            "expansion",
            "groups",
            "mult_adds",
            "layers",
            "hidden",
            "mlp",
            "heads",
        ):
            number = exact(cell)
            key = "out_channels" if column == "channels" else column
            if number is not None:
                stated[key] = number
            else:
                other[column] = cell
        elif column == "activation":
            stated["activation"] = _ACTIVATIONS.get(cell.lower(), cell.lower())
        elif column == "bias":
            stated["bias"] = cell.lower() in ("true", "yes", "1", "✓")
        elif column == "trainable":
            stated["trainable"] = cell
        elif column == "weights":
            stated["weights"] = cell
        elif column == "reused":
            stated["reused"] = cell
        else:
            other[column.lstrip("?!")] = cell
    if branches:
        stated["branches"] = branches
    if other:
        stated["other"] = other
    return stated


def _placed(record: Record, name: str, layers: list[Layer]) -> list[Draft]:
    drafts: list[Draft] = []

    def place(layer: Layer, called: str, depth: int) -> None:
        drafts.append(Draft(record.line, record.text, called, layer, depth, stated=dict(layer.stated)))
        for index, inner in enumerate(layer.inside, 1):
            place(inner, f"{called}.{index}", depth + 1)

    for index, layer in enumerate(layers, 1):
        called = name if len(layers) == 1 or not name else f"{name}.{index}"
        place(layer, called or layer.text, record.depth)
    return drafts


def _give_columns(last: Draft, drafts: list[Draft], stated: dict[str, object]) -> None:
    """A column speaks of the row's layer; of several in a cell, channels of a first convolution, else of the last."""
    kind, first = last.layer.kind, drafts[0]
    if first is not last and "out_channels" in stated and first.layer.kind == "conv":
        first.stated.setdefault("out_channels", stated.pop("out_channels"))
    if kind == "linear":
        if "out_channels" in stated:
            stated["out_features"] = stated.pop("out_channels")
        match stated.get("kernel"):
            case (int(into), int(out)):  # "1024 × 1000" in a column of filter shapes
                del stated["kernel"]
                stated |= {"in_features": into, "out_features": out}
            case _:
                stated.pop("kernel", None)
    if stated.get("expansion") is not None and kind in ("container", "unknown"):
        last.layer.kind = "inverted_residual"
    last.stated = {**stated, **last.stated}
    if last.layer.kind in _FLAT:  # MobileNet prints "FC / s1"
        for word in ("stride", "padding", "note"):
            last.stated.pop(word, None)
    elif last.layer.kind == "input":
        for word in ("kernel", "in_channels", "out_channels"):
            last.stated.pop(word, None)
    elif "hidden" in last.stated and last.layer.kind == "unknown":
        last.layer.kind = "transformer"
