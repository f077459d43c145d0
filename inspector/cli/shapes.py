"""``--input``: a shape, perhaps with a name before it and a dtype after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Sequence

Size: TypeAlias = int | str

_SIZE = re.compile(r"-?\d+|[A-Za-z_]\w*")
#: ``8x128``, ``Nx3x224x224``: sizes joined by x, at least one of them a number.
_BY_X = re.compile(r"(?=.*\d)(?:\d+|[A-Za-wyz_]\w*?)(?:x(?:\d+|[A-Za-wyz_]\w*?))+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FORMS = "Write a shape as 1,3,224,224 or 1x3x224x224, with a dtype as 2,16:int64, with a name as tokens=2,16:int64."


@dataclass(frozen=True)
class InputShape:
    """One ``--input``: sizes are numbers or symbols; name and dtype may be absent."""

    sizes: tuple[Size, ...]
    name: str | None = None
    dtype: str | None = None


def parse_input(text: str, least: int = 1) -> InputShape:
    """Read one ``--input``.

    Args:
        text: as it was written.
        least: the smallest size; 0 where PyTorch runs an empty batch.

    Raises:
        InspectionError: the text is no shape, or a size is below the smallest.

    >>> parse_input("tokens=2,16:int64")
    InputShape(sizes=(2, 16), name='tokens', dtype='int64')
    >>> parse_input("1x3x224x224").sizes, parse_input("image:[1,3,8,8]").name, parse_input("N,3,H,W").sizes
    ((1, 3, 224, 224), 'image', ('N', 3, 'H', 'W'))
    """
    name, equals, rest = text.partition("=")
    if not equals:
        name, rest = "", text
    parts = [part.strip() for part in rest.split(":")]
    # name:shape, as Polygraphy and trtexec write it; shape:dtype where what follows is the word of a dtype
    if not equals and len(parts) > 1 and (len(parts) == 3 or (_NAME.fullmatch(parts[0]) and not _is_dtype(parts[1]))):
        name, *parts = parts
    if len(parts) > 2 or ((equals or name) and not _NAME.fullmatch(name.strip())):
        raise InspectionError(f"--input {text!r} cannot be read. {_FORMS}")
    dtype = parts[1] if len(parts) == 2 else None
    if dtype is not None and not _NAME.fullmatch(dtype.removeprefix("torch.")):
        raise InspectionError(f"--input {text!r}: {dtype!r} is no dtype. {_FORMS}")
    return InputShape(_sizes(parts[0], text, least), name.strip() or None, dtype)


def _is_dtype(word: str) -> bool:
    """Whether a word has the form of a dtype's name; whether there is one, torch says later."""
    return re.fullmatch(r"(torch\.)?(q?u?int|b?float|complex|bool|half|double|long|short|byte)\d*\w*", word) is not None


def _sizes(written: str, text: str, least: int) -> tuple[Size, ...]:
    inner = written.strip()
    if inner[:1] + inner[-1:] in ("[]", "()"):
        inner = inner[1:-1].strip()
        if not inner:
            return ()
    parts = inner.split("x") if _BY_X.fullmatch(inner) else inner.removesuffix(",").split(",")
    sizes: list[Size] = []
    for part in (part.strip() for part in parts):
        if not _SIZE.fullmatch(part):
            raise InspectionError(f"--input {text!r}: {part!r} is no size. {_FORMS}")
        size: Size = part if _NAME.fullmatch(part) else int(part)
        if isinstance(size, int) and size < least:
            raise InspectionError(f"--input {text!r}: the size {size} must be at least {least}.")
        sizes.append(size)
    return tuple(sizes)


def arrange(
    shapes: Sequence[InputShape], names: Sequence[str]
) -> tuple[list[tuple[Size, ...]] | dict[str, tuple[Size, ...]], list[str | None] | dict[str, str | None]]:
    """(input_size, input_dtypes) as ``predict`` takes them: lists, or dicts as soon as one input has a name.

    Args:
        shapes: in the order of the command line.
        names: the forward's positional parameters, which give names to the unnamed ones of a mixture.

    Raises:
        InspectionError: an unnamed input has no parameter, or two inputs one name.
    """
    if all(shape.name is None for shape in shapes):
        return [shape.sizes for shape in shapes], [shape.dtype for shape in shapes]
    unnamed = [shape for shape in shapes if shape.name is None]
    if len(unnamed) > len(names):
        raise InspectionError(
            f"--input is given {len(unnamed)} times without a name, and the forward has the positional parameters "
            f"({', '.join(names)})"
        )
    named = [*zip(names, unnamed, strict=False), *((shape.name, shape) for shape in shapes if shape.name)]
    sizes: dict[str, tuple[Size, ...]] = {}
    for name, shape in named:
        if name in sizes:
            raise InspectionError(f"--input gives {name!r} twice")
        sizes[name] = shape.sizes
    return sizes, {name: shape.dtype for name, shape in named}
