"""Parameters and MACs of the layers that models, printed tables and matrices share, as formulas. No torch.

Rules read their values from a call's tensors, tables from print; what the number is stands here once.
"""

from __future__ import annotations

from inspector.formula import Formula

#: Symbols of the sides of kernel, input and output, by the number of axes.
KERNEL = {1: ("K",), 2: ("K_h", "K_w"), 3: ("K_d", "K_h", "K_w")}
INPUT = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
OUTPUT = {1: ("L_out",), 2: ("H_out", "W_out"), 3: ("D_out", "H_out", "W_out")}

_SOURCE = "torch.nn.Conv{0}d; Dumoulin & Visin 2016, arXiv 1603.07285"
#: Every output pixel of every filter multiplies and adds one kernel.
CONVOLUTION_MACS = {
    n: Formula(f"N*C_out*(C_in//G)*{'*'.join(KERNEL[n] + OUTPUT[n])}", source=_SOURCE.format(n)) for n in KERNEL
}
CONVOLUTION_PARAMS = {
    n: Formula(f"C_out*(C_in//G*{'*'.join(KERNEL[n])} + b)", counts="params", source=_SOURCE.format(n)) for n in KERNEL
}
#: Every input pixel of every channel is spread through one kernel.
TRANSPOSED_MACS = {
    n: Formula(
        f"N*C_in*(C_out//G)*{'*'.join(KERNEL[n] + INPUT[n])}",
        source=f"torch.nn.ConvTranspose{n}d; Dumoulin & Visin 2016, arXiv 1603.07285",
    )
    for n in KERNEL
}
TRANSPOSED_PARAMS = {
    n: Formula(
        f"C_in*(C_out//G)*{'*'.join(KERNEL[n])} + C_out*b", counts="params", source=f"torch.nn.ConvTranspose{n}d"
    )
    for n in KERNEL
}

LINEAR_MACS = Formula("N*F_in*F_out", source="torch.nn.Linear: y = xAᵀ + b; N is the product of all leading axes")
LINEAR_PARAMS = Formula("F_out*(F_in + b)", counts="params", source="torch.nn.Linear")

CHANNEL_PARAMS = Formula(
    "C*(1 + b)", counts="params", source="torch.nn.BatchNorm2d, GroupNorm: one scale and one shift for each channel"
)
FEATURE_PARAMS = Formula(
    "n*(1 + b)",
    counts="params",
    source="torch.nn.LayerNorm, RMSNorm: one scale and one shift for each normalized element",
    symbols={"n": "elements normalized together"},
)

EMBEDDING_PARAMS = Formula("V*D", counts="params", source="torch.nn.Embedding: V rows of D features")

TOKEN_PARAMS = Formula(
    "T*D",
    counts="params",
    source="Dosovitskiy et al. 2020, arXiv 2010.11929: learned tokens of D features",
    symbols={"T": "learned tokens"},
)
ATTENTION_PARAMS = Formula(
    "4*E*(E + b)",
    counts="params",
    source="torch.nn.MultiheadAttention: projections of query, key, value and output",
    symbols={"E": "embedding width"},
)
SLOPE_PARAMS = Formula("n", counts="params", source="torch.nn.PReLU", symbols={"n": "learned slopes"})

_SIZES = {
    "I": "input size",
    "O": "output size",
    "P": "padding of each side",
    "S": "stride",
    "d": "dilation",
    "e": "output padding",
}
_WINDOW = "torch.nn.Conv2d, MaxPool2d; Dumoulin & Visin 2016, arXiv 1603.07285, relationship 6"
#: Length of an axis after a window slid over it; the numbers come from geometry, which tests hold against these.
WINDOW_SIZE = Formula("(I - K + 2*P)//S + 1", counts="size", source=_WINDOW, symbols=_SIZES)
DILATED_SIZE = Formula("(I - d*(K - 1) - 1 + 2*P)//S + 1", counts="size", source=_WINDOW, symbols=_SIZES)
CEILED_SIZE = Formula(
    "(I - d*(K - 1) - 1 + 2*P + S - 1)//S + 1", counts="size", source="torch.nn.MaxPool2d, ceil_mode", symbols=_SIZES
)
TRANSPOSED_SIZE = Formula(
    "(I - 1)*S - 2*P + d*(K - 1) + e + 1", counts="size", source="torch.nn.ConvTranspose2d", symbols=_SIZES
)
#: The first solved for the kernel at stride 1, where it has one solution.
KERNEL_SIZE = Formula("I - O + 2*P + 1", counts="size", source=_WINDOW, symbols=_SIZES)
