"""Operators of torchvision, against torchvision itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

import inspector
from inspector.formula import BoundFormula
from inspector.rules import ValuesNeeded, rule_for
from tests.rules.harness import compare, twin

ops = pytest.importorskip("torchvision.ops")
BOXES = torch.tensor([[0, 1.0, 1, 8, 8], [1, 2, 2, 9, 9], [0, 0, 0, 4, 4]])


class Operators(TorchFunctionMode):
    """Holds each operator of torchvision that runs against its rule."""

    def __init__(self) -> None:
        super().__init__()
        self.macs: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if str(func).startswith("torchvision"):
            rule = rule_for(func)
            assert rule is not None, func
            predicted, formula = rule(*twin(list(args)), **twin(kwargs or {}))
            if not isinstance(predicted[0], torch.Tensor):
                predicted = torch.empty(predicted, dtype=args[0].dtype, device="meta")
            compare(predicted, output)
            of_macs = isinstance(formula, BoundFormula) and formula.formula.counts == "macs"
            self.macs.append(formula.number if of_macs else None)
        return output


def test_regions() -> None:
    x = torch.ones(2, 8, 16, 12)
    with Operators() as seen:
        ops.roi_align(x, BOXES, (3, 4), sampling_ratio=2, aligned=True)
        ops.roi_align(x, [BOXES[:1, 1:], BOXES[1:, 1:]], 5)
        ops.roi_pool(x, BOXES, 4)
        ops.ps_roi_align(x, BOXES, 2)
        ops.ps_roi_pool(x, BOXES, (2, 4))
    assert seen.macs == [None] * 5


def test_deformable_convolution() -> None:
    x = torch.ones(2, 8, 16, 12)
    with Operators() as seen:
        ops.deform_conv2d(x, torch.zeros(2, 18, 14, 10), torch.ones(4, 8, 3, 3))
        masks = torch.ones(2, 18, 8, 6)
        ops.deform_conv2d(x, torch.zeros(2, 36, 8, 6), torch.ones(4, 4, 3, 3), padding=1, stride=2, mask=masks)
    # As a convolution: 4 filters of 8 (or 8/2) channels and 9 taps over every place of the output.
    assert seen.macs == [2 * 4 * 8 * 9 * 14 * 10, 2 * 4 * 4 * 9 * 8 * 6]


def test_parameters_of_a_deformable_convolution() -> None:
    for bias, count in ((True, 220), (False, 216)):  # 4 filters of 6 channels and 9 taps, and 4 biases
        layer = ops.DeformConv2d(6, 4, 3, bias=bias)
        prediction = inspector.predict(layer, [(1, 6, 8, 8), (1, 18, 6, 6)])
        row = next(row for row in prediction.rows if row.kind.endswith("deform_conv2d"))
        assert row.params == prediction.total_params == count
        assert row.params_formula is not None
        assert row.params_formula.number == count


def test_how_many_boxes_remain_is_a_value() -> None:
    rule = rule_for(torch.ops.torchvision.nms)
    assert rule is not None
    with pytest.raises(ValuesNeeded):
        rule(BOXES[:, 1:], torch.ones(3), 0.5)
