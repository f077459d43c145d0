"""The output-size equation against windows laid by hand, against PyTorch, and against its own inverse."""

import itertools
import warnings

import pytest
import sympy
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from inspector import geometry

sizes = st.integers(1, 20)
window_args = {"kernel": st.integers(1, 6), "stride": st.integers(1, 4), "dilation": st.integers(1, 3)}


def laid_windows(padded: int, kernel: int, stride: int, dilation: int) -> int:
    """Count the windows one by one: starts 0, s, 2s, ... whose last tap still lies inside."""
    starts = itertools.takewhile(lambda start: start + dilation * (kernel - 1) < padded, itertools.count(0, stride))
    return sum(1 for _ in starts)


@given(size=sizes, padding=st.integers(0, 7), **window_args)
def test_output_size_counts_windows(size: int, padding: int, kernel: int, stride: int, dilation: int) -> None:
    expected = laid_windows(size + padding, kernel, stride, dilation)
    assume(expected > 0)
    assert geometry.output_size(size, kernel, stride, padding, dilation) == expected


@given(size=sizes, padding=st.integers(0, 3), **window_args)
def test_output_size_is_pytorchs(size: int, padding: int, kernel: int, stride: int, dilation: int) -> None:
    assume(size + 2 * padding > dilation * (kernel - 1))
    out = F.conv1d(
        torch.empty(1, 1, size, device="meta"),
        torch.empty(1, 1, kernel, device="meta"),
        None,
        stride,
        padding,
        dilation,
    )
    assert geometry.output_size(size, kernel, stride, 2 * padding, dilation) == out.shape[-1]


@given(size=sizes, padding=st.integers(0, 3), **window_args)
def test_ceil_output_size_is_pytorchs(size: int, padding: int, kernel: int, stride: int, dilation: int) -> None:
    assume(padding <= kernel // 2)  # what PyTorch's pooling takes
    assume(size + 2 * padding > dilation * (kernel - 1))
    out = F.max_pool1d(torch.empty(1, 1, size, device="meta"), kernel, stride, padding, dilation, ceil_mode=True)
    assert geometry.ceil_output_size(size, kernel, stride, padding, dilation) == out.shape[-1]


def test_ceil_drops_a_window_that_starts_in_the_right_padding() -> None:
    """3 elements, padding 1, kernel 2, stride 3: starts at 0 and 3 of five padded places; ⌈(5 − 2)/3⌉ + 1 = 2.

    The second starts at 3 < 3 + 1, inside the input, and stays. With 2 elements the padded length is 4:
    ⌈(4 − 2)/3⌉ + 1 = 2 again, but the second start, 3, is not below 2 + 1 = 3: it lies in the right padding alone.
    """
    assert geometry.ceil_output_size(3, kernel=2, stride=3, padding=1) == 2
    assert geometry.ceil_output_size(2, kernel=2, stride=3, padding=1) == 1


@given(size=sizes, padding=st.integers(0, 3), extra=st.integers(0, 3), **window_args)
def test_transposed_output_size_is_pytorchs(
    size: int, padding: int, extra: int, kernel: int, stride: int, dilation: int
) -> None:
    assume(extra < max(stride, dilation))
    expected = geometry.transposed_output_size(size, kernel, stride, 2 * padding, extra, dilation)
    assume(expected > 0)
    out = F.conv_transpose1d(
        torch.empty(1, 1, size, device="meta"),
        torch.empty(1, 1, kernel, device="meta"),
        None,
        stride,
        padding,
        extra,
        1,
        dilation,
    )
    assert expected == out.shape[-1]


@given(size=sizes, padding=st.integers(0, 3), **window_args)
def test_transposed_inverts_output_size(size: int, padding: int, kernel: int, stride: int, dilation: int) -> None:
    """A transposed convolution gives back the size before the convolution, with what the stride's floor dropped."""
    assume(size + 2 * padding > dilation * (kernel - 1))
    out = geometry.output_size(size, kernel, stride, 2 * padding, dilation)
    dropped = (size + 2 * padding - dilation * (kernel - 1) - 1) % stride
    assert geometry.transposed_output_size(out, kernel, stride, 2 * padding, dropped, dilation) == size


@given(size=sizes, kernel=st.integers(1, 8), dilation=st.integers(1, 4))
def test_same_padding_keeps_the_size(size: int, kernel: int, dilation: int) -> None:
    before, after = geometry.same_padding(kernel, dilation)
    assert geometry.output_size(size, kernel, 1, before + after, dilation) == size
    assert 0 <= after - before <= 1  # the odd one after


@pytest.mark.parametrize(("kernel", "dilation"), [(4, 1), (2, 3), (5, 2)])
def test_same_padding_lies_where_pytorch_puts_it(kernel: int, dilation: int) -> None:
    signal = torch.arange(1.0, 9.0).view(1, 1, 8)
    weight = torch.arange(1.0, kernel + 1).view(1, 1, kernel)
    with warnings.catch_warnings():  # PyTorch says that it copies where one side has one more
        warnings.simplefilter("ignore")
        theirs = F.conv1d(signal, weight, padding="same", dilation=dilation)
    ours = F.conv1d(F.pad(signal, geometry.same_padding(kernel, dilation)), weight, dilation=dilation)
    assert torch.equal(ours, theirs)


@given(size=st.integers(1, 9), padding=st.integers(0, 2), **window_args)
def test_input_index_rebuilds_convolution(size: int, padding: int, kernel: int, stride: int, dilation: int) -> None:
    """Σ_k w[k]·x[index(o, k)] over the taps that lie inside is PyTorch's convolution, exactly, in small integers."""
    assume(size + 2 * padding > dilation * (kernel - 1))
    x = torch.arange(1, size + 1).double()
    w = torch.arange(1, kernel + 1).double()
    expected = F.conv1d(x.view(1, 1, -1), w.view(1, 1, -1), None, stride, padding, dilation).flatten()
    built = []
    for output in range(geometry.output_size(size, kernel, stride, 2 * padding, dilation)):
        total = 0.0
        for tap in range(kernel):
            index = geometry.input_index(output, tap, stride, padding, dilation)
            if 0 <= index < size:
                total += float(w[tap]) * float(x[index])
        built.append(total)
    assert built == expected.tolist()


@given(size=st.integers(1, 16), output=st.integers(1, 16))
def test_kernels_are_all_solutions_and_no_other(size: int, output: int) -> None:
    strides, paddings = (1, 2, 3), (0, 1, 2)
    found = list(geometry.kernels(size, output, strides, paddings))
    searched = [
        (kernel, stride, padding)
        for stride in strides
        for padding in paddings
        for kernel in range(1, size + 2 * padding + 1)
        if laid_windows(size + 2 * padding, kernel, stride, 1) == output
    ]
    assert found == searched


def test_symbols_pass_through() -> None:
    """(H + 2·1 − 1·(3 − 1) − 1)//2 + 1 with H a symbol; at H = 224 it is (224 + 2 − 2 − 1)//2 + 1 = 112."""
    height = sympy.Symbol("H", integer=True, positive=True)
    out = geometry.output_size(height, kernel=3, stride=2, padding=2)
    assert out.free_symbols == {height}
    assert out.subs(height, 224) == 112
    assert geometry.transposed_output_size(height, kernel=2, stride=2) == 2 * height


@pytest.mark.parametrize("ceil_mode", [False, True])
@given(size=st.integers(1, 12), output=st.integers(1, 12), dilation=st.integers(1, 3))
def test_dilated_and_ceiled_kernels_are_all_solutions_and_no_other(
    ceil_mode: bool, size: int, output: int, dilation: int
) -> None:
    strides, paddings = (1, 2, 3), (0, 1, 2)
    found = list(geometry.kernels(size, output, strides, paddings, dilation, ceil_mode=ceil_mode))
    searched = []
    for stride, padding, kernel in itertools.product(strides, paddings, range(1, size + 8)):
        if ceil_mode:
            fits = size + 2 * padding - dilation * (kernel - 1) - 1 > -stride
            met = geometry.ceil_output_size(size, kernel, stride, padding, dilation) == output
        else:
            fits = size + 2 * padding > dilation * (kernel - 1)
            met = geometry.output_size(size, kernel, stride, 2 * padding, dilation) == output
        if fits and met:
            searched.append((kernel, stride, padding))
    assert found == searched


@given(size=st.integers(1, 10), output=st.integers(1, 24), dilation=st.integers(1, 3))
def test_transposed_kernels_are_all_solutions_and_no_other(size: int, output: int, dilation: int) -> None:
    strides, paddings = (1, 2, 3), (0, 1)
    found = set(geometry.transposed_kernels(size, output, strides, paddings, dilation))
    searched = {
        (kernel, stride, padding, extra)
        for stride, padding, kernel in itertools.product(strides, paddings, range(1, 40))
        for extra in range(max(stride, dilation))
        if geometry.transposed_output_size(size, kernel, stride, 2 * padding, extra, dilation) == output
    }
    assert found == searched
