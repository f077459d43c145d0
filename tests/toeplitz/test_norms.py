"""Brackets of norms, each held against the dense matrix's singular values."""

import math

import pytest
import torch

from inspector.errors import InspectionError
from inspector.toeplitz import ConvOperator, conv_operator, operator_norm, singular_values
from inspector.toeplitz.circulant import Circulant, Ring, padding_norm, ring_around, ring_of
from inspector.toeplitz.norms import witnessed
from tests.toeplitz.drawn import convolutions

#: What the dense decomposition itself may miss, relatively.
NEAR = 1e-13
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.complex128)


def wide(A: ConvOperator) -> ConvOperator:
    return A.with_weight(A.weight.to(torch.complex128 if A.dtype.is_complex else torch.float64))


def largest(A: ConvOperator) -> float:
    """By the dense matrix, which the bounds never see."""
    return float(torch.linalg.svdvals(wide(A).to_dense())[0])


def held(A: ConvOperator) -> None:
    true = largest(A)
    for method in ("bounds", "dense"):
        found = operator_norm(A, method)
        assert found.certified
        assert found.lower <= true * (1 + NEAR) + 1e-300, (method, A, A.axes)
        assert found.upper >= true * (1 - NEAR), (method, A, A.axes)
        assert found.lower >= true * (1 - 1e-6), (method, A, A.axes)
        # the witness is one: its own quotient, computed anew, lies in the bracket
        vector = A.columns.to_vectors(found.witness[None])[:, 0]
        quotient = float(torch.linalg.vector_norm(wide(A).to_dense() @ vector) / torch.linalg.vector_norm(vector))
        assert found.lower <= quotient * (1 + NEAR) + 1e-300


def test_bracket_holds_for_drawn_convolutions() -> None:
    drawn = list(convolutions(60, seed=0, dtypes=DTYPES))
    assert {A.axes[0].mode for A in drawn} == {"zeros", "circular", "reflect", "replicate"}
    assert any(A.transposed for A in drawn)
    for A in drawn:
        held(A)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_bracket_holds_for_hundreds_of_drawn_convolutions(seed: int) -> None:
    for A in convolutions(100, seed, DTYPES):
        held(A)


@pytest.mark.parametrize(("size", "stride"), [((6, 4), 1), ((6, 4), 2), ((9, 6), 3), ((6, 8), (3, 2))])
@pytest.mark.parametrize("groups", [1, 2])
def test_circular_is_exact(size: tuple[int, int], stride: int, groups: int) -> None:
    weight = torch.randn(4, 4 // groups, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    A = conv_operator(weight, size, stride, 1, groups=groups, padding_mode="circular")
    found = operator_norm(A, "bounds")
    assert found.gap < 1e-9
    torch.testing.assert_close(found.upper, largest(A), rtol=1e-11, atol=0)
    rings, times, exactly = zip(*map(ring_of, A.axes), strict=True)
    assert all(exactly)
    assert times == (1, 1)
    values = Circulant(weight, groups, rings).singular_values()
    torch.testing.assert_close(values, torch.linalg.svdvals(A.to_dense()), rtol=0, atol=1e-12)


def test_all_singular_values_of_a_large_circular_one_sum_to_the_frobenius_norm() -> None:
    """Σσ² = ‖A‖²_F = positions · Σw²: of 64² places, 1·2 channels, too large for the dense way's limit."""
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    A = conv_operator(weight, (64, 64), padding="same", padding_mode="circular")
    values = singular_values(A)
    assert len(values) == min(A.shape)
    torch.testing.assert_close(values.square().sum(), 64 * 64 * weight.square().sum())
    assert bool((values[:-1] >= values[1:]).all())


def test_singular_values_where_small() -> None:
    for A in convolutions(20, seed=3):
        torch.testing.assert_close(
            singular_values(A), torch.linalg.svdvals(A.to_dense()), rtol=0, atol=1e-10 * max(1.0, largest(A))
        )


def test_zero_padding_may_exceed_the_circular_norm_and_stays_under_the_embedding() -> None:
    """The circular value at the same size is no bound; among 300 kernels some show it."""
    generator = torch.Generator().manual_seed(4)
    exceeded = 0
    for _ in range(300):
        weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, generator=generator)
        zeros = conv_operator(weight, (6, 6), padding=1)
        circular = conv_operator(weight, (6, 6), padding=1, padding_mode="circular")
        true = largest(zeros)
        exceeded += true > largest(circular) * (1 + 1e-9)
        found = operator_norm(zeros, "bounds")
        assert found.lower <= true * (1 + NEAR)
        assert true <= found.upper * (1 + NEAR)
    assert exceeded > 0


def test_reflected_box_blur_exceeds_one() -> None:
    """Worked on paper for 1-D: no symbol bound holds, for reflected borders count twice."""
    blur = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    A = conv_operator(blur, (8, 8), padding=1, padding_mode="reflect")
    assert round(largest(A), 4) == 1.0594
    found = operator_norm(A, "bounds")
    assert found.lower <= largest(A) <= found.upper
    assert found.gap < 1e-3  # Schur's test is sharp where no weight is negative


def test_padding_norm_counts_copies() -> None:
    """Reflect by 1: inputs 1 and n − 2 are read twice: √2 along each axis; replicate by 2: the edge three times."""
    weight = torch.ones(1, 1, 3, 3)
    assert padding_norm(conv_operator(weight, (8, 8), padding=1, padding_mode="reflect").axes) == pytest.approx(2.0)
    weight = torch.ones(1, 1, 5)
    assert padding_norm(conv_operator(weight, 8, padding=2, padding_mode="replicate").axes) == pytest.approx(3**0.5)
    assert padding_norm(conv_operator(weight, 8, padding=2).axes) == 1.0


def test_identity_and_difference_by_hand() -> None:
    """A 1×1 kernel of w has norm |w|; (−1, 1) on a ring of even length has 2, at the highest frequency."""
    one = operator_norm(conv_operator(torch.tensor([[[-3.0]]]), 7), "bounds")
    assert one.lower == pytest.approx(3.0, rel=1e-12)
    assert one.upper == pytest.approx(3.0, rel=1e-12)
    ring = conv_operator(torch.tensor([[[-1.0, 1.0]]]), 8, padding=((0, 1),), padding_mode="circular")
    assert operator_norm(ring, "bounds").upper == pytest.approx(2.0, rel=1e-12)


def test_ring_is_the_smallest_without_overlap() -> None:
    """N ≥ n + d(K − 1) where padding is 'same' (issue of aliasing), a multiple of the stride."""
    A = conv_operator(torch.ones(1, 1, 3), 10, stride=1, padding=1)
    assert ring_around(A.axes[0]).places == 11
    A = conv_operator(torch.ones(1, 1, 3), 10, stride=3, padding=1)
    assert ring_around(A.axes[0]) == Ring(12, 3, 3, 1, -1)


def test_a_ring_too_small_would_not_bound() -> None:
    """The planted fault: on a ring of the input's own size windows reach round, and some kernel breaks the bound."""
    generator = torch.Generator().manual_seed(5)
    broken = 0
    for _ in range(300):
        weight = torch.randn(1, 1, 3, dtype=torch.float64, generator=generator)
        A = conv_operator(weight, 5, padding=1)
        small = Circulant(weight, 1, (Ring(5, 3, 1, 1, -1),)).leading().value
        broken += small < largest(A) * (1 - 1e-9)
    assert broken > 0


@pytest.mark.parametrize("exponent", [-600, 600])
def test_extreme_weights_neither_overflow_nor_vanish(exponent: int) -> None:
    weight = torch.randn(2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    plain = operator_norm(conv_operator(weight, 9), "bounds")
    scaled = operator_norm(conv_operator(weight * 2.0**exponent, 9), "bounds")
    assert scaled.upper == math.ldexp(plain.upper, exponent)
    assert scaled.lower == math.ldexp(plain.lower, exponent)


def test_nothing_has_norm_zero() -> None:
    found = operator_norm(conv_operator(torch.zeros(2, 2, 3), 9))
    assert (found.lower, found.upper, found.certified, found.gap) == (0.0, 0.0, True, 0.0)


def test_bias_changes_nothing() -> None:
    weight = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(7))
    with_bias = conv_operator(weight, 9, bias=torch.ones(2)).operator_norm()
    assert (with_bias.lower, with_bias.upper) == ((b := conv_operator(weight, 9).operator_norm()).lower, b.upper)


def test_channels_last_has_the_same_norm() -> None:
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(8))
    plain, last = (conv_operator(weight, (6, 5), channels_last=order).operator_norm() for order in (False, True))
    assert last.upper == pytest.approx(plain.upper, rel=1e-12)


def test_witness_less_rounding_is_no_more_than_the_quotient() -> None:
    for A in convolutions(20, seed=9):
        vector = torch.ones(A.shape[1], dtype=A.dtype)
        quotient = float(torch.linalg.vector_norm(A.to_dense() @ vector) / torch.linalg.vector_norm(vector))
        assert quotient * (1 - 1e-9) - 1e-12 <= witnessed(A, vector) <= quotient * (1 + 1e-15)


def test_spectral_norm_parametrization_is_not_this_norm() -> None:
    """It normalises the reshaped weight (2 × 18) to 1, and the operator keeps another norm."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(2, 2, 3, padding=1)
    torch.nn.utils.parametrizations.spectral_norm(conv, n_power_iterations=200)
    found = ConvOperator.from_module(conv, (8, 8)).operator_norm()
    assert float(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2)) == pytest.approx(1, rel=1e-4)
    assert found.lower > 1.2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_with_their_place(bad: float) -> None:
    weight = torch.ones(2, 1, 3)
    weight[1, 0, 2] = bad
    A = conv_operator(weight, 5)
    for ask in (operator_norm, singular_values):
        with pytest.raises(InspectionError, match=r"weight\[1, 0, 2\]"):
            ask(A)


def test_what_cannot_be_asked_says_so() -> None:
    A = conv_operator(torch.ones(16, 16, 3, 3), (64, 64), padding=1)
    for ask in (singular_values, lambda A: operator_norm(A, "dense")):
        with pytest.raises(InspectionError, match="65 536 × 65 536 is too large for its decomposition"):
            ask(A)
    with pytest.raises(InspectionError, match="'auto', 'dense' or 'bounds'"):
        operator_norm(A, "exact")  # type: ignore[arg-type]
    with pytest.raises(InspectionError, match="meta device"):
        operator_norm(conv_operator(torch.ones(1, 1, 3, device="meta"), 5))
    with pytest.raises(InspectionError, match="floating-point or complex"):
        operator_norm(conv_operator(torch.ones(1, 1, 3, dtype=torch.int64), 5))


@pytest.mark.cuda
def test_bracket_holds_on_cuda() -> None:
    for A in convolutions(20, seed=10):
        on_device = A.with_weight(A.weight.cuda())
        found = operator_norm(on_device, "bounds")
        assert found.witness.device.type == "cuda"
        assert found.lower <= largest(A) * (1 + NEAR)
        assert largest(A) <= found.upper * (1 + NEAR)
