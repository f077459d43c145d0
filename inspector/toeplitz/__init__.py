"""Any convolution as the sparse matrix it is."""

from inspector.toeplitz.axis import Axis, Run
from inspector.toeplitz.configuration import Convolution, configure
from inspector.toeplitz.costs import DoesNotFit
from inspector.toeplitz.diagonals import Diagonals
from inspector.toeplitz.faults import Fault
from inspector.toeplitz.figure import svg
from inspector.toeplitz.grid import Grid
from inspector.toeplitz.layouts import places
from inspector.toeplitz.lipschitz import Factor, LipschitzBound, lipschitz_bound
from inspector.toeplitz.norms import NormBracket, operator_norm, singular_values
from inspector.toeplitz.operator import ConvOperator, conv_operator
from inspector.toeplitz.paper import Steps, steps
from inspector.toeplitz.verification import ConvVerification, KernelCheck, verify_conv

__all__ = [
    "Axis",
    "ConvOperator",
    "ConvVerification",
    "Convolution",
    "Diagonals",
    "DoesNotFit",
    "Factor",
    "Fault",
    "Grid",
    "KernelCheck",
    "LipschitzBound",
    "NormBracket",
    "Run",
    "Steps",
    "configure",
    "conv_operator",
    "lipschitz_bound",
    "operator_norm",
    "places",
    "singular_values",
    "steps",
    "svg",
    "verify_conv",
]
