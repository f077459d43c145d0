"""Tables in Markdown, through markdown-it: the first that is one of layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from inspector.tables.reading.limits import check_columns, check_rows
from inspector.tables.reading.sheet import Grid

if TYPE_CHECKING:
    from markdown_it.token import Token

_DELIMITER = re.compile(
    r"[ \t>]{0,40}\|?[ \t]{0,40}:?-{1,400}:?[ \t]{0,40}(?:\|[ \t]{0,400}:?-{1,400}:?[ \t]{0,400}){0,250}\|?[ \t]*"
)

# [1, 6] [28, 28] is no link here, conv_2_x holds no emphasis, and thousands of such signs take the parser long.
_OFF = ["link", "image", "reference", "emphasis", "blockquote"]
_LINK = re.compile(r"!?\[([^\[\]()]{1,120})\]\((?:https?:|\.{0,2}/|#)[^\s()]{0,200}\)")
_STRUCK = re.compile(r"~~[^~]{1,80}~~")
_LEVEL = re.compile(r"[ \t|]{0,40}(\u2003{1,200})")


def has_markdown(lines: Sequence[str]) -> bool:
    """Whether a delimiter row such as ``|---|:--:|`` stands below a line with bars."""
    return any(
        "|" in before and "-" in line and ("|" in line or ":" in line) and _DELIMITER.fullmatch(line[:4000]) is not None
        for before, line in pairwise(lines)
    )


def read_markdown(text: str) -> list[Grid]:
    """Every table of the text; inside a cell ``<br>`` becomes a line break and ``<sup>2</sup>`` a ²."""
    from markdown_it import MarkdownIt

    grids: list[Grid] = []
    parser = MarkdownIt("commonmark", {"maxNesting": 20}).enable("table").disable(_OFF)
    tokens = parser.parse(text)
    lines = text.split("\n")
    line = 0
    for token in tokens:
        if token.type == "table_open":
            first, last = token.map or [0, 0]
            grids.append(Grid(first_line=first + 1, last_line=last))
        elif token.type == "tr_open" and grids:
            line = (token.map or [line, line])[0]
            grids[-1].rows.append((line + 1, []))
            check_rows(len(grids[-1].rows))
        elif token.type == "inline" and grids and grids[-1].rows and token.level >= 3:
            cells = grids[-1].rows[-1][1]
            level = _LEVEL.match(lines[line]) if not cells else None  # the parser trims it
            cells.append((level[1] if level else "") + _plain(token.children or []))
            check_columns(len(cells), line + 1)
    return grids


def _plain(children: Sequence[Token]) -> str:
    parts: list[str] = []
    for child in children:
        if child.type == "html_inline":
            tag = child.content.lower().strip("<>/ ")
            parts.append("\n" if tag == "br" else "^" if child.content.lower().startswith("<sup") else "")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        else:
            parts.append(child.content)
    words = _LINK.sub(r"\1", _STRUCK.sub("", "".join(parts)))
    return unmath(words.replace("**", "").strip().strip("*"))


def unmath(cell: str) -> str:
    r"""Math marks of Markdown taken off: ``$3 \times 3$`` → ``3 × 3``.

    >>> unmath(r"$3\times3$, 64")
    '3×3, 64'
    """
    if "$" not in cell and "\\" not in cell:
        return cell
    from inspector.tables.reading.latex import plain

    return plain(cell)
