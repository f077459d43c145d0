"""How far the search goes, and what a row is asked to be: by print, by the user for this row, or once for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from inspector.tables.records import PrintedRow

#: Hyperparameters that a row may be asked for, by print or by the user.
ASKABLE: Final = (
    "kernel",
    "stride",
    "padding",
    "dilation",
    "output_padding",
    "groups",
    "bias",
    "ceil_mode",
    "out_channels",
    "num_groups",
    "affine",
    "num_embeddings",
    "start_dim",
)
_PER_AXIS: Final = ("kernel", "stride", "padding", "dilation", "output_padding")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that are searched. What is printed or asked for holds beyond them.

    Attributes:
        kernel: largest kernel.
        stride: largest stride; a stride equal to the kernel, as of patches and pools, may be larger.
        padding: largest padding of one side; None for half of the dilated kernel, which keeps the size at stride 1.
        dilation: largest dilation.
        wide: search dilation, groups, ``ceil_mode`` and both biases for every row. Otherwise a row takes PyTorch's
            default of these (1, 1, False, True) where that has a solution, and is searched widely only where it has
            none.
        states: most intermediate results of the search for a total.

    >>> str(Bounds())[:60]
    'kernel ≤ 31, stride ≤ 8 or = kernel, padding ≤ half of the d'
    """

    kernel: int = 31
    stride: int = 8
    padding: int | None = None
    dilation: int = 4
    wide: bool = False
    states: int = 50_000

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation", "states"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InspectionError(f"bounds: {name} must be an integer of at least 1, not {value!r}")
        if self.padding is not None and (not isinstance(self.padding, int) or self.padding < 0):
            raise InspectionError(f"bounds: padding must be an integer of at least 0, not {self.padding!r}")
        if max(self.kernel, self.stride, self.padding or 0) > 512 or self.dilation > 64:
            raise InspectionError("bounds: kernel, stride and padding go up to 512, dilation up to 64")

    def __str__(self) -> str:
        """The bounds in words, as they stand under an answer."""
        padding = "half of the dilated kernel" if self.padding is None else str(self.padding)
        plain = (
            "" if self.wide else "; dilation 1, groups 1, no ceil_mode and a bias where a row has a solution with them"
        )
        return (
            f"kernel ≤ {self.kernel}, stride ≤ {self.stride} or = kernel, padding ≤ {padding}, "
            f"dilation ≤ {self.dilation}{plain}"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What one row must be; None where that is open. Values of an axis stand in a tuple, one for each axis or one for
    all.

    Attributes:
        origin: for each value that is not None, where it came from: ``printed``, ``row`` or ``once``.
    """

    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] | str | None = None
    dilation: tuple[int, ...] | None = None
    output_padding: tuple[int, ...] | None = None
    groups: int | None = None
    bias: bool | None = None
    ceil_mode: bool | None = None
    out_channels: int | None = None
    num_groups: int | None = None
    affine: bool | None = None
    num_embeddings: int | None = None
    start_dim: int | None = None
    depthwise: bool = False
    origin: Mapping[str, str] = field(default_factory=dict)

    def axis(self, name: str, axis: int) -> int | None:
        """The value for one axis; of too few values, which ``windows.meets_axes`` refuses, the first."""
        values = getattr(self, name)
        if values is None or isinstance(values, str):
            return None
        return int(values[axis] if axis < len(values) else values[0])


def asked_of(row: PrintedRow, once: Mapping[str, object], mine: Mapping[str, object]) -> Asked:
    """What is asked of ``row``: what is printed wins over what is given once; a value for this row may not contradict
    it.

    Raises:
        InspectionError: an unknown name, a value of another type, or one given for this row that its print contradicts.
    """
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    given_here = (("row", mine), ("printed", row.stated))
    # A convention's row is what the table implies: what the user says of it wins.
    for source, given in (("once", once), *(reversed(given_here) if "implied" in row.stated else given_here)):
        for name, value in given.items():
            if name == "num_groups" or name not in ASKABLE:
                if source == "printed":
                    continue
                if name not in ASKABLE:
                    raise InspectionError(f"{row.name}: {name!r} is none of {', '.join(ASKABLE)}")
            if value is None:
                continue
            found = _value(row, name, value)
            if source == "printed" and origin.get(name) == "row" and not _same(values[name], found):
                raise InspectionError(
                    f"{row.name} (line {row.line}): {name} is printed as {value}, and was given as {mine[name]}"
                )
            values[name], origin[name] = found, source
    depthwise = row.stated.get("depthwise") is True
    return Asked(**values, depthwise=depthwise, origin=origin)  # type: ignore[arg-type]  # _value checks each


def _same(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len({*one, *other}) == 1 or one == other
    return one == other


def _value(row: PrintedRow, name: str, value: object) -> object:
    where = f"{row.name} (line {row.line}): {name}"
    if name in _PER_AXIS:
        if name == "padding" and isinstance(value, str):
            if value not in ("same", "valid"):
                raise InspectionError(f"{where} is a number, 'same' or 'valid', not {value!r}")
            return (0,) if value == "valid" else value
        entries = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        least = 0 if name.endswith("padding") else 1
        if not entries or not all(isinstance(entry, int) and entry >= least for entry in entries):
            raise InspectionError(f"{where} takes integers of at least {least}, not {value!r}")
        return entries
    if name in ("bias", "ceil_mode", "affine"):
        if not isinstance(value, bool):
            raise InspectionError(f"{where} is true or false, not {value!r}")
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InspectionError(f"{where} is an integer of at least 1, not {value!r}")
    return value


assert set(ASKABLE) <= {entry.name for entry in fields(Asked)}
