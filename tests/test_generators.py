"""The global random generators are put back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from torch import nn

from inspector import generators
from inspector.predict import predict


class DrawsFromNumpy(nn.Module):
    def __init__(self, draws: int, exchanges: bool) -> None:
        super().__init__()
        self.draws, self.exchanges = draws, exchanges

    def forward(self, x):
        if self.exchanges:
            np.random.set_bit_generator(np.random.PCG64(1))
        np.random.normal(size=self.draws)
        return x


@pytest.fixture
def numpys_generator():
    """NumPy's global generator for a test to play with."""
    generator, state = np.random.get_bit_generator(), np.random.get_state()
    yield
    np.random.set_bit_generator(generator)
    np.random.set_state(state)


@pytest.mark.usefixtures("numpys_generator")
@pytest.mark.parametrize("exchanges", [False, True])
@pytest.mark.parametrize("before", [0, 1, 2, 7])
@pytest.mark.parametrize("draws", [0, 1, 2, 1000])
def test_numpys_generator_with_the_normal_number_that_waits(before, draws, exchanges):
    np.random.seed(5)
    np.random.normal(size=before)  # normal numbers come in pairs: after an odd count the second one waits
    expected = np.random.RandomState(5).normal(size=before + 3)[before:]
    predict(DrawsFromNumpy(draws, exchanges), (2,))
    assert np.random.normal(size=3).tolist() == expected.tolist()


@pytest.mark.usefixtures("numpys_generator")
def test_another_generator_in_numpys_place():
    np.random.set_bit_generator(np.random.PCG64(5))
    np.random.normal()
    expected = np.random.get_state(legacy=False)
    predict(DrawsFromNumpy(3, exchanges=True), (2,))
    assert np.random.get_state(legacy=False) == expected


class DrawsFromPython(nn.Module):
    def __init__(self, draws: int) -> None:
        super().__init__()
        self.draws = draws

    def forward(self, x):
        for _ in range(self.draws):
            random.gauss(0, 1)
        return x


@pytest.fixture
def pythons_generator():
    """Python's global generator for a test to play with."""
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.usefixtures("pythons_generator")
@pytest.mark.parametrize("understood", [True, False], ids=["by memory", "by state"])
@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("draws", [0, 1, 2, 1000])
def test_pythons_generator_with_the_normal_number_that_waits(before, draws, understood, monkeypatch):
    assert generators._python_is_understood()
    monkeypatch.setattr(generators, "_python_is_understood", lambda: understood)
    random.seed(5)
    for _ in range(before):  # normal numbers come in pairs: after an odd count the second one waits
        random.gauss(0, 1)
    expected = random.getstate()
    predict(DrawsFromPython(draws), (2,))
    assert random.getstate() == expected


@pytest.mark.usefixtures("pythons_generator")
def test_another_function_in_the_place_of_getstate(monkeypatch):
    getstate = random.getstate
    monkeypatch.setattr(random, "getstate", lambda: getstate())
    expected = getstate()
    predict(DrawsFromPython(3), (2,))
    assert getstate() == expected
