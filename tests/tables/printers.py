"""Small printers of real models in the styles of torchsummary and Keras, written apart from the readers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

KERAS = {
    nn.Conv1d: "Conv1D",
    nn.Conv2d: "Conv2D",
    nn.Conv3d: "Conv3D",
    nn.ConvTranspose1d: "Conv1DTranspose",
    nn.ConvTranspose2d: "Conv2DTranspose",
    nn.ConvTranspose3d: "Conv3DTranspose",
    nn.MaxPool1d: "MaxPooling1D",
    nn.MaxPool2d: "MaxPooling2D",
    nn.MaxPool3d: "MaxPooling3D",
    nn.AvgPool1d: "AveragePooling1D",
    nn.AvgPool2d: "AveragePooling2D",
    nn.AvgPool3d: "AveragePooling3D",
    nn.BatchNorm1d: "BatchNormalization",
    nn.BatchNorm2d: "BatchNormalization",
    nn.BatchNorm3d: "BatchNormalization",
    nn.ReLU: "ReLU",
    nn.Linear: "Dense",
    nn.Flatten: "Flatten",
    nn.Dropout: "Dropout",
}


@dataclass(frozen=True)
class Seen:
    """One executed leaf: its class, output shape with the batch, and elements of its own parameters."""

    cls: str
    keras: str
    shape: tuple[int, ...]
    params: int
    buffers: int


def run(model: nn.Module, shape: tuple[int, ...], blocks: bool = False) -> list[Seen]:
    """Leaves in the order in which they finish; with ``blocks`` also modules that hold others, as torchsummary does."""
    seen: list[Seen] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        output = output if isinstance(output, torch.Tensor) else output[0]  # type: ignore[index]
        own = [module.weight, module.bias] if isinstance(getattr(module, "weight", None), torch.Tensor) else []
        params = sum(parameter.numel() for parameter in own if parameter is not None)
        running = sum(
            buffer.numel() for name, buffer in module.named_buffers(recurse=False) if name.startswith("running")
        )
        seen.append(Seen(type(module).__name__, KERAS.get(type(module), ""), tuple(output.shape), params, running))

    hooks = [
        module.register_forward_hook(note)
        for module in model.modules()
        if not isinstance(module, (nn.Sequential, nn.ModuleList))
        and module is not model
        and (blocks or not any(module.children()))
    ]
    model.eval()
    with torch.no_grad():
        model(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    return seen


def torchsummary(model: nn.Module, shape: tuple[int, ...], blocks: bool = True) -> str:
    """The text that torchsummary's ``summary(model, shape[1:])`` prints."""
    rows = run(model, shape, blocks)
    lines = ["-" * 64, "{:>20}  {:>25} {:>15}".format("Layer (type)", "Output Shape", "Param #"), "=" * 64]
    for index, row in enumerate(rows, 1):
        printed = str([-1, *row.shape[1:]])
        lines.append(f"{row.cls + '-' + str(index):>20}  {printed:>25} {row.params:>15,}")
    total = sum(row.params for row in rows)
    lines += ["=" * 64, f"Total params: {total:,}", f"Trainable params: {total:,}", "Non-trainable params: 0", "-" * 64]
    lines += ["Input size (MB): 0.57", "Forward/backward pass size (MB): 62.79", "Params size (MB): 44.59", "-" * 64]
    return "\n".join(lines)


def keras_rows(model: nn.Module, shape: tuple[int, ...]) -> list[tuple[str, str, str]]:
    """(label, channels-last shape, count) of each leaf; Keras counts the running statistics too."""
    found = []
    for index, row in enumerate(run(model, shape)):
        sizes = row.shape[1:]
        last = (*sizes[1:], sizes[0]) if len(sizes) > 1 else sizes
        printed = f"({', '.join(['None', *map(str, last)])})"
        found.append((f"{row.keras.lower()}_{index} ({row.keras})", printed, f"{row.params + row.buffers}"))
    return found


def keras_ascii(model: nn.Module, shape: tuple[int, ...], width: int = 65) -> str:
    """Keras before version 3: columns at 45 %, 85 % and 100 % of the width, what does not fit wrapped below."""
    ends = [int(width * 0.45), int(width * 0.85), width]
    lines = ['Model: "sequential"', "_" * width]

    def put(cells: tuple[str, str, str], indent: str) -> None:
        rest = list(cells)
        while any(rest):
            line = ""
            for column, end in enumerate(ends):
                room = end - len(line) - 1
                piece, rest[column] = rest[column][:room], rest[column][room:]
                line = f"{line}{indent if column == 0 else ''}{piece}".ljust(end)[:end]
            lines.append(line)

    put(("Layer (type)", "Output Shape", "Param #"), " ")
    lines.append("=" * width)
    rows = keras_rows(model, shape)
    for label, printed, count in rows:
        put((label, printed, count), " ")
        lines.append(" " * width)
    total = sum(int(count) for _, _, count in rows)
    lines += ["=" * width, f"Total params: {total} ({total * 4 / 1024:.2f} KB)", "_" * width]
    return "\n".join(lines)


def keras_boxes(model: nn.Module, shape: tuple[int, ...], widths: tuple[int, int, int] = (33, 24, 15)) -> str:
    """Keras 3: boxes, what does not fit wrapped at spaces, and inside words that are longer than the column."""
    rows = keras_rows(model, shape)
    lines = ['Model: "sequential"', "┏" + "┳".join("━" * width for width in widths) + "┓"]

    def wrap(cell: str, room: int) -> list[str]:
        found = [""]
        for word in cell.split(" "):
            if found[-1] and len(found[-1]) + 1 + len(word) <= room:
                found[-1] += f" {word}"
                continue
            if found[-1]:
                found.append("")
            while len(word) > room:
                found[-1], word = word[:room], word[room:]
                found.append("")
            found[-1] = word
        return found

    def put(cells: tuple[str, str, str], bar: str) -> None:
        columns = [wrap(cell, width - 2) for cell, width in zip(cells, widths, strict=True)]
        for line in range(max(map(len, columns))):
            pieces = [(column[line] if line < len(column) else "") for column in columns]
            padded = [
                f" {piece.rjust(width - 2) if index == 2 else piece.ljust(width - 2)} "
                for index, (piece, width) in enumerate(zip(pieces, widths, strict=True))
            ]
            lines.append(f"{bar}{bar.join(padded)}{bar}")

    put(("Layer (type)", "Output Shape", "Param #"), "┃")
    lines.append("┡" + "╇".join("━" * width for width in widths) + "┩")
    for index, (label, printed, count) in enumerate(rows):
        if index:
            lines.append("├" + "┼".join("─" * width for width in widths) + "┤")
        put((label, printed, f"{int(count):,}"), "│")
    lines.append("└" + "┴".join("─" * width for width in widths) + "┘")
    total = sum(int(count) for _, _, count in rows)
    lines.append(f" Total params: {total:,} ({total * 4 / 1024:.2f} KB)")
    return "\n".join(lines)
