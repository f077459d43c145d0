"""Calls that are no work: properties of a tensor and switches of PyTorch's state. They pass through and make no row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_PROPERTIES = """
    shape dtype ndim layout is_leaf is_sparse is_sparse_csr is_quantized is_nested is_mkldnn is_complex
    is_floating_point is_signed is_inference is_contiguous grad grad_fn names itemsize nbytes _version _base
    _backward_hooks
    _is_view _has_symbolic_sizes_strides output_nr retains_grad grad_dtype volatile
    size dim stride numel nelement element_size storage_offset untyped_storage storage data_ptr __len__ __hash__
    __format__ is_set_to is_pinned is_shared is_same_size has_names is_conj is_neg is_distributed ndimension get_device
    __dir__ register_hook retain_grad register_post_accumulate_grad_hook __repr__ _is_zerotensor is_coalesced
    record_stream storage_type dense_dim sparse_dim qscheme q_scale q_zero_point q_per_channel_axis
    _has_grad_dtype_override _grad _grad_fn _cdata name const_data_ptr __cuda_array_interface__
    _post_accumulate_grad_hooks _clear_non_serializable_cached_data
    __reduce_ex__ __dlpack_device__ dim_order
"""
_SWITCHES = """
    set_grad_enabled is_grad_enabled get_default_dtype is_inference_mode_enabled is_tensor result_type can_cast
    promote_types is_storage broadcast_shapes is_autocast_enabled finfo iinfo numel
    sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum sym_fresh_size
"""


def _getters(name: str) -> Any:
    attribute = getattr(Tensor, name)
    return attribute if callable(attribute) else attribute.__get__


PASSIVE: frozenset[Any] = frozenset(
    [_getters(name) for name in _PROPERTIES.split() if hasattr(Tensor, name)]
    + [getattr(torch, name) for name in (_PROPERTIES + _SWITCHES).split() if callable(getattr(torch, name, None))]
    + [
        torch._C._set_grad_enabled,
        *(torch._C._nn._parse_to, torch._has_compatible_shallow_copy_type),  # questions of ``module.to``
    ]
)
