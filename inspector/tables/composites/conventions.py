"""What a paper's table leaves to its text: taken by convention, said in the answer, and open to change."""

from __future__ import annotations

from dataclasses import dataclass, fields

from inspector.errors import InspectionError


@dataclass(frozen=True, slots=True)
class Conventions:
    """What is taken where a table prints a block and not its inside.

    Attributes:
        blocks: ``residual``: bracketed blocks of several convolutions that are repeated add their input again, and
            every convolution has a batch normalization and no bias; ``chain``: the rows are as printed; ``auto``: the
            first of the two that a known total allows, the first where none is known.
        classes: outputs of a classifier whose number is not printed.
        growth: channels that each layer of a dense block adds; 0 for what the table or its caption says.
        patch: side of the patches of a vision transformer whose name does not end in it (``ViT-B/16``).
        squeeze: a block's input channels over those inside its squeeze-and-excitation.
        norms: imply batch normalizations beside convolutions of blocks that usually have them.

    >>> Conventions(classes=10).classes
    10
    """

    blocks: str = "auto"
    classes: int = 1000
    growth: int = 0
    patch: int = 16
    squeeze: int = 4
    norms: bool = True

    def __post_init__(self) -> None:
        if self.blocks not in ("auto", "residual", "chain"):
            raise InspectionError(f"conventions: blocks is auto, residual or chain, not {self.blocks!r}")
        if not isinstance(self.norms, bool):
            raise InspectionError(f"conventions: norms is true or false, not {self.norms!r}")
        for name in ("classes", "growth", "patch", "squeeze"):
            value = getattr(self, name)
            least = int(name != "growth")
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**7:
                raise InspectionError(f"conventions: {name} is an integer from {least} to 10 000 000, not {value!r}")


#: Names that may be given.
KNOWN = tuple(entry.name for entry in fields(Conventions))
