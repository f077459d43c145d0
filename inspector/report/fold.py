"""Repeated identical neighbours become one line with ``×12``; so do repeated runs of a few lines."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from inspector.report.tree import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_RUN = 8  # lines in one repetition
_NUMBERED = re.compile(r"(.*?)(\d+)")


def fold(node: Node) -> Node:
    """The tree with every run of identical neighbours folded, from the leaves up.

    Neighbours are identical when kinds, shapes, parameters, MACs and formula values are, all the way down, and when
    their names are one name, or one stem with numbers in equal steps (``layers.0``, ``layers.1``, ...). A run of
    several lines folds from three repetitions on, under a line of its own.
    """
    return replace(node, children=tuple(_fold_run([fold(child) for child in node.children])))


def _fold_run(nodes: list[Node]) -> list[Node]:
    folded: list[Node] = []
    start = 0
    while start < len(nodes):
        length, times = _repetition(nodes, start)
        if times > 1:
            folded.append(_group(nodes[start : start + length * times], length, times))
        else:
            folded.append(nodes[start])
        start += length * times
    return folded


def _repetition(nodes: Sequence[Node], start: int) -> tuple[int, int]:
    """(lines in one repetition, repetitions) of the repetition from ``start`` on that covers most; (1, 1) for none."""
    best = (1, 1)
    for length in range(1, _LONGEST_RUN + 1):
        end = start + length
        while end < len(nodes) and nodes[end].identity == nodes[end - length].identity:
            end += 1
        times = (end - start) // length
        while times > 1 and not _names_continue(nodes[start : start + length * times], length):
            times -= 1
        if times >= (2 if length == 1 else 3) and length * times > best[0] * best[1]:
            best = length, times
    return best


def _names_continue(nodes: Sequence[Node], length: int) -> bool:
    return all(_range_of([node.name for node in nodes[lane::length]]) is not None for lane in range(length))


def _range_of(names: Sequence[str]) -> str | None:
    """One name for all: the name they share, or their stem with a range of numbers; None where there is none.

    >>> _range_of(["layers.0", "layers.1", "layers.2"]), _range_of(["add", "add"]), _range_of(["q", "k"])
    ('layers.0–2', 'add', None)
    >>> _range_of(["0", "2", "4"])
    '0,2–4'
    """
    if len(set(names)) == 1:
        return names[0]
    matches = [_NUMBERED.fullmatch(name) for name in names]
    if not all(matches):
        return None
    stems = {match[1] for match in matches if match}
    numbers = [int(match[2]) for match in matches if match]
    steps = {after - before for before, after in pairwise(numbers)}
    if len(stems) > 1 or len(steps) > 1 or min(steps) < 1:
        return None
    first = f"{numbers[0]}" if steps == {1} else f"{numbers[0]},{numbers[1]}"
    return f"{stems.pop()}{first}–{numbers[-1]}"


def _group(nodes: Sequence[Node], length: int, times: int) -> Node:
    first = nodes[0]
    if length == 1:
        name = _range_of([node.name for node in nodes])
        calls = {node.call for node in nodes}
        assert name is not None
        if first.call and len({node.path for node in nodes}) == 1 and len(calls) > 1:
            name = f"{name}, calls {min(calls)}–{max(calls)}"
        return replace(first, name=name, times=times)
    repetition = nodes[:length]
    lanes = [_range_of([node.name for node in nodes[lane::length]]) for lane in range(length)]
    macs = [node.macs for node in repetition]
    return replace(
        first,
        name=_range_of([node.name for node in nodes]) or ", ".join(lane for lane in lanes if lane),
        path="",
        kind="",
        output_shapes=repetition[-1].output_shapes,
        dtype=repetition[-1].dtype,
        params=sum(node.params for node in repetition),
        params_word="",
        macs=None if None in macs else sum(node.known_macs for node in repetition),
        known_macs=sum(node.known_macs for node in repetition),
        elementwise_ops=sum(node.elementwise_ops for node in repetition),
        source="formula",
        params_formula=None,
        formula=None,
        data_dependent=False,
        note="",
        call=0,
        children=tuple(replace(node, name=lane or "") for node, lane in zip(repetition, lanes, strict=True)),
        times=times,
    )
