"""Verification: agreement, what each witness does not count, and planted faults that must be found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from inspector import rules
from inspector.errors import InspectionError, NeedsData
from inspector.formula import Formula
from inspector.predict import predict
from inspector.verify import compare, verify


class Net(nn.Module):
    """A convolution, a norm, a layer called twice, a functional product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(36, 36)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x))).flatten(1)
        y = self.linear(self.linear(y))
        return y @ y.t()


SIZE = (2, 1, 5, 5)


def verdicts(verification, reference, what):
    return {
        (check.path, check.call): check.verdict
        for check in verification.checks
        if (check.reference, check.what) == (reference, what)
    }


def test_a_model_that_agrees():
    verification = verify(Net(), SIZE)
    assert verification.ok, verification
    assert verdicts(verification, "execution", "output_shapes") == dict.fromkeys(
        [("", 1), ("conv", 1), ("norm", 1), ("linear", 1), ("linear", 2)], "agree"
    )
    assert set(verdicts(verification, "flop_counter", "macs").values()) == {"agree"}
    assert ("", 0) in verdicts(verification, "flop_counter", "macs")  # the whole model
    assert set(verdicts(verification, "registered", "params").values()) == {"agree"}
    mult_adds = verdicts(verification, "torchinfo", "macs")
    assert mult_adds == dict.fromkeys([("conv", 1), ("norm", 1), ("linear", 1), ("linear", 2), ("", 0)], "not counted")


def test_the_total_of_torchinfo_is_taken_apart():
    verification = verify(Net(), SIZE)
    total = next(c for c in verification.checks if (c.reference, c.what, c.call) == ("torchinfo", "macs", 0))
    # Biases 2·9·4 of the convolution and twice 2·36, the norm's 2·8: 72 + 144 + 16. The product y·yᵀ: 2·2·36.
    assert total.reason == "+232 by faults in its layers; -144 for calls outside its layers, which it does not see"
    assert total.measured - total.predicted == 232 - 144


def test_the_text_says_what_differs_first_then_what_is_unconfirmed():
    verification = verify(Net(), SIZE)
    lines = str(verification).splitlines()
    assert lines[0] == "Net: nothing differs"
    assert "Witnesses:" in lines
    assert any(line.startswith("  PyTorch execution: ") and "0 differ" in line for line in lines)


def test_a_verification_is_not_mistaken_for_its_verdict():
    with pytest.raises(TypeError, match=r"ask for its \.ok"):
        assert verify(nn.Linear(2, 2), (1, 2))


@pytest.mark.parametrize(
    ("wrong", "what", "references"),
    [
        (
            lambda x, w, b=None: ((*x.shape[:-1], w.shape[0]), Formula("N*F_in")(N=2, F_in=3)),
            "macs",
            {"flop_counter", "torchinfo"},
        ),
        (lambda x, w, b=None: ((*x.shape[:-1], w.shape[0] + 1), None), "output_shapes", {"execution", "torchinfo"}),
    ],
)
def test_a_wrong_rule_is_found(monkeypatch, wrong, what, references):
    monkeypatch.setitem(rules.RULES, F.linear, wrong)
    monkeypatch.setitem(rules.RULES, torch._C._nn.linear, wrong)
    verification = verify(nn.Sequential(nn.Linear(3, 4)), (2, 3))
    assert not verification.ok
    found = {check.reference for check in verification.differences if check.what == what and check.path == "0"}
    assert found == references
    assert "0 (Linear)" in str(verification)


#: A change to one module call of the prediction, and the witnesses' checks that must then differ.
PLANTED = [
    ("conv", {"output_shapes": ((2, 4, 3, 4),)}, {("execution", "output_shapes"), ("torchinfo", "output_shapes")}),
    ("conv", {"dtypes": ("float16",)}, {("execution", "dtype")}),
    ("conv", {"macs": 649, "known_macs": 649}, {("flop_counter", "macs"), ("torchinfo", "macs")}),
    ("norm", {"macs": 1, "known_macs": 1}, {("flop_counter", "macs"), ("torchinfo", "macs")}),
    ("", {"macs": 1, "known_macs": 1}, {("flop_counter", "macs")}),
    ("conv", {"params": 36}, {("torchinfo", "params")}),  # 4·(9 + 1) without the bias
    ("norm", {"params": 0}, {("torchinfo", "params")}),
]


@pytest.mark.parametrize(("path", "change", "expected"), PLANTED)
def test_a_wrong_figure_of_one_call_is_found(path, change, expected):
    verification = verify(Net(), SIZE)
    prediction = verification.prediction
    prediction.__dict__["modules"] = tuple(
        replace(call, **change) if call.path == path else call for call in prediction.modules
    )
    checks = [check for measurement in verification.measurements for check in compare(prediction, measurement)]
    differing = {(check.reference, check.what) for check in checks if check.verdict == "differ" and check.call}
    assert differing == expected


def test_a_missing_and_a_reordered_call_are_found():
    verification = verify(Net(), SIZE)
    prediction, calls = verification.prediction, verification.prediction.modules
    execution = verification.measurements[1]
    for planted, ours, theirs in (
        (calls[:-1], "no call 5", "call 5 is linear (its call 2)"),
        ((calls[0], calls[2], calls[1], *calls[3:]), "call 2 is norm", "call 2 is conv"),
    ):
        prediction.__dict__["modules"] = planted
        check = next(c for c in compare(prediction, execution) if c.what == "calls")
        assert (check.verdict, check.predicted, check.measured) == ("differ", ours, theirs)


def test_wrong_totals_are_found():
    model = Net()
    verification = verify(model, SIZE)
    model.conv.bias = None  # the prediction still counts its 4 biases
    fresh = verify(model, SIZE)
    checks = compare(verification.prediction, fresh.measurements[0])
    assert [check.what for check in checks if check.verdict == "differ"] == [
        "params",
        "trainable_params",
        "param_bytes",
    ]


def test_what_pytorch_refuses_although_it_was_predicted(monkeypatch):
    verification = verify(nn.Linear(3, 4), (2, 3))
    refused = replace(
        verification.measurements[1], failure="RuntimeError: no", conditions={"refused": "yes"}, modules=()
    )
    (check,) = compare(verification.prediction, refused)
    assert (check.verdict, check.measured) == ("differ", "RuntimeError: no")
    (check,) = compare(verification.prediction, replace(refused, conditions={}))
    assert check.verdict == "not counted"


class Apply(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


@pytest.mark.parametrize(
    ("function", "sizes", "reason"),
    [
        (torch.mv, [(3, 4), (4,)], "has no formula for aten::mv"),
        (F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], "has no formula for aten::_trilinear"),
    ],
)
def test_what_the_counter_does_not_count_is_explained_to_the_last_product(function, sizes, reason):
    verification = verify(Apply(function), sizes)
    assert verification.ok, verification
    check = next(c for c in verification.not_counted if c.reference == "flop_counter" and c.call)
    assert check.reason == reason
    prediction, counter = verification.prediction, verification.measurements[2]
    prediction.__dict__["modules"] = tuple(
        replace(call, macs=call.macs + 1, known_macs=call.known_macs + 1) for call in prediction.modules
    )
    assert {check.verdict for check in compare(prediction, counter)} == {"differ"}


def test_a_complex_convolution_is_three_real_ones():
    verification = verify(Apply(F.conv1d), [(1, 2, 8), (3, 2, 3)], input_dtypes="complex64")
    assert verification.ok, verification
    # 3 filters over 2 channels of 3 taps, at 6 places, computed as three real convolutions.
    assert verification.prediction.total_macs == 3 * (3 * 2 * 3 * 6)


def test_an_operator_that_nobody_knows_is_unknown_and_unconfirmed():
    @torch.library.custom_op("inspector_verify_tests::product", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    @product.register_fake
    def _(a, b):
        return a.new_empty(a.shape[0], b.shape[1])

    verification = verify(Apply(product), [(3, 4), (4, 5)])
    assert verification.ok, verification
    assert verification.prediction.unknown_macs == 1
    text = str(verification)
    assert "Confirmed by no witness:" in text
    assert "inspector_verify_tests::product" in text


def test_tied_and_unused_parameters_are_told():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3, bias=False)
            self.second = nn.Linear(3, 3, bias=False)
            self.second.weight = self.first.weight
            self.idle = nn.Linear(3, 5)

        def forward(self, x):
            return self.second(self.first(x))

    verification = verify(Tied(), (2, 3))
    assert verification.ok, verification
    assert verification.notes[:2] == (
        "tied: first.weight = second.weight",
        "used by no call: idle.weight, idle.bias",
    )
    reasons = {
        c.path: c.reason
        for c in verification.not_counted
        if (c.reference, c.what) == ("torchinfo", "params") and c.call
    }
    assert reasons == {
        "": "counts parameters that no call uses",
        "second": "counts a tied parameter at each of its places",
    }
    assert "tied: first.weight = second.weight" in str(verification)


def test_pruned_models():
    model = nn.Sequential(nn.Linear(3, 4))
    prune.random_unstructured(model[0], "weight", amount=6)
    verification = verify(model, (2, 3))
    assert verification.ok, verification


def test_sizes_that_depend_on_values():
    class Selects(nn.Module):
        def forward(self, x):
            return x[x > 0.5]

    with pytest.raises(NeedsData, match="needs the values"):
        verify(Selects(), (7,))
    known = verify(Selects(), input_data=torch.tensor([0.0, 1.0, 2.0]))
    assert known.ok, known
    assert verdicts(known, "execution", "output_shapes") == {("", 1): "agree"}


def test_the_question_that_cannot_be_put():
    with pytest.raises(InspectionError, match="names the size 'N'"):
        verify(nn.Linear(3, 4), ("N", 3))


def test_mode_is_asked_for_and_put_back():
    model = nn.Sequential(nn.Dropout(), nn.Linear(3, 4)).eval()
    verification = verify(model, (2, 3), mode="train")
    assert verification.measurements[1].conditions["mode"] == "train"
    assert not model.training
    assert not model[0].training


def test_prediction_comes_from_sizes_before_anything_runs():
    verification = verify(nn.Linear(3, 4), (2, 3))
    assert verification.prediction.rows == predict(nn.Linear(3, 4), (2, 3)).rows


def test_parameters_of_a_parametrization():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)))
    verification = verify(model, (2, 3))
    assert verification.ok, verification
    # Original 0 holds 4 norms, original 1 the 4·3 directions; the module that multiplies them registers neither.
    check = next(c for c in verification.not_counted if c.kind == "_WeightNorm" and c.what == "params")
    assert (check.predicted, check.measured) == (16, 0)


def test_work_of_hooks_that_torchinfo_does_not_see():
    verification = verify(nn.utils.spectral_norm(nn.Linear(3, 4)), (2, 3))
    assert verification.ok, verification
    # The layer 2·3·4 = 24; one power iteration Wᵀu and Wv, 12 each; σ = uᵀ(Wv), 12 for Wv and 4 for the dot product.
    assert verification.prediction.total_macs == 64


def test_nothing_of_the_model_changes_and_no_number_is_drawn():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    attributes = [sorted(vars(module)) for module in model.modules()]
    state = torch.get_rng_state()
    for question in ({"input_size": (4, 3)}, {"input_data": torch.ones(4, 3)}, {"input_size": (4, 3), "mode": "eval"}):
        assert verify(model, **question).ok
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert attributes == [sorted(vars(module)) for module in model.modules()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, FakeTensorMode, lambda: torch.device("meta")])
def test_under_the_callers_own_modes(mode):
    made_outside = Net()
    with mode():
        for model in (made_outside, Net()):
            verification = verify(model, SIZE)
            assert verification.ok, verification
            assert not [m.failure for m in verification.measurements if m.failure]


def test_the_callers_own_counter_is_left_alone():
    with FlopCounterMode(display=False) as counter:
        assert verify(Net(), SIZE).ok
        assert verify(Net(), input_data=torch.zeros(SIZE)).ok
    assert counter.get_total_flops() == 0


def test_in_threads():
    with ThreadPoolExecutor(4) as pool:
        assert all(v.ok for v in pool.map(lambda _: verify(Net(), SIZE), range(4)))


@pytest.fixture
def taught(monkeypatch):
    """Rules registered by a test end with it."""
    table = dict(rules.RULES)
    yield
    for function in rules.RULES.keys() - table.keys():
        del rules.RULES[function]


WORK = Formula("N*M", symbols={"M": "anything"})


def test_a_rule_of_the_users_own_is_taken_where_the_counter_sees_nothing(taught):
    @torch.library.custom_op("inspector_verify_tests::opaque", mutates_args=())
    def opaque(a: torch.Tensor) -> torch.Tensor:
        return a.clone()

    @opaque.register_fake
    def _(a):
        return torch.empty_like(a)

    def launcher(a):
        return opaque(a)

    for function in (opaque, launcher):
        rules.register(function, lambda a: (a.shape, WORK(N=3, M=7)))
        model = Apply(lambda a, function=function: function(a) @ a.t())
        verification = verify(model, (3, 4))
        assert verification.ok, verification
        assert verification.prediction.total_macs == 21 + 3 * 4 * 3
        check = next(c for c in verification.not_counted if c.reference == "flop_counter" and c.call)
        assert "of which only a rule speaks" in check.reason


def test_a_rule_of_the_users_own_is_held_to_what_the_counter_sees(taught):
    def product(a, b):
        return torch.mm(a, b)

    rules.register(product, lambda a, b: ((3, 5), WORK(N=3, M=7)))  # 3·4·5 = 60 in truth
    verification = verify(Apply(lambda a, b: product(a, b)), [(3, 4), (4, 5)])
    assert {check.what for check in verification.differences} == {"macs"}


class MixesPrecisions(nn.Module):
    def forward(self, x):
        return torch.lerp(x, x.double(), 0.5)


def test_what_pytorch_never_does_is_no_lack_of_the_witness():
    found = verify(MixesPrecisions(), (2, 4))
    assert not found.ok
    (refused,) = [check for check in found.checks if check.verdict == "differ" and check.reference == "execution"]
    assert "expected dtype" in str(refused.measured)
