"""Any convolution as the sparse matrix it is."""

from inspector.toeplitz.axis import Axis, Run
from inspector.toeplitz.configuration import Convolution, configure
from inspector.toeplitz.costs import DoesNotFit
from inspector.toeplitz.diagonals import Diagonals
from inspector.toeplitz.grid import Grid
from inspector.toeplitz.layouts import places
from inspector.toeplitz.operator import ConvOperator, conv_operator

__all__ = [
    "Axis",
    "ConvOperator",
    "Convolution",
    "Diagonals",
    "DoesNotFit",
    "Grid",
    "Run",
    "configure",
    "conv_operator",
    "places",
]
