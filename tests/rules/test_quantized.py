"""What training for quantization rounds, beside PyTorch."""

from __future__ import annotations

import torch

from tests.rules.harness import check


def test_rounding_keeps_shape_and_strides() -> None:
    x = torch.rand(2, 3, 4).transpose(0, 2)
    check(torch.fake_quantize_per_tensor_affine, x, 0.1, 0, 0, 255, on="cpu")
    scales, zeros = torch.full((3,), 0.1), torch.zeros(3, dtype=torch.int32)
    check(torch.fake_quantize_per_channel_affine, x, scales, zeros, 1, 0, 255, on="cpu")
