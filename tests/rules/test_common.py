"""What every family of rules uses."""

from __future__ import annotations

from typing import Any

from inspector.rules.common import MEMORIES, remembered


def test_what_is_remembered_is_asked_once() -> None:
    asked = []

    @remembered
    def doubled(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
        asked.append(sizes)
        return sizes + sizes

    assert doubled((1, 2)) == doubled((1, 2)) == (1, 2, 1, 2)
    assert doubled([3]) == doubled([3]) == [3, 3]  # what cannot be hashed, such as a symbol, is asked each time
    assert asked == [(1, 2), [3], [3]]
    assert MEMORIES.pop().cache_info().hits == 1
