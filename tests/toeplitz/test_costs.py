"""Costs before anything is allocated: the closed figures, and the refusal of what cannot fit."""

from __future__ import annotations

import pytest
import torch

from inspector.toeplitz import DoesNotFit, conv_operator, costs


def large() -> torch.Tensor:
    """64 → 64 channels, 3×3; no values are needed for the figures."""
    return torch.empty(64, 64, 3, 3, device="meta")


def test_figures_of_a_resnet_layer() -> None:
    """56² with padding 1: an axis has 3·56 − 2 = 166 pairs, the matrix 64·64·166² = 112 869 376 entries.

    CSR int32: 4·(nnz + 200 704 + 1) + 4·nnz. COO: 20·nnz. Dense: 4·200 704².
    """
    A = conv_operator(large(), (56, 56), padding=1)
    assert A.shape == (200_704, 200_704)
    assert A.nnz == 64 * 64 * 166**2 == 112_869_376
    assert A.nbytes("csr") == A.nbytes("csc") == 8 * 112_869_376 + 4 * 200_705
    assert A.nbytes("coo") == 20 * 112_869_376
    assert A.nbytes("dense") == 4 * 200_704**2
    # Blocks of 64 × 64: one index each for 166² blocks, 56² + 1 starts.
    assert A.nbytes("bsr") == 4 * 112_869_376 + 4 * (166**2 + 56**2 + 1)


def test_int64_from_two_to_the_31() -> None:
    """1×1 kernel: nnz = C²·I. 2¹⁵ channels and 2 places: 2³¹ entries, one more than int32 counts."""
    small, wide = (conv_operator(torch.empty(2**15, 2**15, 1, device="meta"), size) for size in (1, 2))
    assert small.nbytes("csr") == 8 * 2**30 + 4 * (2**15 + 1)
    assert wide.nnz == 2**31
    assert wide.nbytes("csr") == 12 * 2**31 + 8 * (2**16 + 1)


def test_the_figures_cost_nothing() -> None:
    """512²·(7·4096 − 12)² = 2.153·10¹⁴ entries of 12 bytes (int64 indices) are 2.58 petabytes; only formulas run."""
    A = conv_operator(torch.empty(512, 512, 7, 7, device="meta"), (4096, 4096), padding=3)
    assert A.nnz == 512**2 * (7 * 4096 - 3 * 4) ** 2
    assert costs.in_bytes(A.nbytes("csr")) == "2.58 PB"


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "available", lambda device: 10_000)


def test_refused_with_sizes_and_what_fits(little_memory: None) -> None:
    """20 places, kernel 3: dense 18·20 entries; with 8 channels each way 64 times that, in 8 bytes."""
    A = conv_operator(torch.ones(8, 8, 3, dtype=torch.float64), 20, channels_last=True)
    # nnz = 64·18·3 = 3456: csr 12·3456 + 4·145 = 42 052, bsr 8·3456 + 4·(54 + 18 + 1) = 27 940.
    with pytest.raises(DoesNotFit) as refusal:
        A.to_dense()
    message = str(refusal.value)
    assert "144 × 160 matrix with 3 456 entries takes 184 kB as dense; 10 kB are free on cpu" in message
    assert "csr 42.1 kB, csc 42.1 kB, coo 82.9 kB, bsr 27.9 kB, dense 184 kB" in message
    assert "What fits: none of them; A @ x and A.T @ y need no matrix" in message


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr"])
def test_every_layout_is_refused_before_it_is_allocated(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    A = conv_operator(torch.ones(8, 8, 3), 20, channels_last=True)
    monkeypatch.setattr(costs, "available", lambda device: A.nbytes(layout) - 1)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(DoesNotFit, match=f"as {layout}"):
        A.to_sparse(layout)


def test_what_fits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    A = conv_operator(torch.ones(1, 1, 3), 400)
    monkeypatch.setattr(costs, "available", lambda device: A.nbytes("csc"))
    with pytest.raises(DoesNotFit, match="What fits: csr, csc"):
        A.to_dense()
    assert A.to_sparse("csr").values().numel() == A.nnz


def test_products_then_go_without_the_matrix(little_memory: None) -> None:
    weight = torch.randn(8, 8, 3, dtype=torch.float64)
    A = conv_operator(weight, 40, padding=1, padding_mode="circular")
    assert A.matrix_free
    x, y = torch.randn(A.shape[1], 2, dtype=torch.float64), torch.randn(A.shape[0], 2, dtype=torch.float64)
    torch.testing.assert_close((y * (A @ x)).sum(), ((A.T @ y) * x).sum())
    with pytest.raises(DoesNotFit):
        A.matmul(x, matrix_free=False)
    with pytest.raises(DoesNotFit):
        A.diagonals()


def test_available_is_between_nothing_and_the_machine() -> None:
    free = costs.available(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50
    assert costs.available(torch.device("meta")) is None


def test_a_container_may_have_less(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("5000\n")
    used.write_text("2000\n")
    monkeypatch.setattr(costs, "_CONTROL_GROUPS", ((limit, used), (tmp_path / "none", tmp_path / "none")))
    assert costs.available(torch.device("cpu")) == 3000
    limit.write_text("max\n")
    assert costs.available(torch.device("cpu")) != 3000
