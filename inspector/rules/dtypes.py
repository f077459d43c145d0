"""Which kinds of numbers PyTorch has no kernel for, by function: the mean of integers, the GELU of truth values.

A rule tells shapes. What it does not see is refused here, before somebody trusts a table of a model that cannot run.

Source: the dtypes that PyTorch's own tests state for each function, on CPU and CUDA together (``OpInfo.dtypes`` and
``dtypesIfCUDA``), where a run on the CPU refuses them too.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inspector.errors import KindError
from inspector.rules import arithmetic, normalization
from inspector.structure import tensors

#: The kinds that PyTorch refuses, and by whom; a name without a room is a function of torch, a method or both.
_REFUSED = {
    "complex": """
        amax amin aminmax argsort atan2 clamp_max clamp_min complex copysign deg2rad digamma erf erfc erfinv fmax fmin
        ge gt heaviside i0 isneginf isposinf le lgamma logit lt max maximum min minimum msort polar rad2deg sign signbit
        sort xlogy fft.ihfft fft.ihfft2 fft.ihfftn fft.rfft fft.rfft2 fft.rfftn nn.functional.cosine_embedding_loss
        special.airy_ai special.bessel_j0 special.bessel_j1 special.bessel_y0 special.bessel_y1
        special.chebyshev_polynomial_t special.chebyshev_polynomial_u special.chebyshev_polynomial_v
        special.chebyshev_polynomial_w special.entr special.erfcx special.hermite_polynomial_h
        special.hermite_polynomial_he special.i0e special.i1 special.i1e special.laguerre_polynomial_l
        special.legendre_polynomial_p special.log_ndtr special.modified_bessel_i0 special.modified_bessel_i1
        special.modified_bessel_k0 special.modified_bessel_k1 special.ndtr special.ndtri
        special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1 special.shifted_chebyshev_polynomial_t
        special.shifted_chebyshev_polynomial_u special.shifted_chebyshev_polynomial_v
        special.shifted_chebyshev_polynomial_w special.spherical_bessel_j0 special.xlog1py special.zeta
    """,
    "bool": """
        __matmul__ __pow__ __rmatmul__ __rpow__ addbmm addcmul addmm addmv baddbmm bitwise_left_shift
        bitwise_right_shift bmm corrcoef cov cross cumulative_trapezoid dot gcd gradient lcm matmul mm mv neg positive
        pow trapezoid trapz vdot linalg.cross linalg.multi_dot linalg.vander nn.functional.bilinear nn.functional.conv1d
        nn.functional.conv2d nn.functional.conv3d nn.functional.conv_transpose1d nn.functional.conv_transpose2d
        nn.functional.conv_transpose3d nn.functional.l1_loss nn.functional.linear nn.functional.pairwise_distance
        nn.functional.poisson_nll_loss nn.functional.triplet_margin_loss
    """,
    "bool int": """
        addcdiv cholesky_inverse cholesky_solve dist geqrf lerp logaddexp logcumsumexp logdet lu_solve matrix_exp mean
        nanmean norm ormqr pinverse renorm std std_mean stft svd triangular_solve var var_mean linalg.cholesky
        linalg.cholesky_ex linalg.cond linalg.det linalg.eigh linalg.eigvalsh linalg.householder_product linalg.inv
        linalg.inv_ex linalg.ldl_factor linalg.ldl_factor_ex linalg.ldl_solve linalg.lstsq linalg.lu linalg.lu_factor
        linalg.lu_factor_ex linalg.lu_solve linalg.matrix_norm linalg.matrix_rank linalg.matrix_sqrth linalg.norm
        linalg.pinv linalg.polar linalg.qr linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular
        linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve linalg.vecdot linalg.vector_norm
        nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d nn.functional.adaptive_avg_pool3d
        nn.functional.normalize nn.functional.rms_norm nn.functional.silu nn.functional.smooth_l1_loss
        nn.functional.soft_margin_loss
    """,
    "bool complex": """
        __floordiv__ __mod__ __rmod__ argmax argmin bucketize ceil floor floor_divide fmod histc isin median mvlgamma
        nanmedian remainder round topk trunc nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.avg_pool3d
        nn.functional.hardtanh nn.functional.interpolate nn.functional.local_response_norm
        nn.functional.margin_ranking_loss nn.functional.max_pool1d nn.functional.max_pool2d nn.functional.max_pool3d
        nn.functional.relu nn.functional.relu6 nn.functional.threshold
    """,
    "bool int complex": """
        cdist frac frexp grid_sampler_2d grid_sampler_3d histogram hypot igamma igammac log_softmax logaddexp2
        nanquantile native_batch_norm native_group_norm native_layer_norm nextafter quantile softmax
        nn.functional.adaptive_max_pool1d nn.functional.adaptive_max_pool2d nn.functional.adaptive_max_pool3d
        nn.functional.batch_norm nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits
        nn.functional.celu nn.functional.cosine_similarity nn.functional.cross_entropy nn.functional.ctc_loss
        nn.functional.elu nn.functional.gaussian_nll_loss nn.functional.gelu nn.functional.glu nn.functional.grid_sample
        nn.functional.group_norm nn.functional.hardshrink nn.functional.hardsigmoid nn.functional.hardswish
        nn.functional.huber_loss nn.functional.instance_norm nn.functional.kl_div nn.functional.layer_norm
        nn.functional.leaky_relu nn.functional.linear_cross_entropy nn.functional.logsigmoid nn.functional.max_unpool1d
        nn.functional.max_unpool2d nn.functional.max_unpool3d nn.functional.mish nn.functional.mse_loss
        nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss nn.functional.multilabel_soft_margin_loss
        nn.functional.nll_loss nn.functional.pdist nn.functional.prelu nn.functional.selu nn.functional.softmin
        nn.functional.softplus nn.functional.softshrink
    """,
    "bool float complex": "unravel_index",
    "bool int float": "istft",
    "int": "F.unfold",
}
_HOME = (torch, Tensor, F, torch._C._nn)
_ROOMS = {"nn": _HOME, "F": (F,), "linalg": (torch.linalg,), "fft": (torch.fft,), "special": (torch.special,)}


def _table() -> dict[Any, frozenset[str]]:
    table: dict[Any, frozenset[str]] = {}
    for kinds, names in _REFUSED.items():
        refused = frozenset(kinds.split())
        for path in names.split():
            room, _, name = path.rpartition(".")
            for home in _ROOMS.get(room.partition(".")[0], _HOME):
                for spelling in (name, f"{name}_"):
                    function = getattr(home, spelling, None)
                    if function is not None:
                        table[function] = refused
    return table


#: Dtypes that promote with one another; others are left to PyTorch.
_PROMOTING = {
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex32, torch.complex64, torch.complex128),
}
#: Function -> the kinds of numbers that it refuses.
REFUSED = _table()


def refuse_kinds(function: Any, args: Any, kwargs: Any) -> None:
    """KindError where PyTorch has no kernel of this function for numbers of this kind.

    Operands count together, as they promote; what normalizes has parameters beside its one operand.
    """
    refused = REFUSED.get(function)
    if refused is None or (kwargs and kwargs.get("dtype") is not None) or torch.dtype in map(type, args):
        return  # a dtype that is asked for is cast to first
    given = tensors((args, kwargs))
    if not given or any(tensor.is_quantized or not tensor.numel() for tensor in given):
        return  # without elements no kernel is asked
    dtypes = [tensor.dtype for tensor in given]
    if not _PROMOTING.issuperset(dtypes):
        return
    dtype = dtypes[0] if function in normalization.RULES else reduce(torch.promote_types, dtypes)
    if function in arithmetic.RULES and len(given) == 1:  # a number beside one tensor is its other operand
        for number in (*args, *(kwargs or {}).values()):
            if isinstance(number, (int, float, complex)):
                dtype = torch.result_type(torch.empty((1,), dtype=dtype, device="meta"), number)
    if _kind(dtype) in refused:
        name = getattr(function, "__name__", str(function))
        taken = [words for kind, words in _KINDS.items() if kind not in refused]
        cast = "; x.float() casts" if "float" not in refused and not dtype.is_complex else ""
        raise KindError(f"PyTorch has no {name} of {dtype}: it takes {', '.join(taken)}{cast}")


_KINDS = {"bool": "truth values", "int": "whole numbers", "float": "floating numbers", "complex": "complex numbers"}


def _kind(dtype: torch.dtype) -> str:
    if dtype is torch.bool:
        return "bool"
    return "complex" if dtype.is_complex else "float" if dtype.is_floating_point else "int"
