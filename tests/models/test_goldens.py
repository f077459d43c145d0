"""The example models under predict and verify: nothing differs, tables are golden, MACs are worked here by hand."""

from pathlib import Path

import pytest

import inspector
from models import EXAMPLES
from tests.models.examples import build

GOLDENS = Path(__file__).parent.parent / "goldens"

CLASSIFIER = 120 * 84 + 84 * 10
LENET = 6 * 25 * 28**2 + 16 * 6 * 25 * 10**2 + 120 * 16 * 25 + CLASSIFIER
TOKENS = 2 * 16

#: Multiplications: weights of one output element times output elements.
MACS = {
    "models.lenet:LeNet5": LENET,
    # C3 has 60 kernels instead of 16·6; the output layer is a distance, of subtractions and squares: no matrix product.
    "models.original:OriginalLeNet5": 6 * 25 * 28**2 + 60 * 25 * 10**2 + 120 * 16 * 25 + 120 * 84,
    "models.normalized:LeNetBatchNorm": 4 * LENET,  # a batch of four
    "models.normalized:LeNetGroupNorm": LENET,
    "models.normalized:LeNetFrozenBatchNorm": LENET,
    "models.dense:LeNet300100": 784 * 300 + 300 * 100 + 100 * 10,
    "models.residual:ResidualLeNet": (
        6 * 25 * 28**2
        + (16 * 6 * 9 + 16 * 16 * 9 + 16 * 6) * 14**2  # two 3×3 and the shortcut
        + 2 * 16 * 16 * 9 * 7**2
        + 16 * 10
    ),
    "models.separable:SeparableLeNet": (
        6 * 25 * 28**2
        + 6 * 25 * 10**2  # one kernel for each channel
        + 16 * 6 * 10**2
        + 16 * 25
        + 120 * 16
        + CLASSIFIER
    ),
    "models.dimensions:LeNet1d": 6 * 5 * 28 + 16 * 6 * 5 * 10 + 120 * 16 * 5 + CLASSIFIER,
    "models.dimensions:LeNet3d": 6 * 75 * 14 * 28**2 + 16 * 6 * 75 * 5 * 10**2 + 120 * 16 * 50 + CLASSIFIER,
    "models.transformer:TinyTransformer": (
        2 * TOKENS * (3 * 32 * 32 + 32 * 32 + 2 * 4 * 32 * 32)  # the linear layers of two blocks
        + 2 * 2 * (2 * 4 * 16 * 16 * 8)  # scores and weighted values: batch 2, 4 heads, 16 × 16 positions, width 8
        + TOKENS * 32 * 64  # the tied output
    ),
}


def predict(target: str) -> inspector.Prediction:
    size, dtype = EXAMPLES[target]
    return inspector.predict(build(target), size, input_dtypes=dtype)


def golden_file(target: str) -> Path:
    return GOLDENS / f"{target.partition(':')[2]}.txt"


@pytest.mark.parametrize("target", EXAMPLES)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_verified(target: str, mode: str) -> None:
    size, dtype = EXAMPLES[target]
    verification = inspector.verify(build(target), size, input_dtypes=dtype, mode=mode)
    assert verification.ok, verification
    assert {check.reference for check in verification.checks if check.verdict == "agree"} >= {
        "execution",
        "flop_counter",
        "torchinfo",
        "registered",
    }


@pytest.mark.parametrize("target", EXAMPLES)
def test_macs_worked_by_hand(target: str) -> None:
    prediction = predict(target)
    assert prediction.total_macs == MACS[target]
    assert prediction.unknown_macs == 0
    assert all(row.source == "formula" for row in prediction.rows)


@pytest.mark.parametrize("target", EXAMPLES)
def test_totals_are_sums(target: str) -> None:
    prediction = predict(target)
    rows, modules, tensors = prediction.rows, prediction.modules, prediction.tensors
    assert prediction.total_macs == sum(row.macs for row in rows) == modules[0].macs
    assert prediction.total_elementwise_ops == sum(row.elementwise_ops for row in rows) == modules[0].elementwise_ops
    assert prediction.total_params == sum(row.params for row in rows) == modules[0].params  # every parameter is used
    assert prediction.total_params == sum(tensor.numel for tensor in tensors if not tensor.buffer)
    assert prediction.buffer_elements == sum(tensor.numel for tensor in tensors if tensor.buffer)
    assert prediction.param_bytes + prediction.buffer_bytes == sum(prediction.bytes_by_dtype.values())
    for module in modules:
        inside = rows[slice(*module.rows)]
        assert (module.params, module.macs) == (sum(row.params for row in inside), sum(row.macs for row in inside))
    for row in rows:
        if row.params:
            assert row.params_formula.number == row.params
        if row.macs:
            assert row.formula.number == row.macs


@pytest.mark.parametrize("target", EXAMPLES)
def test_table_is_golden(target: str, request: pytest.FixtureRequest) -> None:
    table, file = str(predict(target)) + "\n", golden_file(target)
    if request.config.getoption("--update-goldens"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(table)
    assert file.is_file(), f"{file.name} is missing; pytest --update-goldens writes it"
    assert table == file.read_text()


def test_no_golden_is_unused(request: pytest.FixtureRequest) -> None:
    unused = set(GOLDENS.glob("*")) - {golden_file(target) for target in EXAMPLES}
    if request.config.getoption("--update-goldens"):
        for file in unused:
            file.unlink()
        unused = set()
    assert not unused


def test_tied_weights_are_told() -> None:
    assert predict("models.transformer:TinyTransformer").tied_parameters == (("embedding.weight", "output.weight"),)
