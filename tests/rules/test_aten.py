"""Operators of graphs, as torch.export and torch.fx write them, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import inspector
from tests.rules.harness import check, predict

aten = torch.ops.aten
IMAGE = torch.rand(2, 4, 6, 8)
CHANNEL = torch.rand(4)
SCORES, CLASSES = torch.rand(5, 3), torch.tensor([0, 1, 2, 1, 0])


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (aten.lift_fresh_copy.default, (torch.arange(3),)),
        (aten.broadcast_tensors.default, ([torch.rand(3, 1), torch.rand(2)],)),
        (aten.mT.default, (IMAGE,)),
        (aten._native_batch_norm_legit_no_training.default, (IMAGE, *[CHANNEL] * 4, 0.1, 1e-5)),
        (aten._native_batch_norm_legit.default, (IMAGE, *[CHANNEL] * 4, True, 0.1, 1e-5)),
        (aten._native_batch_norm_legit.no_stats, (IMAGE, CHANNEL, CHANNEL, True, 0.1, 1e-5)),
        (aten._adaptive_avg_pool2d.default, (IMAGE, [3, 5])),
        (aten._adaptive_avg_pool3d.default, (IMAGE, [1, 3, 5])),
        (aten.upsample_nearest1d.vec, (IMAGE[0], None, [2.5])),
        (aten.upsample_bilinear2d.vec, (IMAGE, None, False, [2.0, 1.5])),
        (aten.upsample_bilinear2d.vec, (IMAGE, [5, 7], True, None)),
        (aten.upsample_bicubic2d.default, (IMAGE, [5, 7], False, 0.5, 0.5)),
        (aten._upsample_nearest_exact2d.default, (IMAGE, [5, 7])),
        (aten._upsample_bilinear2d_aa.default, (IMAGE, [3, 4], False)),
        (aten.reflection_pad2d.default, (IMAGE, [1, 2, 3, 0])),
        (aten.replication_pad3d.default, (IMAGE, [1, 2, 3, 0, 1, 1])),
        (aten.im2col.default, (IMAGE, [2, 3], [1, 2], [1, 0], [2, 1])),
        (aten.col2im.default, (torch.rand(2, 8, 15), [4, 6], [2, 2], [1, 1], [0, 0], [1, 1])),
        (aten._cdist_forward.default, (SCORES, SCORES[:2], 2.0, None)),
        (aten._pdist_forward.default, (SCORES, 2.0)),
        (aten.copy.default, (IMAGE.transpose(0, 3), CHANNEL[:, None, None])),
        (aten.mse_loss.default, (SCORES, SCORES, 0)),
        (aten.smooth_l1_loss.default, (SCORES, SCORES)),
        (aten.huber_loss.default, (SCORES, SCORES, 2, 0.5)),
        (aten.cross_entropy_loss.default, (SCORES, CLASSES, None, 0)),
        (aten.nll_loss_nd.default, (SCORES, CLASSES)),
        (aten._prelu_kernel.default, (IMAGE, torch.rand(1, 4, 1, 1))),
    ],
    ids=lambda value: str(value) if not isinstance(value, tuple) else "",
)
def test_agrees_with_pytorch(operator: Any, arguments: tuple[Any, ...]) -> None:
    check(operator, *arguments, on="cpu")


def test_attention_on_the_cpu() -> None:
    operator = aten._scaled_dot_product_flash_attention_for_cpu.default
    check(operator, IMAGE, IMAGE, IMAGE, on="cpu", macs=False)  # for which the counter has no formula
    _, formula = predict(operator, IMAGE, IMAGE, IMAGE)
    assert formula is not None
    assert formula.number == 2 * 4 * (6 * 6 * 8) * 2  # Q·Kᵀ, and the weights by V


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch 2.11's exporter, about itself
def test_a_graph_of_operators_has_a_formula_in_every_row() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.PReLU())
            self.last = torch.nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.nn.functional.interpolate(self.first(x), scale_factor=2.0, mode="bilinear")
            return self.last(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)) + torch.tensor([1.0, 2.0])

    model, x = Net().eval(), torch.rand(2, 3, 8, 8)
    program = torch.export.export(model, (x,))
    for graph in (program.module(), program.run_decompositions().module()):
        p = inspector.predict(graph, input_data=x)
        assert [row.kind for row in p.rows if row.source != "formula"] == []
        assert p.total_macs == inspector.predict(model, input_data=x).total_macs
