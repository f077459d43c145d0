"""What the wrong entries of a response have in common: a tap, channels, a border."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from inspector.toeplitz.faults import AXES, Fault


def matching(found: Tensor, wanted: Tensor, dim: int, near: float) -> list[int] | None:
    """Which slice of ``wanted`` each slice of ``found`` is, along ``dim``; None where one is none of them."""
    order = []
    columns = [wanted.select(dim, number) for number in range(wanted.shape[dim])]
    for number in range(found.shape[dim]):
        here = found.select(dim, number)
        twins = [other for other, column in enumerate(columns) if bool(((here - column).abs() <= near).all())]
        if not twins:
            return None
        order.append(number if number in twins else twins[0])
    return order


def located(
    found: Tensor,
    wanted: Tensor,
    wrong: Tensor,
    owners: Tensor,
    sources: list[tuple[int, ...]],
    kernel: tuple[int, ...],
) -> Fault:
    r"""What the entries that differ have in common: taps, channels, or a border.

    Args:
        found: (impulses, C, \*size), as the kernel answers.
        wanted: as it should.
        wrong: where they differ.
        owners: number of the one tap that joins impulse and output, −1 where there is none, −2 where there are several.
        sources: (channel, \*place) of every impulse.
        kernel: taps along each axis.
    """
    first = tuple(wrong.nonzero()[0].tolist())
    source, target = sources[first[0]], first[1:]
    example = (
        f"output {target} takes {found[first].item():.6g} times input {source}, where {wanted[first].item():.6g} is "
        "asked for"
    )
    taps = set(owners[wrong].tolist())
    every = set(owners.unique().tolist()) - {-1, -2}
    parts = wrong.nonzero()
    outs, ins = set(parts[:, 1].tolist()), {sources[number][0] for number in set(parts[:, 0].tolist())}
    names = [f"tap {tuple(n.item() for n in torch.unravel_index(torch.tensor(tap), kernel))}" for tap in sorted(taps)]
    channels = _some("output channel", outs, found.shape[1]) + _some("input channel", ins, len({s[0] for s in sources}))
    if taps and taps < every and not taps & {-1, -2} and len(taps) <= max(1, len(every) // 2):
        return Fault("tap", f"{', '.join(names)}{channels} {'is' if len(taps) == 1 else 'are'} wrong: {example}")
    if (border := _border(wrong)) is not None:
        return Fault("border", f"outputs at the border ({border}){channels} are wrong: {example}")
    if channels:
        return Fault("channel", f"every tap is wrong{channels}: {example}")
    return Fault("unknown", f"{int(wrong.sum())} of {wrong.numel()} entries differ; {example}")


def _some(word: str, numbers: set[int], total: int) -> str:
    if len(numbers) == total:
        return ""
    return f" at {word}{'s' * (len(numbers) > 1)} {', '.join(map(str, sorted(numbers)))}"


def _border(wrong: Tensor) -> str | None:
    """The fewest strips along edges, and of these the thinnest, that hold every wrong output: ``H = 0``, ``W ≥ 6``.

    None where wrong ones lie elsewhere too.
    """
    size = wrong.shape[2:]
    places = wrong.any(0).any(0).nonzero()
    names = AXES[len(size)]
    for depth in range(1, max(size, default=1) // 3 + 1):
        strips = []
        for axis, length in enumerate(size):
            if length > 2 * depth:
                low, high = (f"{names[axis]} = {edge}" for edge in (0, length - 1))
                if depth > 1:
                    low, high = f"{names[axis]} < {depth}", f"{names[axis]} ≥ {length - depth}"
                strips += [(places[:, axis] < depth, low), (places[:, axis] >= length - depth, high)]
        for count in range(1, len(strips) + 1):
            for chosen in combinations(strips, count):
                if bool(torch.stack([inside for inside, _ in chosen]).any(0).all()):
                    return ", ".join(name for _, name in chosen)
    return None
