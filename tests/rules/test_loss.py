"""Losses and distances with every option, against PyTorch's own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules import RULES, distance, loss
from tests.rules.draw import EXAMPLES, agree, cases, filled, full_shape, maybe, smaller, tensor
from tests.rules.harness import check, parameters, refused

SINGLE = (torch.float32, torch.float64)
REDUCTION = st.sampled_from(("none", "mean", "sum"))
pytestmark = pytest.mark.filterwarnings("ignore:size_average and reduce args")


def reduced(draw: Any, **named: Any) -> dict[str, Any]:
    """The reduction, sometimes said by the older arguments, and further options."""
    options = maybe(draw, reduction=REDUCTION, **named)
    if draw(st.integers(0, 4)) == 0:
        options |= maybe(draw, size_average=st.booleans(), reduce=st.booleans())
    return options


def pair(draw: Any, **named: Any) -> Any:
    sizes = full_shape(draw)
    first = tensor(draw, sizes, SINGLE)
    # Losses warn of shapes that broadcast.
    return (first, tensor(draw, sizes, (first.dtype,))), reduced(draw, **named)


def huber(draw: Any) -> Any:
    args, _ = pair(draw)
    return args, maybe(draw, reduction=REDUCTION, delta=st.just(0.5))


def broadcast_pair(draw: Any, **named: Any) -> Any:
    sizes = full_shape(draw)
    first = tensor(draw, sizes, SINGLE)
    return (first, tensor(draw, smaller(draw, sizes), (first.dtype,))), reduced(draw, **named)


def gaussian(draw: Any) -> Any:
    sizes = full_shape(draw, 1)
    x = filled(sizes, torch.float32)
    var = draw(st.sampled_from((sizes, sizes[:-1], (*sizes[:-1], 1))))
    variance = draw(st.sampled_from((0.5, filled(var, torch.float32))))
    return (x, filled(sizes, torch.float32), variance), maybe(draw, full=st.booleans(), reduction=REDUCTION)


def weighted(draw: Any, logits: bool) -> Any:
    (x, target), named = pair(draw)
    weight = filled(smaller(draw, x.shape), x.dtype)
    options = {"weight": st.just(weight)} | ({"pos_weight": st.just(weight)} if logits else {})
    return (x, target), {**named, **maybe(draw, **options)}


def classified(draw: Any, probabilities: bool = True) -> Any:
    C = draw(st.integers(1, 4))
    shape = draw(st.sampled_from(((C,), (3, C), (2, C, 5), (2, C, 3, 2))))
    x = tensor(draw, shape, SINGLE)
    named = reduced(draw, weight=st.just(filled((C,), x.dtype)))
    if probabilities and draw(st.booleans()):
        return (x, filled(shape, x.dtype)), named
    axis = 0 if len(shape) == 1 else 1
    target = torch.zeros((*shape[:axis], *shape[axis + 1 :]), dtype=torch.int64)
    return (x, target), {**named, **maybe(draw, ignore_index=st.just(1))}


def linear(draw: Any) -> Any:
    x = tensor(draw, (3, 4), (torch.float32,))
    bias = {"linear_bias": st.just(torch.ones(5))}
    return (x, torch.ones(5, 4), torch.zeros(3, dtype=torch.int64)), maybe(draw, reduction=REDUCTION, **bias)


def margin(draw: Any, labels: bool) -> Any:
    shape = draw(st.sampled_from(((4,), (3, 4))))
    x = filled(shape, torch.float32)
    target = torch.zeros(shape if labels else shape[:-1], dtype=torch.int64)
    return (x, target), reduced(draw)


def soft(draw: Any) -> Any:
    shape = full_shape(draw, 1)
    x = filled(shape, torch.float32)
    return (x, filled(shape, torch.float32)), reduced(draw, weight=st.just(filled(shape[-1:], torch.float32)))


def sequences(draw: Any) -> Any:
    single = draw(st.booleans())
    lead = () if single else (3,)
    log_probs = torch.zeros(12, *lead, 5)
    targets, lengths = torch.ones(*lead, 4, dtype=torch.int64), torch.full(lead, 12)
    return (log_probs, targets, lengths, torch.full(lead, 4)), maybe(
        draw, reduction=REDUCTION, zero_infinity=st.booleans(), blank=st.just(2)
    )


def numbered(draw: Any, *between: Any, three: bool = False, signs: bool = False) -> Any:
    """Inputs of a built-in loss, what stands between them and its reduction, and that as a number."""
    x = filled((3, 4), torch.float32)
    inputs = [x, x, *([torch.ones(3)] if signs else [x] if three else [])]
    return (*inputs, *between, draw(st.integers(0, 2))), {}


def vectors(draw: Any) -> Any:
    sizes = draw(st.sampled_from(((4,), (3, 4))))
    dtype = draw(st.sampled_from(SINGLE))
    inputs = tensor(draw, sizes, (dtype,)), tensor(draw, sizes, (dtype,))
    return (*inputs, torch.ones(sizes[:-1], dtype=dtype)), reduced(draw, margin=st.just(0.5))


def ranked(draw: Any) -> Any:
    sizes = full_shape(draw)
    dtype = draw(st.sampled_from(SINGLE))
    return tuple([tensor(draw, sizes, (dtype,)) for _ in range(3)]), reduced(draw, margin=st.just(0.5))


def triplet(draw: Any) -> Any:
    sizes = full_shape(draw, 1, 3)
    dtype = draw(st.sampled_from(SINGLE))
    inputs = [tensor(draw, sizes, (dtype,)) for _ in range(3)]
    return tuple(inputs), reduced(draw, swap=st.booleans(), p=st.just(1.0))


def every_pair(draw: Any) -> Any:
    D, dtype = draw(st.integers(1, 4)), draw(st.sampled_from(SINGLE))
    lead = full_shape(draw, 0, 2)
    inputs = tensor(draw, (*lead, draw(st.integers(1, 5)), D), (dtype,)), tensor(draw, (*lead, 3, D), (dtype,))
    return inputs, maybe(draw, p=st.sampled_from((1.0, 2.0, float("inf"))))


STRATEGIES: dict[Any, Any] = {
    F.mse_loss: pair,
    F.l1_loss: pair,
    F.smooth_l1_loss: lambda draw: pair(draw, beta=st.just(0.5)),
    F.soft_margin_loss: pair,
    F.kl_div: lambda draw: pair(draw, log_target=st.booleans()),
    loss.huber_loss: huber,
    F.hinge_embedding_loss: lambda draw: broadcast_pair(draw, margin=st.just(0.5)),
    F.poisson_nll_loss: lambda draw: broadcast_pair(draw, log_input=st.booleans(), full=st.booleans()),
    loss.gaussian_nll_loss: gaussian,
    F.binary_cross_entropy: lambda draw: weighted(draw, logits=False),
    F.binary_cross_entropy_with_logits: lambda draw: weighted(draw, logits=True),
    F.cross_entropy: classified,
    F.nll_loss: lambda draw: classified(draw, probabilities=False),
    loss.linear_cross_entropy: linear,
    loss.multi_margin_loss: lambda draw: margin(draw, labels=False),
    loss.multilabel_margin_loss: lambda draw: margin(draw, labels=True),
    loss.multilabel_soft_margin_loss: soft,
    loss.ctc_loss: lambda draw: ((a := sequences(draw))[0], a[1]),
    torch.ctc_loss: lambda draw: ((*sequences(draw)[0], 0, draw(st.integers(0, 2)), False), {}),
    torch.kl_div: numbered,
    torch.poisson_nll_loss: lambda draw: numbered(draw, True, False, 1e-8),
    torch.hinge_embedding_loss: lambda draw: numbered(draw, 0.5),
    torch.binary_cross_entropy_with_logits: lambda draw: numbered(draw, None, None),
    torch.cosine_embedding_loss: lambda draw: numbered(draw, 0.5, signs=True),
    torch.margin_ranking_loss: lambda draw: numbered(draw, 0.5, three=True),
    torch.triplet_margin_loss: lambda draw: numbered(draw, 0.5, 2.0, 1e-6, False, three=True),
    F.cosine_embedding_loss: vectors,
    F.margin_ranking_loss: ranked,
    F.triplet_margin_loss: triplet,
    distance.pdist: lambda draw: ((tensor(draw, full_shape(draw, 2, 2), SINGLE),), maybe(draw, p=st.just(1.0))),
    distance.cdist: every_pair,
}


@pytest.mark.parametrize(("function", "strategy"), cases({**loss.RULES, **distance.RULES}, STRATEGIES))
@EXAMPLES
@given(data=st.data())
def test_agrees_with_pytorch(function: Any, strategy: Any, data: st.DataObject) -> None:
    args, kwargs = strategy(data.draw)
    # Losses of several steps keep layouts that those of one kernel do not: only the axes' lengths are promised.
    agree(function, (args, kwargs), strides=False)


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="a later function of PyTorch")
def test_a_loss_that_multiplies_a_matrix() -> None:
    args = torch.ones(3, 4), torch.ones(5, 4), torch.zeros(3, dtype=torch.int64)
    check(F.linear_cross_entropy, *args)
    rule = RULES[F.linear_cross_entropy]
    assert rule(*args)[1].number == 60  # 3 examples, 4 features, 5 classes
    assert parameters(F.linear_cross_entropy, *args, linear_bias=torch.ones(5)).number == 25  # 5 · (4 + 1)


def test_the_work_is_one_operation_for_each_element_of_the_input() -> None:
    _, formula = RULES[F.mse_loss](torch.empty(2, 3, device="meta"), torch.empty(2, 3, device="meta"))
    assert (formula.formula.counts, formula.number) == ("elementwise", 6)


def test_sizes_that_pytorch_refuses() -> None:
    x = torch.ones(3, 4)
    assert "do not broadcast" in refused(F.poisson_nll_loss, x, torch.ones(3, 5))
    assert "target of the input's shape" in refused(F.binary_cross_entropy_with_logits, x, torch.ones(4))
    assert "one class for each of [3], got [4]" in refused(F.cross_entropy, x, torch.zeros(4, dtype=torch.int64))
    classes = torch.zeros(3, dtype=torch.int64)
    assert "5 class weights for the 4 classes" in refused(F.cross_entropy, x, classes, torch.ones(5), on="cpu")
    assert "does not fit the input" in refused(F.gaussian_nll_loss, x, x, torch.ones(2), on="cpu")
    assert "one class for each row" in refused(F.multi_margin_loss, x, classes[:2], on="cpu")
    assert "one target for each pair" in refused(F.cosine_embedding_loss, x, x, torch.ones(3, 4))
    assert "takes vectors [N, D]" in refused(torch.pdist, torch.ones(2, 3, 4), on="cpu")
    assert "cdist takes" in refused(torch.cdist, x, torch.ones(3, 5))
    assert "ctc_loss takes" in refused(F.ctc_loss, torch.ones(4), classes, classes, classes, on="cpu")
