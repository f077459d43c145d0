"""Example architectures in real PyTorch: LeNet-5 and its family, and a tiny transformer.

Every class can be built without arguments and imports torch alone. Its docstring names its paper and works its
parameter count by hand: ``C_out·(C_in·K² + 1)`` are the weights and biases of a convolution, ``F_out·(F_in + 1)`` those
of a linear layer.
"""

from typing import NamedTuple


class Example(NamedTuple):
    """An input for an example model: the size of its one tensor, and the name of its dtype."""

    size: tuple[int, ...]
    dtype: str = "float32"


#: Every example model, as the command line names it, with an input that it takes.
EXAMPLES: dict[str, Example] = {
    "models.lenet:LeNet5": Example((1, 1, 32, 32)),
    "models.original:OriginalLeNet5": Example((1, 1, 32, 32)),
    "models.normalized:LeNetBatchNorm": Example((4, 1, 32, 32)),
    "models.normalized:LeNetGroupNorm": Example((1, 1, 32, 32)),
    "models.normalized:LeNetFrozenBatchNorm": Example((1, 1, 32, 32)),
    "models.dense:LeNet300100": Example((1, 1, 28, 28)),
    "models.residual:ResidualLeNet": Example((1, 1, 32, 32)),
    "models.separable:SeparableLeNet": Example((1, 1, 32, 32)),
    "models.dimensions:LeNet1d": Example((1, 1, 32)),
    "models.dimensions:LeNet3d": Example((1, 1, 16, 32, 32)),
    "models.transformer:TinyTransformer": Example((2, 16), "int64"),
}
