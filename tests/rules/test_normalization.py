"""Normalizations with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import RULES, normalization
from tests.rules.draw import EXAMPLES, FLOATING, agree, cases, filled, full_shape, maybe, tensor
from tests.rules.harness import parameters, refused


def channels(draw: Any, least: int = 0) -> tuple[Any, Any, dict[str, Any]]:
    """An input (N, C, *), running statistics or None, and perhaps a scale and a shift for each channel."""
    dtype = draw(st.sampled_from(FLOATING))
    C = draw(st.sampled_from((1, 2, 4)))
    x = tensor(draw, (draw(st.integers(1, 3)), C, *full_shape(draw, least, 3)), (dtype,))
    affine = maybe(draw, weight=st.just(filled((C,), dtype)), bias=st.just(filled((C,), dtype)))
    statistics = (filled((C,), dtype), filled((C,), dtype)) if draw(st.booleans()) else (None, None)
    return x, statistics, affine


def batch(draw: Any) -> Any:
    x, (mean, var), affine = channels(draw)
    training = mean is None or draw(st.booleans())
    return (x, mean, var), {**affine, "training": training, **maybe(draw, momentum=st.just(0.2), eps=st.just(0.1))}


def batch_builtin(draw: Any) -> Any:
    x, (mean, var), affine = channels(draw)
    training = mean is None or draw(st.booleans())
    return (x, affine.get("weight"), affine.get("bias"), mean, var, training, 0.1, 1e-5, False), {}


def batch_native(draw: Any) -> Any:
    x, (mean, var), affine = channels(draw)
    training = mean is None or draw(st.booleans())
    return (x, affine.get("weight"), affine.get("bias"), mean, var, training, 0.1, 1e-5), {}


def instance(draw: Any) -> Any:
    x, (mean, var), affine = channels(draw, 1)
    return (x, mean, var), {**affine, "use_input_stats": mean is None or draw(st.booleans())}


def instance_builtin(draw: Any) -> Any:
    x, (mean, var), affine = channels(draw, 1)
    stats = mean is None or draw(st.booleans())
    return (x, affine.get("weight"), affine.get("bias"), mean, var, stats, 0.1, 1e-5, False), {}


def grouped(draw: Any) -> Any:
    x, _, affine = channels(draw)
    groups = draw(st.sampled_from([g for g in (1, 2, 4) if x.shape[1] % g == 0]))
    return (x, groups), affine


def grouped_native(draw: Any) -> Any:
    x, _, affine = channels(draw)
    N, C, *space = x.shape
    return (x, affine.get("weight"), affine.get("bias"), N, C, torch.Size(space).numel(), 1, 1e-5), {}


def trailing(draw: Any, bias: bool = True) -> Any:
    dtype = draw(st.sampled_from(FLOATING))
    x = tensor(draw, full_shape(draw, 1), (dtype,))
    over = tuple(x.shape[draw(st.integers(0, x.dim() - 1)) :])
    parameters = {"weight": st.just(filled(over, dtype))}
    if bias:
        parameters["bias"] = st.just(filled(over, dtype))
    return (x, over), maybe(draw, **parameters, eps=st.just(0.1))


def layer_native(draw: Any) -> Any:
    args, named = trailing(draw)
    return (*args, named.get("weight"), named.get("bias"), 1e-5), {}


def response(draw: Any) -> Any:
    x = tensor(draw, full_shape(draw, 3, 5), FLOATING)
    return (x, draw(st.integers(1, 4))), maybe(draw, alpha=st.just(0.1), beta=st.just(0.5), k=st.just(2.0))


STRATEGIES: dict[Any, Any] = {
    F.batch_norm: batch,
    torch.batch_norm: batch_builtin,
    torch.native_batch_norm: batch_native,
    F.instance_norm: instance,
    torch.instance_norm: instance_builtin,
    normalization.layer_norm: trailing,
    normalization.native_layer_norm: layer_native,
    normalization.rms_norm: lambda draw: trailing(draw, bias=False),
    normalization.group_norm: grouped,
    normalization.native_group_norm: grouped_native,
    normalization.local_response_norm: response,
}


@pytest.mark.parametrize(("function", "strategy"), cases(normalization.RULES, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    # The native function of the CPU keeps layouts that torch.nn.functional's does not.
    agree(function, strategy(data.draw), strides=function is not torch.native_batch_norm)


def test_channels_last_stays() -> None:
    x = torch.ones(2, 4, 5, 6).to(memory_format=torch.channels_last)
    for output in (RULES[F.batch_norm](x, None, None)[0], RULES[F.group_norm](x, 2)[0]):
        assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("function", "args", "count"),
    [
        (F.batch_norm, (torch.ones(2, 3, 4), None, None, torch.ones(3), torch.ones(3)), 6),  # 3 scales, 3 shifts
        (F.instance_norm, (torch.ones(2, 3, 4), None, None, torch.ones(3)), 3),
        (F.group_norm, (torch.ones(2, 4, 4), 2, torch.ones(4), torch.ones(4)), 8),
        (F.layer_norm, (torch.ones(2, 3, 4), (3, 4), torch.ones(3, 4), torch.ones(3, 4)), 24),  # 12 and 12
        (F.rms_norm, (torch.ones(2, 3, 4), (3, 4), torch.ones(3, 4)), 12),
        (torch._weight_norm, (torch.ones(5, 3, 2), torch.ones(5, 1, 1)), 35),  # 5 directions of 6, and 5 lengths
    ],
)
def test_parameters(function: Any, args: Any, count: int) -> None:
    assert parameters(function, *args).number == count


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(2, 3, 4)
    assert "is over 5 channels, the input [2, 3, 4] has 3" in refused(F.batch_norm, x, torch.ones(5), torch.ones(5))
    assert "more than one value" in refused(F.batch_norm, torch.ones(1, 3), None, None, training=True)
    assert "more than one value" in refused(F.instance_norm, torch.ones(2, 3, 1))
    assert "does not end so" in refused(F.layer_norm, x, (5,))
    assert "its parameters have [3]" in refused(F.layer_norm, x, (4,), torch.ones(3))
    assert "does not end so" in refused(F.rms_norm, x, (3, 5))
    assert "into 2 groups" in refused(F.group_norm, x, 2)
    assert "at least 3 axes" in refused(F.local_response_norm, torch.ones(2, 3), 2)
