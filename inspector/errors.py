"""Errors written for the person who meets them. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspector.prediction import Prediction


class InspectionError(Exception):
    """The question could not be put: the model, its input or its forward does not allow an answer.

    Attributes:
        partial: the prediction up to the call that failed, where there was one.
    """

    def __init__(self, message: str, partial: Prediction | None = None) -> None:
        super().__init__(message)
        self.partial = partial


class ShapeError(InspectionError, RuntimeError):
    """Sizes that the called function cannot take; PyTorch would raise here too.

    It is what PyTorch raises, so that a forward which catches PyTorch's error goes on as it would.
    """


class AxisError(ShapeError, IndexError):
    """An axis or an index outside a tensor."""


class KindError(ShapeError, NotImplementedError):
    """Numbers of a kind that PyTorch has no kernel for."""


class NeedsData(InspectionError):
    """The forward asks for a tensor's value, and no data was given from which it follows."""
