"""Which dtype autocast gives to a function's result.

Source: PyTorch documentation, "Automatic Mixed Precision", lists of CUDA and CPU ops by autocast behaviour.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LOWER = {
    *("__matmul__", "__rmatmul__", "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "multi_dot"),
    *(
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "linear",
        "matmul",
        "mm",
    ),
    *(
        "mv",
        "prelu",
        "einsum",
        "scaled_dot_product_attention",
        "gru_cell",
        "lstm_cell",
        "rnn_tanh_cell",
        "rnn_relu_cell",
    ),
    *("lstm", "gru", "rnn_tanh", "rnn_relu"),
}
_CUDA_FLOAT32 = {
    *("__pow__", "__rdiv__", "__rpow__", "__rtruediv__", "acos", "asin", "binary_cross_entropy_with_logits", "cosh"),
    *(
        "cosine_embedding_loss",
        "cdist",
        "cosine_similarity",
        "cross_entropy",
        "cumprod",
        "cumsum",
        "dist",
        "erfinv",
        "exp",
    ),
    *("expm1", "group_norm", "hinge_embedding_loss", "kl_div", "l1_loss", "layer_norm", "log", "log10", "log_softmax"),
    *(
        "log1p",
        "log2",
        "margin_ranking_loss",
        "mse_loss",
        "multilabel_margin_loss",
        "multi_margin_loss",
        "nll_loss",
        "norm",
    ),
    *(
        "normalize",
        "pdist",
        "poisson_nll_loss",
        "pow",
        "prod",
        "reciprocal",
        "rsqrt",
        "sinh",
        "smooth_l1_loss",
        "soft_margin_loss",
    ),
    *("softmax", "softmin", "softplus", "sum", "renorm", "tan", "triplet_margin_loss", "stft"),
}
_CPU_FLOAT32 = {
    *(
        "avg_pool3d",
        "binary_cross_entropy",
        "grid_sample",
        "grid_sampler",
        "polar",
        "prod",
        "quantile",
        "nanquantile",
        "stft",
    ),
    *(
        "cdist",
        "trace",
        "view_as_complex",
        "cholesky",
        "cholesky_inverse",
        "cholesky_solve",
        "inverse",
        "lu_solve",
        "matrix_rank",
    ),
    *("ormqr", "pinverse", "mse_loss", "cosine_embedding_loss", "nll_loss", "hinge_embedding_loss", "poisson_nll_loss"),
    *("smooth_l1_loss", "cross_entropy", "l1_loss", "huber_loss", "margin_ranking_loss", "soft_margin_loss"),
    *("triplet_margin_loss", "multi_margin_loss", "ctc_loss", "kl_div", "multilabel_margin_loss"),
    *("binary_cross_entropy_with_logits", "fft_fft"),
}
_FLOAT32 = {"cuda": _CUDA_FLOAT32, "cpu": _CPU_FLOAT32}
_CASTABLE = (torch.float32, torch.float16, torch.bfloat16)


def active_dtype(home: str) -> tuple[str, torch.dtype] | None:
    """(device type, dtype) of the autocast that acts on a model living on ``home``; on meta whichever is on."""
    for device in ("cuda", "cpu") if home == "meta" else (home,):
        if torch.is_autocast_enabled(device):
            return device, torch.get_autocast_dtype(device)
    return None


def autocast_output(function: Any, output: Any, home: str) -> Any:
    """``output`` with the dtype that autocast gives it: a shape takes none yet, a meta tensor is made anew where it
    differs.
    """
    active = active_dtype(home)
    if active is None or not isinstance(output, Tensor) or output.dtype not in _CASTABLE:
        return output
    device, lower = active
    name = getattr(function, "__name__", "")
    if name in _LOWER:
        dtype = lower
    elif name in _FLOAT32.get(device, ()):
        dtype = torch.float32
    else:
        return output
    if output.dtype is dtype:
        return output
    return torch.empty_strided(output.shape, output.stride(), dtype=dtype, device="meta")
