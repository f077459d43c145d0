"""Lines of printed text: rules, trees drawn with glyphs, cells set apart by space."""

from __future__ import annotations

import re
from typing import Final

_RULE_SIGNS: Final = frozenset("-=_─━═—–¯+|│┃┏┳┓┡╇┩├┼┤└┴┘┌┬┐╒╤╕╞╪╡╘╧╛ \t")
_DRAWN: Final = frozenset("-=_─━═—–¯")
_TREE = re.compile(r"((?:[│|┃] {1,4}| {2,5}){0,60})(├─{1,2} ?|└─{1,2} ?|└ ?|\+ )")


def is_rule(line: str) -> bool:
    """Whether a line only draws: ``=====``, ``|---|---|``, ``├──┼──┤``.

    >>> is_rule("=" * 20), is_rule("├────┼────┤"), is_rule("-1"), is_rule("")
    (True, True, False, False)
    """
    return bool(line) and set(line) <= _RULE_SIGNS and sum(sign in _DRAWN for sign in line) >= 3


def tree_prefix(line: str, step: int) -> tuple[int, str]:
    """(depth, what follows the tree's glyphs); depth 0 without glyphs. ``step`` is the width of one level.

    >>> tree_prefix("│    └─Conv2d: 2-1", step=5), tree_prefix("LeNet5", step=5)
    ((2, 'Conv2d: 2-1'), (0, 'LeNet5'))
    """
    match = _TREE.match(line)
    if match is None:
        return 0, line
    return round(len(match[1]) / step) + 1, line[match.end() :]


def tokens(text: str) -> list[str]:
    """Cut at spaces that stand outside square brackets.

    >>> tokens("[-1, 6, 28, 28]   156  --")
    ['[-1, 6, 28, 28]', '156', '--']
    """
    found: list[str] = []
    depth, start = 0, -1
    for place, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        if sign.isspace() and depth <= 0:
            if start >= 0:
                found.append(text[start:place])
            start = -1
        elif start < 0:
            start = place
    return [*found, text[start:]] if start >= 0 else found
