"""The index core against (output, tap, input) triples listed one by one."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inspector import geometry
from inspector.toeplitz import Axis

Pairs = dict[tuple[int, int], tuple[int, ...]]


def listed(axis: Axis) -> Pairs:
    """(output, input) -> taps. PyTorch's padding of the numbers 1, 2, ... says which place stands for which input."""
    places = torch.arange(1.0, axis.size + 1)[None, None]
    if axis.before or axis.after:
        places = F.pad(places, (axis.before, axis.after), mode="constant" if axis.mode == "zeros" else axis.mode)
    pairs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for o in range(axis.outputs):
        for k in range(axis.kernel):
            if value := int(places[0, 0, o * axis.stride + k * axis.dilation]):
                pairs[o, value - 1].append(k)
    return {pair: tuple(taps) for pair, taps in pairs.items()}


def unrolled(axis: Axis, transposed: bool) -> Pairs:
    """What the runs say, each row written out; checks that they number rows and entries as a matrix does."""
    lengths = [0] * (axis.size if transposed else axis.outputs)
    for run in axis.runs(transposed):
        for step in range(run.count):
            lengths[run.row + step * run.row_step] += len(run.columns)
    before = np.concatenate([[0], np.cumsum(lengths)])
    pairs = {}
    for run in axis.runs(transposed):
        assert (np.diff(run.columns) > 0).all()
        for step in range(run.count):
            row = run.row + step * run.row_step
            assert run.entry + step * run.entry_step == before[row]
            for column, tap in zip(run.columns.tolist(), run.taps.tolist(), strict=True):
                place = column + step * run.column_step
                taps = (tap,) if tap < axis.kernel else axis.collisions[tap - axis.kernel]
                pairs[(place, row) if transposed else (row, place)] = taps
    assert len(pairs) == before[-1]
    return pairs


def drawn(seed: int, count: int) -> list[Axis]:
    draw, found = random.Random(seed), []
    while len(found) < count:
        size, kernel, stride, dilation = (draw.randint(1, most) for most in (14, 5, 4, 3))
        before, after, mode = (
            draw.randint(0, 6),
            draw.randint(0, 6),
            draw.choice(("zeros", "circular", "reflect", "replicate")),
        )
        allowed = {"circular": size, "reflect": size - 1}.get(mode, 6)
        outputs = geometry.output_size(size, kernel, stride, before + after, dilation)
        if outputs > 0 and max(before, after) <= allowed:
            found.append(Axis(size, outputs, kernel, stride, dilation, before, after, mode))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_runs_are_the_listed_pairs(seed: int) -> None:
    for axis in drawn(seed, 100):
        expected = listed(axis)
        assert unrolled(axis, transposed=False) == expected, axis
        assert unrolled(axis, transposed=True) == expected, axis
        assert axis.entries() == len(expected), axis


def test_read_by_lists_every_multiplication() -> None:
    for axis in drawn(9, 100):
        found: dict[tuple[int, int], list[int]] = defaultdict(list)
        for tap in range(axis.kernel):
            for o, i in zip(*(ends.tolist() for ends in axis.read_by(tap)), strict=True):
                found[o, i].append(tap)
        assert {pair: tuple(taps) for pair, taps in found.items()} == listed(axis)


def test_same_padding_closed_count() -> None:
    """Stride 1, odd K = 2r + 1, "same": of K·I reads r + ... + 1 fall outside on each side: K·I − r(r + 1)."""
    for size, r in ((56, 1), (10, 2), (300, 7)):
        assert Axis(size, size, 2 * r + 1, before=r, after=r).entries() == (2 * r + 1) * size - r * (r + 1)


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_runs_do_not_grow_with_the_axis(mode: str) -> None:
    short, long = (Axis(n // 2, n // 4, 7, 2, 1, 3, 3, mode) for n in (400, 40_000_000))  # type: ignore[arg-type]
    for transposed in (False, True):
        assert len(short.runs(transposed)) == len(long.runs(transposed)) < 40


def test_a_run_takes_turns_with_its_phases() -> None:
    """Stride 2, three taps, five inputs, two outputs: o reads 2o, 2o + 1, 2o + 2. Seen from the inputs: 0 and 1 are
    read by output 0 with taps 0 and 1, 2 by output 0 (tap 2) and output 1 (tap 0), 3 and 4 by output 1.
    """
    axis = Axis(size=5, outputs=2, kernel=3, stride=2)
    assert unrolled(axis, transposed=True) == {
        (0, 0): (0,),
        (0, 1): (1,),
        (0, 2): (2,),
        (1, 2): (0,),
        (1, 3): (1,),
        (1, 4): (2,),
    }


def test_reflection_meets_itself() -> None:
    """Three inputs a b c, padded b a b c b: taps 0 and 2 of the first window both read b."""
    axis = Axis(size=3, outputs=3, kernel=3, before=1, after=1, mode="reflect")
    assert axis.collisions == [(0, 2)]
    assert axis.runs()[0].columns.tolist() == [0, 1]
    assert axis.runs()[0].taps.tolist() == [1, 3]  # a by tap 1; b by set 0, which is called K + 0
