"""The worked example to the last digit; each of its numbers altered; windows, counts and totals beside brute force."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import inspector
from inspector.errors import InspectionError
from inspector.tables import Bounds, Contradiction, PrintedRow, Table, build, read, solve
from inspector.tables.solving import kinds
from inspector.tables.solving.axis import Mode, Wanted, axis
from inspector.tables.solving.families import Solutions, Ways
from inspector.tables.solving.problem import Problem
from inspector.tables.solving.totals import best_sums, kept_counts

LENET = Path(__file__).parent / "printed" / "lenet_torchsummary.md"


@pytest.fixture(scope="module")
def lenet() -> Table:
    return read(LENET)


def rows(*shapes: tuple[str, tuple[int, ...], int | None]) -> Table:
    return Table(
        tuple(
            PrintedRow(n, f"{kind} {shape}", f"{kind}-{n}", kind, output_shape=shape, params=params)
            for n, (kind, shape, params) in enumerate(shapes, 1)
        ),
        "markdown",
    )


def test_the_worked_example(lenet: Table) -> None:
    """32 − 28 + 1 = 14 − 10 + 1 = 5 − 1 + 1 = 5; 156 + 2 416 + 48 120 + 10 164 + 850 = 61 706."""
    solution = solve(lenet, (1, 32, 32), stride=1, padding=0)
    convolutions = [row for row in solution.rows if row.kind == "conv"]
    assert [row.hyperparameters["kernel"] for row in convolutions] == [(5, 5)] * 3
    assert [row.solutions.count for row in convolutions] == [1, 1, 1]
    assert [row.params for row in solution.rows if row.params] == [156, 2416, 48120, 10164, 850]
    assert solution.total_params == 61706
    assert solution.ambiguous == ("MaxPool2d-3", "MaxPool2d-6")
    assert solution["MaxPool2d-3"].hyperparameters["kernel"] == (2, 2)


def test_it_is_reachable_from_the_package_and_loads_no_torch() -> None:
    code = (
        "import sys, inspector\n"
        f"t = inspector.tables.read({str(LENET)!r})\n"
        "s = inspector.tables.solve(t, input_shape=(1, 32, 32), stride=1, padding=0)\n"
        "print(s.total_params, len(s.source()) > 100, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["61706", "True", "False"]


def alterations(table: Table) -> list[tuple[int, int, int]]:
    return [
        (at, place, number + step)
        for at, row in enumerate(table.rows)
        for place, number in enumerate(row.output_shape or ())
        for step in (-1, 1, 5)
        if number + step >= 1
    ]


ALTERED = alterations(read(LENET))


@pytest.mark.parametrize(("at", "place", "value"), ALTERED)
def test_each_number_altered_is_consistent_or_refused_at_its_row(lenet: Table, at: int, place: int, value: int) -> None:
    """Consistent: the model built has the altered number. Refused: at the row or the one it feeds, with a change."""
    row = lenet.rows[at]
    assert row.output_shape is not None
    shape = (*row.output_shape[:place], value, *row.output_shape[place + 1 :])
    altered = replace(lenet, rows=(*lenet.rows[:at], replace(row, output_shape=shape), *lenet.rows[at + 1 :]))
    refusal: Contradiction | None = None
    try:
        solution = solve(altered, (1, 32, 32), stride=1, padding=0)
    except Contradiction as error:
        refusal = error
    if refusal is not None:
        refused = refusal.conflicts[0].row.name
        assert refused in {found.name for found in lenet.rows[at : at + 2]}
        assert {change.name for change in refusal.changes} & {row.name, refused}
        assert str(refusal.changes[0]) in str(refusal)
        return
    seen: dict[str, tuple[int, ...]] = {}
    model = build(solution)
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _, __, output, name=name: seen.__setitem__(name, tuple(output.shape)))
    model.to("meta").eval()(torch.empty(2, 1, 32, 32, device="meta"))
    assert seen[row.name.lower().replace("-", "_")] == (2, *shape)
    assert sum(parameter.numel() for parameter in model.parameters()) == solution.total_params


def test_most_single_misprints_are_undone_by_the_change_that_is_proposed(lenet: Table) -> None:
    """27 for 28 in the first convolution: the change back is the smallest and leaves the usual layers."""
    first = replace(lenet.rows[0], output_shape=(6, 27, 28))
    with pytest.raises(Contradiction, match=r"Conv2d-1 \(line \d+\): the 27 of its output shape would have to be 28"):
        solve(replace(lenet, rows=(first, *lenet.rows[1:])), (1, 32, 32), stride=1, padding=0)


def test_equal_sides_are_put_right_together() -> None:
    """13×13 where a pool of 2 leaves 12×12 of 24×24, and 5×5 then leave 8×8."""
    table = rows(("max_pool", (6, 13, 13), None), ("conv", (16, 8, 8), None))
    asked = {"max_pool": {"kernel": 2, "stride": 2, "padding": 0, "ceil_mode": False}}
    with pytest.raises(Contradiction) as caught:
        solve(table, (6, 24, 24), stride=1, padding=0, rows=asked)
    assert str(caught.value.changes[0]) == "max_pool-1 (line 1): the 13 of its output sides would have to be 12"


def test_two_misprints_side_by_side_are_taken_one_by_one() -> None:
    """7 for 8 in a convolution's shape, and 17 for the 16 parameters of the normalization below it."""
    table = rows(("conv", (8, 7, 8), 584), ("batch_norm", (8, 8, 8), 17))
    with pytest.raises(
        Contradiction, match=r"smallest change, the printed counts left aside: conv-1 .* the 7 of"
    ) as one:
        solve(table, (8, 8, 8))
    assert one.value.changes[0].must_be == 8
    mended = replace(table, rows=(replace(table.rows[0], output_shape=(8, 8, 8)), table.rows[1]))
    with pytest.raises(Contradiction, match=r"smallest change: batch_norm-2 .* the 17 of its parameters .* be 16"):
        solve(mended, (8, 8, 8))


def test_the_equation_without_a_solution_is_shown() -> None:
    """From 5 to 8 at stride 1 without padding: K = 5 − 8 + 0 + 1 = −2."""
    with pytest.raises(Contradiction) as caught:
        solve(rows(("conv", (4, 8, 8), None)), (1, 5, 5), stride=1, padding=0)
    assert "K = 5 − 8 + 2 × 0 + 1 = -2" in str(caught.value)
    assert "conv-1" in str(caught.value)


def test_a_wrong_printed_count_names_the_count_that_the_shapes_give() -> None:
    """6·(1·25 + 1) = 156 with a bias, 150 without: 155 is neither."""
    with pytest.raises(Contradiction, match="the 155 of its parameters would have to be 156"):
        solve(rows(("conv", (6, 28, 28), 155)), (1, 32, 32), stride=1, padding=0)


@pytest.mark.parametrize("mode", ["conv", "pool", "transposed"])
@settings(max_examples=25, derandomize=True, deadline=None)
@given(data=st.data())
def test_every_window_within_the_bounds_is_found(mode: Mode, data: st.DataObject) -> None:
    """PyTorch itself tries every window of small bounds; what gives the output size is what is found."""
    bounds = Bounds(kernel=5, stride=3, dilation=2, wide=True)
    size, output = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    ceil_mode = data.draw(st.booleans()) if mode == "pool" else False
    found = axis(mode, size, output, Wanted(), bounds, ceil_mode=ceil_mode, plain=False)
    tried: set[tuple[int, ...]] = set()
    for kernel, dilation in itertools.product(range(1, 6), (1, 2)):
        half = kernel // 2 if mode == "pool" else (dilation * (kernel - 1) + 1) // 2
        strides = {1, 2, 3, kernel} if dilation == 1 else {1, 2, 3}
        for stride, padding in itertools.product(strides, range(half + 1)):
            for extra in range(max(stride, dilation)) if mode == "transposed" else (0,):
                if _length(mode, size, kernel, stride, padding, dilation, extra, ceil_mode) == output:
                    tried.add((kernel, stride, padding, dilation, extra))
    assert {option[1:] for option in found.options} == tried


def _length(mode: str, size: int, kernel: int, stride: int, padding: int, dilation: int, extra: int, ceil: bool) -> int:
    layer: nn.Module
    if mode == "conv":
        layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation, device="meta")
    elif mode == "pool":
        layer = nn.MaxPool1d(kernel, stride, padding, dilation, ceil_mode=ceil)
    else:
        layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, extra, dilation=dilation, device="meta")
    try:
        return int(layer(torch.empty(1, 1, size, device="meta")).shape[-1])
    except RuntimeError:
        return -1


def test_all_solutions_of_a_row_are_counted_listed_once_and_ranked() -> None:
    """Brute force over two axes, bias and groups beside ``count``, iteration and ``in``."""
    bounds = Bounds(kernel=4, stride=2, dilation=2, wide=True)
    (row,) = solve(rows(("conv", (4, 5, 6), None)), (2, 6, 6), bounds=bounds).rows
    listed = list(row.solutions)
    assert len(listed) == row.solutions.count
    assert len({str(choice.hyperparameters) for choice in listed}) == len(listed)
    assert [choice.cost for choice in listed] == sorted(choice.cost for choice in listed)
    assert all(choice.hyperparameters in row.solutions for choice in listed)
    per_axis = [
        [
            (k, s, p, d)
            for k, d in itertools.product(range(1, 5), (1, 2))
            for s in ({1, 2, k} if d == 1 else {1, 2})
            for p in range((d * (k - 1) + 1) // 2 + 1)
            if 6 + 2 * p >= d * (k - 1) + 1 and (6 + 2 * p - d * (k - 1) - 1) // s + 1 == output
        ]
        for output in (5, 6)
    ]
    assert len(listed) == len(per_axis[0]) * len(per_axis[1]) * 2 * 2  # bias, and groups 1 or 2


def test_a_printed_count_decides() -> None:
    """28×28 → 28×28 keeps at any odd kernel; 9·16·32 + 32 = 4 640 only 3×3 has."""
    free = solve(rows(("conv", (32, 28, 28), None)), (16, 28, 28)).rows[0]
    assert free.ambiguous
    counted = solve(rows(("conv", (32, 28, 28), 4640)), (16, 28, 28), stride=1).rows[0]
    assert counted.hyperparameters["kernel"] == (3, 3)
    assert counted.hyperparameters["bias"] is True
    equal = [choice for choice in counted.solutions if len(set(choice.windows)) == 1]
    assert len(equal) == 1


def test_a_total_decides_across_rows() -> None:
    """8·(3·9 + 1) + 8·(8·25 + 1) = 224 + 1 608 = 1 832: 3×3 then 5×5; the other way round 608 + 584 = 1 192."""
    table = rows(("conv", (8, 16, 16), None), ("conv", (8, 16, 16), None))
    first, second = solve(table, (3, 16, 16), stride=1, param_total=1832).rows
    assert (first.hyperparameters["kernel"], second.hyperparameters["kernel"]) == ((3, 3), (5, 5))
    first, second = solve(table, (3, 16, 16), stride=1, param_total=1192).rows
    assert (first.hyperparameters["kernel"], second.hyperparameters["kernel"]) == ((5, 5), (3, 3))


def test_a_total_that_no_rows_give_is_refused_with_a_near_one() -> None:
    with pytest.raises(Contradiction, match="a sum near it is 850"):
        solve(rows(("linear", (10,), None)), (84,), param_total=851)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    values=st.lists(
        st.dictionaries(st.integers(0, 9), st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=4
    ),
    total=st.integers(0, 30),
)
def test_sums_are_those_of_trying_all(values: list[dict[int, int]], total: int) -> None:
    table = [{value: Ways(1, cost) for value, cost in row.items()} for row in values]
    every = [
        (sum(row[value] for row, value in zip(values, chosen, strict=True)), chosen)
        for chosen in itertools.product(*values)
        if sum(chosen) == total
    ]
    found = list(best_sums(table, total, 10_000))
    assert sorted(found) == sorted(every)
    assert [cost for cost, _ in found] == sorted(cost for cost, _ in every)
    kept, count = kept_counts(table, total, 10_000)
    assert count == len(every)
    assert kept == [{chosen[n] for _, chosen in every} for n in range(len(values))]


def test_constraints_once_or_for_a_row_and_print_wins() -> None:
    table = rows(("conv", (8, 16, 16), None), ("max_pool", (8, 8, 8), None))
    solution = solve(table, (3, 16, 16), kernel=5, rows={"max_pool": {"kernel": 3, "stride": 2}})
    assert solution.rows[0].hyperparameters["kernel"] == (5, 5)
    assert solution.rows[1].hyperparameters["padding"] == (1, 1)
    printed = replace(table, rows=(replace(table.rows[0], stated={"kernel": (3, 3)}), table.rows[1]))
    assert solve(printed, (3, 16, 16), kernel=5).rows[0].hyperparameters["kernel"] == (3, 3)
    with pytest.raises(InspectionError, match=r"kernel is printed as \(3, 3\), and was given as 5"):
        solve(printed, (3, 16, 16), rows={"conv-1": {"kernel": 5}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {"conv-7": {"kernel": 3}}}, "no row, class or kind 'conv-7'. Did you mean conv-1"),
        ({"rows": {"conv-1": {"kernal": 3}}}, "'kernal' is none of"),
        ({"stride": 0}, "stride takes integers of at least 1"),
        ({"input_shape": ()}, "no input shape"),
        ({"input_shape": (3, -1, 4)}, "integers of at least 1"),
        ({"padding": "some"}, "'same' or 'valid'"),
    ],
)
def test_what_cannot_be_asked_is_said(change: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {"input_shape": (3, 16, 16), **change}
    if asked["input_shape"] == ():
        del asked["input_shape"]
    with pytest.raises(InspectionError, match=message):
        solve(rows(("conv", (8, 16, 16), None)), **asked)  # type: ignore[arg-type]


def test_bounds_are_checked_and_stated() -> None:
    with pytest.raises(InspectionError, match="kernel must be an integer of at least 1"):
        Bounds(kernel=0)
    assert "kernel ≤ 9" in str(solve(rows(("conv", (8, 16, 16), None)), (3, 16, 16), bounds=Bounds(kernel=9)))


def test_which_fact_decides_is_named() -> None:
    (row,) = solve(rows(("conv", (8, 16, 16), None)), (3, 16, 16), stride=1, padding=1).rows
    assert not row.ambiguous  # 16 = 16 − K + 2 + 1
    (row,) = solve(rows(("conv", (8, 16, 16), None)), (3, 16, 16), stride=1).rows
    assert row.decided_by == ("kernel", 1)
    assert row.alternatives[0]["kernel"] == (1, 1)


def test_a_thousand_rows_are_solved() -> None:
    table = rows(*[("conv", (8, 16, 16), 8 * (8 * 9 + 1))] * 1000)
    solution = solve(table, (8, 16, 16), param_total=1000 * 584)
    assert solution.total_params == 584_000


def deep(number: int) -> Table:
    """Convolutions 3×3 of one width, whose counts are not printed."""
    return rows(*(("conv", (8, 16, 16), None) for _ in range(number)))


def test_equal_rows_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1 000 equal rows only the first is solved, and the second, which takes what the first gives."""
    asked: list[object] = []

    def counted(problem: Problem, *, strict: bool) -> Solutions:
        asked.append(problem.row.name)
        return once(problem, strict=strict)

    once = kinds._solved
    monkeypatch.setattr(kinds, "_solved", counted)
    monkeypatch.setattr(kinds, "_ANSWERED", {})
    solution = solve(deep(1000), (3, 16, 16))
    assert len(solution.rows) == 1000
    assert asked == ["conv-1", "conv-2"]


def test_equal_questions_do_not_share_what_differs() -> None:
    """The same shapes with another print, another request or other bounds are other questions."""
    table = deep(1)
    free = solve(table, (3, 16, 16))
    assert solve(table, (3, 16, 16), kernel=5).rows[0].solutions.count < free.rows[0].solutions.count
    assert solve(table, (3, 16, 16), bounds=Bounds(kernel=3)).rows[0].solutions.count < free.rows[0].solutions.count
    printed = Table((replace(table.rows[0], params=8 * 3),), "markdown")
    assert solve(printed, (3, 16, 16)).rows[0].hyperparameters["bias"] is False
    assert solve(table, (3, 16, 16)).rows[0].solutions.count == free.rows[0].solutions.count


def test_a_far_fetched_total_takes_bounded_work() -> None:
    with pytest.raises(Contradiction, match="no solution of the rows adds up to 1 000 000 000 007"):
        solve(deep(1000), (3, 16, 16), param_total=10**12 + 7)
    within = solve(deep(1000), (3, 16, 16), param_total=999 * 8 * (8 * 9 + 1) + 8 * (3 * 9 + 1))
    assert within.joint is None
    assert any("the total was not used" in note for note in within.notes)


def test_package_attribute() -> None:
    assert inspector.tables.solve is solve


def test_a_table_full_of_contradictions_is_not_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 000 different rows, every count impossible (C_out divides all counts): twenty of them are enough."""
    asked: set[str] = set()

    def noted(problem: Problem, *, strict: bool) -> Solutions:
        asked.add(problem.row.name)
        return once(problem, strict=strict)

    once = kinds._solved
    monkeypatch.setattr(kinds, "_solved", noted)
    monkeypatch.setattr(kinds, "_ANSWERED", {})
    table = rows(*(("conv", (8 + n % 50, 16 + n % 7, 16), (8 + n % 50) * 900 + 1) for n in range(1000)))
    with pytest.raises(Contradiction, match="and 15 or more further rows without a solution") as caught:
        solve(table, (8, 16, 16))
    assert [conflict.row.name for conflict in caught.value.conflicts] == [f"conv-{n}" for n in range(1, 21)]
    assert asked <= {f"conv-{n}" for n in range(1, 21)}


def test_counts_are_kept_without_trying_every_window() -> None:
    """What ``with_params`` keeps is what filtering all solutions by their count keeps."""
    (row,) = solve(rows(("conv", (4, 5, 6), None)), (2, 6, 6), bounds=Bounds(kernel=4, stride=2, wide=True)).rows
    for wanted in ({4 * 2 * 4 + 4}, {4 * 2 * 6, 4 * 9 + 4}, {5}, set(row.solutions.values)):
        kept = list(row.solutions.with_params(wanted))
        assert kept == [choice for choice in row.solutions if choice.params in wanted]


def test_repeats_without_end_are_refused() -> None:
    """21 rows of 1 000 repeats each; the deepest networks known have a few thousand rows."""
    repeated = PrintedRow(1, "", "conv", "conv", output_shape=(8, 6, 6), repeat=1000)
    table = Table(tuple(replace(repeated, name=f"conv-{n}", line=n) for n in range(1, 22)), "markdown")
    with pytest.raises(InspectionError, match="line 21: conv-21: more than 20,000 rows with all repeats"):
        solve(table, (8, 6, 6))
